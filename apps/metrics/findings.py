"""Insights as rows: found by the rules from the facts, kept once per team, day, rule and subject."""

from collections.abc import Sequence
from datetime import date, datetime

from apps.metrics.facts import load
from apps.metrics.insights import Finding, findings
from apps.metrics.models import Insight

_FIELDS = ["title", "body", "advice", "evidence", "effect"]


def find(team_id: int, now: datetime) -> list[Finding]:
    """What the rules say about a team now, the largest effect first. Reads only."""
    return findings(load(team_id, now))


def store(team_id: int, day: date, found: Sequence[Finding]) -> None:
    """Make a day's insights these and no others. Two statements; the caller holds the transaction."""
    kept = {(finding.rule, finding.subject) for finding in found}
    stored = Insight.objects.for_team(team_id).filter(date=day)
    gone = [pk for pk, *place in stored.values_list("pk", "rule", "subject") if tuple(place) not in kept]
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
