"""Send the weekly email: last week's figures beside the week before, and the insights
that are new since the last one.

It is sent on Monday morning in the team's time zone, once for each week and person, to
every member who wants it.

An insight is new for a person if it was not there on the day of the person's last
weekly email. The others are counted as "still open". A difference from the week before
is called one only if it is beyond chance (`apps.metrics.figures.significance`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from urllib.parse import urlencode

from django.conf import settings
from django.urls import reverse

from apps.mail.letters import queue_letter
from apps.mail.links import without_links
from apps.mail.models import OutboxMessage
from apps.metrics.charts.weekly import percent
from apps.metrics.figures import significance
from apps.metrics.figures.periods import PeriodFigures, merged_in
from apps.metrics.figures.selection import Period, Selection
from apps.metrics.formatting import in_hours
from apps.metrics.insights.daily import SHOWN, newest
from apps.metrics.models import Insight, Scope, WeeklyMetrics
from apps.metrics.pages.pull_request_list import DIRECT
from apps.metrics.records import PullRequestState
from apps.metrics.weeks import WEEK, week_of
from apps.teams.emails import EmailKind, stop_link
from apps.teams.models import Membership, Team
from apps.users.first_password import first_password_link
from apps.users.models import User
from apps.users.proof import without_unproven

# The hour of Monday from which on it leaves.
HOUR = 7
INSIGHTS_HEADER = "X-Firstlight-Insights"


@dataclass(frozen=True, slots=True)
class Line:
    """One figure of the week, and what it was in the week before.

    `differs`: by more than chance.
    """

    key: str
    value: str
    label: str
    before: str
    differs: bool = False
    # The page's address with the pull requests that were counted, from the host on.
    path: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """A new insight, and the path of the pull requests that show it; empty if none are
    named.
    """

    insight: Insight
    path: str


def due(now: datetime) -> list[Team]:
    """Return the teams whose Monday morning has come."""
    ready = Team.objects.exclude(onboarding_pipeline_completed_at=None).order_by("pk")
    return [team for team in ready if _is_monday_morning(now.astimezone(team.zone))]


def _is_monday_morning(local: datetime) -> bool:
    return local.weekday() == 0 and local.hour >= HOUR


def queue(team: Team, now: datetime) -> list[OutboxMessage]:
    """Queue last week's email to each member who wants it, in the caller's transaction;
    none for a week without work.
    """
    zone = team.zone
    week = week_of(now, zone) - WEEK
    lines = figures(team, week)
    if not lines:
        return []
    insights = newest(team.pk)
    # An unproven address may belong to a stranger, who must not get the figures.
    readers = without_unproven(User.objects.filter(memberships__team=team, is_active=True))
    members = (
        team.memberships.filter(digest=True, user__in=readers)
        .select_related("user")
        .order_by("pk")
    )
    return [_send(membership, team, week, lines, insights) for membership in members]


def figures(team: Team, week: date) -> list[Line]:
    """Return the week's lines; none if nothing was opened or merged, and no direct
    commit landed.
    """
    rows = WeeklyMetrics.objects.for_team(team).filter(
        scope=Scope.TEAM, week__in=[week, week - WEEK]
    )
    by_week = {row.week: row for row in rows}
    now, before = by_week.get(week), by_week.get(week - WEEK)
    if now is None or not (now.opened or now.merged or now.direct_commits):
        return []
    share_before = percent(before.ai_assisted, before.merged) if before else "–"
    differs = _differences(team, week, now, before)
    lines = [
        Line("merged", f"{now.merged:,}", "Merged", f"{before.merged:,}" if before else "0"),
        Line(
            "time_to_merge",
            _hours(now, "time_to_merge_hours_median"),
            "Time to merge, median",
            _hours(before, "time_to_merge_hours_median"),
        ),
        Line(
            "pickup",
            _hours(now, "pickup_hours_median"),
            "Time to first review, median",
            _hours(before, "pickup_hours_median"),
        ),
        Line(
            "ai_assisted",
            percent(now.ai_assisted, now.merged),
            "AI-assisted (at least)",
            share_before,
        ),
    ]
    path = pulls_path(team, state=PullRequestState.MERGED, week=week.isoformat())
    lines = [replace(line, differs=differs[line.key], path=path) for line in lines]
    direct_before = before.direct_commits if before else 0
    if now.direct_commits or direct_before:
        path = pulls_path(team, kind=DIRECT, week=week.isoformat())
        beyond = (
            before is not None
            and significance.of_counts(direct_before, now.direct_commits).is_beyond
        )
        counts = f"{now.direct_commits:,}", "Direct commits", f"{direct_before:,}"
        lines.append(Line("direct_commits", *counts, differs=beyond, path=path))
    return lines


def _differences(
    team: Team, week: date, now: WeeklyMetrics, before: WeeklyMetrics | None
) -> dict[str, bool]:
    """Return for each line whether the week differs from the one before by more than
    chance.
    """
    if before is None:
        return dict.fromkeys(("merged", "time_to_merge", "pickup", "ai_assisted"), False)
    earlier, current = (_merged_in(team, one) for one in (week - WEEK, week))
    return {
        "merged": significance.of_counts(before.merged, now.merged).is_beyond,
        "time_to_merge": _medians_differ(earlier, current, "time_to_merge_hours"),
        "pickup": _medians_differ(earlier, current, "pickup_hours"),
        "ai_assisted": significance.of_shares(
            before.ai_assisted, before.merged, now.ai_assisted, now.merged
        ).is_beyond,
    }


def _medians_differ(before: PeriodFigures, now: PeriodFigures, column: str) -> bool:
    """Return whether the medians of a column of the measures differ by more than
    chance.
    """
    return significance.of_medians([(before.values(column), now.values(column))]).is_beyond


def _merged_in(team: Team, week: date) -> PeriodFigures:
    """Return the figures of what was merged in one week."""
    zone = team.zone
    period = Period(
        (week,), so_far=False, is_cut=False, earliest=week, last_day=week + WEEK, zone=zone
    )
    return merged_in(team.pk, period, Selection())


def _hours(row: WeeklyMetrics | None, name: str) -> str:
    value = getattr(row, name, None)
    return "–" if value is None else in_hours(value)


def pulls_path(team: Team, **filters: object) -> str:
    """Return the path of the list of pull requests with these filters."""
    return f"{reverse('metrics:pull_requests', args=[team.slug])}?{urlencode(filters)}"


def _known(membership: Membership, team: Team, week: date) -> set[tuple[str, str]]:
    """Return rule and subject of the insights that were there at the person's last
    weekly email.
    """
    sent = OutboxMessage.objects.filter(
        dedupe_key__startswith=f"digest:{team.pk}:", recipient=membership.user.email
    ).exclude(dedupe_key=_key(team, week))
    last = sent.order_by("-created_at").first()
    if last is None:
        return set()
    # The email itself records on which day's insights it was based.
    shown = last.headers.get(INSIGHTS_HEADER, "")
    if not shown:
        return set()
    rows = Insight.objects.for_team(team).filter(date=shown)
    return set(rows.values_list("rule", "subject"))


def _key(team: Team, week: date) -> str:
    return f"digest:{team.pk}:{week.isoformat()}"


def _item(team: Team, insight: Insight) -> Item:
    path = pulls_path(team, finding=insight.pk) if insight.evidence.get("pull_requests") else ""
    return Item(insight, path)


def _send(
    membership: Membership,
    team: Team,
    week: date,
    lines: Sequence[Line],
    insights: Sequence[Insight],
) -> OutboxMessage:
    """Queue one member's email."""
    user = membership.user
    name = without_links(team.name)
    known = _known(membership, team, week)
    new = [insight for insight in insights if (insight.rule, insight.subject) not in known]
    dashboard = reverse("metrics:dashboard", args=[team.slug])
    password_link = first_password_link(user, dashboard)
    day = insights[0].date.isoformat() if insights else ""
    context = {
        "team": {"name": name},
        "week": week,
        "lines": lines,
        "items": [_item(team, insight) for insight in new[:SHOWN]],
        "more_new": max(0, len(new) - SHOWN),
        "still_open": len(insights) - len(new),
        "heading": f"The week of {week.day} {week:%B}",
        "recipient": user,
        "sets_password": password_link is not None,
        "link": password_link or settings.SITE_URL + dashboard,
        "dashboard": settings.SITE_URL + dashboard,
    }
    return queue_letter(
        "onboarding/email/digest",
        dedupe_key=_key(team, week),
        recipient=user.email,
        subject=_subject(name, week, len(new)),
        context=context,
        stop=stop_link(membership, EmailKind.DIGEST),
        headers={INSIGHTS_HEADER: day} if day else {},
    )


def _subject(name: str, week: date, new: int) -> str:
    """Return the subject: the week, and how many insights are new."""
    counted = (
        "no new insights" if not new else "1 new insight" if new == 1 else f"{new} new insights"
    )
    return f"{name}: week of {week.day} {week:%B}, {counted}"
