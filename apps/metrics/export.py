"""The weekly table as rows for other programs: touched weeks only, unrounded, sorted by key, then week."""

from collections.abc import Iterator
from typing import Any

from apps.metrics.definitions import week_label
from apps.metrics.models import Scope, WeeklyMetrics
from apps.metrics.tally import Figures

# Where the name of a row comes from; a team's rows have none.
_NAMES = {Scope.REPOSITORY: "repository__full_name", Scope.MEMBER: "member__login"}


def columns(scope: Scope) -> list[str]:
    """`week`, `repository` or `member`, then the figures."""
    return ["week", *([scope.value] if scope in _NAMES else []), *Figures._fields]


def weekly_rows(team_id: int, scope: Scope) -> Iterator[dict[str, Any]]:
    """One dict per key and ISO week, with the keys of `columns`; None where there is no value."""
    rows = WeeklyMetrics.objects.for_team(team_id).filter(scope=scope)
    name = [_NAMES[scope]] if scope in _NAMES else []
    names = columns(scope)
    # Sorted here: databases disagree on the order of letters.
    found = sorted(
        rows.values_list("subject", "week", *name, *Figures._fields), key=lambda row: (row[2] if name else "", *row[:2])
    )
    for _, week, *values in found:
        yield dict(zip(names, [week_label(week), *values], strict=True))
