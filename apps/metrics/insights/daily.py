"""Store insights: the rules find them in the dataset, and there is one row for each
team, day, rule, and subject.
"""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Any

from django.db.models import Exists, OuterRef, Subquery

from apps.metrics.cache import touch
from apps.metrics.insights import Finding, findings
from apps.metrics.insights.base import in_order
from apps.metrics.insights.dataset import load
from apps.metrics.models import Insight, InsightDismissal
from apps.pipelines.portions import Watch

SHOWN = 3

_FIELDS = ["title", "body", "advice", "evidence", "effect"]


def find(team_id: int, now: datetime, watch: Watch | None = None) -> list[Finding]:
    """Return what the rules find about a team now, in the order of `in_order`.

    Reads only.
    """
    return findings(load(team_id, now), watch)


def store(team_id: int, day: date, found: Sequence[Finding]) -> None:
    """Make a day's insights these and no others.

    Three statements; the caller holds the transaction.
    """
    kept = {(finding.rule, finding.subject) for finding in found}
    stored = Insight.objects.for_team(team_id).filter(date=day)
    gone = [
        pk
        for pk, *place in stored.values_list("pk", "rule", "subject")
        if tuple(place) not in kept
    ]
    if gone:
        stored.filter(pk__in=gone).delete()
    Insight.objects.bulk_create(
        [
            Insight(
                team_id=team_id,
                date=day,
                rule=finding.rule,
                subject=finding.subject,
                title=finding.title[:250],
                body=finding.body,
                advice=finding.advice,
                evidence=finding.evidence,
                effect=finding.effect,
            )
            for finding in found
        ],
        update_conflicts=True,
        unique_fields=["team", "date", "rule", "subject"],
        update_fields=_FIELDS,
    )
    touch(team_id)


def newest(team_id: int, *, subjects: Collection[str] | None = None) -> list[Insight]:
    """Return the insights of the newest day in the order of `in_order`, without those
    that were dismissed.

    With `subjects`, only insights about these.
    """
    insights: Any = Insight.objects.for_team(team_id)
    day = insights.order_by("-date").values("date")[:1]
    dismissed = InsightDismissal.objects.for_team(team_id).filter(
        rule=OuterRef("rule"), subject=OuterRef("subject")
    )
    found = insights.filter(date=Subquery(day)).exclude(Exists(dismissed))
    if subjects is not None:
        found = found.filter(subject__in=subjects)
    return in_order(found)


def top_insights(team_id: int, *, subjects: Collection[str] | None = None) -> list[Insight]:
    """Return the first three of `newest`."""
    return newest(team_id, subjects=subjects)[:SHOWN]


def dismiss(insight: Insight, reason: str, user: Any, now: datetime) -> None:
    """Hide what this rule finds about this subject from the team, until `restore`.

    Raises ValueError if the reason is blank.
    """
    if not reason.strip():
        raise ValueError("A dismissal needs a reason.")
    InsightDismissal.objects.for_team(insight.team_id).update_or_create(
        team_id=insight.team_id,
        rule=insight.rule,
        subject=insight.subject,
        defaults={"reason": reason.strip()[:500], "dismissed_by": user, "dismissed_at": now},
    )
    touch(insight.team_id)


def dismissed(team_id: int) -> list[InsightDismissal]:
    """Return the team's dismissals, the newest first.

    Each has `title`, the title of the newest finding that it hides.
    """
    found = Insight.objects.for_team(team_id).filter(
        rule=OuterRef("rule"), subject=OuterRef("subject")
    )
    rows = (
        InsightDismissal.objects.for_team(team_id)
        .select_related("dismissed_by")
        .order_by("-dismissed_at")
    )
    return list(rows.annotate(title=Subquery(found.order_by("-date").values("title")[:1])))


def restore(team_id: int, rule: str, subject: str) -> None:
    """Remove a dismissal, so that the team sees the findings again."""
    InsightDismissal.objects.for_team(team_id).filter(rule=rule, subject=subject).delete()
    touch(team_id)
