"""The one way in: what a source said about pull requests becomes rows.

`ingest_pull_requests` may be called any number of times with the same, newer or older records, in any order, and from
several workers at once; the caller holds the transaction. A record without commits and reviews is a skeleton: it never
takes away what a detail pass has written. A record with them is complete: its commits and reviews are all there are.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import connection

from apps.metrics.bulk import upsert
from apps.metrics.children import write_commits, write_reviews
from apps.metrics.definitions import week_of
from apps.metrics.models import DetailState, PullRequest, Repository
from apps.metrics.people import Directory, upsert_people
from apps.metrics.records import PersonData, PullRequestData
from apps.metrics.remembered import touch
from apps.metrics.texts import clean, line_count

# Records that go into one round of statements: bounds the parameters of each.
_ROUND = 200

# All that a source tells; what the markers found stands on columns of its own, which no ingest writes.
_COLUMNS = (
    "github_id",
    "number",
    "kind",
    "title",
    "body",
    "state",
    "is_draft",
    "author_id",
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
    "detail_state",
    "detail_error",
    "markers_version",
)

# Values by column.
Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class IngestResult:
    """What a batch stands in after the call: distinct records, and the commits and reviews of the complete ones.

    `weeks` are the Mondays whose figures may have changed, `ids` the primary keys in the order of the records.
    """

    pull_requests: int
    commits: int
    reviews: int
    weeks: frozenset[date]
    ids: tuple[int, ...]


def weeks_of(*moments: datetime | None) -> set[date]:
    """The weeks (their Mondays, UTC) that these moments fall in."""
    return {week_of(moment) for moment in moments if moment is not None}


def ingest_pull_requests(repository: Repository, pulls: Sequence[PullRequestData]) -> IngestResult:
    """Write the records of one repository. Call it inside a transaction.

    Of two records of one pull request in the batch the later one counts. One that is older than what is stored (by
    `updated_at`) changes nothing, except that it may bring the first commits and reviews. A newer skeleton leaves the
    detail in place and marks it pending again, because it may be out of date.
    """
    batch = list({clean(data.external_id, 120): data for data in pulls}.items())
    ids: list[int] = []
    weeks: set[date] = set()
    commits = reviews = 0
    for start in range(0, len(batch), _ROUND):
        ingested = _ingest_round(repository, dict(batch[start : start + _ROUND]))
        ids += ingested.ids
        weeks |= ingested.weeks
        commits += ingested.commits
        reviews += ingested.reviews
    return IngestResult(len(batch), commits, reviews, frozenset(weeks), tuple(ids))


def _ingest_round(repository: Repository, batch: dict[str, PullRequestData]) -> IngestResult:
    people = upsert_people(repository.team_id, _people(batch.values()))
    stored = _stored(repository, batch)
    weeks: set[date] = set()
    rows: dict[str, Values] = {}
    detailed: dict[str, PullRequestData] = {}
    for external_id, data in batch.items():
        old = stored.get(external_id)
        weeks |= weeks_of(data.created_at, data.merged_at, data.closed_at)
        if old is not None:
            weeks |= weeks_of(old["created_at"], old["merged_at"], old["closed_at"])
        rows[external_id] = _row(data, old, people)
        if not (_is_older(data, old) and _has_detail(old)):
            detailed[external_id] = data
    changed = _changed(rows, stored)
    keys = _write(repository, rows, stored, changed)
    places = [(keys[external_id], external_id in stored, data) for external_id, data in detailed.items()]
    reviewed = write_reviews(repository.team_id, places, people)
    committed = write_commits(repository.team_id, places, people)
    if changed or reviewed or committed:
        touch(repository.team_id)
    if stale := committed & {values["pk"] for values in stored.values()}:
        PullRequest.objects.for_team(repository.team_id).filter(pk__in=stale).update(markers_version=0)
    return IngestResult(
        pull_requests=len(rows),
        commits=sum(len({commit.oid for commit in data.commits or ()}) for data in batch.values()),
        reviews=sum(len({review.external_id for review in data.reviews or ()}) for data in batch.values()),
        weeks=frozenset(weeks),
        ids=tuple(keys[external_id] for external_id in rows),
    )


def _people(batch: Iterable[PullRequestData]) -> Iterator[PersonData | None]:
    for data in batch:
        yield data.author
        if data.merged_by is not None:
            yield data.merged_by
        yield from (commit.author for commit in data.commits or () if commit.author is not None)
        yield from (review.reviewer for review in data.reviews or ())


def _stored(repository: Repository, external_ids: Iterable[str]) -> dict[str, Values]:
    """What is there already, locked, in one order for all workers."""
    # The repository's, and so its team's: asked for the team too, or for an order, SQLite walks through all that there is.
    found = PullRequest.objects.across_teams().filter(repository=repository, external_id__in=list(external_ids))
    found = found.order_by("pk").select_for_update() if connection.features.has_select_for_update else found.order_by()
    return {values["external_id"]: values for values in found.values("pk", "external_id", *_COLUMNS)}


def _changed(rows: dict[str, Values], stored: dict[str, Values]) -> list[str]:
    """What is new or differs from what is stored, in one order for all workers: two of them never wait for each other."""
    return sorted(
        external_id for external_id, values in rows.items()
        if external_id not in stored or any(values[column] != stored[external_id][column] for column in _COLUMNS)
    )  # fmt: skip


def _write(
    repository: Repository, rows: dict[str, Values], stored: dict[str, Values], changed: Sequence[str]
) -> dict[str, int]:
    """Write what has changed; the primary key of every row."""
    keys = {external_id: values["pk"] for external_id, values in stored.items()}
    own = (repository.team_id, repository.pk)
    written = upsert(
        PullRequest,
        ("team_id", "repository_id", "external_id", *_COLUMNS),
        [(*own, external_id, *(rows[external_id][column] for column in _COLUMNS)) for external_id in changed],
        unique=("repository_id", "external_id"),
        update=_COLUMNS,
        returning=("id", "external_id"),
    )
    return keys | {external_id: pk for pk, external_id in written}


def _is_complete(data: PullRequestData) -> bool:
    return data.commits is not None and data.reviews is not None


def _is_older(data: PullRequestData, old: Values | None) -> bool:
    return old is not None and data.updated_at < old["updated_at"]


def _has_detail(old: Values | None) -> bool:
    return old is not None and old["detail_state"] == DetailState.COMPLETE


def _row(data: PullRequestData, old: Values | None, people: Directory) -> Values:
    """The values as they shall be, of what is stored and what the source says now."""
    values = _scalars(data, people)
    complete = _is_complete(data)
    if complete:
        values |= {"detail_state": DetailState.COMPLETE, "detail_error": ""}
    if old is None:
        return {"detail_state": DetailState.PENDING, "detail_error": "", "markers_version": 0} | values
    if _is_older(data, old):
        first = complete and not _has_detail(old)
        values = _first_detail(values, old["body"]) if first else {}
    elif not complete:
        values["body"] = values["body"] or old["body"]
        if data.updated_at > old["updated_at"]:
            values["detail_state"] = DetailState.PENDING
    values = old | values
    if any(values[column] != old[column] for column in ("title", "body", "head_ref", "author_id")):
        values["markers_version"] = 0
    return values


def _first_detail(values: Values, body: str) -> Values:
    """Of an older record: what no newer one has brought yet."""
    return {"body": body or values["body"], "detail_state": values["detail_state"], "detail_error": ""}


def _scalars(data: PullRequestData, people: Directory) -> Values:
    return {
        "github_id": data.github_id,
        "number": data.number,
        "kind": data.kind,
        "title": clean(data.title),
        "body": clean(data.body),
        "state": data.state,
        "is_draft": data.is_draft,
        "author_id": people.member_id(data.author),
        "merged_by_id": None if data.merged_by is None else people.member_id(data.merged_by),
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
        "labels": [clean(label, 200) for label in data.labels],
    }
