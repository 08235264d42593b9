"""Other servers' ways, and faults of one request, against the sandbox over HTTP: what
can be read is read.
"""

import pytest

from apps.metrics.llm import continuing
from apps.metrics.models import Analysis, LlmDialect, LlmPace, LlmUse
from apps.pipelines import engine
from apps.pipelines.models import RunState
from apps.sandbox.llm_shapes import SHAPES
from tests.metrics.llm.conftest import COUNT, pass_time, read, states

pytestmark = pytest.mark.django_db(transaction=True)

# Shapes that hold no answer.
WITHOUT_ANSWER = {"error_in_200", "filtered", "no_choices", "choices_null"}
PART_11 = {"operation": "chat", "contains": "Part 11"}


def requests(model):
    return model.http.get("/_sandbox/requests").json()["operations"].get("chat", 0)


@pytest.fixture
def few(pulls):
    """Return eight unread pull requests, one request's worth."""
    pulls.exclude(number__gt=COUNT - 8).delete()
    return pulls


@pytest.mark.parametrize("shape", sorted(SHAPES.keys() - WITHOUT_ANSWER))
def test_answer_of_another_shape_is_read(model, team, few, worker, shape):
    model.faults({"llm": shape})
    run = read(worker, team)
    assert (run.state, states(team)) == (RunState.DONE, {"done": 8})
    assert requests(model) == 1
    assert few.first().analysis.summary.startswith("Part ")


@pytest.mark.parametrize(
    "shape", [name for name in sorted(SHAPES) if name.startswith("usage_")]
)
def test_unbelievable_usage_is_replaced_by_our_estimate(model, team, few, worker, shape):
    model.faults({"llm": shape})
    read(worker, team)
    use = LlmUse.objects.for_team(team).get()
    if shape == "usage_texts":
        assert (use.tokens_in, use.tokens_out) == (12, 7)
    else:
        assert 500 < use.tokens_in < 20_000
        assert 100 < use.tokens_out < 5_000


def test_budget_ends_although_the_server_sends_no_usage(model, team, pulls, worker, settings):
    settings.LLM_INSTALLATION_MONTHLY_TOKENS = 5_000
    model.faults({"llm": "usage_missing"})
    run = read(worker, team)
    assert run.missing[0]["cause"] == "ai_budget_spent"
    assert 0 < states(team)["done"] < COUNT


@pytest.mark.parametrize(
    ("demand", "learned", "most"),
    [
        (
            "wants_completion_tokens",
            {"limit": "max_completion_tokens", "form": "json_schema"},
            2,
        ),
        ("wants_no_temperature", {"temperature": False}, 2),
        ("wants_both", {"limit": "max_completion_tokens", "temperature": False}, 3),
        ("wants_no_schema", {"form": "json_object"}, 2),
        ("wants_tools", {"form": "tools"}, 3),
        ("wants_plain", {"form": ""}, 4),
        ("wants_no_system", {"system": False}, 2),
    ],
)
def test_parameters_are_learned_once_and_remembered(
    model, team, pulls, worker, demand, learned, most
):
    model.faults({"llm": demand})
    assert read(worker, team).state == RunState.DONE
    assert states(team) == {"done": COUNT}
    # Five requests for forty pull requests, and what it took to learn.
    assert requests(model) <= 5 + most - 1
    row = LlmDialect.objects.get()
    assert {name: getattr(row, name) for name in learned} == learned
    Analysis.objects.for_team(team).delete()
    before = requests(model)
    assert read(worker, team).state == RunState.DONE
    assert requests(model) == before + 5


def test_model_that_thinks_gets_more_room(model, team, pulls, worker):
    pulls.exclude(number__gt=COUNT - 2).delete()
    model.faults({"llm": "thinks"})
    assert read(worker, team).state == RunState.DONE
    assert LlmDialect.objects.get().room == 2


def refusal(status, code="", message=""):
    error = {"message": message or code, "type": "invalid_request_error", "code": code}
    return {"status": status, "body": {"error": error}}


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        (refusal(400, "content_filter", "The response was filtered"), "ai_content_filter"),
        (
            refusal(
                403, "", "Your chosen model requires moderation and your input was flagged"
            ),
            "ai_content_filter",
        ),
        (refusal(400, "context_length_exceeded"), "ai_too_long"),
        (refusal(413, "request_too_large", "Request too large for model"), "ai_too_long"),
        (refusal(400, "json_validate_failed", "Failed to generate JSON."), "ai_unusable"),
        (refusal(400, "", "Something is wrong with this request."), "ai_request_refused"),
        (refusal(422, "", "Unprocessable entity"), "ai_request_refused"),
        ({"llm": "filtered"}, "ai_content_filter"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_only_the_offending_pull_request_is_skipped(model, team, pulls, worker, fault, cause):
    model.faults({"match": PART_11, **fault})
    run = read(worker, team)
    assert states(team) == {"done": COUNT - 1, "failed": 1}
    [missing] = run.missing
    assert (missing["what"], missing["cause"]) == ("Summary of acme/api #11", cause)
    before = requests(model)
    read(worker, team)
    assert requests(model) == before


def test_short_context_is_met_by_smaller_requests(model, team, pulls, worker):
    model.faults({"llm": "short_context"})
    assert read(worker, team).state == RunState.DONE
    assert states(team) == {"done": COUNT}


@pytest.mark.parametrize(
    ("fault", "cause", "remedy"),
    [
        ({"status": 401}, "ai_key_refused", "operator"),
        ({"status": 404}, "ai_address_wrong", "operator"),
        (
            refusal(404, "model_not_found", "The model `x` does not exist"),
            "ai_model_missing",
            "operator",
        ),
        ({"status": 405}, "ai_address_wrong", "operator"),
        (
            {"status": 301, "headers": {"location": "http://127.0.0.1:1/"}},
            "ai_address_wrong",
            "operator",
        ),
        (
            refusal(400, "", "Unusual words without a known one."),
            "ai_request_refused",
            "operator",
        ),
        ({"status": 402}, "ai_continues", "wait"),
        ({"llm": "quota"}, "ai_continues", "wait"),
        ({"status": 429, "headers": {"retry-after": "25920"}}, "ai_continues", "wait"),
        ({"status": 429, "headers": {"retry-after": "inf"}}, "ai_continues", "wait"),
        ({"status": 500}, "ai_continues", "wait"),
        ({"llm": "error_in_200"}, "ai_continues", "wait"),
        ({"llm": "no_choices"}, "ai_continues", "wait"),
        ({"llm": "choices_null"}, "ai_continues", "wait"),
        ({"llm": "malformed"}, "", ""),
        ({"llm": "empty"}, "ai_continues", "wait"),
        ({"llm": "truncated"}, "", ""),
        ({"disconnect": True}, "ai_continues", "wait"),
        ({"malformed": True}, "ai_continues", "wait"),
    ],
    ids=lambda value: str(value)[:60] if isinstance(value, dict) else value,
)
def test_fault_of_the_server_loses_nothing(
    model, team, pulls, worker, settings, fault, cause, remedy
):
    settings.LLM_PATIENCE = 10
    model.faults(fault)
    run = read(worker, team)
    if cause:
        assert [(one["cause"], one["remedy"]) for one in run.missing] == [(cause, remedy)]
        assert run.steps.get().done == 0
    # A truncated answer has one usable part, so reading goes on.
    assert requests(model) <= (30 if cause else 60)
    # None is given up, in whatever order the answers came.
    assert "failed" not in states(team)
    # The next night finds a sound model.
    model.faults()
    pass_time()
    if continuing.live_run(team.pk):
        worker.drain(continuing.live_run(team.pk))
        run.refresh_from_db()
        assert (run.state, run.missing) == (RunState.DONE, [])
    else:
        read(worker, team)
    assert states(team) == {"done": COUNT}


def test_retry_asks_again_for_what_the_server_lost(model, team, pulls, worker, settings):
    settings.LLM_PATIENCE = 10
    model.faults({"llm": "invalid"})
    run = read(worker, team)
    assert run.state == RunState.PARTIAL
    model.faults()
    run = worker.drain(engine.retry(run))
    assert (run.state, states(team)) == (RunState.DONE, {"done": COUNT})


@pytest.mark.parametrize("asked", ["0", "-5", "0.001", "nan", "x" * 40])
def test_pauses_grow_whatever_the_server_asks(model, team, pulls, worker, settings, asked):
    settings.LLM_PATIENCE = 10
    model.faults({"status": 429, "headers": {"retry-after": asked}})
    run = read(worker, team)
    for _ in range(3):
        pass_time()
        worker.drain(continuing.live_run(team.pk) or run, 5)
    assert requests(model) <= 16
    assert LlmPace.objects.get().waits >= 3


def test_model_of_nothing_but_nonsense_is_left_alone_after_three_rounds(
    model, team, pulls, worker, settings
):
    settings.LLM_PATIENCE = 10
    model.faults({"llm": "strangers"})
    run = read(worker, team)
    for _ in range(5):
        pass_time()
        if continuing.live_run(team.pk):
            worker.drain(continuing.live_run(team.pk))
    assert continuing.live_run(team.pk) is None
    assert continuing.progress_of(team.pk).name == "stopped"
    run.refresh_from_db()
    assert [(one["cause"], one["remedy"]) for one in run.missing] == [("ai_unusable", "retry")]
    assert requests(model) <= 60
    assert "failed" not in states(team)


def test_person_who_retries_does_not_wait_for_a_quota(model, team, pulls, worker):
    model.faults({"llm": "quota", "times": 1})
    run = read(worker, team)
    assert LlmPace.objects.get().cause == "ai_quota"
    run = worker.drain(engine.retry(run))
    assert (run.state, states(team)) == (RunState.DONE, {"done": COUNT})
