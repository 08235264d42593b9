"""Find what changed: the week from which medians differ, and shares that rose in the
recent weeks.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, timedelta
from math import log, log2
from typing import NamedTuple

from apps.metrics.figures.definitions import median
from apps.metrics.figures.significance import MIN_CASES, MIN_SHARE_CASES, of_shares
from apps.metrics.figures.statistics import bootstrap_ratio, change_point, more_by_chance
from apps.metrics.formatting import in_hours, in_unit, unit_of
from apps.metrics.insights.base import (
    CHANCE,
    MIN_HOURS,
    MIN_RATIO,
    MOST_SHOWN,
    Finding,
    by_repository,
    percent,
    recent,
    shown,
    split,
)
from apps.metrics.insights.dataset import YEAR, Dataset, Pull
from apps.metrics.weeks import WEEK


class Change(NamedTuple):
    """Medians in hours before and from `since` on; `ratio` with its interval of 95 %,
    by bootstrap.
    """

    subject: str
    name: str
    since: date
    before: float
    after: float
    n_before: int
    n_after: int
    p: float
    ratio: tuple[float, float, float]
    pulls: Sequence[Pull]

    @property
    def rose(self) -> bool:
        return self.after > self.before

    def finding(self, rule: str, words: str, what: str, advice: str) -> Finding:
        since = f"{self.since.day} {self.since:%B %Y}"
        _, low, high = self.ratio
        return Finding(
            rule=rule,
            subject=self.subject,
            title=self._title(words),
            body=f"{what}, for {self.n_after:,} pull requests since {since} and {self.n_before:,} before."
            f" It now takes {low:.2g} to {high:.2g} times as long (95\u00a0% CI).",
            advice=advice if self.rose else "",
            evidence={
                "before": self.before,
                "after": self.after,
                "n_before": self.n_before,
                "n_after": self.n_after,
                "since": self.since.isoformat(),
                "p": self.p,
                "low": low,
                "high": high,
                "pull_requests": shown(self.pulls),
            },
            # A floor of 0.05 hours keeps a median of zero from having an infinite
            # effect.
            effect=min(1.0, abs(log2(max(self.after, 0.05) / max(self.before, 0.05))) / 4),
        )

    def _title(self, words: str) -> str:
        """Return `words` with the name, the direction, and both medians."""
        before, after = _in_one_unit(self.before, self.after)
        up = "up" if self.rose else "down"
        rose = "rose" if self.rose else "fell"
        return words.format(name=self.name, before=before, after=after, up=up, rose=rose)


def _in_one_unit(before: float, after: float) -> tuple[str, str]:
    """Return two spans of hours in words: "26 h" and "72 h" rather than "3 days".

    Spans that are far apart or very short have a unit each.
    """
    smaller, larger = sorted((before, after))
    if smaller < 1 or larger > 10 * smaller:
        return in_hours(before), in_hours(after)
    unit = unit_of(smaller, larger)
    return in_unit(before, unit), in_unit(after, unit)


def review_wait(dataset: Dataset) -> Iterator[Finding]:
    """Find a change of the median wait for the first review, over pull requests by
    people and by the time of creation.
    """
    pulls = [pull for pull in dataset.pulls if not pull.by_bot]
    for change in _changes(
        dataset, pulls, lambda pull: pull.created_at, lambda pull: pull.hours_to_review
    ):
        yield change.finding(
            "review-wait",
            "First reviews in {name} take {after}, {up} from {before}.",
            "Median time from opening to the first review by another person",
            "Start with the longest waits: who was asked to review, and when?",
        )


def time_to_merge(dataset: Dataset) -> Iterator[Finding]:
    """Find a change of the median time to merge, over pull requests by people and by
    the time of the merge.
    """
    pulls = [pull for pull in dataset.pulls if pull.merged_at and not pull.by_bot]
    for change in _changes(
        dataset, pulls, lambda pull: pull.merged_at, lambda pull: pull.hours_to_merge
    ):
        yield change.finding(
            "time-to-merge",
            "Time to merge in {name} {rose} from {before} to {after}.",
            "Median time from opening to merge",
            "Compare the slowest pull requests with earlier ones.",
        )


def revert_spike(dataset: Dataset) -> Iterator[Finding]:
    """Find four or more reverts among the recent merges, at twice the rate of the weeks
    before, and beyond chance.
    """
    before, after = split(
        dataset, [pull for pull in dataset.pulls if pull.merged_at], lambda pull: pull.merged_at
    )
    reverts, earlier = (
        [pull for pull in after if pull.is_revert],
        sum(pull.is_revert for pull in before),
    )
    if min(len(before), len(after)) < MIN_SHARE_CASES or len(reverts) < 4:
        return
    share, was = len(reverts) / len(after), earlier / len(before)
    if (
        share < 2 * was
        or more_by_chance(earlier, len(before), len(reverts), len(after)) > CHANCE
    ):
        return
    yield Finding(
        rule="revert-spike",
        subject="team",
        title=f"{len(reverts):,} of {len(after):,} merged pull requests were reverts.",
        body=f"In {recent(dataset)}; {earlier:,} of {len(before):,} in the 18 weeks before.",
        advice="Review what was reverted: what would have caught it earlier?",
        evidence={
            "before": was,
            "after": share,
            "n_before": len(before),
            "n": len(after),
            "pull_requests": shown(reverts),
        },
        effect=min(1.0, 0.4 + 5 * (share - was)),
    )


def weekend_load(dataset: Dataset) -> Iterator[Finding]:
    """Find a rise by five points of the share of weekend days among the days on which
    people opened or reviewed something.
    """
    days: dict[tuple[int, date], tuple[datetime, int]] = {}
    for pull in dataset.pulls:
        acts: list[tuple[int | None, datetime]] = [
            (review.reviewer, review.at) for review in pull.reviews
        ]
        if not pull.by_bot:
            acts.append((pull.author, pull.created_at))
        for who, at in acts:
            if who is not None and dataset.before_from < at <= dataset.until:
                days.setdefault((who, at.astimezone(dataset.zone).date()), (at, pull.pk))
    # One entry for each person and day: ten reviews on one Saturday are one day of
    # work.
    before = [day for (_, day), (at, _) in days.items() if at <= dataset.recent_from]
    after = [(day, pk) for (_, day), (at, pk) in days.items() if at > dataset.recent_from]
    if min(len(before), len(after)) < MIN_SHARE_CASES:
        return
    was, weekend = (
        sum(day.weekday() >= 5 for day in before),
        [pk for day, pk in after if day.weekday() >= 5],
    )
    share, earlier = len(weekend) / len(after), was / len(before)
    if (
        share - earlier < 0.05
        or not of_shares(was, len(before), len(weekend), len(after)).is_beyond
    ):
        return
    yield Finding(
        rule="weekend-load",
        subject="team",
        title=f"{percent(share)} of working days fell on a weekend, up from {percent(earlier)}.",
        body=f"{len(weekend):,} of {len(after):,} days in {recent(dataset)}, {was:,} of {len(before):,} in the 18 weeks before;"
        " a working day is a day on which a person opened or reviewed a pull request.",
        advice="Find out what made weekend work necessary.",
        evidence={"before": earlier, "after": share, "n_before": len(before), "n": len(after)}
        | {"pull_requests": list(dict.fromkeys(weekend))[:MOST_SHOWN]},
        effect=min(1.0, 2 * (share - earlier)),
    )


def _changes(
    dataset: Dataset,
    pulls: Sequence[Pull],
    moment: Callable[[Pull], datetime | None],
    value: Callable[[Pull], float | None],
) -> list[Change]:
    """Find the changes of each repository. If none has one, find those of all together,
    with each repository compared with its own median.
    """
    rows = []
    for pull in pulls:
        at, hours = moment(pull), value(pull)
        if at is not None and hours is not None and dataset.until - YEAR < at <= dataset.until:
            rows.append((pull, (dataset.until - at) // WEEK, hours))
    groups = by_repository(pull for pull, _, _ in rows)
    many = [key for key, group in groups.items() if len(group) >= 2 * MIN_CASES]
    # The chance of a false alarm is shared: half of it by the repositories, half for
    # all together.
    chance = CHANCE / (2 * max(len(many), 1)) if len(groups) > 1 else CHANCE
    found = []
    for key in many:
        mine = [row for row in rows if row[0].repository == key]
        change = _change(
            dataset,
            mine,
            [row[2] for row in mine],
            chance,
            f"repository:{key}",
            dataset.repositories[key],
        )
        found += [change] if change else []
    if found or len(groups) < 2:
        return found
    usual = {
        key: median([row[2] for row in rows if row[0].repository == key]) or 0.0
        for key in groups
    }
    # The logarithm of the ratio to the repository's own median, so that repositories of
    # different pace can be ranked together.
    aligned = [
        log(max(hours, 0.01)) - log(max(usual[pull.repository], 0.01))
        for pull, _, hours in rows
    ]
    whole = _change(dataset, rows, aligned, CHANCE / 2, "team", "all repositories")
    return [whole] if whole else []


def _change(
    dataset: Dataset,
    rows: Sequence[tuple[Pull, int, float]],
    ranked: Sequence[float],
    chance: float,
    subject: str,
    name: str,
) -> Change | None:
    """Return the one change in these rows (pull request, weeks ago, hours), if it is
    large, beyond chance, and still holds; otherwise None.
    """
    point = change_point(ranked, [-ago for _, ago, _ in rows], MIN_CASES, chance)
    if point is None:
        return None
    first, p = point
    before = [hours for _, ago, hours in rows if -ago < first]
    after = [hours for _, ago, hours in rows if -ago >= first]
    was, now = median(before) or 0.0, median(after) or 0.0
    # The last four weeks show whether the change still holds.
    lately = median([hours for _, ago, hours in rows if ago < 4]) or now
    if abs(now - was) < MIN_HOURS or max(was, now) < MIN_RATIO * min(was, now):
        return None
    if abs(lately - was) < abs(now - was) / 3 or (lately > was) != (now > was):
        return None  # the change no longer holds
    since = (
        (dataset.until + (first - 1) * WEEK + timedelta(seconds=1))
        .astimezone(dataset.zone)
        .date()
    )
    slowest = sorted(
        (row for row in rows if -row[1] >= first),
        key=lambda row: -row[2] if now > was else row[2],
    )
    ratio = bootstrap_ratio([(before, after)])
    pulls = [pull for pull, _, _ in slowest]
    return Change(subject, name, since, was, now, len(before), len(after), p, ratio, pulls)
