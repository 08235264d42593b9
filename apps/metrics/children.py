"""Commits and reviews of a record: new and changed ones are written, those that vanished (a force-push, a deleted
review) are removed, and the rest is left alone. Two to four statements each."""

from collections.abc import Iterable, Sequence
from typing import Any

from apps.metrics.models import Commit, PRReview, PullRequest
from apps.metrics.people import Directory
from apps.metrics.records import CommitData, PullRequestData, ReviewData
from apps.metrics.texts import clean, line_count

# A saved row, whether it was there before, and what the source says of it.
Place = tuple[PullRequest, bool, PullRequestData]
Child = Commit | PRReview

_COMMIT = [
    "message",
    "authored_at",
    "committed_at",
    "author_id",
    "author_name",
    "author_email",
    "additions",
    "deletions",
]
_REVIEW = ["reviewer_id", "state", "submitted_at"]


def write_commits(places: Iterable[Place], people: Directory) -> set[int]:
    """Make the commits what the records say; a record that has None says nothing.

    Returns the primary keys of the pull requests whose commits changed.
    """
    said = [(pull, known, data.commits) for pull, known, data in places if data.commits is not None]
    wanted = {(pull.pk, row.oid): row for pull, _, commits in said for row in _commits(pull, commits, people)}
    return _replace(Commit, "oid", _COMMIT, wanted, [pull.pk for pull, known, _ in said if known])


def write_reviews(places: Iterable[Place], people: Directory) -> set[int]:
    """The same for reviews."""
    said = [(pull, known, data.reviews) for pull, known, data in places if data.reviews is not None]
    wanted = {(pull.pk, row.external_id): row for pull, _, reviews in said for row in _reviews(pull, reviews, people)}
    return _replace(PRReview, "external_id", _REVIEW, wanted, [pull.pk for pull, known, _ in said if known])


def _commits(pull: PullRequest, commits: Sequence[CommitData], people: Directory) -> Iterable[Commit]:
    for data in commits:
        yield Commit(
            team_id=pull.team_id,
            pull_request_id=pull.pk,
            oid=clean(data.oid, 64),
            message=clean(data.message),
            authored_at=data.authored_at,
            committed_at=data.committed_at,
            author_id=None if data.author is None else people.member_id(data.author),
            author_name=clean(data.author_name, 250),
            author_email=clean(data.author_email, 320),
            additions=None if data.additions is None else line_count(data.additions),
            deletions=None if data.deletions is None else line_count(data.deletions),
        )


def _reviews(pull: PullRequest, reviews: Sequence[ReviewData], people: Directory) -> Iterable[PRReview]:
    for data in reviews:
        yield PRReview(
            team_id=pull.team_id,
            pull_request_id=pull.pk,
            external_id=clean(data.external_id, 120),
            reviewer_id=people.member_id(data.reviewer),
            state=data.state,
            submitted_at=data.submitted_at,
        )


def _replace[C: Child](
    model: type[C], key: str, columns: list[str], wanted: dict[tuple[int, str], C], known: Sequence[int]
) -> set[int]:
    """Write what differs from what is stored of the `known` pull requests, and remove what isn't wanted."""
    manager: Any = model.objects
    stored: dict[tuple[int, str], tuple[Any, ...]] = {}
    if known:
        rows = manager.across_teams().filter(pull_request_id__in=known)
        for pk, pull, name, *values in rows.values_list("pk", "pull_request_id", key, *columns):
            stored[pull, name] = (pk, *values)
    changed = [
        place for place, row in sorted(wanted.items(), key=lambda item: item[0])
        if place not in stored or stored[place][1:] != tuple(getattr(row, column) for column in columns)
    ]  # fmt: skip
    if changed:
        manager.bulk_create(
            [wanted[place] for place in changed],
            update_conflicts=True,
            unique_fields=["pull_request", key],
            update_fields=[column.removesuffix("_id") for column in columns],
        )
    vanished = [place for place in stored if place not in wanted]
    if vanished:
        manager.across_teams().filter(pk__in=[stored[place][0] for place in vanished]).delete()
    return {pull for pull, _ in [*changed, *vanished]}
