"""A setup that lacks nothing but AI summaries: its email, its pages, and its retry,
against the sandbox over HTTP.
"""

import re

import pytest
from django.urls import reverse

from apps.integrations.connections.tracking import track_repositories
from apps.mail.models import OutboxMessage
from apps.metrics.llm import continuing
from apps.metrics.models import Analysis
from apps.onboarding import state
from apps.onboarding.services.runs import start_onboarding
from apps.pipelines import engine
from apps.teams.models import OnboardingStatus
from apps.teams.services import create_team
from apps.users.models import User
from tests.integrations.teams import octo_owner, octo_team
from tests.metrics.llm.conftest import pass_time

pytestmark = pytest.mark.django_db(transaction=True)

CHAT = {"match": {"operation": "chat"}}


@pytest.fixture
def owner(db):
    return octo_owner()


@pytest.fixture
def team(owner):
    return octo_team(owner)


@pytest.fixture
def set_up(octo, team, owner, worker, settings):
    """Return a function that sets the team up while the model has a fault, and returns
    the run.
    """
    settings.LLM_BASE_URL, settings.LLM_BASE_URL_GIVEN = f"{octo.url}/v1", True
    settings.LLM_REQUESTS_A_MINUTE, settings.LLM_PATIENCE = 100_000, 10

    def set_up(**fault):
        octo.faults(CHAT | fault)
        run, _ = start_onboarding(
            team, owner, track_repositories(team, "github", ["octo/hello", "octo/world"]), 12
        )
        return worker.drain(run, 40)

    return set_up


def completions():
    return OutboxMessage.objects.filter(dedupe_key__endswith=":complete")


def test_limit_leaves_figures_complete_and_the_page_names_its_end(set_up, team, owner, client):
    run = set_up(status=429, reset_in=7200)
    assert (run.state, [one["cause"] for one in run.missing]) == ("partial", ["ai_continues"])
    found = state.of_team(team.pk)
    assert (found.figures, found.gaps) == ("current", [])
    assert completions().count() == 1
    assert completions().get().subject == f"{team.name}: Your first insights are ready"
    client.force_login(owner)
    for address in (
        reverse("onboarding:run_detail", args=[team.slug, run.pk]),
        reverse("metrics:ai_reading", args=[team.slug]),
    ):
        page = client.get(address).content.decode()
        assert 'id="ai-progress"' in page
        shown = r'data-state="waiting"\s+data-cause="ai_rate_limit"\s+data-done="0"\s+data-total="33"'
        assert re.search(shown, page)


def test_what_arrives_later_completes_the_setup(set_up, octo, team, worker):
    run = set_up(status=429, reset_in=7200)
    octo.faults()
    pass_time()
    worker.drain(continuing.live_run(team.pk))
    run.refresh_from_db()
    team.refresh_from_db()
    assert (run.state, run.percent, run.missing) == ("done", 100, [])
    assert team.onboarding_pipeline_status == OnboardingStatus.DONE
    assert continuing.progress_of(team.pk) is None
    assert completions().count() == 1


def test_retry_reads_and_does_not_repeat_the_email(set_up, octo, team, worker):
    run = set_up(status=401)
    assert (run.state, [one["remedy"] for one in run.missing]) == ("partial", ["operator"])
    octo.faults()
    run = worker.drain(engine.retry(run), 40)
    assert (run.state, run.missing) == ("done", [])
    assert Analysis.objects.for_team(team).filter(state="done").count() == 33
    assert completions().count() == 1


def test_progress_is_only_of_the_own_team(set_up, team, client):
    set_up(status=429, reset_in=7200)
    other = User.objects.create_user("lead@globex.example")
    globex = create_team("Globex", other)
    client.force_login(other)
    page = client.get(reverse("metrics:ai_reading", args=[globex.slug])).content.decode()
    assert re.search(r'id="ai-progress"\s+hidden', page)
    run = continuing.live_run(team.pk)
    for slug in (globex.slug, team.slug):
        assert (
            client.get(reverse("onboarding:run_detail", args=[slug, run.pk])).status_code == 404
        )
