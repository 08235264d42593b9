"""The weekly mail: last week's figures as the weekly table has them, beside the week before, and what stands out.

It leaves on Monday morning in the team's time zone, once for each week and person, to every member who has not stopped it.
"""

from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core import signing
from django.template.loader import render_to_string
from django.urls import reverse

from apps.mail.models import OutboxMessage
from apps.mail.outbox import queue_mail
from apps.metrics.charts import percent
from apps.metrics.definitions import WEEK, week_of
from apps.metrics.findings import top_insights
from apps.metrics.models import Scope, WeeklyMetrics
from apps.metrics.words import in_hours
from apps.teams.models import Membership, Team

SALT = "weekly-digest"
# The hour of Monday from which on it leaves.
HOUR = 7


@dataclass(frozen=True, slots=True)
class Line:
    """One figure of the week, and what it was in the week before."""

    value: str
    label: str
    before: str


def due(now: datetime) -> list[Team]:
    """The teams whose Monday morning has come."""
    ready = Team.objects.exclude(onboarding_pipeline_completed_at=None).order_by("pk")
    return [team for team in ready if _is_monday_morning(now.astimezone(ZoneInfo(team.time_zone)))]


def _is_monday_morning(local: datetime) -> bool:
    return local.weekday() == 0 and local.hour >= HOUR


def queue(team: Team, now: datetime) -> list[OutboxMessage]:
    """Queue last week's mail to each member who wants it, in the caller's transaction; none for a week without work."""
    week = week_of(now, ZoneInfo(team.time_zone)) - WEEK
    lines = figures(team, week)
    if not lines:
        return []
    insights = top_insights(team.pk)
    members = team.memberships.filter(digest=True, user__is_active=True).select_related("user").order_by("pk")
    return [_mail(membership, team, week, lines, insights) for membership in members]


def figures(team: Team, week: date) -> list[Line]:
    """The week's lines; empty where nothing was opened or merged."""
    rows = WeeklyMetrics.objects.for_team(team).filter(scope=Scope.TEAM, week__in=[week, week - WEEK])
    by_week = {row.week: row for row in rows}
    now, before = by_week.get(week), by_week.get(week - WEEK)
    if now is None or not (now.opened or now.merged):
        return []
    return [
        Line(f"{now.merged:,}", "merged", f"{before.merged:,}" if before else "0"),
        Line(_hours(now, "time_to_merge_hours_median"), "to merge, median", _hours(before, "time_to_merge_hours_median")),
        Line(_hours(now, "pickup_hours_median"), "to the first review", _hours(before, "pickup_hours_median")),
        Line(percent(now.ai_assisted, now.merged), "AI-assisted, at least",
             percent(before.ai_assisted, before.merged) if before else "–"),
    ]  # fmt: skip


def _hours(row: WeeklyMetrics | None, name: str) -> str:
    value = getattr(row, name, None)
    return "–" if value is None else in_hours(value)


def stop_url(membership: Membership) -> str:
    """The address that ends the mail for one member, without signing in."""
    token = signing.dumps(membership.pk, salt=SALT)
    return settings.SITE_URL + reverse("onboarding:digest_stop", args=[token])


def membership_of(token: str) -> Membership | None:
    """Whose mail an address is of. It does not end: mails are read late."""
    try:
        key = signing.loads(token, salt=SALT)
    except signing.BadSignature:
        return None
    return Membership.objects.filter(pk=key).select_related("team", "user").first()


def _mail(membership: Membership, team: Team, week: date, lines: list[Line], insights: object) -> OutboxMessage:
    stop, subject = stop_url(membership), f"{team.name}: the week of {week.day} {week:%B}"
    context = {
        "team": team, "week": week, "lines": lines, "insights": insights, "stop": stop, "subject": subject,
        "heading": f"The week of {week.day} {week:%B}", "recipient": membership.user, "site": settings.SITE_URL,
        "link": settings.SITE_URL + reverse("metrics:dashboard", args=[team.slug]),
    }  # fmt: skip
    return queue_mail(
        dedupe_key=f"digest:{team.pk}:{week.isoformat()}",
        recipient=membership.user.email,
        subject=subject,
        text=render_to_string("onboarding/email/digest.txt", context).strip() + "\n",
        html=render_to_string("onboarding/email/digest.html", context),
        headers={"List-Unsubscribe": f"<{stop}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"},
    )
