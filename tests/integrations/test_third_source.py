"""A third source is one folder and one line: `folder_source` is onboarded through the
real pages, a real worker, and the sync, and no module of the product knows it.
"""

import json
import re
from datetime import timedelta

import httpx
import pytest
from django.utils import timezone

from apps.integrations.models import Connection, SyncStatus, TrackedRepository, Webhook
from apps.metrics.models import PullRequest, WeeklyMetrics
from apps.pipelines.models import Run, RunState
from apps.teams.services import create_team
from apps.users.models import User
from tests.browser.browsing import session_of
from tests.browser.site import serving
from tests.fixtures.workers import ended, eventually

HERE = "/t/acme/onboarding/"
SETTINGS = "tests.integrations.folder_source.settings"


class NoGitHub:
    """Nothing listens there: the team reads nothing of GitHub."""

    url = "http://127.0.0.1:9"


@pytest.fixture
def folder(tmp_path):
    """Two files of pull requests, and one that is damaged."""
    now = timezone.now().replace(microsecond=0)
    root = tmp_path / "files"
    root.mkdir()
    for name, count in {"acme/api": 12, "acme/web": 5}.items():
        rows = [
            {
                "number": number,
                "title": f"Change {number}",
                "author": ("ann", "bo")[number % 2],
                "lines": 10 * number,
                "opened": (now - timedelta(days=3 * number, hours=5)).isoformat(),
                "merged": (now - timedelta(days=3 * number)).isoformat(),
            }
            for number in range(1, count + 1)
        ]
        (root / f"{name.replace('/', '__')}.json").write_text(json.dumps(rows))
    (root / "acme__broken.json").write_text("[{")
    return root


@pytest.fixture
def site(folder, queue, workers, tmp_path):
    """A web process and a worker whose settings have the third source."""
    env = {"DJANGO_SETTINGS_MODULE": SETTINGS, "FOLDER_SOURCE_ROOT": str(folder)}
    workers.start(GITHUB_API_URL=NoGitHub.url, **env)
    with serving(NoGitHub, tmp_path, env) as web:
        yield web
        assert not web.complaints()


@pytest.fixture
def mara(site):
    """An owner's requests, with the token that forms need."""
    user = User.objects.create_user("mara@acme.example")
    create_team("Acme", user)
    with httpx.Client(base_url=site.url, timeout=60) as client:
        client.cookies.set("sessionid", session_of(user), domain="127.0.0.1")
        client.get(f"{HERE}connect/")
        client.headers["X-CSRFToken"] = client.cookies["csrftoken"]
        client.headers["Referer"] = site.url
        yield client


def run_to_its_end(run):
    eventually(ended(run), seconds=120)
    return run


@pytest.mark.django_db(transaction=True)
def test_a_third_source_is_connected_read_refreshed_and_left(mara, folder, site):
    page = mara.get(f"{HERE}connect/").text
    assert 'id="source-folder"' in page
    assert mara.post(f"{HERE}connect/", data={"source": "folder"}).headers["Location"] == (
        f"{HERE}repositories/"
    )
    listed = mara.get(f"{HERE}repositories/").text
    keys = re.findall(r'name="shown" value="(folder:[^"]+)"', listed)
    assert sorted(keys) == [f"folder:acme/{name}" for name in ("api", "broken", "web")]

    started = mara.post(f"{HERE}start/", data={"shown": keys, "pick": keys})
    run = Run.objects.get()
    assert started.headers["Location"] == f"{HERE}runs/{run.pk}/"
    assert run_to_its_end(run).state == RunState.PARTIAL, run.error
    assert PullRequest.objects.across_teams().count() == 17
    assert WeeklyMetrics.objects.across_teams().exists()
    tracked = {
        row.repository.full_name: row
        for row in TrackedRepository.objects.across_teams().select_related("repository")
    }
    assert tracked["acme/api"].sync_status == SyncStatus.COMPLETE
    broken = tracked["acme/broken"]
    assert (broken.sync_status, broken.cause, broken.remedy) == (
        SyncStatus.ERROR,
        "folder_unreadable",
        "operator",
    )
    # Another file takes the damaged one's place, and its program announces that.
    (folder / "acme__broken.json").write_bytes((folder / "acme__web.json").read_bytes())
    secret = re.search(
        r'id="hook-secret"[^>]*value="([0-9a-f]{64})"',
        mara.post(f"{HERE}webhook/", data={"source": "folder"}).text,
    )[1]
    address = f"{site.url}/hooks/folder/{Webhook.objects.across_teams().get().key}/"
    headers = {"X-Folder-Secret": secret, "X-Folder-Id": "1"}
    for expected in ("noted", "repeated"):
        answer = httpx.post(address, json={"name": "acme/broken"}, headers=headers, timeout=60)
        assert (answer.status_code, answer.text) == (200, expected)
    headers["X-Folder-Secret"] = "wrong"
    assert httpx.post(address, json={}, headers=headers, timeout=60).status_code == 403

    mara.post("/t/acme/onboarding/refresh/")
    refresh = Run.objects.exclude(pk=run.pk).get()
    assert run_to_its_end(refresh).state == RunState.DONE, refresh.error
    assert PullRequest.objects.across_teams().count() == 22
    for page in ("/t/acme/", "/t/acme/pull-requests/", "/t/acme/sources/"):
        assert mara.get(page).status_code == 200

    mara.post(f"{HERE}connect/folder/leave/")
    assert not Connection.objects.across_teams().exists()
    assert PullRequest.objects.across_teams().count() == 22
