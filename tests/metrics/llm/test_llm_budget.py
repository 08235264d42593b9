"""The installation's budget for the language model, which all teams share, against the
sandbox over HTTP.
"""

import threading
import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from apps.metrics.llm import budget, pace
from apps.metrics.models import Analysis, LlmReservation, LlmUse, PullRequest, Repository
from apps.pipelines.models import RunState, StepState
from apps.teams.services import create_team
from apps.users.models import User
from tests.metrics.llm.conftest import COUNT, read, states

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def second_team():
    """Return a team of another owner, with one unread pull request and no use this
    month.
    """
    other = create_team("Globex", User.objects.create_user("lead@globex.example"))
    repository = Repository.objects.across_teams().create(
        team=other, source="github", full_name="globex/api"
    )
    now = timezone.now()
    PullRequest.objects.create(
        team=other,
        repository=repository,
        external_id="PR_other",
        number=1,
        title="fix: Something of the other team",
        state="merged",
        detail_state="complete",
        created_at=now - timedelta(days=1),
        updated_at=now - timedelta(hours=1),
        merged_at=now - timedelta(hours=1),
    )
    return other


def spent_by(team):
    use = LlmUse.objects.for_team(team).get()
    return use.tokens_in + use.tokens_out


def budget_note(client, user, team):
    client.force_login(user)
    page = client.get(reverse("metrics:ai_reading", args=[team.slug])).content.decode()
    return 'id="installation-budget"' in page


def test_second_team_is_refused_when_first_used_the_installations_budget(
    model, team, owner, pulls, second_team, worker, client, settings
):
    read(worker, team)
    assert not budget_note(client, owner, team)
    settings.LLM_INSTALLATION_MONTHLY_TOKENS = spent_by(team) + 50
    answered = model.bill()["answered"]
    run = read(worker, second_team)
    assert run.state == RunState.PARTIAL
    assert budget.day_of_renewal() in run.missing[0]["why"]
    assert model.bill()["answered"] == answered
    assert not LlmUse.objects.for_team(second_team).exists()
    assert budget_note(client, second_team.memberships.get().user, second_team)


def test_reading_stops_before_the_installations_budget_is_passed(
    model, team, pulls, worker, settings
):
    settings.LLM_INSTALLATION_MONTHLY_TOKENS = 4_000
    run = read(worker, team)
    assert run.state == RunState.PARTIAL
    assert 0 < spent_by(team) <= 4_000
    assert 0 < states(team)["done"] < COUNT


def test_second_team_is_read_after_the_budget_is_raised(
    model, team, owner, pulls, second_team, worker, client, settings
):
    read(worker, team)
    settings.LLM_INSTALLATION_MONTHLY_TOKENS = spent_by(team)
    read(worker, second_team)
    assert budget_note(client, owner, team)
    settings.LLM_INSTALLATION_MONTHLY_TOKENS += 100_000
    assert not budget_note(client, owner, team)
    assert read(worker, second_team).state == RunState.DONE
    assert Analysis.objects.for_team(second_team).get().state == "done"


def test_budget_of_zero_turns_the_model_off(model, team, pulls, worker, settings):
    settings.LLM_INSTALLATION_MONTHLY_TOKENS = 0
    step = read(worker, team).steps.get()
    assert step.state == StepState.SKIPPED
    assert model.bill()["answered"] == 0


def test_last_months_tokens_do_not_count(team, settings):
    settings.LLM_INSTALLATION_MONTHLY_TOKENS = 1_000
    month = budget.month_of(timezone.now().replace(day=1) - timedelta(days=1))
    LlmUse.objects.create(team=team, month=month, requests=1, tokens_in=5_000, tokens_out=0)
    assert pace.take(1_000) == 0


def test_concurrent_requests_reserve_no_more_than_the_budget(settings):
    settings.LLM_INSTALLATION_MONTHLY_TOKENS = 1_000
    settings.LLM_REQUESTS_A_MINUTE = 100_000
    waits, start = [], threading.Barrier(6)

    def ask():
        start.wait()
        waits.append([pace.take(300, uuid.uuid4()) for _ in range(3)])
        connection.close()

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(wait == 0 for row in waits for wait in row) == 3


def test_bill_replaces_the_reservation(team, settings):
    settings.LLM_INSTALLATION_MONTHLY_TOKENS = 1_000
    ticket = uuid.uuid4()
    assert pace.take(900, ticket) == 0
    assert pace.take(900) > 0
    pace.count(team.pk, 80, 20, ticket)
    assert pace.take(900) == 0
    with pytest.raises(budget.InstallationSpent):
        pace.take(901)


def test_reservation_of_a_killed_worker_expires(settings):
    settings.LLM_INSTALLATION_MONTHLY_TOKENS = 1_000
    assert pace.take(900) == 0
    assert pace.take(900) > 0
    LlmReservation.objects.update(expires_at=timezone.now())
    assert pace.take(900) == 0
    assert LlmReservation.objects.count() == 1


@pytest.mark.parametrize("fault", [{"status": 500}, {"llm": "invalid"}, {"status": 401}])
def test_failed_requests_leave_no_reservation(model, team, pulls, worker, fault):
    model.faults(fault)
    read(worker, team)
    assert not LlmReservation.objects.exists()


def test_metrics_show_the_tokens_of_all_teams(client, team, second_team):
    for each in (team, second_team):
        pace.count(each.pk, 40, 2)
    page = client.get("/metrics").content.decode()
    assert "firstlight_llm_installation_month_tokens 84.0" in page
