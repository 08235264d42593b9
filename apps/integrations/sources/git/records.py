"""Make one record from a landing and the commits that it brought."""

from collections.abc import Sequence
from datetime import datetime

from apps.integrations.sources.git.commits import CommitRecord
from apps.integrations.sources.git.history import Landing
from apps.integrations.sources.git.messages import one_line, read_message
from apps.integrations.sources.git.origin import Origin
from apps.integrations.sources.git.people import WEB_FLOW, person
from apps.metrics.records import (
    ChangeKind,
    CommitData,
    PersonData,
    PullRequestData,
    PullRequestState,
)

# The most commits of one merge that its record lists, as on GitHub's own pages.
LISTED_COMMITS = 250


def landing_record(
    landing: Landing,
    landed: CommitRecord,
    brought: Sequence[CommitRecord],
    *,
    digest: str,
    trunk: str,
    origin: Origin,
    boundary: frozenset[str],
) -> PullRequestData:
    """Return the record of a landing. `brought` are the commits of a merge, oldest
    first. `digest` must change whenever the record would.

    `boundary` are commits of a shallow clone whose parents are missing, so what they
    changed is unknown.
    """
    told = read_message(landed.message, is_merge=landing.is_merge, trunk=trunk)
    commits = brought if landing.is_merge else [landed]
    first = commits[0] if commits else landed
    merged_at = landing.landed_at
    # A merge that only brought another project's history is a change by the person who
    # merged it. A merge that landed is never a back-merge, whatever its message names.
    is_pull_request = landing.is_merge or told.is_pull_request
    is_pull_request = is_pull_request and (told.number is not None or not landing.is_foreign)
    kind = ChangeKind.PULL_REQUEST if is_pull_request else ChangeKind.CHANGE
    if landing.is_release:
        kind = ChangeKind.RELEASE
    return PullRequestData(
        external_id=f"git:{landed.oid}",
        number=told.number,
        kind=kind,
        title=told.title,
        body=told.body,
        state=PullRequestState.MERGED,
        created_at=min(landing.opened_at or merged_at, merged_at),
        opening_known=landing.opening_known,
        updated_at=merged_at,
        merged_at=merged_at,
        closed_at=merged_at,
        author=person(first.author_name, first.author_email),
        merged_by=_merged_by(landed, is_merge=landing.is_merge),
        additions=landed.additions or 0,
        deletions=landed.deletions or 0,
        changed_files=landed.changed_files or 0,
        base_ref=trunk,
        head_ref=told.head_ref,
        merge_commit_oid=landed.oid,
        url=told.page or origin.page(landed.oid, told.number, told.project),
        lines_left_out=landed.left_out,
        digest=digest,
        commits=tuple(
            _commit(commit, merged_at, sized=commit.oid not in boundary) for commit in commits
        ),
        reviews=(),
    )


def _merged_by(landed: CommitRecord, *, is_merge: bool) -> PersonData | None:
    """Return who merged it: the committer, unless GitHub committed for a person.

    For a merge on GitHub's pages the author is the person who merged. A squash there
    does not contain that person, so None is returned.
    """
    if landed.committer_email.lower() != WEB_FLOW:
        return person(landed.committer_name, landed.committer_email)
    return person(landed.author_name, landed.author_email) if is_merge else None


def _commit(commit: CommitRecord, landed_at: datetime, *, sized: bool) -> CommitData:
    dates = [date for date in (commit.authored_at, commit.committed_at) if date is not None]
    return CommitData(
        oid=commit.oid,
        message=commit.message,
        authored_at=dates[0] if dates else landed_at,
        committed_at=dates[-1] if dates else landed_at,
        author=person(commit.author_name, commit.author_email),
        author_name=one_line("" if commit.author_name == "%aN" else commit.author_name, 250),
        author_email=one_line("" if commit.author_email == "%aE" else commit.author_email, 320),
        additions=commit.additions if sized else None,
        deletions=commit.deletions if sized else None,
    )
