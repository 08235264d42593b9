"""How large repositories are, estimated from one cheap query for twenty of them.

The query asks for the number of all pull requests and for the days on which the newest
hundred were opened. The number in a window is exact if the window begins within this
hundred. If it reaches further back, the number follows from their pace.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypedDict

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from apps.integrations.sources.github.client import GitHubClient
from apps.integrations.sources.github.queries import sizes as document

NEWEST = 100
AT_ONCE = 20


class Size(TypedDict):
    """`days` are the days on which the newest were opened, as ordinals
    (`date.toordinal`), newest first.
    """

    total: int
    days: list[int]


def read_sizes(client: GitHubClient, names: Sequence[str]) -> dict[str, Size]:
    """Return the sizes of the repositories that can be read.

    Raises GitHubError if a whole query fails.
    """
    found: dict[str, Size] = {}
    for start in range(0, len(names), AT_ONCE):
        chunk = names[start : start + AT_ONCE]
        variables: dict[str, str] = {}
        for number, full_name in enumerate(chunk):
            owner, _, name = full_name.partition("/")
            variables |= {f"owner{number}": owner, f"name{number}": name}
        data = client.graphql(
            document(len(chunk), NEWEST), variables, what="sizes of repositories"
        ).data
        found |= {
            name: size
            for number, name in enumerate(chunk)
            if (size := _size(data.get(f"r{number}")))
        }
    return found


def _size(repository: Any) -> Size | None:
    pulls = repository.get("pullRequests") if isinstance(repository, Mapping) else None
    if not isinstance(pulls, Mapping) or not isinstance(pulls.get("totalCount"), int):
        return None
    opened = [
        parse_datetime(str(node.get("createdAt"))) for node in pulls.get("nodes") or () if node
    ]
    return Size(
        total=pulls["totalCount"],
        days=[moment.astimezone(UTC).toordinal() for moment in opened if moment],
    )


def in_window(size: Size, since: datetime) -> int:
    """Return about how many pull requests were opened since then."""
    first = since.astimezone(UTC).toordinal()
    within = sum(day >= first for day in size["days"])
    if within < len(size["days"]) or size["total"] <= within or not within:
        return within
    today = timezone.now().astimezone(UTC).toordinal()
    pace = within / max(1, today - size["days"][-1])
    return min(size["total"], round(pace * (today - first)))


def is_exact(size: Size, since: datetime) -> bool:
    """Return whether `in_window` counts every pull request instead of estimating from
    the newest hundred.
    """
    first = since.astimezone(UTC).toordinal()
    within = sum(day >= first for day in size["days"])
    return within < len(size["days"]) or size["total"] <= within or not within


def weeks(size: Size, count: int) -> list[int | None]:
    """Return how many were opened in each of the last `count` weeks, oldest first; None
    for weeks before the newest hundred.
    """
    today = timezone.now().astimezone(UTC).date()
    first = today - timedelta(days=today.weekday(), weeks=count - 1)
    bins = [0] * count
    for day in size["days"]:
        week = (date.fromordinal(day) - first).days // 7
        if 0 <= week < count:
            bins[week] += 1
    if len(size["days"]) == size["total"] or not size["days"]:
        return list(bins)
    known = (date.fromordinal(size["days"][-1]) - first).days // 7 + 1
    return [None if index < known else opened for index, opened in enumerate(bins)]
