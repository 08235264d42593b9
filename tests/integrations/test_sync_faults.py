"""What goes wrong between us and GitHub: said clearly, the rest intact, nothing lost,
no finished unit repeated.
"""

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.integrations.models import (
    ApiBudget,
    Credential,
    SyncLog,
    SyncStatus,
    TrackedRepository,
)
from apps.integrations.signals import repository_sync_completed
from apps.integrations.sources.github.credentials import store_token
from apps.integrations.tasks import sync_historical_data_task
from apps.metrics.models import Commit, DetailState, PullRequest
from apps.pipelines import engine
from apps.pipelines.models import Incident, RunState, StepRun, StepState
from tests.sandbox.conftest import record
from tests.services import free_port

HELLO = {"repository": "octo/hello"}
DETAIL = {"operation": "Detail"}
SKELETON = {"operation": "Skeleton"}


def pulls(team):
    return PullRequest.objects.for_team(team)


def status(team, name):
    row = TrackedRepository.objects.for_team(team).get(repository__full_name=name)
    return row.sync_status, row.last_sync_error


def sync(worker, team, **kwargs):
    return worker.drain(worker.start(sync_historical_data_task, team_id=team.pk, **kwargs))


def limit_passes():
    """The time comes for which GitHub asked to wait."""
    ApiBudget.objects.update(blocked_until=timezone.now(), resets_at=timezone.now())
    StepRun.objects.filter(state=StepState.PARKED).update(parked_until=timezone.now())


def assert_whole(team, count=33):
    assert pulls(team).count() == count
    assert not pulls(team).exclude(detail_state=DetailState.COMPLETE).exists()
    assert Commit.objects.for_team(team).count() == count


def test_a_wrong_token_ends_the_run_at_once(octo, team, follow, worker):
    follow("octo/hello", "octo/world")
    store_token(team, "bad-token")
    run = sync(worker, team)
    assert run.state == RunState.FAILED
    assert run.error.startswith("GitHub does not accept the token")
    assert "retry" in run.error
    assert sum(octo.requests().values()) == 1
    assert (
        status(team, "octo/hello")
        == status(team, "octo/world")
        == (SyncStatus.ERROR, run.error)
    )
    assert not any("bad-token" in str(event.data) + event.message for event in run.events.all())
    store_token(team, "better")
    run = worker.drain(engine.retry(run))
    assert run.state == RunState.DONE
    assert_whole(team)


def test_a_missing_token_is_named(octo, team, follow, worker):
    follow("octo/hello")
    Credential.objects.for_team(team).delete()
    run = sync(worker, team)
    assert run.state == RunState.FAILED
    assert "Connect GitHub with a token" in run.error
    assert octo.requests() == {}


def test_a_token_revoked_in_mid_run(octo, team, follow, worker):
    follow("octo/hello", "octo/world")
    octo.faults({"match": DETAIL, "after": 1, "status": 401})
    run = sync(worker, team)
    assert run.state == RunState.FAILED
    assert status(team, "octo/hello")[0] == SyncStatus.ERROR
    octo.faults()
    before = octo.requests()
    run = worker.drain(engine.retry(run))
    assert run.state == RunState.DONE
    assert_whole(team)
    now = octo.requests()
    assert now["Skeleton"] == before["Skeleton"]
    # 25 of 30 were in before; what is left is 5, and 3 of the other repository.
    assert now["Detail"] - before["Detail"] == 2


def test_an_unreachable_github_is_tried_again_and_then_said(team, follow, worker, settings):
    settings.GITHUB_API_URL = f"http://127.0.0.1:{free_port()}"
    follow("octo/hello")
    run = sync(worker, team)
    assert run.state == RunState.FAILED
    assert "could not be reached" in run.error
    assert "refused" in run.error
    step = run.steps.get()
    assert (step.failures, step.attempt) == (6, 6)
    assert status(team, "octo/hello") == (SyncStatus.ERROR, run.error)


def test_an_outage_in_the_midst_goes_on_at_the_cursor(octo, team, follow, worker):
    follow("octo/hello", "octo/world")
    # The later detail units and everything smaller, and the question whether GitHub is
    # there at all.
    octo.faults(
        {"match": DETAIL, "after": 1, "times": 6, "status": 503},
        {"match": {"operation": "Viewer"}, "times": 1, "status": 503},
    )
    run = sync(worker, team)
    assert run.state == RunState.DONE
    # Requests run side by side: once in a while they share the refusals so that none is
    # asked for alone.
    assert run.steps.get().failures <= 1
    assert_whole(team)
    assert octo.requests()["Skeleton"] == 2


@pytest.mark.parametrize(
    ("token", "words"),
    [
        ("noscope-hello", "lacks a permission"),
        ("sso-hello", "https://github.com/orgs/acme/sso"),
    ],
)
def test_a_repository_that_may_not_be_read_leaves_the_others_running(
    octo, team, follow, worker, token, words
):
    follow("octo/hello", "octo/world")
    store_token(team, token)
    run = sync(worker, team)
    assert run.state == RunState.PARTIAL
    assert [item["what"] for item in run.missing] == ["octo/hello"]
    assert words in run.missing[0]["why"]
    assert status(team, "octo/hello") == (SyncStatus.ERROR, run.missing[0]["why"])
    assert status(team, "octo/world") == (SyncStatus.COMPLETE, "")
    assert_whole(team, 3)
    logged = SyncLog.objects.for_team(team).get(signal="onboarding_sync_completed").data
    assert logged == {"repos_synced": 1, "total_prs": 3, "failed_repos": 1}


def test_no_such_repository(octo, team, follow, worker):
    follow("octo/nowhere", "octo/world")
    run = sync(worker, team)
    assert run.state == RunState.PARTIAL
    assert run.missing[0]["what"] == "octo/nowhere"
    assert run.missing[0]["cause"] == "not_found"
    assert_whole(team, 3)


def test_if_no_repository_can_be_read_the_run_fails_with_the_cause(octo, team, follow, worker):
    follow("octo/nowhere", "octo/neverland")
    run = sync(worker, team)
    assert run.state == RunState.FAILED
    assert "None of the 2 repositories" in run.error
    assert run.cause == "not_found"
    assert run.error.count("GitHub knows no repository") == 1
    assert (
        not SyncLog.objects.for_team(team).filter(signal="onboarding_sync_completed").exists()
    )


@pytest.mark.parametrize("limit", ["primary", "secondary"])
@pytest.mark.parametrize("operation", ["Skeleton", "Detail"])
def test_a_rate_limit_parks_until_the_reset(octo, team, follow, worker, limit, operation):
    follow("octo/hello", "octo/world")
    octo.faults(
        {
            "match": {"operation": operation},
            "after": 1,
            "times": 1,
            "rate_limit": limit,
            "reset_in": 900,
        }
    )
    run = sync(worker, team)
    step = run.steps.get()
    assert (run.state, step.state, step.failures) == (RunState.RUNNING, StepState.PARKED, 0)
    wait = step.parked_until - timezone.now()
    assert timedelta(minutes=14) < wait < timedelta(minutes=16)
    words = {
        "primary": "GitHub's hourly limit is used up.",
        "secondary": "GitHub asked for a pause.",
    }
    assert step.message == words[limit]
    sent = octo.requests()
    # None is sent while it stands, whoever asks.
    StepRun.objects.filter(pk=step.pk).update(parked_until=timezone.now())
    worker.drain(run)
    assert octo.requests() == sent
    limit_passes()
    assert worker.drain(run).state == RunState.DONE
    assert_whole(team)
    assert SyncLog.objects.for_team(team).count() == 4
    assert octo.requests()["Skeleton"] == 2 + (operation == "Skeleton")
    assert octo.requests()["Detail"] == 3 + (operation == "Detail")


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 502},
        {"status": 504},
        {"malformed": True},
        {"disconnect": True},
        {
            "errors": [{"type": "RESOURCE_LIMITS_EXCEEDED", "message": "Too much."}],
            "partial": True,
        },
        {"errors": [{"message": "Something went wrong while executing your query."}]},
    ],
    ids=["502", "504", "malformed", "disconnect", "resource limits", "went wrong"],
)
def test_a_request_that_fails_is_made_smaller(octo, team, follow, worker, fault):
    follow("octo/hello")
    octo.faults(
        {"match": SKELETON, "times": 2, **fault}, {"match": DETAIL, "times": 2, **fault}
    )
    run = sync(worker, team)
    assert run.state == RunState.DONE, (run.error, run.missing)
    assert run.steps.get().failures == 0
    assert_whole(team, 30)


def test_a_pull_request_that_cannot_be_read_is_degraded_with_its_reason(
    octo, team, follow, worker
):
    follow("octo/hello", "octo/world")
    sync(worker, team)
    poison = pulls(team).get(repository__full_name="octo/hello", number=11)
    pulls(team).update(detail_state=DetailState.PENDING)
    octo.faults({"match": {"contains": poison.external_id}, "status": 502})
    before = octo.requests()
    run = sync(worker, team)
    assert run.state == RunState.PARTIAL
    poison.refresh_from_db()
    assert poison.detail_state == DetailState.DEGRADED
    assert "HTTP 502" in poison.detail_error
    assert pulls(team).filter(detail_state=DetailState.COMPLETE).count() == 32
    assert run.missing[0]["what"] == "octo/hello"
    assert "#11" in run.missing[0]["why"]
    assert status(team, "octo/hello")[0] == SyncStatus.PARTIAL
    row = TrackedRepository.objects.for_team(team).get(repository__full_name="octo/hello")
    assert (row.done, row.total) == (30, 30)
    assert octo.requests()["Detail"] - before["Detail"] < 20
    # A retry of that repository reads that pull request, and nothing else.
    octo.faults()
    before = octo.requests()
    run = worker.drain(engine.retry(run, ["octo/hello"]))
    assert run.state == RunState.DONE
    assert octo.requests()["Detail"] - before["Detail"] == 1
    assert octo.requests()["Skeleton"] == before["Skeleton"]
    assert_whole(team)


def test_github_that_answers_nothing_is_not_asked_for_smaller_pages(octo, team, follow, worker):
    follow("octo/hello", "octo/world")
    octo.faults({"status": 502})
    run = sync(worker, team)
    assert (run.state, run.cause) == (RunState.FAILED, "unreachable")
    # Six attempts, each with one page and the question whether GitHub is there at all.
    assert sum(octo.requests().values()) == 12


def test_details_that_all_fail_are_not_asked_for_one_by_one(octo, team, follow, worker):
    octo.put(*(record(number, repository="octo/hello") for number in range(31, 201)))
    follow("octo/hello")
    octo.faults({"match": DETAIL, "status": 502})
    run = sync(worker, team)
    assert run.state == RunState.PARTIAL
    assert octo.requests()["Detail"] < 60
    assert (
        pulls(team)
        .filter(detail_state=DetailState.DEGRADED, detail_error__contains="502")
        .count()
        == 200
    )
    row = TrackedRepository.objects.for_team(team).get()
    assert (row.done, row.total) == (200, 200)
    octo.faults()
    run = worker.drain(engine.retry(run))
    assert run.state == RunState.DONE
    assert_whole(team, 200)


def test_missing_details_are_partial_and_named_and_the_list_counts_as_read(
    octo, team, follow, worker
):
    follow("octo/hello")
    octo.faults({"match": DETAIL, "null_nodes": True})
    run = sync(worker, team)
    assert run.state == RunState.PARTIAL
    row = TrackedRepository.objects.for_team(team).get(repository__full_name="octo/hello")
    assert row.sync_status == SyncStatus.PARTIAL
    assert row.watermark is not None
    assert row.synced_since is not None
    assert pulls(team).filter(detail_state=DetailState.DEGRADED).exists()
    assert not pulls(team).filter(detail_state=DetailState.PENDING).exists()


def test_null_nodes_that_pass_are_read_in_the_end(octo, team, follow, worker):
    follow("octo/hello")
    octo.faults(
        {"match": SKELETON, "times": 1, "null_nodes": True},
        {"match": DETAIL, "times": 2, "null_nodes": True},
    )
    assert sync(worker, team).state == RunState.DONE
    assert_whole(team, 30)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"createdAt": "yesterday"}, "createdAt should be a time"),
        ({"number": None}, "number should be a number"),
        ({"number": 2**40}, "number should be a number"),
        ({"state": "EXPLODED"}, "state should be OPEN, CLOSED or MERGED"),
        ({"author": "nobody"}, "author should be an object"),
        ({"additions": -1}, "additions should be a number that is not negative"),
        ({"deletions": 2**31}, "deletions should be a number that is not negative"),
    ],
)
def test_malformed_pull_requests_are_counted_and_named_with_their_address(
    octo, team, follow, worker, wrong, named
):
    follow("octo/hello", "octo/world")
    octo.faults({"match": {"repository": "octo/world"}, "set": wrong})
    run = sync(worker, team)
    assert run.state == RunState.PARTIAL
    assert [item["what"] for item in run.missing] == ["octo/world"]
    why = run.missing[0]["why"]
    assert why.startswith(
        "Not everything could be read, 3 missing or incomplete: #3 "
        if "number" not in wrong
        else "Not"
    )
    # The team reads no names of GitHub's interface; the log has them.
    assert named not in why
    (field,) = wrong
    assert field == field.lower() or field not in why
    assert "octo/world/pull/" in why or field == "number"
    assert run.events.filter(
        kind="log", level="warning", message__contains=f"could not be read: {named}"
    ).exists()
    assert_whole(team, 30)
    octo.faults()
    run = worker.drain(engine.retry(run))
    assert run.state == RunState.DONE
    assert_whole(team)


def test_one_malformed_detail_spoils_no_other(octo, team, follow, worker):
    follow("octo/hello")
    octo.faults({"match": DETAIL, "set": {"commits": {"nodes": None}}, "times": 1})
    assert sync(worker, team).state == RunState.DONE
    assert_whole(team, 30)


def test_a_failure_in_the_midst_repeats_no_finished_unit(octo, team, follow, worker):
    follow("octo/hello", "octo/world")
    octo.faults({"match": DETAIL, "after": 1, "times": 1, "status": 401})
    run = sync(worker, team)
    # Units of 25, 5 and 3: the second to reach GitHub failed, whichever it was. One or
    # both of the others are kept.
    assert pulls(team).filter(detail_state=DetailState.COMPLETE).count() in (
        3,
        5,
        8,
        25,
        28,
        30,
    )
    run = worker.drain(engine.retry(run))
    assert run.state == RunState.DONE
    # Two outlines, three detail units and the one that failed.
    assert (octo.requests()["Skeleton"], octo.requests()["Detail"]) == (2, 4)
    assert_whole(team)


def test_a_receiver_that_fails_is_recorded_and_harms_nothing(octo, team, follow, worker):
    follow("octo/world")

    def broken(**_):
        raise RuntimeError("a receiver of somebody else's")

    repository_sync_completed.connect(broken, weak=False)
    try:
        run = sync(worker, team)
    finally:
        repository_sync_completed.disconnect(broken)
    assert run.state == RunState.DONE
    incident = Incident.objects.get()
    assert incident.reference in run.events.get(kind="receiver_failed").message
    assert "a receiver of somebody else's" in incident.details
    assert SyncLog.objects.for_team(team).count() == 3


def test_a_retry_names_only_what_can_be_retried(octo, team, follow, worker):
    follow("octo/nowhere", "octo/neverland", "octo/world")
    run = sync(worker, team)
    for names, words in (
        (["octo/world"], "is complete"),
        (["octo/hello"], "reads no repository named octo/hello"),
    ):
        with pytest.raises(engine.NotAllowed, match=words):
            engine.retry(run, names)
    octo.put(record(1, repository="octo/world"))
    run = worker.drain(engine.retry(run, ["octo/nowhere"]))
    assert run.state == RunState.PARTIAL
    assert {item["what"] for item in run.missing} == {"octo/nowhere", "octo/neverland"}


def test_a_cancelled_run_leaves_nothing_syncing(octo, team, follow, worker):
    follow("octo/hello", "octo/world")
    octo.faults({"match": DETAIL, "times": 1, "rate_limit": "primary", "reset_in": 900})
    run = sync(worker, team)
    assert status(team, "octo/hello")[0] == SyncStatus.SYNCING
    engine.cancel(run)
    assert {status(team, name)[0] for name in ("octo/hello", "octo/world")} == {
        SyncStatus.PENDING
    }
    limit_passes()
    assert sync(worker, team).state == RunState.DONE
    assert_whole(team)


def test_two_runs_do_not_read_one_repository_at_once(octo, team, follow, worker):
    hello, _ = follow("octo/hello", "octo/world")
    octo.faults({"match": DETAIL, "times": 1, "rate_limit": "primary", "reset_in": 900})
    first = sync(worker, team)
    second, created = engine.start(
        "sync",
        subject=f"team:{team.pk}",
        dedupe_key="another",
        params={"team_id": team.pk, "repo_ids": [hello.pk]},
    )
    assert created
    worker.drain(second, seconds=1)
    step = second.steps.get()
    assert step.state == StepState.PARKED
    assert "being read by another run" in step.message
    limit_passes()
    worker.drain(first, seconds=15)
    assert first.state == RunState.DONE
    StepRun.objects.filter(state=StepState.PARKED).update(parked_until=timezone.now())
    assert worker.drain(second).state == RunState.DONE
    assert_whole(team)
