"""The pages from a new team to a started run, over HTTP, against a sandbox of GitHub."""

import re
import subprocess
import threading
from datetime import timedelta

import httpx
import pytest
from django.db import connection as database
from django.test import Client
from django.utils import timezone

from apps.analytics.models import AnalyticsEvent
from apps.integrations.connections import service
from apps.integrations.connections.grants import grant
from apps.integrations.models import Connection, Credential, TrackedRepository
from apps.onboarding.services import choice
from apps.onboarding.tasks import nightly_refresh
from apps.pipelines import engine
from apps.pipelines.models import Run
from apps.teams.models import Membership, OnboardingStatus
from apps.teams.services import create_team
from apps.users.models import User

HERE = "/t/acme/onboarding/"
CONNECT, CHOOSE, START = f"{HERE}connect/", f"{HERE}repositories/", f"{HERE}start/"
HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def hub(github, settings):
    settings.GITHUB_API_URL = github.url
    return github


@pytest.fixture
def as_(team):
    def client(name):
        client = Client()
        client.force_login(User.objects.get_or_create(email=f"{name}@acme.example")[0])
        return client

    return client


@pytest.fixture
def mara(as_):
    return as_("mara")


@pytest.fixture
def connected(mara):
    assert mara.post(CONNECT, {"source": "github", "token": "github_pat_1"}).status_code == 303
    return mara


def words(response):
    return re.sub(r"\s+", " ", response.content.decode())


def requests(github):
    return httpx.get(f"{github.url}/_sandbox/requests").json()["operations"]


def ticked(page):
    return set(re.findall(r'name="pick"\s+value="github:([^"]+)"[^>]*\schecked', page))


def form(*picked, shown=("acme/api", "acme/web"), **rest):
    keys = {
        "shown": [f"github:{name}" for name in shown],
        "pick": [f"github:{name}" for name in picked],
    }
    return {**keys, **rest}


# Resuming


def test_the_journey_resumes_where_it_was_left(team, mara):
    assert mara.get(HERE)["Location"] == CONNECT
    mara.post(CONNECT, {"source": "github", "token": "t"})
    assert mara.get(HERE)["Location"] == CHOOSE
    started = mara.post(START, form("acme/api", "acme/web"))
    run = Run.objects.get()
    assert started["Location"] == mara.get(HERE)["Location"] == f"{HERE}runs/{run.pk}/"
    engine.cancel(run)
    assert mara.get(HERE)["Location"] == f"{HERE}runs/{run.pk}/"
    mara.post(f"{CONNECT}github/leave/")
    assert mara.get(HERE)["Location"] == CONNECT


def test_members_watch_and_are_told_whom_to_ask(team, as_):
    ida = as_("ida")
    page = words(ida.get(HERE))
    assert "Acme is not set up yet" in page
    assert "teo@acme.example" in page
    for address in (CONNECT, CHOOSE, START, f"{CONNECT}github/leave/"):
        for answer in (ida.get(address), ida.post(address, {"source": "github", "token": "t"})):
            assert answer.status_code == 403
    assert not Connection.objects.for_team(team).exists()
    run, _ = engine.start(
        "onboarding", subject=f"team:{team.pk}", params={"repo_ids": []}, send=False
    )
    assert ida.get(HERE)["Location"] == f"{HERE}runs/{run.pk}/"


def test_to_outsiders_there_is_no_such_team(team, as_):
    olga = as_("olga")
    assert olga.get(HERE).status_code == 404
    for address in (CONNECT, CHOOSE, START, f"{CONNECT}github/leave/"):
        assert olga.get(address).status_code == olga.post(address).status_code == 404
        assert (
            Client()
            .post(address)["Location"]
            .startswith("/accounts/login/?next=/t/acme/onboarding/")
        )


# Connecting


def test_a_token_is_checked_kept_and_never_shown(team, mara):
    answer = mara.post(CONNECT, {"source": "github", "token": "ghp_secret"})
    assert (answer.status_code, answer["Location"]) == (303, CHOOSE)
    kept = Connection.objects.for_team(team).get()
    assert (kept.source, kept.scopes) == ("github", ["read:org", "repo"])
    for address in (CONNECT, CHOOSE):
        page = words(mara.get(address))
        assert "ghp_secret" not in page
    assert "read:org, repo" in words(mara.get(CONNECT))
    assert AnalyticsEvent.objects.filter(name="connected", team=team).count() == 1


@pytest.mark.parametrize(
    ("token", "said"),
    [
        ("bad-one", "does not accept this token"),
        ("", "No token was given"),
        ("noscope", "Pull requests: read"),
        ("sso", "single sign-on"),
    ],
)
def test_a_token_that_reads_nothing_is_told_why_and_not_kept(team, mara, token, said):
    for headers in ({}, HTMX):
        answer = mara.post(CONNECT, {"source": "github", "token": token}, headers=headers)
        assert answer.status_code == 422
        assert said in words(answer)
        assert ("<html" in words(answer)) is (not headers)
        assert "bad-one" not in words(answer)
    assert not Credential.objects.for_team(team).exists()
    assert not Connection.objects.for_team(team).exists()


def test_limits_and_outages_are_told_with_what_to_do(mara, github, settings):
    github.faults({"rate_limit": "primary", "reset_in": 600})
    assert "could not be checked. Try again after <time" in words(
        mara.post(CONNECT, {"source": "github", "token": "t"})
    )
    github.faults({"status": 503})
    assert "Try again in a minute" in words(
        mara.post(CONNECT, {"source": "github", "token": "t"})
    )
    settings.GITHUB_API_URL = "http://127.0.0.1:9"
    assert "Nothing was saved." in words(mara.post(CONNECT, {"source": "github", "token": "t"}))


def test_htmx_is_led_on_by_a_header(mara):
    answer = mara.post(CONNECT, {"source": "github", "token": "t"}, headers=HTMX)
    assert (answer.status_code, answer["HX-Redirect"]) == (200, CHOOSE)


def test_only_what_the_installation_has_is_offered(mara, settings, github):
    page = words(mara.get(CONNECT))
    assert "A sample organization" not in page
    assert "Local git clones" not in page
    for source in ("sample", "git", "nonsense"):
        assert mara.post(CONNECT, {"source": source}).status_code == 422
    settings.SAMPLE_URL = github.url
    assert "A sample organization" in words(mara.get(CONNECT))


def test_the_sample_is_connected_chosen_and_left(team, mara, settings, github):
    settings.SAMPLE_URL, settings.GITHUB_API_URL = github.url, "http://127.0.0.1:9"
    assert mara.post(CONNECT, {"source": "sample"}).status_code == 303
    page = words(mara.get(CHOOSE))
    assert re.search(r'name="pick"\s+value="sample:acme/api"', page)
    mara.post(START, {"shown": "sample:acme/api", "pick": "sample:acme/api"})
    run = Run.objects.get()
    assert "in progress" in words(mara.post(f"{CONNECT}sample/leave/", follow=True))
    engine.cancel(run)
    assert "is disconnected" in words(mara.post(f"{CONNECT}sample/leave/", follow=True))
    assert not TrackedRepository.objects.for_team(team).exists()


def test_clones_are_found_chosen_and_started(team, mara, settings, tmp_path):
    for name in ("api", "we<b>b"):
        subprocess.run(["git", "init", "-q", tmp_path / name], check=True)
    settings.GIT_SOURCE_ROOT = tmp_path
    grant(team, "git")
    mara.post(CONNECT, {"source": "git"})
    page = words(mara.get(CHOOSE))
    assert "we&lt;b&gt;b" in page
    assert "we<b>b" not in page
    mara.post(START, {"shown": ["git:api", "git:we<b>b"], "pick": ["git:we<b>b"]})
    assert [row.repository.full_name for row in TrackedRepository.objects.for_team(team)] == [
        "we<b>b"
    ]
    assert TrackedRepository.objects.for_team(team).get().repository.source == "git"


# Choosing


def test_without_a_source_one_is_connected_first(mara):
    assert mara.get(CHOOSE)["Location"] == mara.post(CHOOSE)["Location"] == CONNECT


def test_the_list_is_asked_once_in_ten_minutes(connected, github, team):
    for query in ("", "?q=api", "?view=active", ""):
        assert "acme/api" in words(connected.get(CHOOSE + query))
    assert requests(github)["GET /user/repos"] == 1
    Connection.objects.for_team(team).update(listed_at=timezone.now() - timedelta(minutes=11))
    connected.get(CHOOSE)
    assert requests(github)["GET /user/repos"] == 2
    connected.get(f"{CHOOSE}?again=1")
    assert requests(github)["GET /user/repos"] == 3


def test_an_old_list_is_shown_while_github_is_away(connected, github, team):
    Connection.objects.for_team(team).update(listed_at=timezone.now() - timedelta(minutes=11))
    github.faults({"status": 503})
    page = words(connected.get(CHOOSE))
    assert "GitHub could not answer in time" in page
    assert "acme/api" in page


def test_search_and_ticks_survive_each_other_and_reload(connected):
    assert ticked(words(connected.get(CHOOSE))) == {"acme/api", "acme/web"}
    connected.post(CHOOSE, form("acme/web"))
    answer = connected.post(CHOOSE, form("acme/web", q="API", do="search"))
    assert (answer.status_code, answer["Location"]) == (303, CHOOSE)
    page = words(connected.get(CHOOSE))
    assert "acme/web" not in page
    assert 'value="API"' in page
    connected.post(CHOOSE, form("acme/api", shown=["acme/api"], q="API"))
    connected.post(CHOOSE, {"q": "", "do": "search"})
    assert ticked(words(connected.get(CHOOSE))) == {"acme/api", "acme/web"}
    connected.post(CHOOSE, form(shown=[], do="view-picked"))
    page = words(connected.get(CHOOSE))
    assert "Selected 2" in page
    assert ticked(page) == {"acme/api", "acme/web"}


def test_all_or_none_of_what_was_found(connected):
    connected.post(CHOOSE, form())
    connected.get(f"{CHOOSE}?q=api")
    connected.post(CHOOSE, form(shown=["acme/api"], q="api", do="pick-all"))
    assert ticked(words(connected.get(f"{CHOOSE}?q="))) == {"acme/api"}
    connected.post(CHOOSE, form("acme/api", q="", do="pick-all"))
    assert ticked(words(connected.get(CHOOSE))) == {"acme/api", "acme/web"}
    connected.post(CHOOSE, form("acme/api", "acme/web", do="pick-none"))
    assert ticked(words(connected.get(CHOOSE))) == set()


def test_sizes_come_when_asked_and_once(connected, github):
    page = words(connected.get(CHOOSE))
    assert 'id="sizes"' in page
    assert "Sizes" not in requests(github)
    connected.post(CHOOSE, form("acme/api", "acme/web", months="36"))
    page = words(connected.get(f"{CHOOSE}?sizes=1"))
    assert re.search(
        r'<span data-estimate="counted">20 pull requests</span>\s*· less than a minute', page
    )
    assert 'id="sizes"' not in page
    fragment = words(connected.get(f"{CHOOSE}?sizes=1", headers=HTMX))
    assert "<html" not in fragment
    assert '<hx-partial hx-target="#choice-bar"' in fragment
    assert requests(github)["Sizes"] == 1


def test_sizes_that_cannot_be_read_are_said_to_be_unknown(connected, github):
    github.faults({"match": {"operation": "Sizes"}, "status": 502})
    page = words(connected.get(f"{CHOOSE}?sizes=1"))
    assert "GitHub could not answer in time" in page
    assert 'data-not-counted="2"' in page
    assert "could not be read" in words(connected.get(f"{CHOOSE}?sizes=1", headers=HTMX))


def test_htmx_gets_the_parts_that_changed(connected):
    changed = words(connected.post(CHOOSE, form("acme/api", q="api"), headers=HTMX))
    assert "<html" not in changed
    assert re.findall(r'<hx-partial hx-target="#([a-z-]+)"', changed) == [
        "choice-views",
        "choice-bar",
        "choice-found",
    ]
    assert "acme/web" not in changed
    after = words(
        connected.post(f"{CHOOSE}?part=ticked", form(q="api", shown=["acme/api"]), headers=HTMX)
    )
    assert re.findall(r'<hx-partial hx-target="#([a-z-]+)"', after) == [
        "choice-views",
        "choice-bar",
    ]
    assert "0 of 2 repositories" in after


def test_pages_of_a_long_list_keep_what_was_ticked(connected, team, monkeypatch):
    monkeypatch.setattr(choice, "PER_PAGE", 1)
    connected.post(CHOOSE, form())
    first = re.findall(r'name="shown" value="github:([^"]+)"', words(connected.get(CHOOSE)))
    connected.post(CHOOSE, form(*first, shown=first, do="page-2"))
    second = re.findall(r'name="shown" value="github:([^"]+)"', words(connected.get(CHOOSE)))
    assert len(first) == len(second) == 1 != (first == second)
    connected.post(START, form(*second, shown=second))
    assert TrackedRepository.objects.for_team(team).count() == 2


# Starting


def test_starting_tells_follows_and_leads_to_the_run(connected, team):
    answer = connected.post(START, form("acme/web", months="3"))
    run = Run.objects.get()
    assert (answer.status_code, answer["Location"]) == (303, f"{HERE}runs/{run.pk}/")
    tracked = TrackedRepository.objects.for_team(team).get()
    assert tracked.repository.full_name == "acme/web"
    assert (run.params["team_id"], run.params["repo_ids"], run.params["months"]) == (
        team.pk,
        [tracked.pk],
        3,
    )
    team.refresh_from_db()
    assert run.params["since"] == team.history_start.isoformat()
    assert run.started_by == User.objects.get(email="mara@acme.example")
    assert AnalyticsEvent.objects.get(name="chose").data == {"repositories": 1}


def test_a_run_under_way_is_joined_with_words(connected):
    connected.post(START, form("acme/web"))
    page = words(connected.post(START, form("acme/api", "acme/web"), follow=True))
    assert Run.objects.count() == 1
    assert "It does not read acme/api" in page


@pytest.mark.django_db(transaction=True)
def test_two_clicks_on_start_give_one_run(queue, connected, team):
    clients, answers, together = [Client() for _ in range(4)], [], threading.Barrier(4)
    for client in clients:
        client.cookies = connected.cookies

    def click(client):
        together.wait()
        answers.append(client.post(START, form("acme/api", "acme/web")))
        database.close()

    threads = [threading.Thread(target=click, args=[client]) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    run = Run.objects.get()
    assert {(answer.status_code, answer["Location"]) for answer in answers} == {
        (303, f"{HERE}runs/{run.pk}/")
    }
    assert TrackedRepository.objects.for_team(team).count() == 2


def test_nothing_ticked_starts_nothing(connected):
    page = words(connected.post(START, form(), follow=True))
    assert "Nothing is selected." in page
    assert not Run.objects.exists()


def test_what_is_not_listed_cannot_be_chosen(connected, team):
    page = words(connected.post(START, form("acme/api", "evil/<b>x"), follow=True))
    assert "evil/&lt;b&gt;x is no longer listed." in page
    assert ticked(page) == {"acme/api"}
    assert not Run.objects.exists()
    connected.post(CHOOSE, form("evil/x", months="999"))
    assert "evil/x" not in words(connected.get(CHOOSE))


def test_after_the_log_in_page_start_leads_back_to_the_choice(connected):
    assert connected.get(START)["Location"] == CHOOSE


def test_an_ended_session_is_told_to_htmx_too(connected):
    connected.post(CHOOSE, form("acme/web"))
    stranger = Client()
    headers = {**HTMX, "HX-Current-URL": f"http://testserver{CHOOSE}"}
    answer = stranger.post(f"{CHOOSE}?part=ticked", form("acme/api"), headers=headers)
    assert (answer.status_code, answer["HX-Redirect"]) == (
        200,
        f"/accounts/login/?next={CHOOSE}",
    )
    assert "Your session has ended." in words(stranger.get(answer["HX-Redirect"]))
    away = {**HTMX, "HX-Current-URL": "http://elsewhere.example/x"}
    assert stranger.post(CHOOSE, headers=away)["HX-Redirect"] == "/accounts/login/?next=/"


def test_what_is_ticked_in_one_team_is_not_in_another(connected, team):
    other = create_team("Other", User.objects.get(email="mara@acme.example"))
    connected.post(CHOOSE, form("acme/web"))
    connected.post("/t/other/onboarding/connect/", {"source": "github", "token": "t"})
    connected.post("/t/other/onboarding/repositories/", form("acme/api"))
    assert ticked(words(connected.get(CHOOSE))) == {"acme/web"}
    Membership.objects.filter(team=other).delete()
    assert connected.get("/t/other/onboarding/repositories/").status_code == 404
    assert service.connections_of(team)[0].pk != service.connections_of(other)[0].pk


def test_the_night_refreshes_only_what_is_connected(connected, team):
    team.onboarding_pipeline_status = OnboardingStatus.DONE
    team.save()
    connected.post(f"{CONNECT}github/leave/")
    nightly_refresh.call_local()
    assert not Run.objects.exists()
    connected.post(CONNECT, {"source": "github", "token": "t"})
    nightly_refresh.call_local()
    assert Run.objects.get().pipeline == "nightly"
