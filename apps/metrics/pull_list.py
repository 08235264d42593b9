"""The list of pull requests: searched, filtered, a page at a time, each row with its figures and the reason of its verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any
from urllib.parse import urlencode

from django.db.models import F, Q

from apps.metrics.definitions import WEEK, Verdict, hours_to_review, is_merged, time_to_merge_hours, week_start
from apps.metrics.landed import counted_reviews
from apps.metrics.models import DetailState, Insight, PullRequest, Source
from apps.metrics.records import ChangeKind, PullRequestState
from apps.metrics.selection import Choices, Selection
from apps.metrics.verdicts import Reason, reason
from apps.metrics.words import in_hours, person

PAGE = 25
# By what the list may be ordered: its words, and the expression.
SORTS = {
    "oldest": ("Oldest first", F("created_at").asc()),
    "updated": ("Last changed first", F("updated_at").desc()),
    "largest": ("Largest first", (F("additions") + F("deletions")).desc()),
    "slowest": ("Slowest to merge first", (F("merged_at") - F("created_at")).desc(nulls_last=True)),
}
LONGEST_SEARCH = 100
_LARGEST_NUMBER = 2_147_483_647
_READ = Q(ai_assisted=False, detail_state=DetailState.COMPLETE)
# The same as `definitions.verdict`, as a condition.
BY_VERDICT = {
    Verdict.ASSISTED: Q(ai_assisted=True),
    Verdict.NO_MARKER: _READ,
    Verdict.UNREAD: ~Q(ai_assisted=True) & ~_READ,
}


@dataclass(frozen=True, slots=True)
class Evidence:
    """A finding and the keys of the pull requests that show it."""

    pk: int
    title: str
    pulls: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for. `state` and `verdict` are empty for any; `week` is that of the merge, or where another state is
    looked for of the opening; `page` counts from 1. `finding` is that of which these are the evidence."""

    words: str = ""
    selection: Selection = field(default_factory=Selection)
    state: str = ""
    verdict: str = ""
    page: int = 1
    week: date | None = None
    sort: str = ""
    zone: tzinfo = UTC
    finding: Evidence | None = None

    @property
    def of_merges(self) -> bool:
        """Whether the week is one of merging."""
        return self.state in ("", PullRequestState.MERGED)

    @property
    def order(self) -> Any:
        """What the list is ordered by."""
        if self.sort in SORTS:
            return SORTS[self.sort][1]
        return F("merged_at" if self.state == PullRequestState.MERGED else "created_at").desc()

    @property
    def condition(self) -> Q:
        wanted = self.selection.condition
        if self.week:
            since, until = week_start(self.week, self.zone), week_start(self.week + WEEK, self.zone)
            moment = "merged_at" if self.of_merges else "created_at"
            wanted &= Q(**{f"{moment}__gte": since, f"{moment}__lt": until})
        if self.finding:
            wanted &= Q(pk__in=self.finding.pulls)
        if self.state:
            wanted &= Q(state=self.state)
        if self.verdict:
            wanted &= BY_VERDICT[Verdict(self.verdict)]
        return wanted & _about(self.words) if self.words else wanted

    @property
    def query(self) -> str:
        """The address's part after "?", without the page."""
        values = {
            "q": self.words,
            "repository": self.selection.repository or "",
            "author": self.selection.author_value,
            "state": self.state,
            "verdict": self.verdict,
            "week": self.week.isoformat() if self.week else "",
            "sort": self.sort,
            "finding": self.finding.pk if self.finding else "",
        }
        return urlencode({name: value for name, value in values.items() if value})

    @property
    def without_week(self) -> str:
        """The address's part after "?" of the same in all weeks."""
        return replace(self, week=None).query

    @property
    def without_finding(self) -> str:
        """The address's part after "?" of the same, whatever is evidence."""
        return replace(self, finding=None).query

    def at(self, page: int) -> str:
        """The address's part for another page."""
        return "&".join(part for part in (self.query, f"page={page}" if page > 1 else "") if part)


def evidence(team_id: int, asked: str) -> Evidence | None:
    """The finding that an address names by its key, with what it rests on."""
    key = _page_number(asked, most=9_999_999)
    row = Insight.objects.for_team(team_id).filter(pk=key).first() if key else None
    return Evidence(row.pk, row.title, tuple(row.evidence.get("pull_requests", ()))) if row else None


def read(asked: Mapping[str, str], known: Choices, zone: tzinfo = UTC, finding: Evidence | None = None) -> Search:
    """The search that an address asks for; what is not known is left out."""
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
    )


def _week(asked: str) -> date | None:
    """The Monday of the week of a day."""
    try:
        day = date.fromisoformat(asked)
        return day - timedelta(days=day.weekday())
    except (ValueError, OverflowError):
        return None


def _page_number(asked: str, most: int = 1_000_000) -> int | None:
    return int(asked) if asked.isdecimal() and 0 < len(asked) < 8 and 0 < int(asked) <= most else None


def _about(words: str) -> Q:
    about = Q(title__icontains=words) | Q(author__login__icontains=words) | Q(author__name__icontains=words)
    number = words.removeprefix("#")
    if number.isdecimal() and int(number[:12]) <= _LARGEST_NUMBER:
        about |= Q(number=int(number[:12]))
    return about


@dataclass(frozen=True, slots=True)
class Row:
    """A pull request as it is listed; spans as words, None where there is none."""

    pull: PullRequest
    author: str
    by_bot: bool
    wait: str | None
    took: str | None
    reason: Reason

    @property
    def is_change(self) -> bool:
        """Whether it is a commit on the trunk that never was a pull request."""
        return self.pull.kind == ChangeKind.CHANGE

    @property
    def link(self) -> str:
        """Where it is to be seen at its source; only what is a web address."""
        return self.pull.url if self.pull.url.startswith(("https://", "http://")) else ""

    @property
    def source(self) -> str:
        return "GitHub" if self.pull.repository.source == Source.GITHUB else "its source"


@dataclass(frozen=True, slots=True)
class Page:
    search: Search
    rows: Sequence[Row]
    total: int
    began: int  # the page that the reader's list began with, and was lengthened since

    @property
    def first(self) -> int:
        return (self.began - 1) * PAGE + 1

    @property
    def last(self) -> int:
        return (self.search.page - 1) * PAGE + len(self.rows)

    @property
    def left(self) -> int:
        """How many come on the next page."""
        return min(PAGE, max(0, self.total - self.last))

    @property
    def next_query(self) -> str:
        return self.search.at(self.search.page + 1)

    @property
    def earlier_query(self) -> str | None:
        return self.search.at(self.began - 1) if self.began > 1 else None


def page(team_id: int, search: Search, began: str = "") -> Page:
    """In three statements; a page beyond the end is the last one. `began`: see `Page`."""
    wanted: Any = PullRequest.objects.for_team(team_id).filter(search.condition)
    total = wanted.count()
    last = max(1, -(-total // PAGE))
    if search.page > last:
        search = replace(search, page=last)
    start = (search.page - 1) * PAGE
    found = rows(team_id, wanted.order_by(search.order, "-pk")[start : start + PAGE])
    return Page(search, found, total, _page_number(began, most=search.page) or search.page)


def rows(team_id: int, pulls: Any) -> list[Row]:
    """These pull requests as rows, in two statements."""
    found = list(pulls.select_related("repository", "author", "analysis", "correction__by"))
    reviews = counted_reviews(team_id, [pull.pk for pull in found])
    return [_row(pull, reviews.get(pull.pk, [])) for pull in found]


def _row(pull: PullRequest, reviews: Sequence[datetime]) -> Row:
    wait = hours_to_review(pull.created_at, reviews)
    took = None
    if is_merged(pull.state, pull.merged_at) and pull.merged_at is not None:
        took = time_to_merge_hours(pull.kind, pull.created_at, pull.merged_at)
    return Row(
        pull=pull,
        author=person(pull.author),
        by_bot=bool(pull.author and pull.author.is_bot),
        wait=None if wait is None else in_hours(wait),
        took=None if took is None else in_hours(took),
        reason=reason(pull),
    )
