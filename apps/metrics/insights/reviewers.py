"""Find who reviews: one person most pull requests, or two people nearly all.

Pull requests are counted, so several rounds of review on one count once.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from math import sqrt
from typing import NamedTuple

from apps.metrics.figures.definitions import gini, median
from apps.metrics.figures.significance import MIN_CASES, MIN_SHARE_CASES, SURE
from apps.metrics.formatting import in_hours
from apps.metrics.insights.base import MOST_SHOWN, Finding, percent, recent
from apps.metrics.insights.dataset import Dataset


class Load(NamedTuple):
    """The reviews of the recent weeks: their number by person, the logins, the pull
    requests, and the waits for the ones that the person reviewed first.
    """

    given: Counter[int]
    logins: dict[int, str]
    pulls: dict[int, list[int]]
    waits: dict[int, list[float]]

    @property
    def total(self) -> int:
        return sum(self.given.values())


def bottleneck_reviewer(dataset: Dataset) -> Iterator[Finding]:
    """Find one person who gives at least 40 % of 40 or more reviews, and surely more
    than one and a half times an equal share among four.
    """
    load = _load(dataset)
    if load.total < MIN_SHARE_CASES or len(load.given) < 4:
        return
    reviewer, most = load.given.most_common(1)[0]
    share = most / load.total
    if not _is_bottleneck(share, load):
        return
    theirs = load.waits[reviewer]
    others = [wait for who, waits in load.waits.items() if who != reviewer for wait in waits]
    waits = ""
    if min(len(theirs), len(others)) >= MIN_CASES:
        first, otherwise = in_hours(median(theirs) or 0), in_hours(median(others) or 0)
        waits = f" Median time to first review: {first} when they review first, otherwise {otherwise}."
    yield Finding(
        rule="bottleneck-reviewer",
        subject="team",
        title=f"{load.logins[reviewer]} does {percent(share)} of the reviews.",
        body=f"{most:,} of {load.total:,} in {recent(dataset)}, among {len(load.given)} reviewers. Several rounds on one pull"
        f" request count once.{waits}",
        advice="Spread the reviews, or name a backup reviewer.",
        evidence={
            "share": share,
            "n": load.total,
            "reviewers": len(load.given),
            "member": reviewer,
        }
        | {
            "wait": median(theirs),
            "wait_others": median(others),
            "pull_requests": load.pulls[reviewer][-MOST_SHOWN:],
        },
        effect=min(1.0, share),
    )


def review_concentration(dataset: Dataset) -> Iterator[Finding]:
    """Find two people who together give at least 70 % of 40 or more reviews, among six
    or more reviewers. Neither of them is a bottleneck alone.
    """
    load = _load(dataset)
    if load.total < MIN_SHARE_CASES or len(load.given) < 6:
        return
    (first, most), (second, more) = load.given.most_common(2)
    share = (most + more) / load.total
    if share < 0.7 or _is_bottleneck(most / load.total, load):
        return
    yield Finding(
        rule="review-concentration",
        subject="team",
        title=f"Two people do {percent(share)} of the reviews.",
        body=f"{most + more:,} of {load.total:,} in {recent(dataset)}, by {load.logins[first]} and {load.logins[second]},"
        f" among {len(load.given)} reviewers.",
        advice="Ask others for reviews, too, to spread knowledge.",
        evidence={
            "share": share,
            "n": load.total,
            "reviewers": len(load.given),
            "gini": gini(list(load.given.values())),
        }
        | {"pull_requests": [*load.pulls[first], *load.pulls[second]][-MOST_SHOWN:]},
        effect=min(1.0, 0.8 * share),
    )


def _is_bottleneck(share: float, load: Load) -> bool:
    # One and a half times an equal share, which a bottleneck has to exceed beyond
    # chance.
    usual = min(0.9, 1.5 / len(load.given))
    return share >= 0.4 and (share - usual) / sqrt(usual * (1 - usual) / load.total) >= SURE


def _load(dataset: Dataset) -> Load:
    load = Load(Counter(), {}, defaultdict(list), defaultdict(list))
    for pull in dataset.pulls:
        if pull.reviews and pull.hours_to_review is not None:
            first = pull.reviews[0]
            if dataset.recent_from < first.at <= dataset.until:
                load.waits[first.reviewer].append(pull.hours_to_review)
        # A set, so that several reviews by one person count once for a pull request.
        given = {
            review.reviewer
            for review in pull.reviews
            if dataset.recent_from < review.at <= dataset.until
        }
        for reviewer in sorted(given, key=lambda key: dataset.logins.get(key, "")):
            load.given[reviewer] += 1
            load.logins[reviewer] = dataset.logins.get(reviewer, "ghost")
            load.pulls[reviewer].append(pull.pk)
    return load
