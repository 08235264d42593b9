"""The weekly table as rows for other programs: touched weeks only, unrounded, sorted by
key, then week.

Without `everything` they have the columns that they have had from the first version,
which programs rely on, and the weeks in which something was opened or merged. With it,
all figures, and also weeks of closing, reviewing or direct commits alone. `week_start`
is the week's Monday as a date, which other programs read, while few of them read
"2026-W07".
"""

from collections.abc import Iterator
from typing import Any

from django.db.models import Q

from apps.metrics.figures.declarations import NAMES
from apps.metrics.models import Scope, WeeklyMetrics
from apps.metrics.weeks import week_label

# The lookup of a row's name; a team's rows have none.
_NAMES = {Scope.REPOSITORY: "repository__full_name", Scope.MEMBER: "member__login"}
# The column that distinguishes rows of one name: a person on GitHub and one in a clone
# may have the same login.
_IDENTITIES = {Scope.REPOSITORY: "repository__source", Scope.MEMBER: "member__key"}

# The columns that are no figures.
LABELS = ("week", "week_start", Scope.REPOSITORY.value, Scope.MEMBER.value)
BASIC = NAMES[: NAMES.index("reviews") + 1]


def columns(scope: Scope, *, everything: bool = False, dates: bool = False) -> list[str]:
    """Return the names of the columns: `week`, `repository` or `member`, then the
    figures.

    `week_start` is among them with `everything` and with `dates`.
    """
    labels = ["week"]
    if everything or dates:
        labels.append("week_start")
    if scope in _NAMES:
        labels.append(scope.value)
    return [*labels, *(NAMES if everything else BASIC)]


def weekly_rows(
    team_id: int, scope: Scope, *, everything: bool = False, dates: bool = False
) -> Iterator[dict[str, Any]]:
    """Yield a dict per key and ISO week, with the keys of `columns`; None is no
    value.
    """
    rows = WeeklyMetrics.objects.for_team(team_id).filter(scope=scope)
    if not everything:
        rows = rows.filter(Q(opened__gt=0) | Q(merged__gt=0))
    name = [_NAMES[scope]] if scope in _NAMES else []
    identity = _IDENTITIES.get(scope, "subject")
    names = columns(scope, everything=everything, dates=dates)
    figures = NAMES if everything else BASIC
    # Sorted here: databases disagree on the order of letters.
    found = sorted(
        rows.values_list(identity, "week", *name, *figures),
        key=lambda row: (row[2] if name else "", *row[:2]),
    )
    for _, week, *values in found:
        labels = [week_label(week)]
        if "week_start" in names:
            labels.append(week.isoformat())
        yield dict(zip(names, [*labels, *values], strict=True))
