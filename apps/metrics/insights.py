"""The rules of the insights: facts in, findings out. Each rule is a small pure function with its own minimum of cases.

A rule that claims a change compares the recent 8 weeks with the 18 before them, and speaks only where there are enough
cases on both sides, the effect is large enough to matter and the difference is beyond chance (3.3 standard errors, some
1 in 1,000). Medians, never means. A small team gets no findings rather than guesses.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import log2
from typing import Any

from apps.metrics.definitions import median
from apps.metrics.facts import Facts, Pull, Review
from apps.metrics.records import ReviewState
from apps.metrics.stats import rank_sum_z, share_z
from apps.metrics.words import in_hours

SURE = 3.3  # standard errors

MIN_CASES = 20  # on each side of a comparison of medians
MIN_SHARE_CASES = 40  # on each side of a comparison of shares
MIN_RATIO = 1.3
MIN_HOURS = 1.0
LARGE = 500  # changed lines
STALE = timedelta(days=30)
MOST_SHOWN = 50  # pull requests named as evidence


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule found about a subject ("team" or "repository:<pk>"). `effect` ranks findings, from 0 to 1."""

    rule: str
    subject: str
    title: str
    body: str
    advice: str
    evidence: dict[str, Any]
    effect: float


Rule = Callable[[Facts], Iterable[Finding]]


def findings(facts: Facts) -> list[Finding]:
    """What all rules find, the largest effect first."""
    found = [finding for rule in RULES for finding in rule(facts)]
    return sorted(found, key=lambda finding: (-finding.effect, finding.rule, finding.subject))


# Comparing the recent weeks with those before


def review_wait(facts: Facts) -> Iterator[Finding]:
    """The median wait for the first review by a person, per repository: pull requests by people, by creation."""
    pulls = [pull for pull in facts.pulls if not pull.by_bot]
    for repository, before, after in _periods(facts, pulls, lambda pull: pull.created_at):
        change = _median_change(before, after, lambda pull: pull.hours_to_review)
        if change:
            name = facts.repositories[repository]
            yield Finding(
                rule="review-wait",
                subject=f"repository:{repository}",
                title=f"Reviews in {name} start after {in_hours(change.after)},"
                f" {change.direction} from {in_hours(change.before)}.",
                body=f"Median time from opening to the first review by somebody else, {_compared(facts, change)}.",
                advice="Look at the longest waits first: who was asked, and when." if change.rose else "",
                evidence=change.evidence(after),
                effect=change.effect,
            )


def time_to_merge(facts: Facts) -> Iterator[Finding]:
    """The median time to merge, per repository, by merge."""
    pulls = [pull for pull in facts.pulls if pull.merged_at and not pull.by_bot]
    for repository, before, after in _periods(facts, pulls, lambda pull: pull.merged_at):
        change = _median_change(before, after, lambda pull: pull.hours_to_merge)
        if change:
            name = facts.repositories[repository]
            yield Finding(
                rule="time-to-merge",
                subject=f"repository:{repository}",
                title=f"Merging in {name} takes {in_hours(change.after)}, {change.direction} from {in_hours(change.before)}.",
                body=f"Median time from opening to merge, {_compared(facts, change)}.",
                advice="Compare the slowest pull requests with those of the weeks before." if change.rose else "",
                evidence=change.evidence(after),
                effect=change.effect,
            )


def ai_share(facts: Facts) -> Iterator[Finding]:
    """The share of merged pull requests with an explicit AI marker, of the team."""
    read = [pull for pull in facts.pulls if pull.merged_at and pull.ai_assisted is not None]
    before, after = _split(facts, read, lambda pull: pull.merged_at)
    marked_before, marked_after = (sum(bool(pull.ai_assisted) for pull in side) for side in (before, after))
    if min(len(before), len(after)) < MIN_SHARE_CASES:
        return
    share_before, share_after = marked_before / len(before), marked_after / len(after)
    if (
        abs(share_after - share_before) < 0.1
        or abs(share_z(marked_before, len(before), marked_after, len(after))) < SURE
    ):
        return
    way = "up" if share_after > share_before else "down"
    yield Finding(
        rule="ai-share",
        subject="team",
        title=f"{_percent(share_after)} of merged pull requests carry an AI marker, {way} from {_percent(share_before)}.",
        body=f"{marked_after:,} of {len(after):,} in {_recent(facts)}, {marked_before:,} of {len(before):,} in the"
        " 18 weeks before. A lower bound: without a marker it is unknown whether AI was used.",
        advice="",
        evidence={
            "before": share_before,
            "after": share_after,
            "n_before": len(before),
            "n_after": len(after),
            "pull_requests": [pull.pk for pull in after if pull.ai_assisted][:MOST_SHOWN],
        },
        effect=min(1.0, abs(share_after - share_before) * 1.5),
    )


# Standing states


def review_concentration(facts: Facts) -> Iterator[Finding]:
    """One person gives most reviews: at least 40 % of 40, and twice an equal share among four or more."""
    given: Counter[int] = Counter()
    logins: dict[int, str] = {}
    pulls: dict[int, list[int]] = defaultdict(list)
    for pull in facts.pulls:
        reviews = [
            review for review in pull.human_reviews if review.at and facts.recent_from < review.at <= facts.until
        ]
        # One a pull request: who comments in five rounds has not reviewed five times as much.
        for reviewer, login in {(review.reviewer, review.login) for review in reviews}:
            if reviewer is not None:
                given[reviewer] += 1
                logins[reviewer] = login
                pulls[reviewer].append(pull.pk)
    total = sum(given.values())
    if total < MIN_SHARE_CASES or len(given) < 4:
        return
    reviewer, most = given.most_common(1)[0]
    share = most / total
    if share < 0.4 or share < 2 / len(given):
        return
    yield Finding(
        rule="review-concentration",
        subject="team",
        title=f"{logins[reviewer]} gives {_percent(share)} of the reviews.",
        body=f"{most:,} of {total:,} in {_recent(facts)}; {len(given)} people reviewed. Several rounds on one pull"
        " request count once.",
        advice="Spread the reviews, or make sure that somebody can stand in.",
        evidence={"share": share, "n": total, "reviewers": len(given), "member": reviewer}
        | {"pull_requests": pulls[reviewer][-MOST_SHOWN:]},
        effect=min(1.0, share),
    )


def large_pull_requests(facts: Facts) -> Iterator[Finding]:
    """Pull requests over 500 changed lines take at least twice as long to merge, in the team's half year."""
    merged = [pull for pull in facts.pulls if pull.merged_at and pull.merged_at > facts.before_from and not pull.by_bot]
    large = [pull for pull in merged if pull.lines > LARGE]
    small = [pull.hours_to_merge for pull in merged if pull.lines <= LARGE and pull.hours_to_merge is not None]
    slow = [pull.hours_to_merge for pull in large if pull.hours_to_merge is not None]
    if min(len(slow), len(small)) < MIN_CASES:
        return
    long, short = median(slow) or 0.0, median(small) or 0.0
    if short <= 0 or long < 2 * short or long - short < MIN_HOURS or rank_sum_z(small, slow) < SURE:
        return
    yield Finding(
        rule="large-pull-requests",
        subject="team",
        title=f"Pull requests over {LARGE} lines take {_times(long / short)} as long to merge.",
        body=f"Median {in_hours(long)} for {len(slow):,} large ones, {in_hours(short)} for the other {len(small):,}, merged"
        " within the half year. An association: large ones may also be the harder ones.",
        advice="Split what can be reviewed on its own.",
        evidence={"large": long, "other": short, "n_large": len(slow), "n_other": len(small)}
        | {
            "pull_requests": [pull.pk for pull in sorted(large, key=lambda pull: -(pull.hours_to_merge or 0))][
                :MOST_SHOWN
            ]
        },
        effect=min(1.0, log2(long / short) / 4),
    )


def stale_pull_requests(facts: Facts) -> Iterator[Finding]:
    """Five or more open pull requests of a repository, no drafts, that nobody touched for 30 days."""
    stale: dict[int, list[Pull]] = defaultdict(list)
    open_count: Counter[int] = Counter()
    for pull in facts.pulls:
        if pull.is_open and not pull.is_draft and not pull.by_bot:
            open_count[pull.repository] += 1
            if pull.updated_at < facts.until - STALE:
                stale[pull.repository].append(pull)
    for repository, pulls in sorted(stale.items()):
        if len(pulls) < 5:
            continue
        share = len(pulls) / open_count[repository]
        yield Finding(
            rule="stale-pull-requests",
            subject=f"repository:{repository}",
            title=f"{len(pulls):,} open pull requests in {facts.repositories[repository]} were not touched for 30 days.",
            body=f"Of {open_count[repository]:,} open ones, drafts and bots left out.",
            advice="Close what will not be merged; ask for what is missing in the rest.",
            evidence={"n": open_count[repository], "stale": len(pulls)}
            | {"pull_requests": [pull.pk for pull in sorted(pulls, key=lambda pull: pull.updated_at)][:MOST_SHOWN]},
            effect=min(1.0, 0.2 + 0.4 * share),
        )


def merged_without_approval(facts: Facts) -> Iterator[Finding]:
    """A fifth or more of a repository's recent merges had no approval, where approving is the habit."""
    recent: dict[int, list[Pull]] = defaultdict(list)
    for pull in facts.pulls:
        if pull.merged_at and pull.merged_at > facts.recent_from and pull.has_detail and not pull.by_bot:
            recent[pull.repository].append(pull)
    for repository, pulls in sorted(recent.items()):
        without = [pull for pull in pulls if not any(_approves(review, pull) for review in pull.human_reviews)]
        share = len(without) / len(pulls)
        # Where most merges have none, the team works otherwise, or its source does not record reviews.
        if len(pulls) < MIN_CASES or not 0.2 <= share <= 0.7:
            continue
        yield Finding(
            rule="merged-without-approval",
            subject=f"repository:{repository}",
            title=f"{len(without):,} of {len(pulls):,} merges in {facts.repositories[repository]} had no approval.",
            body=f"In {_recent(facts)}; approvals by other people, given before the merge. Bots' pull requests are left out.",
            advice="If that is not meant, protect the branch: require one approval.",
            evidence={"share": share, "n": len(pulls), "pull_requests": [pull.pk for pull in without][-MOST_SHOWN:]},
            effect=min(1.0, share),
        )


RULES: tuple[Rule, ...] = (
    review_wait,
    time_to_merge,
    ai_share,
    review_concentration,
    large_pull_requests,
    stale_pull_requests,
    merged_without_approval,
)


# What the rules share


@dataclass(frozen=True, slots=True)
class MedianChange:
    before: float
    after: float
    n_before: int
    n_after: int
    z: float

    @property
    def rose(self) -> bool:
        return self.after > self.before

    @property
    def direction(self) -> str:
        return "up" if self.rose else "down"

    @property
    def effect(self) -> float:
        """0.25 for a doubling or halving, 1 for a sixteenfold."""
        return min(1.0, abs(log2(max(self.after, 0.05) / max(self.before, 0.05))) / 4)

    def evidence(self, pulls: Sequence[Pull]) -> dict[str, Any]:
        return {
            "before": self.before,
            "after": self.after,
            "n_before": self.n_before,
            "n_after": self.n_after,
            "z": self.z,
            "pull_requests": [pull.pk for pull in pulls][-MOST_SHOWN:],
        }


def _median_change(
    before: Sequence[Pull], after: Sequence[Pull], value: Callable[[Pull], float | None]
) -> MedianChange | None:
    """The change of a median in hours, if it is one: enough cases, large enough, beyond chance."""
    old = [hours for hours in map(value, before) if hours is not None]
    new = [hours for hours in map(value, after) if hours is not None]
    if min(len(old), len(new)) < MIN_CASES:
        return None
    was, now, z = median(old) or 0.0, median(new) or 0.0, rank_sum_z(old, new)
    large_enough = abs(now - was) >= MIN_HOURS and max(was, now) >= MIN_RATIO * min(was, now)
    # The ranks must say the same as the medians.
    if not large_enough or abs(z) < SURE or (z > 0) != (now > was):
        return None
    return MedianChange(was, now, len(old), len(new), z)


def _split(
    facts: Facts, pulls: Iterable[Pull], moment: Callable[[Pull], datetime | None]
) -> tuple[list[Pull], list[Pull]]:
    """Those of the weeks before, and the recent ones."""
    before: list[Pull] = []
    after: list[Pull] = []
    for pull in pulls:
        at = moment(pull)
        if at is not None and facts.before_from < at <= facts.until:
            (after if at > facts.recent_from else before).append(pull)
    return before, after


def _periods(
    facts: Facts, pulls: Iterable[Pull], moment: Callable[[Pull], datetime | None]
) -> Iterator[tuple[int, list[Pull], list[Pull]]]:
    """The same per repository."""
    by_repository: dict[int, list[Pull]] = defaultdict(list)
    for pull in pulls:
        by_repository[pull.repository].append(pull)
    for repository in sorted(by_repository):
        yield repository, *_split(facts, by_repository[repository], moment)


def _approves(review: Review, pull: Pull) -> bool:
    on_time = review.at is not None and pull.merged_at is not None and review.at <= pull.merged_at
    return review.state == ReviewState.APPROVED and on_time


# Words. A no-break space stands between a number and its unit.


def _percent(share: float) -> str:
    return f"{share * 100:.0f}\u00a0%"


def _times(ratio: float) -> str:
    return "twice" if ratio < 2.05 else f"{ratio:.1f} times"


def _recent(facts: Facts) -> str:
    return f"the 8 weeks to {facts.until.day} {facts.until:%B %Y}"


def _compared(facts: Facts, change: MedianChange) -> str:
    return f"over {change.n_after:,} pull requests in {_recent(facts)} and {change.n_before:,} in the 18 weeks before"
