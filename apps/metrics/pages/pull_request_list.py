"""The list of pull requests: searched, filtered, a page at a time, each row with its
figures and the reason of its verdict.

Direct commits are a list of their own on the same page, because no figure of pull
requests counts them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, timedelta, tzinfo
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count, F, Q

from apps.metrics.ai.explain import Reason, reason
from apps.metrics.figures.definitions import Verdict
from apps.metrics.figures.moments import are_impossible, impossible_condition
from apps.metrics.figures.pull_requests import Row as Measures
from apps.metrics.figures.pull_requests import rows_of
from apps.metrics.figures.selection import Choices, Selection
from apps.metrics.formatting import in_hours, person
from apps.metrics.models import TIES, Insight, PullRequest
from apps.metrics.records import ChangeKind, PullRequestState
from apps.metrics.sites import site_of
from apps.metrics.weeks import WEEK, week_start

PAGE = 25
# By what the list may be ordered: its words, and the expression.
SORTS = {
    "oldest": ("Oldest first", F("created_at").asc()),
    "updated": ("Recently updated first", F("updated_at").desc()),
    "largest": ("Largest first", (F("additions") + F("deletions")).desc()),
    "slowest": (
        "Slowest to merge first",
        F("figures__time_to_merge_hours").desc(nulls_last=True),
    ),
}
IMPOSSIBLE = "impossible"
DIRECT = "direct"
_IS_DIRECT = Q(kind=ChangeKind.CHANGE)
LONGEST_SEARCH = 100
EARLIEST_YEAR, LATEST_YEAR = 1970, 9000
_LARGEST_NUMBER = 2_147_483_647


@dataclass(frozen=True, slots=True)
class Evidence:
    """A finding and the keys of the pull requests that show it."""

    pk: int
    title: str
    pulls: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Search:
    """Hold the search of a list of pull requests.

    Attributes:
        state, verdict: empty for any.
        week: the week of the merge, or of the opening if `state` is another one.
        page: counts from 1.
        finding: the finding whose evidence is listed.
        direct: whether to list direct commits instead of pull requests.
    """

    words: str = ""
    selection: Selection = field(default_factory=Selection)
    state: str = ""
    verdict: str = ""
    page: int = 1
    week: date | None = None
    sort: str = ""
    zone: tzinfo = UTC
    finding: Evidence | None = None
    # Only pull requests with impossible times.
    impossible: bool = False
    direct: bool = False

    @property
    def of_merges(self) -> bool:
        """Return whether the week is that of the merge."""
        return self.state in ("", PullRequestState.MERGED)

    @property
    def order(self) -> Any:
        """Return the expression that orders the list."""
        if self.sort in SORTS:
            return SORTS[self.sort][1]
        return F("merged_at" if self.state == PullRequestState.MERGED else "created_at").desc()

    @property
    def condition(self) -> Q:
        wanted = self.selection.condition
        if self.week:
            since, until = (
                week_start(self.week, self.zone),
                week_start(self.week + WEEK, self.zone),
            )
            moment = "merged_at" if self.of_merges else "created_at"
            wanted &= Q(**{f"{moment}__gte": since, f"{moment}__lt": until})
        if self.finding:
            wanted &= Q(pk__in=self.finding.pulls)
        if self.impossible:
            wanted &= impossible_condition()
        if self.state:
            wanted &= Q(state=self.state)
        if self.verdict:
            has_verdict = Q(figures__ai_verdict=self.verdict)
            # What arrived just now has no measures yet.
            is_new = Q(figures=None) if self.verdict == Verdict.UNREAD else Q()
            wanted &= has_verdict | is_new if is_new else has_verdict
        return wanted & _about(self.words) if self.words else wanted

    @property
    def query(self) -> str:
        """Return the query string, without the page."""
        values = {
            "q": self.words,
            "repository": self.selection.repository or "",
            "author": self.selection.author_value,
            "state": self.state,
            "verdict": self.verdict,
            "week": self.week.isoformat() if self.week else "",
            "sort": self.sort,
            "finding": self.finding.pk if self.finding else "",
            "times": IMPOSSIBLE if self.impossible else "",
            "kind": DIRECT if self.direct else "",
        }
        return urlencode({name: value for name, value in values.items() if value})

    @property
    def without_week(self) -> str:
        """Return the query string of the same search in all weeks."""
        return replace(self, week=None).query

    @property
    def without_times(self) -> str:
        """Return the query string of the same search, with possible and impossible
        times.
        """
        return replace(self, impossible=False).query

    @property
    def other_kind(self) -> str:
        """Return the query string for direct commits instead of pull requests, or the
        reverse.
        """
        return replace(self, direct=not self.direct).query

    @property
    def without_finding(self) -> str:
        """Return the query string of the same search, without the limit to a finding's
        evidence.
        """
        return replace(self, finding=None).query

    def at(self, page: int) -> str:
        """Return the query string for another page."""
        return "&".join(
            part for part in (self.query, f"page={page}" if page > 1 else "") if part
        )


def evidence(team_id: int, asked: str) -> Evidence | None:
    """Return the finding that an address names by its key, with its pull requests; None
    if there is none.
    """
    key = _page_number(asked, most=9_999_999)
    row = Insight.objects.for_team(team_id).filter(pk=key).first() if key else None
    return (
        Evidence(row.pk, row.title, tuple(row.evidence.get("pull_requests", ())))
        if row
        else None
    )


def read(
    asked: Mapping[str, str],
    known: Choices,
    zone: tzinfo = UTC,
    finding: Evidence | None = None,
) -> Search:
    """Return the search that an address asks for. Unknown choices are ignored."""
    return Search(
        words=" ".join(asked.get("q", "").replace("\x00", "").split())[:LONGEST_SEARCH],
        selection=known.read(asked),
        state=asked["state"] if asked.get("state") in PullRequestState else "",
        verdict=asked["verdict"] if asked.get("verdict") in Verdict else "",
        page=_page_number(asked.get("page", "")) or 1,
        week=_week(asked.get("week", "")),
        sort=asked["sort"] if asked.get("sort") in SORTS else "",
        zone=zone,
        finding=finding,
        impossible=asked.get("times") == IMPOSSIBLE,
        direct=asked.get("kind") == DIRECT,
    )


def _week(asked: str) -> date | None:
    """Return the Monday of the week of a day; None if it is no usable day."""
    try:
        day = date.fromisoformat(asked)
    except ValueError:
        return None
    # Near the ends of the calendar a week has no other end, and no moment in every time
    # zone.
    if not EARLIEST_YEAR <= day.year <= LATEST_YEAR:
        return None
    return day - timedelta(days=day.weekday())


def _page_number(asked: str, most: int = 1_000_000) -> int | None:
    return (
        int(asked)
        if asked.isascii()
        and asked.isdecimal()
        and 0 < len(asked) < 8
        and 0 < int(asked) <= most
        else None
    )


def _about(words: str) -> Q:
    about = (
        Q(title__icontains=words)
        | Q(author__login__icontains=words)
        | Q(author__name__icontains=words)
    )
    number = words.removeprefix("#")
    if number.isascii() and number.isdecimal() and int(number[:12]) <= _LARGEST_NUMBER:
        about |= Q(number=int(number[:12]))
    return about


@dataclass(frozen=True, slots=True)
class Row:
    """Hold a pull request as it is listed. Durations are texts; None if there is
    none.
    """

    pull: PullRequest
    author: str
    by_bot: bool
    wait: str | None
    took: str | None
    reason: Reason

    @property
    def is_direct(self) -> bool:
        """Return whether it is a direct commit, which reached the trunk without a pull
        request.
        """
        return self.pull.kind == ChangeKind.CHANGE

    @property
    def is_release(self) -> bool:
        """Return whether it merged one long-lived branch into another."""
        return self.pull.kind == ChangeKind.RELEASE

    @property
    def has_impossible_times(self) -> bool:
        """Return whether no duration can be computed from its times."""
        return are_impossible(self.pull.created_at, self.pull.merged_at, self.pull.closed_at)

    @property
    def link(self) -> str:
        """Return its address at its source; empty if that is no web address."""
        return self.pull.url if self.pull.url.startswith(("https://", "http://")) else ""

    @property
    def source(self) -> str:
        return site_of(self.pull.repository.source)


@dataclass(frozen=True, slots=True)
class Page:
    search: Search
    rows: Sequence[Row]
    total: int
    began: int  # the page that the reader's list began with, and was lengthened since
    others: int = 0  # direct commits to which the search applies as well, or pull requests if it is for direct commits

    @property
    def first(self) -> int:
        return (self.began - 1) * PAGE + 1

    @property
    def last(self) -> int:
        return (self.search.page - 1) * PAGE + len(self.rows)

    @property
    def left(self) -> int:
        """Return how many come on the next page."""
        return min(PAGE, max(0, self.total - self.last))

    @property
    def next_query(self) -> str:
        return self.search.at(self.search.page + 1)

    @property
    def earlier_query(self) -> str | None:
        return self.search.at(self.began - 1) if self.began > 1 else None


def page(team_id: int, search: Search, began: str = "") -> Page:
    """Return a page of the list, in three statements; beyond the end, the last one.

    `began`: see `Page`.
    """
    found: Any = PullRequest.objects.for_team(team_id).filter(search.condition)
    counts = found.aggregate(
        direct=Count("pk", filter=_IS_DIRECT), pulls=Count("pk", filter=~_IS_DIRECT)
    )
    total, others = counts["pulls"], counts["direct"]
    wanted = found.exclude(_IS_DIRECT)
    if search.direct:
        total, others = others, total
        wanted = found.filter(_IS_DIRECT)
    last = max(1, -(-total // PAGE))
    if search.page > last:
        search = replace(search, page=last)
    start = (search.page - 1) * PAGE
    listed = rows(team_id, wanted.order_by(search.order, *TIES)[start : start + PAGE])
    return Page(
        search, listed, total, _page_number(began, most=search.page) or search.page, others
    )


def rows(team_id: int, pulls: Any) -> list[Row]:
    """Return these pull requests as rows, in two statements."""
    found = list(pulls.select_related("repository", "author", "analysis", "correction__by"))
    measures = rows_of([pull.pk for pull in found])
    # One may have been deleted between the two statements.
    return [_row(pull, measures[pull.pk]) for pull in found if pull.pk in measures]


def _row(pull: PullRequest, measures: Measures) -> Row:
    return Row(
        pull=pull,
        author=person(pull.author),
        by_bot=bool(pull.author and pull.author.is_bot),
        wait=_in_words(measures.pickup_hours),
        took=_in_words(measures.time_to_merge_hours),
        reason=reason(pull, measures.verdict),
    )


def _in_words(hours: float | None) -> str | None:
    return None if hours is None else in_hours(hours)
