"""The page "Sources": who sees what, and adding, removing, and keeping repositories
after the setup.
"""

import pytest
from django.test import Client

from apps.integrations.models import TrackedRepository
from apps.metrics.models import PullRequest
from apps.pipelines.models import Run
from apps.teams.services import create_team
from apps.users.models import User

SOURCES, CONNECT, CHOOSE = (
    "/t/acme/sources/",
    "/t/acme/onboarding/connect/",
    "/t/acme/onboarding/repositories/",
)
START = "/t/acme/onboarding/start/"


@pytest.fixture
def as_(person):
    def client(name):
        browser = Client()
        browser.force_login(person(name))
        return browser

    return client


@pytest.fixture
def mara(as_, github, settings, team):
    """Return the owner's client, with GitHub connected."""
    settings.GITHUB_API_URL = github.url
    browser = as_("mara")
    assert (
        browser.post(CONNECT, {"source": "github", "token": "github_pat_1"}).status_code == 303
    )
    return browser


@pytest.fixture
def set_up(mara, begin, work):
    """Set up the team with one of the two repositories."""
    run = work(begin("acme/api"))
    assert run.state == "done", run.error
    return mara


def tracked(team):
    rows = TrackedRepository.objects.for_team(team).order_by("repository__full_name")
    return list(rows.values_list("repository__full_name", flat=True))


def choose(client, *names):
    client.get(CHOOSE)
    shown = ["github:acme/api", "github:acme/web"]
    return client.post(START, {"shown": shown, "pick": [f"github:{name}" for name in names]})


def html(response):
    assert response.status_code == 200
    return response.content.decode()


def test_member_sees_the_page_without_its_forms(set_up, as_):
    page = html(as_("ida").get(SOURCES))
    assert 'id="source-repositories"' in page
    assert 'id="who-manages"' in page
    for form in ("/stop/", "/leave/", "/webhook/", 'name="token"', 'id="refresh-now"'):
        assert form not in page
    assert 'id="refresh-now"' in html(set_up.get(SOURCES))


def test_member_cannot_stop_reading(set_up, as_, team):
    repository = TrackedRepository.objects.for_team(team).get()
    assert as_("ida").post(f"{SOURCES}repositories/{repository.pk}/stop/").status_code == 403
    assert tracked(team) == ["acme/api"]


def test_each_repository_shows_its_state_and_time(set_up, team):
    repository = TrackedRepository.objects.for_team(team).get()
    page = html(set_up.get(SOURCES))
    row = page.partition(f'data-repository="{repository.pk}"')[2].partition("</tr>")[0]
    assert 'data-state="done"' in row
    assert repository.last_synced_at.strftime("%Y-%m-%dT%H:%M:%S") in row


def test_stopped_repository_keeps_its_figures(set_up, team):
    count = PullRequest.objects.for_team(team).count()
    repository = TrackedRepository.objects.for_team(team).get()
    assert set_up.post(f"{SOURCES}repositories/{repository.pk}/stop/").status_code == 303
    assert tracked(team) == []
    assert PullRequest.objects.for_team(team).count() == count > 0
    assert 'id="left-repositories"' in html(set_up.get(SOURCES))


def test_repository_is_kept_while_a_run_is_under_way(set_up, begin, team):
    begin("acme/api")
    repository = TrackedRepository.objects.for_team(team).get()
    shown = set_up.post(f"{SOURCES}repositories/{repository.pk}/stop/", follow=True).context[
        "messages"
    ]
    assert "error" in [message.level_tag for message in shown]
    assert tracked(team) == ["acme/api"]


def test_repository_of_another_team_is_kept(set_up, team):
    create_team("Globex", User.objects.create_user("lead@globex.example"))
    repository = TrackedRepository.objects.for_team(team).get()
    stranger = Client()
    stranger.force_login(User.objects.get(email="lead@globex.example"))
    stranger.post(f"/t/globex/sources/repositories/{repository.pk}/stop/")
    assert tracked(team) == ["acme/api"]


def test_added_repository_is_read_alone(set_up, team):
    before = Run.objects.count()
    assert choose(set_up, "acme/api", "acme/web").status_code == 303
    assert tracked(team) == ["acme/api", "acme/web"]
    assert Run.objects.count() == before + 1
    added = TrackedRepository.objects.for_team(team).get(repository__full_name="acme/web")
    assert Run.objects.order_by("-created_at").first().params["repo_ids"] == [added.pk]


def test_unticked_repository_is_not_read_any_more(set_up, team):
    choose(set_up, "acme/api", "acme/web")
    run = Run.objects.order_by("-created_at").first()
    set_up.post(f"/t/acme/onboarding/runs/{run.pk}/cancel/")
    runs = Run.objects.count()
    choose(set_up, "acme/web")
    assert tracked(team) == ["acme/web"]
    assert Run.objects.count() == runs


def test_no_change_starts_no_run(set_up, team):
    runs = Run.objects.count()
    assert choose(set_up, "acme/api")["Location"] == SOURCES
    assert (tracked(team), Run.objects.count()) == (["acme/api"], runs)


def test_longer_history_reads_all_again(set_up, team):
    set_up.get(CHOOSE)
    set_up.post(
        START,
        {
            "shown": ["github:acme/api", "github:acme/web"],
            "pick": ["github:acme/api"],
            "months": 24,
        },
    )
    newest = Run.objects.order_by("-created_at").first()
    assert newest.params["months"] == 24
    assert newest.params["repo_ids"] == [TrackedRepository.objects.for_team(team).get().pk]


def test_first_step_of_the_setup_leads_to_sources_after_it(set_up):
    assert set_up.get(CONNECT)["Location"] == SOURCES


def test_team_without_a_source_is_led_to_connect(as_, team):
    assert as_("mara").get(SOURCES)["Location"] == CONNECT
    assert as_("ida").get(SOURCES).status_code == 200
