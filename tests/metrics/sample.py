"""The real pull requests beside the repository, read straight into records, with the
figures they must give.
"""

import json
import os
from datetime import datetime
from pathlib import Path

import pytest

from apps.metrics.records import (
    CommitData,
    PersonData,
    PullRequestData,
    PullRequestState,
    ReviewData,
    ReviewState,
)

SHARED = Path(os.environ.get("SHARED_DIR") or Path(__file__).parents[3] / "shared")
SAMPLE = SHARED / "sample"

needs_sample = pytest.mark.skipif(
    not (SAMPLE / "truth.json").is_file(),
    reason=f"no sample of pull requests in {SAMPLE}; SHARED_DIR names another place",
)


def truth():
    return json.loads((SAMPLE / "truth.json").read_text())


def pull_requests(file):
    """The records of one file, as GitHub's answers would give them."""
    with (SAMPLE / file).open() as lines:
        return [_pull(json.loads(line)) for line in lines]


def _pull(row):
    return PullRequestData(
        external_id=f"PR_{row['number']}",
        title=row["title"],
        body=row["body"],
        state=PullRequestState(row["state"].lower()),
        is_draft=row["isDraft"],
        number=row["number"],
        author=_person(row["author"]),
        merged_by=_person(row["mergedBy"]),
        created_at=_moment(row["createdAt"]),
        updated_at=_moment(row["updatedAt"]),
        merged_at=_moment(row["mergedAt"]),
        closed_at=_moment(row["closedAt"]),
        additions=row["additions"],
        deletions=row["deletions"],
        changed_files=row["changedFiles"],
        base_ref=row["baseRefName"],
        head_ref=row["headRefName"] or f"pr-{row['number']}",
        commits=tuple(
            CommitData(
                oid=commit["oid"],
                message=commit["message"],
                authored_at=_moment(commit["authoredDate"]),
                committed_at=_moment(commit["committedDate"]),
                author=None
                if commit["author"]["login"].endswith("[bot]")
                else _person(commit["author"]),
                author_name=commit["author"]["login"],
            )
            for commit in row["commits"]
        ),
        reviews=tuple(
            ReviewData(
                f"R_{n}",
                ReviewState(review["state"].lower()),
                _moment(review["submittedAt"]),
                _person(review["author"]),
            )
            for n, review in enumerate(row["reviews"])
        ),
    )


def _person(actor):
    if actor is None:
        return None
    is_bot = actor.get("isBot", False)
    suffix = "[bot]" if is_bot and not actor["login"].endswith("[bot]") else ""
    return PersonData(actor["login"] + suffix, actor.get("name") or "", is_bot=is_bot)


def _moment(text):
    return datetime.fromisoformat(text)
