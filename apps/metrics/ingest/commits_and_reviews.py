"""Commits and reviews of a record: new and changed ones are written, those that
vanished (a force-push, a deleted review) are removed, and the rest is left alone. Two
to four statements each.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from apps.metrics.ingest.identities import Directory
from apps.metrics.ingest.sanitize import clean, clean_long, line_count
from apps.metrics.models import Commit, PRReview
from apps.metrics.records import CommitData, PullRequestData, ReviewData
from apps.metrics.upsert import Row, upsert

# The primary key of a pull request, whether it was stored before, and its record.
Place = tuple[int, bool, PullRequestData]
# The primary key of a pull request, and the id of a commit or review within it.
Key = tuple[int, str]

_COMMIT = (
    "message",
    "authored_at",
    "committed_at",
    "author_id",
    "author_name",
    "author_email",
    "additions",
    "deletions",
)
_REVIEW = ("reviewer_id", "given_by_id", "state", "submitted_at")


def write_commits(team_id: int, places: Iterable[Place], people: Directory) -> set[int]:
    """Make the stored commits match the records; a record with None changes nothing.

    Returns the primary keys of the pull requests whose commits changed.
    """
    said = [
        (pull, known, data.commits) for pull, known, data in places if data.commits is not None
    ]
    wanted = {
        (pull, clean(data.oid, 64)): _commit(data, people)
        for pull, _, commits in said
        for data in commits
    }
    return _replace(
        team_id, Commit, "oid", _COMMIT, wanted, [pull for pull, known, _ in said if known]
    )


def write_reviews(team_id: int, places: Iterable[Place], people: Directory) -> set[int]:
    """Do the same as `write_commits` for the reviews."""
    said = [
        (pull, known, data.reviews) for pull, known, data in places if data.reviews is not None
    ]
    wanted = {
        (pull, clean(data.external_id, 120)): _review(data, people)
        for pull, _, reviews in said
        for data in reviews
    }
    return _replace(
        team_id,
        PRReview,
        "external_id",
        _REVIEW,
        wanted,
        [pull for pull, known, _ in said if known],
    )


def _commit(data: CommitData, people: Directory) -> Row:
    return (
        clean_long(data.message),
        data.authored_at,
        data.committed_at,
        None if data.author is None else people.member_id(data.author),
        clean(data.author_name, 250),
        clean(data.author_email, 320),
        None if data.additions is None else line_count(data.additions),
        None if data.deletions is None else line_count(data.deletions),
    )


def _review(data: ReviewData, people: Directory) -> Row:
    return (
        people.counted_id(data.reviewer),
        people.named_id(data.reviewer),
        data.state,
        data.submitted_at,
    )


def _replace(
    team_id: int,
    model: type[Commit] | type[PRReview],
    name: str,
    columns: Sequence[str],
    wanted: dict[Key, Row],
    known: Sequence[int],
) -> set[int]:
    """Write what differs from what is stored of the `known` pull requests, and remove
    what isn't wanted.
    """
    manager: Any = model.objects
    stored: dict[Key, Row] = {}
    if known:
        rows = manager.for_team(team_id).filter(pull_request_id__in=known)
        for pk, pull, key, *values in rows.values_list("pk", "pull_request_id", name, *columns):
            stored[pull, key] = (pk, *values)
    changed = sorted(
        key for key, row in wanted.items() if key not in stored or stored[key][1:] != row
    )
    upsert(
        model,
        ("team_id", "pull_request_id", name, *columns),
        [(team_id, *key, *wanted[key]) for key in changed],
        unique=("pull_request_id", name),
        update=columns,
    )
    # A force-push removes commits, and a person can delete a review.
    vanished = [key for key in stored if key not in wanted]
    if vanished:
        manager.for_team(team_id).filter(pk__in=[stored[key][0] for key in vanished]).delete()
    return {pull for pull, _ in [*changed, *vanished]}
