"""Read the markers of stored pull requests, and store the verdicts.

The caller splits the work into units, and holds the transaction.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from apps.metrics.ai.markers import MARKERS_VERSION, CommitText, Verdict, read_markers
from apps.metrics.cache import outdate_measures, touch
from apps.metrics.figures.weekly import recompute, zone_of
from apps.metrics.models import Commit, Correction, PullRequest, TeamMember
from apps.metrics.records import PersonData
from apps.metrics.weeks import week_of
from apps.pipelines.portions import Watch


def unread(team_id: int) -> Any:
    """Return the pull requests that were not read with the current table of markers."""
    return PullRequest.objects.for_team(team_id).filter(markers_version__lt=MARKERS_VERSION)


def read_next(team_id: int, size: int, watch: Watch | None = None) -> int:
    """Read up to `size` of the unread ones, in at most eight statements. Returns how
    many; 0 when none is left.

    `watch` names each pull request while it is read, for a step; one that hung too
    often counts as read, without markers.
    """
    return _read(team_id, unread(team_id).order_by("pk")[:size], watch)


def _read(team_id: int, rows: Any, watch: Watch | None = None) -> int:
    """Read the markers of these pull requests and store the verdicts.

    Returns how many were read.
    """
    pulls = list(
        rows.select_for_update().only("pk", "team_id", "title", "body", "head_ref", "author_id")
    )
    commits = _commits([pull.pk for pull in pulls])
    people = _people(
        {pull.author_id for pull in pulls}
        | {row[2] for rows in commits.values() for row in rows}
    )
    corrections = corrected(team_id, [pull.pk for pull in pulls])
    unmarked: list[int] = []
    marked: list[PullRequest] = []
    for pull in pulls:
        texts = [
            CommitText(oid, message, people.get(author), name, email)
            for oid, message, author, name, email in commits[pull.pk]
        ]
        verdict = _verdict(pull, people.get(pull.author_id), texts, watch)
        if not verdict.evidence and pull.pk not in corrections:
            unmarked.append(pull.pk)
            continue
        assisted = corrections.get(pull.pk, verdict.ai_assisted)
        pull.ai_assisted, pull.markers_version = assisted, MARKERS_VERSION
        pull.ai_tools = list(verdict.tools) if assisted else []
        pull.ai_evidence = [evidence.as_json() for evidence in verdict.evidence]
        marked.append(pull)
    rows = PullRequest.objects.for_team(team_id)
    rows.filter(pk__in=unmarked).update(
        ai_assisted=False, ai_tools=[], ai_evidence=[], markers_version=MARKERS_VERSION
    )
    rows.bulk_update(marked, ["ai_assisted", "ai_tools", "ai_evidence", "markers_version"])
    if pulls:
        outdate_measures(team_id, [pull.pk for pull in pulls])
        touch(team_id)
    return len(pulls)


def _verdict(
    pull: PullRequest,
    author: PersonData | None,
    texts: Sequence[CommitText],
    watch: Watch | None,
) -> Verdict:
    if watch is None:
        return read_markers(pull.title, pull.body, pull.head_ref, author, texts)
    what = f"AI markers of pull request {pull.pk}"
    if not watch.allows(
        what, lambda: f"AI markers of #{pull.number} in {pull.repository.full_name}"
    ):
        return Verdict(ai_assisted=False, tools=(), evidence=())
    with watch.on(what):
        return read_markers(pull.title, pull.body, pull.head_ref, author, texts)


def corrected(team_id: int, pulls: list[int]) -> dict[int, bool]:
    """Return the corrections that members made to these pull requests, by primary key.

    A correction wins over the markers.
    """
    rows = Correction.objects.for_team(team_id).filter(pull_request_id__in=pulls)
    return dict(rows.values_list("pull_request_id", "ai_assisted"))


def correct(pull: PullRequest, assisted: bool | None, note: str, by: Any) -> None:
    """Store a member's correction of a pull request's use of AI, and update its weeks.

    The caller holds the transaction.

    Args:
        assisted: whether AI helped; None removes the correction.
        by: the user who made the correction.
    """
    if assisted is None:
        Correction.objects.for_team(pull.team_id).filter(pull_request=pull).delete()
    else:
        values = {"ai_assisted": assisted, "note": note.strip()[:300], "by": by}
        Correction.objects.across_teams().update_or_create(
            team_id=pull.team_id, pull_request=pull, defaults=values
        )
    # Only this one: after an update of the markers, thousands of others may wait for
    # the worker that reads them.
    _read(pull.team_id, PullRequest.objects.for_team(pull.team_id).filter(pk=pull.pk))
    zone = zone_of(pull.team_id)
    moments = (pull.created_at, pull.merged_at, pull.closed_at)
    recompute(pull.team_id, {week_of(moment, zone) for moment in moments if moment is not None})


def _commits(pulls: list[int]) -> dict[int, list[tuple[str, str, int | None, str, str]]]:
    found: dict[int, list[tuple[str, str, int | None, str, str]]] = defaultdict(list)
    rows = (
        Commit.objects.across_teams()
        .filter(pull_request_id__in=pulls)
        .order_by("pull_request_id", "authored_at", "oid")
    )
    fields = ("pull_request_id", "oid", "message", "author_id", "author_name", "author_email")
    for pull, oid, message, author, name, email in rows.values_list(*fields):
        found[pull].append((oid, message, author, name, email))
    return found


def _people(ids: set[int | None]) -> dict[int | None, PersonData]:
    rows = TeamMember.objects.across_teams().filter(pk__in={pk for pk in ids if pk is not None})
    return {
        pk: PersonData(login, name, github_id, is_bot)
        for pk, login, name, github_id, is_bot in rows.values_list(
            "pk", "login", "name", "github_id", "is_bot"
        )
    }
