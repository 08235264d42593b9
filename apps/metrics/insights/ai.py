"""Find how many pull requests are AI-assisted, and what is associated with them.

An association is not a cause.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from math import log2

from apps.metrics.figures.definitions import Verdict, size_bucket
from apps.metrics.figures.significance import MIN_SHARE_CASES, Difference, of_medians, of_shares
from apps.metrics.insights.base import MOST_SHOWN, Finding, percent, recent, shown, split
from apps.metrics.insights.change_types import change_type
from apps.metrics.insights.dataset import Dataset, Pull

NO_CAUSE = "Correlation, not causation."


def associate(pulls: list[Pull], value: Callable[[Pull], float | None]) -> Difference:
    """Compare AI-assisted pull requests with those of which it is unknown, within size
    and type.
    """
    groups: dict[tuple[str, str], tuple[list[float], list[float]]] = defaultdict(
        lambda: ([], [])
    )
    for pull in pulls:
        measured = value(pull)
        is_known = pull.verdict != Verdict.UNREAD
        if measured is not None and not pull.by_bot and is_known:
            # Large changes and some types take longer in any case, so only pull
            # requests of the same size and type are compared.
            unknown, assisted = groups[size_bucket(pull.lines), change_type(pull.title)]
            side = assisted if pull.verdict == Verdict.ASSISTED else unknown
            side.append(measured)
    return of_medians([pair for _, pair in sorted(groups.items())])


def ai_time_to_merge(dataset: Dataset) -> Iterator[Finding]:
    """Compare the time to merge of AI-assisted pull requests with that of those without
    a marker, over the half year and within groups of similar ones.
    """
    merged = [
        pull
        for pull in dataset.pulls
        if pull.merged_at and pull.merged_at > dataset.before_from
    ]
    found = associate(merged, lambda pull: pull.hours_to_merge)
    if not found.is_beyond:
        return
    way = "longer" if found.ratio > 1 else "shorter"
    assisted = sorted(
        (pull for pull in merged if pull.verdict == Verdict.ASSISTED),
        key=lambda pull: -(pull.hours_to_merge or 0),
    )
    yield Finding(
        rule="ai-time-to-merge",
        subject="team",
        title=f"AI-assisted pull requests take {found.ratio:.2g} times as long to merge as others of the same size"
        " and type.",
        body=f"{found.low:.2g} to {found.high:.2g} times (95\u00a0% CI). Based on {found.n_second:,} pull requests"
        f" with an AI marker and {found.n_first:,} without, from the last 6 months. {NO_CAUSE}",
        advice="Check where the time goes: waiting, review, or rework."
        if way == "longer"
        else "",
        evidence={
            "n": found.n_second,
            "n_unknown": found.n_first,
            "strata": found.strata,
            "ratio": found.ratio,
        }
        | {"low": found.low, "high": found.high, "delta": found.delta, "z": found.z}
        | {"pull_requests": [pull.pk for pull in assisted][:MOST_SHOWN]},
        effect=min(1.0, abs(log2(max(found.ratio, 0.01))) / 4),
    )


def ai_share(dataset: Dataset) -> Iterator[Finding]:
    """Find a change of the team's share of merged pull requests with an explicit AI
    marker.
    """
    read = [pull for pull in dataset.pulls if pull.verdict != Verdict.UNREAD]
    before, after = split(dataset, read, lambda pull: pull.merged_at)
    marked_before, marked_after = (
        sum(pull.verdict == Verdict.ASSISTED for pull in side) for side in (before, after)
    )
    if min(len(before), len(after)) < MIN_SHARE_CASES:
        return
    share_before, share_after = marked_before / len(before), marked_after / len(after)
    if (
        abs(share_after - share_before) < 0.1
        or not of_shares(marked_before, len(before), marked_after, len(after)).is_beyond
    ):
        return
    marked = [pull for pull in after if pull.verdict == Verdict.ASSISTED]
    way = "up" if share_after > share_before else "down"
    yield Finding(
        rule="ai-share",
        subject="team",
        title=f"{percent(share_after)} of merged pull requests are AI-assisted, {way} from {percent(share_before)}.",
        body=f"{marked_after:,} of {len(after):,} in {recent(dataset)}, {marked_before:,} of {len(before):,} in the"
        " 18 weeks before. A lower bound: pull requests without an AI marker may still be AI-assisted.",
        advice="",
        evidence={
            "before": share_before,
            "after": share_after,
            "n_before": len(before),
            "n_after": len(after),
            "pull_requests": shown(marked),
        },
        effect=min(1.0, abs(share_after - share_before) * 1.5),
    )
