"""What has changed, according to a page of a list.

A list shows which pull requests have changed by the time of their last change, in whole
seconds. Four cases need more than a comparison of times:

    the same second, another state     news: records of one second are compared by content
    an earlier second than the row's   no news, because GitHub's lists lag; unless the row is ahead of GitHub's clock
    a row that its page lacks          it was deleted, or its time was corrected: its details are asked for
    the second of the reading          it may not be over, and a review in it leaves no trace: the next sync reads it again
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from apps.integrations.sources.github.pages import SkeletonPage
from apps.metrics.cache import touch
from apps.metrics.ingest.identities import key_of
from apps.metrics.ingest.writer import LISTED, SKEW, listed_values
from apps.metrics.models import DetailState, PullRequest, Repository
from apps.metrics.records import PullRequestData

SECOND = timedelta(seconds=1)
_COLUMNS = ("external_id", "author__key", "signed_by__key", *LISTED)


def news_of(
    repository: Repository, records: Sequence[PullRequestData], at: datetime
) -> list[PullRequestData]:
    """Return the records that are new, later than their rows, or of the same second
    with another content.

    `at` is GitHub's clock when it gave the records.
    """
    stored = _stored(repository, [record.external_id for record in records])
    return [
        record for record in records if _is_news(record, stored.get(record.external_id), at)
    ]


def unsigned_of(repository: Repository, news: Sequence[PullRequestData]) -> set[int]:
    """Return the primary keys of rows whose records differ although their time of
    change is not later. Call it before ingest.
    """
    moments = {record.external_id: record.updated_at for record in news}
    rows = (
        PullRequest.objects.across_teams()
        .filter(repository=repository, external_id__in=moments)
        .order_by()
    )
    found = rows.values_list("pk", "external_id", "updated_at")
    return {pk for pk, external_id, updated_at in found if moments[external_id] == updated_at}


def unsettled(records: Sequence[PullRequestData], at: datetime) -> list[int]:
    """Return the numbers of those that changed in the second of GitHub's answer, or
    just before it.
    """
    return [
        record.number
        for record in records
        if record.number is not None and at - SECOND <= record.updated_at <= at + SKEW
    ]


def read_again(repository: Repository, numbers: Sequence[int]) -> None:
    """Mark pull requests that an earlier sync found unsettled, so that their details
    are read once more.
    """
    pulls = PullRequest.objects.across_teams().filter(repository=repository, number__in=numbers)
    if pulls.filter(detail_state=DetailState.COMPLETE).update(detail_state=DetailState.PENDING):
        touch(repository.team_id)


def _stored(repository: Repository, external_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    # The repository implies the team. With a condition on the team, too, SQLite would
    # choose a scan of the whole table.
    rows = PullRequest.objects.across_teams().filter(repository=repository).order_by()
    found = rows.filter(external_id__in=external_ids).values(*_COLUMNS)
    return {row["external_id"]: row for row in found}


def _is_news(record: PullRequestData, row: dict[str, Any] | None, at: datetime) -> bool:
    if row is None or record.updated_at > row["updated_at"]:
        return True
    if record.updated_at < row["updated_at"]:
        return bool(row["updated_at"] > at + SKEW)
    # Compare with the account from the source, even if an admin has joined it into
    # another one.
    if key_of(record.author) != (row["signed_by__key"] or row["author__key"]):
        return True
    values = listed_values(record, row)
    return any(values[name] != row[name] for name in LISTED)


def lacking(
    repository: Repository, page: SkeletonPage, upper: datetime | None, floor: datetime
) -> list[int]:
    """Return the primary keys of rows that a page by last change should contain, but
    does not.

    The page begins below `upper` (None: at the top) and goes down to `floor`.
    """
    lower = floor
    if page.end.has_next and page.stalest is not None:
        lower = max(floor, page.stalest)
    rows = (
        PullRequest.objects.across_teams()
        .filter(repository=repository, updated_at__gt=lower)
        .order_by()
    )
    if upper is not None:
        rows = rows.filter(updated_at__lt=upper)
    there = {record.external_id for record in page.records}
    return [
        pk
        for pk, external_id in rows.values_list("pk", "external_id")
        if external_id not in there
    ]
