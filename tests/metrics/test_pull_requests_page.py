"""The list of pull requests: search, filters, pages, and why each is called what it is."""

import re
from datetime import timedelta
from html import unescape
from urllib.parse import parse_qsl, urlsplit

import pytest

from apps.metrics.factories import PullRequestFactory, RepositoryFactory, TeamMemberFactory
from apps.metrics.figures.weekly import recompute
from apps.metrics.models import DetailState, Insight
from apps.metrics.records import ChangeKind, PullRequestState
from tests.metrics.pages import MONDAY, merged, words

MARK = {
    "rule": "trailer",
    "tool": "claude",
    "tier": "A",
    "axis": "wrote",
    "where": "commit abc",
    "line": "Co-authored-by: X",
}


def titles(response):
    return re.findall(r'<bdi class="name">([^<]+)</bdi>', response.content.decode())


@pytest.fixture
def pulls(team, repository):
    """Made one by one, each newer than the one before."""
    ada = TeamMemberFactory(team=team, name="Ada Blau", login="adab")
    eve = TeamMemberFactory(team=team, name="Eve", login="eve")
    bot = TeamMemberFactory(team=team, name="", login="bump[bot]", is_bot=True)
    web = RepositoryFactory(team=team, full_name="acme/web")
    at = [MONDAY + timedelta(hours=hours) for hours in range(4)]
    made = [
        PullRequestFactory(
            repository=repository,
            number=41,
            created_at=at[0],
            title="Fix rounding",
            author=ada,
            ai_assisted=True,
        ),
        PullRequestFactory(
            repository=repository,
            number=42,
            created_at=at[1],
            title="Add 41 tests",
            author=ada,
            detail_state=DetailState.COMPLETE,
            ai_assisted=False,
        ),
        PullRequestFactory(
            repository=web,
            number=43,
            created_at=at[2],
            title="Bump",
            author=bot,
            state=PullRequestState.OPEN,
        ),
        PullRequestFactory(
            repository=web,
            number=None,
            created_at=at[3],
            title="Pushed",
            author=eve,
            kind=ChangeKind.CHANGE,
        ),
    ]
    recompute(team.pk)
    return {pull.title: pull for pull in made}


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"q": "ROUND"}, {"Fix rounding"}),
        ({"q": "41"}, {"Fix rounding", "Add 41 tests"}),
        ({"q": "#42"}, {"Add 41 tests"}),
        ({"q": "blau"}, {"Fix rounding", "Add 41 tests"}),
        ({"q": "adab"}, {"Fix rounding", "Add 41 tests"}),
        ({"q": "100%_"}, set()),
        ({"q": "9" * 300}, set()),
        ({"state": "open"}, {"Bump"}),
        ({"state": "merged", "q": "#43"}, set()),
        ({"verdict": "assisted"}, {"Fix rounding"}),
        ({"verdict": "no-marker"}, {"Add 41 tests"}),
        ({"verdict": "unread"}, {"Bump"}),
        ({"author": "people"}, {"Fix rounding", "Add 41 tests"}),
        ({"kind": "direct"}, {"Pushed"}),
        ({"kind": "direct", "q": "eve"}, {"Pushed"}),
        ({"kind": "direct", "state": "open"}, set()),
        (
            {"state": "?", "verdict": "?", "page": "0", "repository": "x", "kind": "?"},
            {"Fix rounding", "Add 41 tests", "Bump"},
        ),
    ],
)
def test_what_is_looked_for(visit, pulls, asked, found):
    assert set(titles(visit("pull_requests", **asked))) == found


def test_by_repository_and_author(visit, pulls):
    assert titles(visit("pull_requests", repository=pulls["Bump"].repository_id)) == ["Bump"]
    assert titles(visit("pull_requests", author=pulls["Pushed"].author_id, kind="direct")) == [
        "Pushed"
    ]


def test_nothing_found_leads_back_to_all(visit, pulls):
    page = visit("pull_requests", q="no such thing")
    html = page.content.decode()
    assert 'data-total="0"' in html
    assert re.search(r'class="button secondary"\s+href="/t/acme/pull-requests/"', html)


def test_pages_follow_by_links_and_by_htmx_below_each_other(team, repository, visit):
    PullRequestFactory.create_batch(60, repository=repository)
    first, second, last = (visit("pull_requests", page=page) for page in (1, 2, 3))
    assert [len(titles(page)) for page in (first, second, last)] == [25, 25, 10]
    assert len({*titles(first), *titles(second), *titles(last)}) == 60
    assert b'href="/t/acme/pull-requests/?page=2"' in first.content
    assert "26 to 50 of 60 Earlier page Show 10 more" in words(second)
    assert "51 to 60 of 60" in words(visit("pull_requests", page=99))
    more = visit("pull_requests", page=2, more=1, htmx=True)
    assert titles(more) == titles(second)
    assert "1 to 50 of 60 Show 10 more" in words(more)
    assert b"Earlier" not in more.content
    # Nothing of HTMX's in an address that somebody opens in a browser.
    assert b"<html" in visit("pull_requests", page=2, more=1).content


def test_a_row_says_why(team, repository, visit):
    evidence = [
        MARK,
        MARK | {"axis": "reviewed", "line": "by copilot"},
        MARK | {"rule": "branch", "tier": "B", "where": "branch", "line": "claude/x"},
    ]
    PullRequestFactory(
        repository=repository,
        ai_assisted=True,
        ai_tools=["claude"],
        ai_evidence=evidence,
        url="https://github.example/1",
    )
    page = visit("pull_requests")
    said = words(page)
    counted, *others = page.content.decode().split('<li class="not">')
    assert "Trailer in commit abc (claude) Co-authored-by: X" in said
    assert "Co-authored-by: X" in counted
    assert ["by copilot" in other for other in others] == [True, False]
    assert ["claude/x" in other for other in others] == [False, True]
    assert b'href="https://github.example/1"' in page.content
    # One alone is shown unfolded.
    assert re.search(rb'<details class="pull"[^>]* open>', page.content)


@pytest.mark.parametrize(
    "url", ["", "javascript:alert(1)", "/etc/passwd", "file:///x", "//evil.example/"]
)
def test_only_web_addresses_become_links(repository, visit, url):
    PullRequestFactory(repository=repository, url=url)
    page = visit("pull_requests")
    assert b"Open on" not in page.content
    assert not url or url.encode() not in page.content


def test_what_could_not_be_read_says_so(repository, visit):
    PullRequestFactory(
        repository=repository,
        ai_assisted=False,
        detail_state=DetailState.DEGRADED,
        detail_error="GitHub timed out (502).",
    )
    said = words(visit("pull_requests"))
    assert "GitHub timed out (502)." in said
    assert "Not read yet" in said


def test_bots_are_marked(visit, pulls):
    assert "bump[bot] Bot" in words(visit("pull_requests", state="open"))


def test_an_empty_team(visit):
    page = visit("pull_requests")
    assert 'data-total="0"' in page.content.decode()
    assert 'class="empty"' in page.content.decode()


@pytest.mark.parametrize(
    ("sort", "first"),
    [
        ("", "Bump"),
        ("oldest", "Fix rounding"),
        ("largest", "Add 41 tests"),
        ("slowest", "Bump"),
    ],
)
def test_the_order_is_a_choice(team, pulls, visit, sort, first):
    rows = type(pulls["Bump"]).objects.for_team(team)
    rows.filter(title="Add 41 tests").update(additions=9000)
    start = pulls["Bump"].created_at
    rows.filter(title="Bump").update(state="merged", merged_at=start + timedelta(days=90))
    recompute(team.pk)
    assert titles(visit("pull_requests", sort=sort))[0] == first


def test_a_week_of_the_dashboard_leads_to_what_was_merged_in_it(team, repository, visit):
    for weeks_ago, count in ((0, 2), (1, 3)):
        for hours in range(1, count + 1):
            merged(repository, weeks_ago, hours, title=f"{weeks_ago}-{hours}")
    html = visit().content.decode()
    week = (MONDAY - timedelta(weeks=1)).date().isoformat()
    addresses = set(re.findall(rf'href="([^"]*week={week})"', html))
    assert len(addresses) == 1
    # By pointer from the chart, by keyboard from its table.
    assert len(re.findall(rf'<a href="[^"]*week={week}" tabindex="-1">', html)) >= 4
    assert len(re.findall(rf'<th scope="row"><a href="[^"]*week={week}">', html)) == 5
    query = dict(parse_qsl(urlsplit(unescape(addresses.pop())).query))
    answer = visit("pull_requests", **query)
    assert sorted(titles(answer)) == ["1-1", "1-2", "1-3"]
    assert "3 pull requests found · merged in the week of 2 February 2026" in words(answer)
    assert len(titles(visit("pull_requests", **query | {"week": ""}))) == 5
    assert len(titles(visit("pull_requests", week="no-week"))) == 5


def test_what_shows_a_finding_is_listed(team, repository, visit):
    shown = [merged(repository, n, 5, title=f"Evidence {n}") for n in range(3)]
    merged(repository, 1, 5, title="Something else")
    values = {
        "date": MONDAY.date(),
        "rule": "time-to-merge",
        "title": "Merging takes long.",
        "effect": 0.5,
    }
    evidence = {"n": 3, "pull_requests": [pull.pk for pull in shown]}
    finding = Insight.objects.across_teams().create(
        team=team, subject="team", evidence=evidence, **values
    )
    page = visit("pull_requests", finding=finding.pk)
    text = words(page)
    assert "3 pull requests found" in text
    assert re.search(r'id="of-insight">[^<]*Merging takes long\.', page.content.decode())
    assert "Something else" not in text
    assert "1 pull request found" in words(
        visit("pull_requests", finding=finding.pk, q="Evidence 2")
    )
    other = Insight.objects.across_teams().create(
        team=RepositoryFactory().team, subject="team", evidence=evidence, **values
    )
    for unknown in (other.pk, "x", "0", "99999999999"):
        assert "4 pull requests" in words(visit("pull_requests", finding=unknown))
    assert 'data-shown-by="3"' in visit().content.decode()
