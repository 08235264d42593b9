"""The measures of pull requests as columns: what the definitions give for each one."""

from typing import Any, NamedTuple


class Measures(NamedTuple):
    """Columns of one length; see `PullRequestFigures` for their meaning.

    Moments are datetime64[us], hours and lines float64 with NaN for none, members
    primary keys with 0 for none.
    """

    pk: Any
    repository: Any
    author: Any
    excluded: Any
    by_bot: Any
    opened_at: Any
    merged_at: Any
    closed_at: Any
    pushed_at: Any
    first_commit_at: Any
    first_review_at: Any
    approved_at: Any
    time_to_merge_hours: Any
    coding_hours: Any
    pickup_hours: Any
    review_hours: Any
    merge_hours: Any
    cycle_hours: Any
    additions: Any
    deletions: Any
    reviews: Any
    without_approval: Any
    rework_cycles: Any
    is_revert: Any
    ai_verdict: Any
    ai_agent_authored: Any
    ai_hinted: Any
    # Names of tools, separated by spaces.
    ai_tools: Any

    @property
    def size_lines(self) -> Any:
        """Return the changed lines; NaN for a release."""
        return self.additions + self.deletions


class Reviews(NamedTuple):
    """Reviews that count, as columns; `pull` is an index into the pull requests.

    `at` is in whole seconds.
    """

    pull: Any
    reviewer: Any
    at: Any
    approves: Any


class Measured(NamedTuple):
    """The measures of pull requests, and the reviews of them that count."""

    pulls: Measures
    reviews: Reviews

    def __len__(self) -> int:
        return len(self.pulls.pk)
