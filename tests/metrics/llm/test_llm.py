"""The language model's step against the sandbox over HTTP: everything read once,
checked, paid for once, or named.
"""

import itertools
import threading
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from apps.metrics.llm import continuing, pace
from apps.metrics.models import Analysis, AnalysisState, LlmPace, LlmSettings, LlmUse
from apps.metrics.tasks import run_llm_analysis_batch
from apps.pipelines import engine
from apps.pipelines.models import RunState, StepState
from tests.fixtures.workers import ended, eventually
from tests.metrics.llm.conftest import COUNT, pass_time, read, states

pytestmark = pytest.mark.django_db(transaction=True)


def test_everything_is_read_once_and_a_second_run_costs_nothing(model, team, pulls, worker):
    run = read(worker, team)
    step = run.steps.get()
    assert (run.state, step.state, step.done, step.total) == (
        RunState.DONE,
        StepState.DONE,
        COUNT,
        COUNT,
    )
    assert states(team) == {"done": COUNT}
    analysis = pulls.get(number=7).analysis
    assert analysis.summary.startswith("Part 7")
    assert (analysis.kind, analysis.risk, analysis.friction, analysis.ai_disclosed) == (
        "fix",
        "low",
        "low",
        False,
    )
    bill, use = model.bill(), LlmUse.objects.for_team(team).get()
    assert (use.requests, use.tokens_in, use.tokens_out) == (
        bill["answered"],
        bill["tokens_in"],
        bill["tokens_out"],
    )
    assert set(bill["asked"].values()) == {1}
    shown = run.events.filter(kind="summaries").last().data["rows"]
    assert 1 <= len(shown) <= 3
    read(worker, team)
    assert model.bill() == bill
    # What has changed is read again, and nothing else.
    pulls.filter(number=3).update(title="feat: Another thing", updated_at=timezone.now())
    read(worker, team)
    assert model.bill()["answered"] == bill["answered"] + 1
    assert pulls.get(number=3).analysis.kind == "feature"


def test_the_newest_come_first_and_the_rest_later(model, team, pulls, worker):
    read(worker, team, limit=10)
    assert sorted(
        pulls.filter(analysis__state="done").values_list("number", flat=True)
    ) == list(range(31, 41))
    read(worker, team, limit=100)
    assert states(team) == {"done": COUNT}


def test_the_same_question_is_paid_for_once_in_a_team(model, team, pulls, worker):
    pulls.update(title="fix: The same", body="The same.", additions=1)
    read(worker, team, limit=8)
    bill = model.bill()
    read(worker, team)
    assert model.bill() == bill
    assert states(team) == {"done": COUNT}


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 500},
        {"status": 503},
        {"malformed": True},
        {"disconnect": True},
        {"llm": "empty"},
        {"llm": "truncated"},
        {"llm": "malformed"},
        {"llm": "invalid"},
        {"llm": "few"},
        {"llm": "many"},
        {"llm": "strangers"},
        {"llm": "invented"},
    ],
    ids=lambda fault: "-".join(map(str, fault.values())),
)
def test_what_goes_wrong_twice_is_asked_again(model, team, pulls, worker, fault):
    model.faults({"times": 2, **fault})
    run = read(worker, team)
    assert run.state == RunState.DONE, run.missing
    assert states(team) == {"done": COUNT}
    assert not Analysis.objects.for_team(team).filter(ai_disclosed=True).exists()
    use, bill = LlmUse.objects.for_team(team).get(), model.bill()
    # What broke off on the way was not received, so it is not on our bill.
    lost = 2 if fault in ({"malformed": True}, {"disconnect": True}) else 0
    assert use.requests == bill["answered"] - lost


def test_one_that_never_gets_an_answer_is_given_up_with_the_reason(model, team, pulls, worker):
    model.faults({"match": {"operation": "chat", "contains": "Part 11"}, "llm": "invalid"})
    run = read(worker, team)
    assert run.state == RunState.PARTIAL
    lost = Analysis.objects.for_team(team).get(state=AnalysisState.FAILED)
    assert (lost.pull_request.number, lost.attempts) == (11, 3)
    assert "wrong risk" in lost.error
    assert states(team) == {"done": COUNT - 1, "failed": 1}
    assert [missing["what"] for missing in run.missing] == ["Summary of acme/api #11"]
    before = model.bill()
    read(worker, team)
    assert model.bill() == before


def test_limit_longer_than_the_patience_hands_over_to_the_background(
    model, team, pulls, worker
):
    model.faults({"times": 1, "status": 429, "reset_in": 600})
    run = read(worker, team)
    assert (run.state, run.missing[0]["cause"], run.missing[0]["remedy"]) == (
        "partial",
        "ai_continues",
        "wait",
    )
    with pytest.raises(pace.Limited):
        pace.take(10)
    progress = continuing.progress_of(team.pk)
    assert (progress.done, progress.total, progress.name, progress.cause) == (
        0,
        COUNT,
        "waiting",
        "ai_rate_limit",
    )
    assert timedelta(seconds=590) < progress.until - timezone.now() <= timedelta(seconds=600)
    pass_time()
    worker.drain(continuing.live_run(team.pk))
    assert states(team) == {"done": COUNT}
    assert continuing.progress_of(team.pk) is None
    run.refresh_from_db()
    step = run.steps.get()
    assert (run.state, run.percent, run.missing, step.state, step.done) == (
        "done",
        100,
        [],
        StepState.DONE,
        COUNT,
    )


def test_limit_within_the_patience_parks_the_step(model, team, pulls, worker):
    model.faults({"times": 1, "status": 429, "reset_in": 30})
    run = read(worker, team)
    step = run.steps.get()
    assert (run.state, step.state, step.failures, step.cause) == (
        "running",
        StepState.PARKED,
        0,
        "ai_rate_limit",
    )
    pass_time()
    assert worker.drain(run).state == RunState.DONE
    assert states(team) == {"done": COUNT}


def test_server_that_never_answers_is_asked_again_with_growing_pauses(
    model, team, pulls, worker, settings
):
    settings.LLM_PATIENCE = 10
    model.faults({"status": 503})
    run = read(worker, team)
    assert run.state == RunState.PARTIAL
    pauses = []
    for _ in range(3):
        pass_time()
        background = worker.drain(continuing.live_run(team.pk))
        pauses.append(background.steps.get().parked_until - timezone.now())
    assert all(later > earlier * 1.5 for earlier, later in itertools.pairwise(pauses))
    model.faults()
    pass_time()
    worker.drain(continuing.live_run(team.pk))
    run.refresh_from_db()
    assert (run.state, states(team)) == ("done", {"done": COUNT})


def test_refused_key_ends_the_reading_and_names_the_operator(model, team, pulls, worker):
    model.faults({"status": 401})
    run = read(worker, team)
    assert run.state == RunState.PARTIAL
    assert (run.missing[0]["cause"], run.missing[0]["remedy"]) == ("ai_key_refused", "operator")
    assert continuing.live_run(team.pk) is None


def test_a_key_of_300_kb_makes_no_reason_longer_than_500_characters(
    model, team, pulls, worker, settings
):
    settings.LLM_PATIENCE = 10
    model.faults({"llm": "huge_key"})
    run = read(worker, team)
    assert run.state == RunState.PARTIAL
    reasons = [missing["why"] for missing in run.missing]
    reasons += Analysis.objects.for_team(team).values_list("error", flat=True)
    assert max(map(len, reasons)) <= 500
    stored = [
        run.error,
        *run.events.values_list("message", flat=True),
        *map(str, run.events.values_list("data")),
    ]
    assert max(map(len, stored)) < 5_000


@pytest.mark.parametrize("key", ["gsk_1234567890abcdefghijABCDEFGHIJ", "of-no-known-shape"])
def test_an_api_key_that_a_gateway_repeats_is_stored_nowhere(
    model, team, pulls, worker, settings, key
):
    settings.GROQ_API_KEY = key
    model.faults({"llm": "key_echo"})
    run = read(worker, team)
    assert run.state == RunState.PARTIAL
    stored = [run.missing, list(run.steps.values()), list(run.events.values("message", "data"))]
    assert key not in str(stored)


def test_the_budget_ends_it_before_it_is_passed(model, team, pulls, worker):
    LlmSettings.objects.create(team=team, monthly_tokens=4_000)
    run = read(worker, team)
    assert run.state == RunState.PARTIAL
    assert "budget for the language model" in run.missing[0]["why"]
    use = LlmUse.objects.for_team(team).get()
    assert 0 < use.tokens_in + use.tokens_out <= 4_000
    assert 0 < states(team)["done"] < COUNT


def test_a_team_may_turn_it_off(model, team, pulls, worker):
    LlmSettings.objects.create(team=team, enabled=False)
    step = read(worker, team).steps.get()
    assert step.state == StepState.SKIPPED
    assert "turned off for this team" in step.message
    assert model.bill()["answered"] == 0


def test_without_a_key_the_step_says_how_to_add_one(team, pulls, worker, settings):
    settings.GROQ_API_KEY, settings.LLM_BASE_URL_GIVEN = "", False
    step = read(worker, team).steps.get()
    assert step.state == StepState.SKIPPED
    assert f"AI markers read in {COUNT} pull requests" in step.message
    assert "No language model is set up" in step.message


@pytest.mark.long
def test_faults_of_all_kinds_and_killed_workers(model, team, pulls, workers):
    """Every pull request ends read once or given up with its reason; the bill has what
    reached us.
    """
    kinds = (
        "empty",
        "truncated",
        "malformed",
        "invalid",
        "few",
        "many",
        "strangers",
        "invented",
    )
    model.faults(
        {"times": 1, "status": 429, "reset_in": 1},
        *({"share": 0.04, "llm": kind} for kind in kinds),
        {"share": 0.05, "status": 500},
        {"share": 0.03, "disconnect": True},
        {"share": 0.3, "delay": 0.2},
    )
    run = run_llm_analysis_batch(team_id=team.pk)
    env = {"LLM_BASE_URL": f"{model.url}/v1", "LLM_REQUESTS_A_MINUTE": "100000"}
    crew = [workers.start(**env)]
    for kill in range(3):
        asked = 2 + 2 * kill
        eventually(lambda asked=asked: model.bill()["answered"] >= asked or ended(run)())
        workers.kill(crew.pop())
        crew.append(workers.start(**env))
    eventually(ended(run))
    assert run.state in (RunState.DONE, RunState.PARTIAL)
    found = Analysis.objects.for_team(team)
    assert found.count() == COUNT
    assert not found.filter(state=AnalysisState.PENDING).exists()
    assert all(row.summary for row in found.filter(state=AnalysisState.DONE))
    assert all(row.error for row in found.filter(state=AnalysisState.FAILED))
    use, bill = LlmUse.objects.for_team(team).get(), model.bill()
    # A kill or a broken connection may have lost answers on their way to us; none is
    # counted twice.
    assert use.requests <= bill["answered"]


def test_the_pace_is_kept_by_all_together(db, settings):
    settings.LLM_REQUESTS_A_MINUTE, taken = 5, []
    start = threading.Barrier(6)

    def ask():
        from django.db import connection

        start.wait()
        taken.append([pace.take(10) for _ in range(3)])
        connection.close()

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(wait == 0 for waits in taken for wait in waits) == 5
    assert all(55 < wait <= 60 for waits in taken for wait in waits if wait)


def test_the_tokens_of_a_minute_are_kept(db):
    LlmPace.objects.create(pk=pace.key(), tokens_a_minute=1_000)
    assert [pace.take(400), pace.take(400)] == [0, 0]
    assert pace.take(400) > 50


def test_a_person_wins_over_markers_and_model(model, team, owner, pulls, worker, client):
    read(worker, team)
    pull = pulls.get(number=5)
    client.force_login(owner)
    page = reverse("metrics:pull_requests", args=[team.slug])
    html = client.get(page, {"q": "5"}).content.decode()
    assert pull.analysis.summary in html
    address = reverse("metrics:correct_pull", args=[team.slug, pull.pk])
    assert (
        client.post(
            address, {"assisted": "yes", "note": "I paired with <b>it</b>."}
        ).status_code
        == 303
    )
    pull.refresh_from_db()
    assert pull.ai_assisted is True
    html = client.get(page, {"q": "5"}).content.decode()
    assert "I paired with &lt;b&gt;it&lt;/b&gt;." in html
    # A new table of markers re-reads all, and changes nothing of that.
    pulls.update(markers_version=0)
    read(worker, team)
    pull.refresh_from_db()
    assert pull.ai_assisted is True
    client.post(address, {"assisted": "undo"})
    pull.refresh_from_db()
    assert pull.ai_assisted is False


def test_the_page_says_what_is_sent_and_lets_managers_change_it(model, team, owner, client):
    client.force_login(owner)
    page = reverse("metrics:ai_reading", args=[team.slug])
    assert 'id="ai-sent"' in client.get(page).content.decode()
    client.post(page, {"monthly_tokens": "5000"}, follow=True)
    row = LlmSettings.objects.for_team(team).get()
    assert (row.enabled, row.monthly_tokens) == (False, 5000)
    shown = client.post(page, {"monthly_tokens": "many"}, follow=True).context["messages"]
    assert [message.level_tag for message in shown] == ["error"]
    row.refresh_from_db()
    assert row.monthly_tokens == 5000


def test_a_retry_of_the_run_asks_only_for_what_is_open(model, team, pulls, worker):
    model.faults({"status": 401, "after": 2})
    run = read(worker, team)
    assert run.state == RunState.PARTIAL
    model.faults()
    run = worker.drain(engine.retry(run))
    assert run.state == RunState.DONE
    assert set(model.bill()["asked"].values()) == {1}
