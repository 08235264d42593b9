"""The sizes of repositories, from one cheap query for twenty of them.

The query asks for the number of all pull requests and for the days on which the newest
hundred were opened.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Any

from django.utils.dateparse import parse_datetime

from apps.integrations.sources.github.client import GitHubClient
from apps.integrations.sources.github.queries import sizes as document
from apps.integrations.sources.sizes import Size

NEWEST = 100
AT_ONCE = 20


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
