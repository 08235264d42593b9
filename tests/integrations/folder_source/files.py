"""The files: `acme__api.json` has the pull requests of acme/api."""

import json
import os
from datetime import datetime
from pathlib import Path

from apps.metrics.records import PersonData, PullRequestData, PullRequestState
from tests.integrations.folder_source.errors import Unreadable


def root():
    return Path(os.environ["FOLDER_SOURCE_ROOT"])


def names():
    return sorted(path.stem.replace("__", "/") for path in root().glob("*.json"))


def rows_of(name):
    path = root() / f"{name.replace('/', '__')}.json"
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        raise Unreadable(name) from None


def record(row):
    """Return the record of one pull request; they are all merged."""
    opened, merged = (datetime.fromisoformat(row[key]) for key in ("opened", "merged"))
    return PullRequestData(
        external_id=f"folder:{row['number']}",
        number=row["number"],
        title=row["title"],
        state=PullRequestState.MERGED,
        created_at=opened,
        updated_at=merged,
        merged_at=merged,
        closed_at=merged,
        author=PersonData(row["author"]),
        additions=row["lines"],
        url=f"https://folder.example/{row['number']}",
        commits=(),
        reviews=(),
    )
