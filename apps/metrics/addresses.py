"""Node ids are addresses of pull requests, which GitHub may give in another format; their numbers stay.

follow_addresses(repository, {"PR_kwDO9": record of #9})    # the row of #9 that has MDEx… gets PR_kwDO9
"""

from collections.abc import Mapping

from django.db.models import Q

from apps.metrics.models import PullRequest, Repository
from apps.metrics.records import PullRequestData


def follow_addresses(repository: Repository, batch: Mapping[str, PullRequestData]) -> None:
    """Give stored pull requests the external ids under which their numbers come now.

    A number that has lost its address to another one waits for its own under a text that is no node id. Pull requests
    of clones have no GitHub id and are left alone. The caller holds the transaction.
    """
    addresses: dict[int, str] = {}
    for external_id, data in batch.items():
        if data.number is not None and data.github_id is not None:
            addresses[data.number] = external_id
    if not addresses:
        return
    # The repository's, and so its team's: asked for the team too, SQLite walks through all that there is.
    rows = PullRequest.objects.across_teams().filter(repository=repository, github_id__isnull=False)
    named = Q(number__in=list(addresses)) | Q(external_id__in=list(addresses.values()))
    stored = rows.filter(named).order_by().values_list("pk", "number", "external_id")
    moved: dict[int, str] = {}
    left: list[int] = []
    taken = set(addresses.values())
    for pk, number, known in stored:
        if number is None or addresses.get(number) == known:
            continue
        if number in addresses:
            moved[pk] = addresses[number]
        if known in taken:
            left.append(pk)
    for pk in sorted(left):
        PullRequest.objects.across_teams().filter(pk=pk).update(external_id=f"without address {pk}")
    # One order for all workers, so that two of them never wait for each other.
    for pk in sorted(moved):
        PullRequest.objects.across_teams().filter(pk=pk).update(external_id=moved[pk])
