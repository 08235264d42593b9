"""Write the records of a source as rows. All pull requests come in through here.

`ingest_pull_requests` may be called any number of times with the same, newer, or older
records, in any order, and from several workers at once; the caller holds the
transaction. A record without commits and reviews comes from the list pass: it never
removes what a detail pass has written. A record with them is complete: the pull request
has no other commits and reviews.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection

from apps.metrics.cache import outdate_measures, touch
from apps.metrics.ingest.commits_and_reviews import write_commits, write_reviews
from apps.metrics.ingest.identities import Directory, upsert_people
from apps.metrics.ingest.node_ids import follow_addresses
from apps.metrics.ingest.sanitize import clean, clean_long, line_count
from apps.metrics.models import DetailState, PullRequest, Repository
from apps.metrics.records import PersonData, PullRequestData
from apps.metrics.upsert import upsert
from apps.metrics.weeks import week_of

# Records that go into one round of statements: bounds the parameters of each.
_ROUND = 200
# Characters of a title, and labels. GitHub allows 256 and 100.
TITLE_LENGTH, MOST_LABELS = 1_000, 100

# The columns that a source fills. What the markers found is in columns of its own,
# which no ingest writes.
_COLUMNS = (
    "github_id",
    "number",
    "kind",
    "title",
    "body",
    "state",
    "is_draft",
    "author_id",
    "signed_by_id",
    "merged_by_id",
    "created_at",
    "updated_at",
    "merged_at",
    "closed_at",
    "additions",
    "deletions",
    "changed_files",
    "base_ref",
    "head_ref",
    "merge_commit_oid",
    "url",
    "labels",
    "opening_known",
    "lines_left_out",
    "digest",
    "detail_state",
    "detail_error",
    "markers_version",
)

# What a list gives of a pull request, without its people.
LISTED = (
    "github_id",
    "number",
    "kind",
    "title",
    "state",
    "is_draft",
    "created_at",
    "updated_at",
    "merged_at",
    "closed_at",
    "additions",
    "deletions",
    "changed_files",
    "base_ref",
    "head_ref",
    "url",
    "labels",
)
# Clocks of one source, or the one in its answers and the one in its records, may differ
# by so much.
SKEW = timedelta(minutes=1)
OLDER = "what GitHub gave of it is older than its last known change; it is asked for again"

# Values by column.
Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class IngestResult:
    """Count what a batch contained: distinct records, and the commits and reviews of
    the complete ones.

    `weeks` are the Mondays of the weeks whose figures may have changed, and `ids` are
    the primary keys in the order of the records.
    """

    pull_requests: int
    commits: int
    reviews: int
    weeks: frozenset[date]
    ids: tuple[int, ...]
    # Primary keys of those that were new, or whose row, commits, or reviews were others
    # than what is stored now.
    changed: frozenset[int] = frozenset()
    # External ids of complete records that were older than their rows, which stay
    # incomplete.
    older: frozenset[str] = frozenset()


def weeks_of(*moments: datetime | None) -> set[date]:
    """Return the weeks (their Mondays, UTC) in which these moments are."""
    return {week_of(moment) for moment in moments if moment is not None}


def ingest_pull_requests(
    repository: Repository,
    pulls: Sequence[PullRequestData],
    *,
    read_at: datetime | None = None,
    is_authoritative: bool = False,
) -> IngestResult:
    """Write the records of one repository. Call it inside a transaction.

    Of two records of one pull request in the batch the later one counts. One that is
    older than what is stored (by `updated_at`) changes nothing, except that it may
    bring commits and reviews to a pull request whose details are pending; they stay
    pending. A record of the list pass that is newer, or of the same second with another
    content, leaves the detail in place and marks it pending again, because it may be
    out of date.

    Args:
        read_at: the source's clock when it answered, None for what was not just read
            from it. A row whose last change is ahead of that clock has an impossible
            time, and no record is older than it.
        is_authoritative: the records are what the source has now, so one that is older
            than what is stored replaces it, too. A row that a webhook has just changed
            (its details are pending) is left alone.
    """
    # A dict keeps the later one of two records with the same id.
    batch = list({clean(data.external_id, 120): data for data in pulls}.items())
    ids: list[int] = []
    weeks: set[date] = set()
    changed: set[int] = set()
    older: set[str] = set()
    commits = reviews = 0
    for start in range(0, len(batch), _ROUND):
        ingested = _ingest_round(
            repository, dict(batch[start : start + _ROUND]), read_at, is_authoritative
        )
        changed |= ingested.changed
        older |= ingested.older
        ids += ingested.ids
        weeks |= ingested.weeks
        commits += ingested.commits
        reviews += ingested.reviews
    return IngestResult(
        len(batch),
        commits,
        reviews,
        frozenset(weeks),
        tuple(ids),
        frozenset(changed),
        frozenset(older),
    )


def _ingest_round(
    repository: Repository,
    batch: dict[str, PullRequestData],
    read_at: datetime | None,
    is_authoritative: bool,
) -> IngestResult:
    people = upsert_people(repository.team_id, _people(batch.values()))
    stored = _stored(repository, batch)
    # Rows have other external ids now, so they are found under those of the batch.
    if follow_addresses(repository, batch, stored):
        stored = _stored(repository, batch)
    weeks: set[date] = set()
    rows: dict[str, Values] = {}
    detailed: dict[str, PullRequestData] = {}
    older: set[str] = set()
    for external_id, data in batch.items():
        old = stored.get(external_id)
        if is_authoritative and _has_detail(old):
            # This makes the record count as new, although the stored change seems to be
            # later.
            old = {**(old or {}), "updated_at": min(data.updated_at, (old or {})["updated_at"])}
        # A moment may have moved to another week. Then the figures of both weeks
        # change.
        weeks |= weeks_of(data.created_at, data.merged_at, data.closed_at)
        if old is not None:
            weeks |= weeks_of(old["created_at"], old["merged_at"], old["closed_at"])
        is_older = _is_older(data, old, read_at)
        rows[external_id] = _row(data, old, people, is_older)
        if not (is_older and _has_detail(old)):
            detailed[external_id] = data
        if is_older and _is_complete(data) and not _has_detail(old):
            older.add(external_id)
    changed = _changed(rows, stored)
    keys = _write(repository, rows, stored, changed)
    places = [
        (keys[external_id], external_id in stored, data)
        for external_id, data in detailed.items()
    ]
    reviewed = write_reviews(repository.team_id, places, people)
    committed = write_commits(repository.team_id, places, people)
    renewed = {keys[external_id] for external_id in changed} | reviewed | committed
    known = {values["pk"] for values in stored.values()}
    if renewed:
        touch(repository.team_id)
    if renewed & known:
        outdate_measures(repository.team_id, renewed & known)
    # Version 0 lets the markers be read again, because they depend on the commits.
    if stale := committed & known:
        PullRequest.objects.for_team(repository.team_id).filter(pk__in=stale).update(
            markers_version=0
        )
    return IngestResult(
        pull_requests=len(rows),
        commits=sum(
            len({commit.oid for commit in data.commits or ()}) for data in batch.values()
        ),
        reviews=sum(
            len({review.external_id for review in data.reviews or ()})
            for data in batch.values()
        ),
        weeks=frozenset(weeks),
        ids=tuple(keys[external_id] for external_id in rows),
        changed=frozenset(renewed),
        older=frozenset(older),
    )


def _people(batch: Iterable[PullRequestData]) -> Iterator[PersonData | None]:
    for data in batch:
        yield data.author
        if data.merged_by is not None:
            yield data.merged_by
        yield from (commit.author for commit in data.commits or () if commit.author is not None)
        yield from (review.reviewer for review in data.reviews or ())


def _stored(repository: Repository, external_ids: Iterable[str]) -> dict[str, Values]:
    """Lock the rows that are there already, and return their values.

    All workers lock in one order.
    """
    # The repository's, and so its team's: asked for the team too, or for an order,
    # SQLite walks through all that there is.
    found = PullRequest.objects.across_teams().filter(
        repository=repository, external_id__in=list(external_ids)
    )
    found = (
        found.order_by("pk").select_for_update()
        if connection.features.has_select_for_update
        else found.order_by()
    )
    return {
        values["external_id"]: values for values in found.values("pk", "external_id", *_COLUMNS)
    }


def _changed(rows: dict[str, Values], stored: dict[str, Values]) -> list[str]:
    """Return the ids of records that are new or differ from what is stored.

    They are in one order for all workers, so that two of them never wait for each
    other.
    """
    return sorted(
        external_id
        for external_id, values in rows.items()
        if external_id not in stored
        or any(values[column] != stored[external_id][column] for column in _COLUMNS)
    )


def _write(
    repository: Repository,
    rows: dict[str, Values],
    stored: dict[str, Values],
    changed: Sequence[str],
) -> dict[str, int]:
    """Write what has changed, and return the primary key of every row."""
    keys = {external_id: values["pk"] for external_id, values in stored.items()}
    own = (repository.team_id, repository.pk)
    written = upsert(
        PullRequest,
        ("team_id", "repository_id", "external_id", *_COLUMNS),
        [
            (*own, external_id, *(rows[external_id][column] for column in _COLUMNS))
            for external_id in changed
        ],
        unique=("repository_id", "external_id"),
        update=_COLUMNS,
        returning=("id", "external_id"),
    )
    return keys | {external_id: pk for pk, external_id in written}


def _is_complete(data: PullRequestData) -> bool:
    return data.commits is not None and data.reviews is not None


def _is_older(data: PullRequestData, old: Values | None, read_at: datetime | None) -> bool:
    if old is None or data.updated_at >= old["updated_at"]:
        return False
    return read_at is None or bool(old["updated_at"] <= read_at + SKEW)


def _has_detail(old: Values | None) -> bool:
    return old is not None and old["detail_state"] == DetailState.COMPLETE


def _row(
    data: PullRequestData, old: Values | None, people: Directory, is_older: bool
) -> Values:
    """Return the values to store, from the stored ones and the source's record."""
    values = _scalars(data, people)
    complete = _is_complete(data)
    if complete:
        values |= {"detail_state": DetailState.COMPLETE, "detail_error": ""}
    if old is None:
        return {
            "detail_state": DetailState.PENDING,
            "detail_error": "",
            "markers_version": 0,
        } | values
    if is_older:
        # Commits and reviews that are somewhat old are better than none.
        first = complete and not _has_detail(old)
        values = {"body": old["body"] or values["body"], "detail_error": OLDER} if first else {}
    elif not complete:
        values |= _kept(data, values, old)
        if any(values[column] != old[column] for column in values):
            values["detail_state"] = DetailState.PENDING
    values = old | values
    if any(
        values[column] != old[column] for column in ("title", "body", "head_ref", "author_id")
    ):
        values["markers_version"] = 0
    return values


def _kept(data: PullRequestData, values: Values, old: Values) -> Values:
    """Return what an incomplete record leaves out: it stays as a complete one wrote
    it.
    """
    kept = {"labels": _labels(data, old)}
    for column in ("body", "merged_by_id", "merge_commit_oid"):
        kept[column] = values[column] or old[column]
    return kept


def _labels(data: PullRequestData, old: Values) -> list[str]:
    labels = [clean(label, 200) for label in data.labels[:MOST_LABELS]]
    stored: list[str] = old["labels"]
    # The record has only the first labels; the stored ones begin with these and may
    # have the rest.
    if data.has_more_labels and stored[: len(labels)] == labels:
        return stored
    return labels


def listed_values(data: PullRequestData, old: Values) -> Values:
    """Return what a list's record makes of the columns of `LISTED` in a row whose
    values are `old`.
    """
    return _own_values(data) | {"labels": _labels(data, old)}


def _scalars(data: PullRequestData, people: Directory) -> Values:
    merged_by = None if data.merged_by is None else people.member_id(data.merged_by)
    return _own_values(data) | {
        "author_id": people.counted_id(data.author),
        "signed_by_id": people.named_id(data.author),
        "merged_by_id": merged_by,
    }


def _own_values(data: PullRequestData) -> Values:
    """Return the values that need no other table."""
    return {
        "github_id": data.github_id,
        "number": data.number,
        "kind": data.kind,
        "title": clean(data.title, TITLE_LENGTH),
        "body": clean_long(data.body),
        "state": data.state,
        "is_draft": data.is_draft,
        "created_at": data.created_at,
        "updated_at": data.updated_at,
        "merged_at": data.merged_at,
        "closed_at": data.closed_at,
        "additions": line_count(data.additions),
        "deletions": line_count(data.deletions),
        "changed_files": line_count(data.changed_files),
        "base_ref": clean(data.base_ref, 250),
        "head_ref": clean(data.head_ref, 250),
        "merge_commit_oid": clean(data.merge_commit_oid, 64),
        "url": clean(data.url, 500),
        "labels": [clean(label, 200) for label in data.labels[:MOST_LABELS]],
        "opening_known": data.opening_known,
        "lines_left_out": line_count(data.lines_left_out),
        "digest": data.digest,
    }
