"""Update the node ids of pull requests. GitHub may change their format, while the
numbers stay.

    follow_addresses(repository, {"PR_kwDO9": record of #9})    # the row of #9 that has MDEx… gets PR_kwDO9
"""

from collections.abc import Mapping
from typing import Any

from apps.metrics.models import PullRequest, Repository
from apps.metrics.records import PullRequestData


def follow_addresses(
    repository: Repository,
    batch: Mapping[str, PullRequestData],
    stored: Mapping[str, Mapping[str, Any]],
) -> bool:
    """Give stored pull requests the external ids under which their numbers come now.

    A number that has lost its address to another one waits for its own under a text
    that is no node id. Pull requests of clones have no GitHub id and are left alone.
    The caller holds the transaction.

    Args:
        batch: the records, by their external ids.
        stored: the values of the rows that have these external ids, by those.

    Returns:
        Whether a row has another external id now, so that `stored` is out of date.
    """
    addresses: dict[int, str] = {}
    for external_id, data in batch.items():
        if data.number is not None and data.github_id is not None:
            addresses[data.number] = external_id
    rows = _rows_elsewhere(repository, addresses, stored)
    moved: dict[int, str] = {}
    left: list[int] = []
    taken = set(addresses.values())
    for pk, number, known in rows:
        if number in addresses:
            moved[pk] = addresses[number]
        if known in taken:
            left.append(pk)
    # External ids are unique, so an id that another row needs has to become free first.
    for pk in sorted(left):
        PullRequest.objects.across_teams().filter(pk=pk).update(
            external_id=f"without address {pk}"
        )
    # One order for all workers, so that two of them never wait for each other.
    for pk in sorted(moved):
        PullRequest.objects.across_teams().filter(pk=pk).update(external_id=moved[pk])
    return bool(moved or left)


def _rows_elsewhere(
    repository: Repository,
    addresses: Mapping[int, str],
    stored: Mapping[str, Mapping[str, Any]],
) -> set[tuple[int, int | None, str]]:
    """Return primary key, number, and external id of the rows whose number or external
    id belongs to another one.
    """
    rows: set[tuple[int, int | None, str]] = set()
    # Numbers without a row at their address.
    sought: list[int] = []
    for number, external_id in addresses.items():
        values = stored.get(external_id)
        if values is not None and values["number"] == number:
            continue
        sought.append(number)
        if values is not None and None not in (values["number"], values["github_id"]):
            rows.add((values["pk"], values["number"], external_id))
    if sought:
        # The repository's, and so its team's: asked for the team too, SQLite walks
        # through all that there is.
        found = PullRequest.objects.across_teams().filter(
            repository=repository, github_id__isnull=False
        )
        rows |= set(
            found.filter(number__in=sought)
            .order_by()
            .values_list("pk", "number", "external_id")
        )
    return rows
