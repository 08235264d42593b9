"""The mails of an onboarding. All go through the outbox, in the transaction of what they tell of."""

from typing import Any

from django.conf import settings
from django.template.loader import render_to_string
from django.urls import reverse

from apps.mail.models import OutboxMessage
from apps.mail.outbox import queue_mail
from apps.metrics.findings import top_insights
from apps.onboarding.services import summary
from apps.onboarding.services.runs import Totals, run_url, team_of
from apps.pipelines.models import Run
from apps.pipelines.outcomes import Missing
from apps.teams.models import Team
from apps.teams.services import can_watch, recipients_of
from apps.users.models import User


def recipients(run: Run) -> list[User]:
    """Who hears of an onboarding: whoever started it and still is of the team, its owners and admins; each once."""
    team = team_of(run)
    people = {user.pk: user for user in recipients_of(team)}
    starter = run.started_by
    if starter is not None and can_watch(starter, team):
        people.setdefault(starter.pk, starter)
    return list(people.values())


def send_welcome_email(user: User, team: Team) -> OutboxMessage:
    """Welcome the owner of a new team and say what to do next."""
    return _send(
        "welcome",
        f"team:{team.pk}:welcome:{user.pk}",
        user,
        f"Welcome to Firstlight: {team.name}",
        team=team,
        heading=f"Welcome, {user.display_name}",
        link=settings.SITE_URL + reverse("metrics:dashboard", args=[team.slug]),
    )


def send_sync_complete_email(run: Run, user: User, totals: Totals, missing: list[Missing]) -> OutboxMessage:
    """Tell one person that the team is set up: the figures, the findings, and what is missing."""
    team = team_of(run)
    return _send(
        "complete",
        _key(run, "complete"),
        user,
        f"Your first insights are ready: {team.name}",
        team=team,
        run=run,
        heading="Your first insights are ready",
        totals=totals,
        figures=summary.figures(team, totals),
        insights=top_insights(team.pk),
        missing=missing,
        link=settings.SITE_URL + reverse("metrics:dashboard", args=[team.slug]),
        run_link=run_url(run, team),
    )


def send_onboarding_failed_email(run: Run, error: str) -> list[OutboxMessage]:
    """Tell the same people that it failed, why, and where it goes on."""
    team = team_of(run)
    step = run.steps.filter(state="failed").first()
    return [
        _send(
            "failed",
            _key(run, "failed"),
            user,
            f"The set-up stopped: {team.name}",
            team=team,
            run=run,
            heading="The set-up stopped",
            step=step.title if step else "",
            error=error,
            link=run_url(run, team),
        )
        for user in recipients(run)
    ]


def _key(run: Run, kind: str) -> str:
    return f"run:{run.pk}:{run.generation}:{kind}"


def _send(template: str, key: str, user: User, subject: str, **context: Any) -> OutboxMessage:
    context |= {"recipient": user, "subject": subject, "site": settings.SITE_URL, "reference": key.partition(":")[2]}
    return queue_mail(
        dedupe_key=key,
        recipient=user.email,
        subject=subject,
        text=render_to_string(f"onboarding/email/{template}.txt", context).strip() + "\n",
        html=render_to_string(f"onboarding/email/{template}.html", context),
    )
