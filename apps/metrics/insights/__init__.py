"""The rules of the insights: a dataset in, findings out. Each rule is a small pure
function with its own minimum of cases.

A rule that claims a change, a difference, or an association yields a finding only if
there are enough cases on both sides, the effect is large enough to matter, and the
difference is beyond chance: about 1 in 1,000 for a team, shared out over its
repositories. Rules use medians, never means. A small team gets no findings rather than
guesses. The other rules state what is there now.
"""

from apps.metrics.insights.ai import ai_share, ai_time_to_merge
from apps.metrics.insights.base import Finding, Rule, in_order
from apps.metrics.insights.changes import revert_spike, review_wait, time_to_merge, weekend_load
from apps.metrics.insights.dataset import Dataset
from apps.metrics.insights.pulls import (
    large_pull_requests,
    merged_without_approval,
    stale_pull_requests,
)
from apps.metrics.insights.reviewers import bottleneck_reviewer, review_concentration
from apps.pipelines.portions import Watch

__all__ = ["RULES", "Finding", "findings"]

RULES: tuple[Rule, ...] = (
    review_wait,
    time_to_merge,
    ai_share,
    ai_time_to_merge,
    bottleneck_reviewer,
    review_concentration,
    large_pull_requests,
    stale_pull_requests,
    merged_without_approval,
    revert_spike,
    weekend_load,
)


def findings(dataset: Dataset, watch: Watch | None = None) -> list[Finding]:
    """Return what all rules find, in the order of `in_order`.

    `watch` names each rule while it runs, for a step.
    """
    found: list[Finding] = []
    for rule in RULES:
        name = f"Insight rule {rule.__name__}"
        if watch is None:
            found += rule(dataset)
        elif watch.allows(name):
            with watch.on(name):
                found += rule(dataset)
    return in_order(found)
