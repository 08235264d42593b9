"""Who may hear a stream, at the endpoint that a web process really serves: found by
walking the addresses.
"""

from types import SimpleNamespace

import httpx
import pytest

from apps.pipelines import engine
from apps.teams.services import create_team
from apps.users.models import User
from tests.browser.browsing import session_of
from tests.project.addresses import walk

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def acme(begin, team, mara):
    return SimpleNamespace(team=team, run=begin(), owner=mara)


@pytest.fixture
def globex(queue):
    owner = User.objects.create_user("owner@globex.example")
    team = create_team("Globex", owner)
    run, _ = engine.start(
        "onboarding", subject=f"team:{team.pk}", params={"team_id": team.pk}, send=False
    )
    return SimpleNamespace(team=team, run=run, owner=owner)


def streams(of, **changed):
    """The path of every stream of one team."""
    found = [address for address in walk() if getattr(address.view, "streams_a_run", False)]
    return [
        address.filled({"slug": of.team.slug, "run_id": of.run.pk} | changed)
        for address in found
    ]


@pytest.fixture
def listen(web):
    """Asks for a stream as its client does: status, headers, and up to the first event
    if that is to be read.
    """

    def open_stream(user, path, *, read=False, headers=()):
        cookies = {"sessionid": session_of(user)} if user else {}
        accept = {"accept": "text/event-stream", **dict(headers)}
        with (
            httpx.Client(base_url=web.url, cookies=cookies, timeout=20) as client,
            client.stream("GET", path, headers=accept) as answer,
        ):
            text = ""
            for part in answer.iter_text() if read else ():
                text += part
                if "\n\n" in text.removeprefix("retry: 1000\n\n"):
                    break
        return SimpleNamespace(status=answer.status_code, headers=answer.headers, text=text)

    return open_stream


def test_a_member_hears_each(listen, acme):
    assert streams(acme)
    for path in streams(acme):
        heard = listen(acme.owner, path, read=True)
        assert (heard.status, heard.headers["content-type"]) == (200, "text/event-stream")
        acme.run.refresh_from_db()
        assert f"id: {acme.run.seq}\n" in heard.text


def test_client_that_asks_once_gets_what_it_lacks_and_no_stream(web, acme):
    for path in streams(acme):
        cookies = {"sessionid": session_of(acme.owner)}
        # It would time out, if the answer did not end.
        answer = httpx.get(
            f"{web.url}{path}?once=1",
            cookies=cookies,
            headers={"accept": "text/event-stream"},
            timeout=20,
        )
        acme.run.refresh_from_db()
        assert (answer.status_code, answer.headers["content-type"]) == (
            200,
            "text/event-stream",
        )
        assert f"id: {acme.run.seq}\n" in answer.text


def test_nobody_else_hears_any(listen, acme, globex):
    former = User.objects.create_user("former@acme.example")
    acme.team.memberships.create(user=former, role="admin").delete()
    for path in streams(acme):
        for person in (globex.owner, former):
            assert listen(person, path).status == 404
        visitor = listen(None, path)
        assert visitor.status == 302
        assert visitor.headers["location"].startswith("/accounts/login/")
        # htmx would follow that, and take the log-in page for a stream: it is told to
        # load its page again.
        htmx = listen(None, path, headers={"hx-request": "true"})
        assert (htmx.status, htmx.headers["hx-refresh"], htmx.text) == (401, "true", "")


def test_the_run_has_to_be_the_team_s(listen, acme, globex):
    for path in streams(acme, slug="globex"):
        assert listen(globex.owner, path).status == 404
        assert listen(acme.owner, path).status == 404


def test_what_a_client_asks_for_besides_opens_nothing(listen, acme, globex):
    for path in streams(globex):
        theirs = f"run-{acme.run.pk}"
        for asked, headers in (
            (f"{path}?channel={theirs}", {}),
            (f"{path}?run_id={acme.run.pk}&seq=0", {}),
            (path, {"last-event-id": f"{theirs}:1"}),
        ):
            heard = listen(globex.owner, asked, read=True, headers=headers)
            assert "acme" not in heard.text.lower()
            assert heard.status != 200 or "Setting up Globex" in heard.text
