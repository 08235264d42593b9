"""What the tests of the pages share: pull requests merged some weeks ago, and what a
page says.
"""

import re
from datetime import UTC, datetime, timedelta
from html import unescape

from apps.metrics.factories import PullRequestFactory
from apps.metrics.models import DetailState

MONDAY = datetime(2026, 2, 9, tzinfo=UTC)


def merged(repository, weeks_ago, hours, **values):
    """A pull request merged so many weeks before `MONDAY`'s, after so many hours."""
    at = MONDAY - timedelta(weeks=weeks_ago) + timedelta(hours=30)
    values = {"detail_state": DetailState.COMPLETE, "ai_assisted": False} | values
    return PullRequestFactory(
        repository=repository, created_at=at - timedelta(hours=hours), merged_at=at, **values
    )


def words(response):
    """The page's text without its markup; all spaces are plain ones."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", response.content.decode())).split())
