"""Queue the emails of a team's runs.

All go through the outbox, in the transaction of what they report.
"""

from datetime import timedelta
from hashlib import sha256
from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from apps.mail.letters import queue_letter
from apps.mail.links import without_links
from apps.mail.models import OutboxMessage
from apps.metrics.insights.daily import top_insights
from apps.onboarding.models import RefreshFailure
from apps.onboarding.services import summary
from apps.onboarding.services.runs import Totals, run_path, team_of
from apps.onboarding.state import kind_of_run, of_run
from apps.onboarding.state.endings import ending
from apps.pipelines.models import Run, RunState
from apps.pipelines.outcomes import Missing
from apps.pipelines.remedy import Remedy
from apps.teams.emails import EmailKind, stop_link_of, user_wants
from apps.teams.models import Team
from apps.teams.services import can_watch, recipients_of
from apps.teams.states import Figures, State, StateName
from apps.users.first_password import first_password_link
from apps.users.models import User
from apps.users.proof import is_unproven

PARTIAL, EMPTY = StateName.PARTIAL, StateName.EMPTY
STATE_HEADER, CAUSE_HEADER, REMEDY_HEADER = (
    "X-Firstlight-State",
    "X-Firstlight-Cause",
    "X-Firstlight-Remedy",
)
KIND_HEADER = "X-Firstlight-Kind"
# The most missing things that a subject line names.
NAMED = 2
# In this time the same cause is emailed once, unless a run succeeded in between.
TOLD_AGAIN_AFTER = timedelta(days=1)


def recipients(run: Run, kind: EmailKind = EmailKind.FAILURES) -> list[User]:
    """Return who gets the emails of a run, each once.

    They are the team's owners and admins, and the person who started it if that person
    is still a member. An account that was signed up and not confirmed is left out, and
    so are people who turned emails of this kind off.
    """
    team = team_of(run)
    people = {user.pk: user for user in recipients_of(team, kind)}
    starter = run.started_by
    if (
        starter is not None
        # The person may have left the team since.
        and can_watch(starter, team)
        and not is_unproven(starter)
        and user_wants(starter, team, kind)
    ):
        people.setdefault(starter.pk, starter)
    return list(people.values())


def send_welcome_email(user: User, team: Team, *, by_operator: bool = False) -> OutboxMessage:
    """Welcome the owner of a new team and name the next step.

    A team that an operator made is being set up already: its owner has only to watch.
    """
    page = "onboarding:team_home" if by_operator else "onboarding:setup"
    return _send(
        "welcome",
        f"team:{team.pk}:welcome:{user.pk}",
        user,
        f"Welcome to Firstlight: {without_links(team.name)}",
        team=team,
        heading=f"Welcome, {without_links(user.display_name)}",
        by_operator=by_operator,
        path=reverse(page, args=[team.slug]),
    )


def send_sync_complete_email(
    run: Run, user: User, totals: Totals, missing: list[Missing]
) -> OutboxMessage:
    """Email one person what a setup brought: the figures, the insights, and what is
    missing.
    """
    team = team_of(run)
    ended_run = ending(run, without_links(team.name), totals, missing)
    ended = ended_run.state
    # What the model has not read yet makes no setup incomplete: no figure depends on
    # it.
    outcome = StateName.DONE if ended.figures == Figures.CURRENT else ended.name
    state = str(outcome)
    words = completion_words(run, state, missing)
    # Without pull requests the dashboard is empty, and other repositories are the next
    # step.
    page = "onboarding:choose" if state == EMPTY else "metrics:dashboard"
    return _send(
        "complete",
        _key(run, "complete"),
        user,
        f"{without_links(team.name)}: {words}",
        team=team,
        run=run,
        heading=words,
        outcome=state,
        state=ended,
        totals=totals,
        figures=summary.figures(team, totals),
        insights=top_insights(team.pk),
        gaps=ended_run.gaps,
        path=reverse(page, args=[team.slug]),
        kind=EmailKind.FINISHED,
    )


def completion_words(run: Run, state: str, missing: list[Missing]) -> str:
    """Return how a setup ended, for subject and heading.

    Only a team's first insights are called that.
    """
    if state == EMPTY:
        return "No pull requests found"
    if state == PARTIAL:
        return f"Setup is incomplete, {_names(missing)} missing"
    if _is_first(run):
        return "Your first insights are ready"
    return "Setup is complete"


def _names(missing: list[Missing]) -> str:
    """Return the first things that are missing by name, and how many others there are:

    `acme/api and 2 more are`.
    """
    names = list(dict.fromkeys(without_links(gap["what"]) for gap in missing))
    shown = (
        " and ".join(names) if len(names) <= NAMED else f"{names[0]} and {len(names) - 1} more"
    )
    return f"{shown} {'is' if len(names) == 1 else 'are'}"


def _is_first(run: Run) -> bool:
    """Return whether no setup of the team, and no earlier try of this one, has brought
    figures.
    """
    earlier = Run.objects.filter(
        subject=run.subject, pipeline=run.pipeline, created_at__lt=run.created_at
    )
    if earlier.filter(state__in=[RunState.DONE, RunState.PARTIAL]).exists():
        return False
    own = OutboxMessage.objects.filter(
        dedupe_key__startswith=f"run:{run.pk}:", dedupe_key__endswith=":complete"
    )
    return not own.exclude(dedupe_key=_key(run, "complete")).exists()


def send_onboarding_failed_email(run: Run, error: str) -> list[OutboxMessage]:
    """Email the same people that the setup stopped, why, and how to continue it; once
    for each cause.
    """
    team = team_of(run)
    if _was_told(run):
        return []
    step = run.steps.filter(state="failed").first()
    ended = of_run(run, without_links(team.name)).state
    needs_token = ended.remedy == Remedy.NEW_TOKEN
    page = (
        reverse("onboarding:connect", args=[team.slug]) if needs_token else run_path(run, team)
    )
    return [
        _send(
            "failed",
            f"{_failures_of(run)}{run.pk}:{run.generation}",
            user,
            f"{without_links(team.name)}: Setup stopped",
            team=team,
            run=run,
            heading="Setup stopped",
            state=ended,
            reference=f"{run.pk}:{run.generation}:failed",
            step=step.title if step else "",
            error=error,
            needs_token=needs_token,
            path=page,
            kind=EmailKind.FAILURES,
        )
        for user in recipients(run, EmailKind.FAILURES)
    ]


def _failures_of(run: Run) -> str:
    """Return the prefix of the keys of all emails about this run's cause of failure."""
    return f"{run.subject}:failed:{_cause(run)}:"


def _was_told(run: Run) -> bool:
    """Return whether an email about the same cause was sent within a day, and no run of
    the team has succeeded since.
    """
    told = OutboxMessage.objects.filter(
        dedupe_key__startswith=_failures_of(run),
        created_at__gt=timezone.now() - TOLD_AGAIN_AFTER,
    )
    newest = told.order_by("-created_at").values_list("created_at", flat=True).first()
    if newest is None:
        return False
    succeeded = Run.objects.filter(
        subject=run.subject, state__in=[RunState.DONE, RunState.PARTIAL], finished_at__gt=newest
    )
    return not succeeded.exists()


def _key(run: Run, kind: str) -> str:
    return f"run:{run.pk}:{run.generation}:{kind}"


def _send(
    template: str,
    key: str,
    user: User,
    subject: str,
    *,
    team: Team,
    path: str = "",
    run: Run | None = None,
    state: State | None = None,
    kind: EmailKind | None = None,
    **context: Any,
) -> OutboxMessage:
    """Queue one email to a person of a team.

    A person who can't sign in yet, because `manage.py onboard` made the account, gets
    links that set a password.

    Args:
        path: the page that the button opens.
        kind: what the person can turn off.
        state: the state of the run, which the headers name.
        context: further values of the template.
    """
    password_link = first_password_link(user, path)
    context |= {
        "team": {"name": without_links(team.name)},
        "recipient": user,
        "reference": context.get("reference", key.partition(":")[2]),
        "sets_password": password_link is not None,
        "link": password_link or settings.SITE_URL + path,
        "heading": context.get("heading", subject),
    }
    if run is not None:
        page = run_path(run, team)
        # Each of the two links has to let a person without a password in.
        context["run_link"] = first_password_link(user, page) or settings.SITE_URL + page
    return queue_letter(
        f"onboarding/email/{template}",
        dedupe_key=key,
        recipient=user.email,
        subject=subject,
        context=context,
        stop=stop_link_of(user, team, kind) if kind is not None else "",
        headers=_state_headers(run, state),
    )


def _state_headers(run: Run | None, state: State | None) -> dict[str, str]:
    """Return the state that an email is about, for programs."""
    if run is None or state is None:
        return {}
    return {
        KIND_HEADER: kind_of_run(run),
        STATE_HEADER: str(state.name),
        CAUSE_HEADER: state.cause,
        REMEDY_HEADER: str(state.remedy),
    }


def _cause(run: Run) -> str:
    """Return the name of what made a run fail; empty if it did not."""
    if run.cause or not run.error:
        return run.cause
    # A cause without a name is named by its text, so that the same error is emailed
    # once.
    return sha256(run.error.encode()).hexdigest()[:16]


def send_refresh_fails_email(run: Run, failure: RefreshFailure) -> list[OutboxMessage]:
    """Email the team's owners and admins, once, that its figures are not refreshed at
    present, and why.
    """
    return _send_refresh(run, failure, "began", "Figures are not refreshed")


def send_refresh_works_email(run: Run, failure: RefreshFailure) -> list[OutboxMessage]:
    """Email the same people, once, that the figures are refreshed again."""
    return _send_refresh(run, failure, "ended", "Figures are refreshed again")


def _send_refresh(
    run: Run, failure: RefreshFailure, part: str, words: str
) -> list[OutboxMessage]:
    team = team_of(run)
    state = of_run(run, team.name).state
    needs_token = state.remedy == Remedy.NEW_TOKEN
    page = "onboarding:connect" if needs_token else "metrics:dashboard"
    return [
        _send(
            f"refresh_{part}",
            f"refresh-failure:{failure.pk}:{part}",
            user,
            f"{without_links(team.name)}: {words}",
            team=team,
            run=run,
            state=state,
            heading=words,
            failure=failure,
            goes_on_at=state.until,
            needs_token=needs_token,
            path=reverse(page, args=[team.slug]),
            kind=EmailKind.FAILURES,
        )
        for user in recipients(run, EmailKind.FAILURES)
    ]
