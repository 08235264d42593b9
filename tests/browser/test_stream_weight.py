"""How many bytes a run's stream sends, measured over HTTP from a real web process and a
real worker.
"""

import json
import time

import httpx
import pytest

from apps.integrations.connections.tracking import track_repositories
from apps.integrations.sources.github.credentials import store_token
from apps.onboarding.services.runs import start_onboarding
from tests.acceptance.conftest import pull_request
from tests.browser.browsing import session_of
from tests.browser.site import GitHub
from tests.sandbox.server import start_sandbox

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.long]
ANSWERS_TAKE = 0.3  # s


def received(url, path, user, seconds):
    """Return what the stream sends in so many seconds, or until the run ends."""
    text = b""
    until = time.monotonic() + seconds
    cookies = {"sessionid": session_of(user)}
    accept = {"accept": "text/event-stream"}
    with (
        httpx.Client(base_url=url, cookies=cookies, timeout=20) as client,
        client.stream("GET", path, headers=accept) as answer,
    ):
        for chunk in answer.iter_raw():
            text += chunk
            if time.monotonic() > until:
                break
    return text


@pytest.mark.parametrize(
    ("repositories", "pulls", "seconds", "limit"),
    [(8, 200, 45, 300_000), (100, 20, 20, 500_000)],
)
def test_stream_stays_light(
    tmp_path, web, workers, team, mara, repositories, pulls, seconds, limit
):
    names = [f"acme/service-{number:03d}" for number in range(repositories)]
    for name in names:
        lines = [json.dumps(pull_request(name, number)) for number in range(1, pulls + 1)]
        (tmp_path / f"{name.replace('/', '__')}.jsonl").write_text("\n".join(lines) + "\n")
    with start_sandbox(data=tmp_path) as url:
        GitHub(url).slow(ANSWERS_TAKE)
        store_token(team, "token", mara)
        run, _ = start_onboarding(team, mara, track_repositories(team, "github", names), 12)
        workers.start(GITHUB_API_URL=url)
        path = f"/t/acme/onboarding/runs/{run.pk}/events/?seq={run.seq}"
        got = received(web.url, path, mara, seconds)
    assert got.count(b"\nid: ") > 10
    assert len(got) < limit
