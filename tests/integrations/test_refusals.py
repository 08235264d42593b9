"""GitHub's refusals: its own reason is shown, and the step that helps."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.integrations.models import ApiBudget, SyncStatus, TrackedRepository
from apps.integrations.sources.github.credentials import store_token
from apps.integrations.sources.github.issues import quoted
from apps.integrations.tasks import sync_historical_data_task
from apps.metrics.models import DetailState, PullRequest
from apps.pipelines.models import RunState, StepRun, StepState
from apps.pipelines.remedy import Remedy

pytestmark = pytest.mark.django_db(transaction=True)

HELLO = {"repository": "octo/hello"}
# A part of GitHub's sentence that has to be shown, the cause, and what helps.
OF_REPOSITORY = {
    "permission": ("", "access_denied", Remedy.NEW_TOKEN),
    "ip_allow_list": (
        "IP allow list enabled, and your IP address is not",
        "ip_allow_list",
        Remedy.OPERATOR,
    ),
    "classic_token": (
        "forbids access via a personal access token (classic)",
        "token_kind",
        Remedy.NEW_TOKEN,
    ),
    "fine_grained_token": ("forbids access via a fine-grained", "token_kind", Remedy.NEW_TOKEN),
    "token_lifetime": ("greater than 366 days", "token_lifetime", Remedy.NEW_TOKEN),
    "oauth_restricted": ("OAuth App access restrictions", "app_not_approved", Remedy.NEW_TOKEN),
    "saml": ("", "single_sign_on", Remedy.RETRY),
    "scopes": ("read:org", "scopes_missing", Remedy.NEW_TOKEN),
    "dmca": ("https://github.com/github/dmca/", "blocked", Remedy.NONE),
    "legal": ("legal reasons", "blocked", Remedy.NONE),
    "terms": ("Repository access blocked", "blocked", Remedy.NONE),
    "disabled": ("disabled by GitHub staff", "disabled", Remedy.RETRY),
    "unknown": ("talk to nobody this week", "refused", Remedy.RETRY),
}
OF_TOKEN = {
    "suspended": ("Your account was suspended", "account_suspended", Remedy.NEW_TOKEN),
    "installation_suspended": (
        "installation has been suspended",
        "installation_suspended",
        Remedy.RETRY,
    ),
}
LIMIT_PAGES = {
    "page": "<html><head><title>Whoa there!</title></head><body><p>You have exceeded a secondary <b>rate&nbsp;limit</b>.",
    "long page": "<html><style>"
    + "p { color: red } " * 500
    + "</style><p>Secondary rate limit reached.</p></html>",
    "json": {"error": {"detail": "Rate-limited: slow down."}},
    "message": {
        "message": "You have triggered an abuse detection mechanism. Please wait a few minutes."
    },
    "text": "Too many requests",
}


@pytest.fixture
def sync(team, worker):
    """Read the team's repositories; returns the run and the tracked repository
    `octo/hello`.
    """

    def sync():
        run = worker.drain(worker.start(sync_historical_data_task, team_id=team.pk))
        return run, TrackedRepository.objects.for_team(team).get(
            repository__full_name="octo/hello"
        )

    return sync


@pytest.mark.parametrize(("name", "expected"), OF_REPOSITORY.items())
def test_refusal_of_a_repository_is_quoted_with_the_step_that_helps(
    octo, team, follow, sync, name, expected
):
    words, cause, remedy = expected
    follow("octo/hello", "octo/world")
    octo.faults({"match": HELLO, "refusal": name})
    run, hello = sync()
    assert run.state == RunState.PARTIAL
    assert (hello.sync_status, hello.cause, hello.remedy) == (SyncStatus.ERROR, cause, remedy)
    assert words in hello.last_sync_error
    (missing,) = run.missing
    assert (missing["what"], missing["why"], missing["remedy"]) == (
        "octo/hello",
        hello.last_sync_error,
        remedy,
    )
    assert octo.requests()["Skeleton"] == 2


@pytest.mark.parametrize(("name", "expected"), OF_TOKEN.items())
def test_refusal_of_the_token_ends_the_run_at_once(octo, team, follow, sync, name, expected):
    words, cause, remedy = expected
    follow("octo/hello", "octo/world")
    octo.faults({"refusal": name})
    run, hello = sync()
    assert (run.state, run.cause, run.remedy) == (RunState.FAILED, cause, remedy)
    assert (hello.sync_status, hello.cause, hello.remedy) == (SyncStatus.ERROR, cause, remedy)
    assert words in run.error
    assert sum(octo.requests().values()) == 1


def test_page_of_a_proxy_is_a_matter_for_the_operator(octo, team, follow, sync):
    follow("octo/hello")
    octo.faults(
        {
            "status": 403,
            "body": "<html><title>Blocked</title><p>Blocked by the firewall.</p></html>",
        }
    )
    run, hello = sync()
    assert (run.cause, run.remedy) == ("refused_by_proxy", Remedy.OPERATOR)
    assert "Blocked by the firewall." in hello.last_sync_error


def test_quote_is_masked_storable_and_short():
    token = "ghp_" + "aB3" * 12
    text = quoted(
        f"Your own-token and {token}\x00\n\ud800 are refused. " + "x " * 5000, "own-token"
    )
    assert token not in text
    assert "own-token" not in text
    assert text.isprintable()
    assert text.startswith("Your … and [masked]")
    assert len(text) <= 300


def test_reason_is_stored_without_the_token(octo, team, follow, sync):
    follow("octo/hello", "octo/world")
    store_token(team, "a very own token")
    error = {
        "type": "FORBIDDEN",
        "path": ["repository"],
        "message": "No entry for a very own token\x00 here.",
    }
    octo.faults({"match": HELLO, "errors": [error]})
    _, hello = sync()
    assert "No entry for … here." in hello.last_sync_error


def test_missing_scopes_are_known_by_the_type_whatever_the_words(octo, team, follow, sync):
    follow("octo/hello", "octo/world")
    error = {
        "type": "INSUFFICIENT_SCOPES",
        "path": ["repository"],
        "message": "Something about this token.",
    }
    octo.faults({"match": HELLO, "errors": [error]})
    _, hello = sync()
    assert (hello.cause, hello.remedy) == ("scopes_missing", Remedy.NEW_TOKEN)


def test_graphql_error_that_names_a_limit_parks(octo, team, follow, sync):
    follow("octo/hello")
    octo.faults(
        {
            "times": 1,
            "errors": [{"message": "You have exceeded a secondary rate limit. Please wait."}],
        }
    )
    run, _ = sync()
    step = run.steps.get()
    assert (run.state, step.state, step.failures) == (RunState.RUNNING, StepState.PARKED, 0)
    assert step.cause == "secondary_limit"


@pytest.mark.parametrize("body", LIMIT_PAGES.values(), ids=LIMIT_PAGES.keys())
@pytest.mark.parametrize("status", [403, 429])
def test_any_body_that_names_a_limit_parks_backs_off_and_is_resumed(
    octo, team, follow, sync, worker, status, body
):
    follow("octo/hello", "octo/world")
    # The first request of an attempt goes alone, so each attempt meets one of these.
    octo.faults({"times": 3, "status": status, "body": body})
    run, hello = sync()
    waits = []
    for _ in range(3):
        step = run.steps.get()
        assert (run.state, step.state, step.failures) == (RunState.RUNNING, StepState.PARKED, 0)
        blocked_until = ApiBudget.objects.get().blocked_until
        assert step.parked_until >= blocked_until
        waits.append(blocked_until - timezone.now())
        ApiBudget.objects.update(blocked_until=timezone.now())
        StepRun.objects.update(parked_until=timezone.now())
        worker.drain(run)
    assert waits == sorted(waits)
    assert waits[-1] > waits[0] + timedelta(minutes=1)
    run.refresh_from_db()
    hello.refresh_from_db()
    assert (run.state, hello.sync_status) == (RunState.DONE, SyncStatus.COMPLETE)
    assert (
        not PullRequest.objects.for_team(team)
        .exclude(detail_state=DetailState.COMPLETE)
        .exists()
    )
