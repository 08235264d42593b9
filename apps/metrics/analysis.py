"""Reads the markers of stored pull requests and keeps the verdicts. Units are the caller's, and so is the transaction."""

from collections import defaultdict
from typing import Any

from apps.metrics.markers import MARKERS_VERSION, CommitText, read_markers
from apps.metrics.models import Commit, PullRequest, TeamMember
from apps.metrics.records import PersonData


def unread(team_id: int) -> Any:
    """The pull requests that the current table of markers has not seen."""
    return PullRequest.objects.for_team(team_id).filter(markers_version__lt=MARKERS_VERSION)


def read_next(team_id: int, size: int) -> int:
    """Read up to `size` of the unread ones, in at most six statements. Returns how many; 0 when none is left."""
    pulls = list(
        unread(team_id)
        .order_by("pk")
        .select_for_update()
        .only("pk", "team_id", "title", "body", "head_ref", "author_id")[:size]
    )
    commits = _commits([pull.pk for pull in pulls])
    people = _people({pull.author_id for pull in pulls} | {row[2] for rows in commits.values() for row in rows})
    unmarked: list[int] = []
    marked: list[PullRequest] = []
    for pull in pulls:
        texts = [
            CommitText(oid, message, people.get(author), name, email)
            for oid, message, author, name, email in commits[pull.pk]
        ]
        verdict = read_markers(pull.title, pull.body, pull.head_ref, people.get(pull.author_id), texts)
        if not verdict.evidence:
            unmarked.append(pull.pk)
            continue
        pull.ai_assisted, pull.markers_version = verdict.ai_assisted, MARKERS_VERSION
        pull.ai_tools = list(verdict.tools)
        pull.ai_evidence = [evidence.as_json() for evidence in verdict.evidence]
        marked.append(pull)
    rows = PullRequest.objects.for_team(team_id)
    rows.filter(pk__in=unmarked).update(ai_assisted=False, ai_tools=[], ai_evidence=[], markers_version=MARKERS_VERSION)
    rows.bulk_update(marked, ["ai_assisted", "ai_tools", "ai_evidence", "markers_version"])
    return len(pulls)


def _commits(pulls: list[int]) -> dict[int, list[tuple[str, str, int | None, str, str]]]:
    found: dict[int, list[tuple[str, str, int | None, str, str]]] = defaultdict(list)
    rows = (
        Commit.objects.across_teams().filter(pull_request_id__in=pulls).order_by("pull_request_id", "authored_at", "pk")
    )
    fields = ("pull_request_id", "oid", "message", "author_id", "author_name", "author_email")
    for pull, oid, message, author, name, email in rows.values_list(*fields):
        found[pull].append((oid, message, author, name, email))
    return found


def _people(ids: set[int | None]) -> dict[int | None, PersonData]:
    rows = TeamMember.objects.across_teams().filter(pk__in={pk for pk in ids if pk is not None})
    return {
        pk: PersonData(login, name, github_id, is_bot)
        for pk, login, name, github_id, is_bot in rows.values_list("pk", "login", "name", "github_id", "is_bot")
    }
