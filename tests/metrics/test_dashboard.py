"""The pages of figures: they say what the weekly table says, of the team whose they
are, by what was chosen.
"""

import csv
import io
import json
import re
from datetime import timedelta
from html import unescape

import pytest
from django.urls import reverse
from django.utils import timezone

from apps.metrics.ai.apply_markers import correct
from apps.metrics.cache import touch
from apps.metrics.factories import (
    PRReviewFactory,
    PullRequestFactory,
    RepositoryFactory,
    TeamMemberFactory,
)
from apps.metrics.figures.export import weekly_rows
from apps.metrics.figures.periods import merged_in
from apps.metrics.figures.selection import Selection, period
from apps.metrics.figures.weekly import recompute
from apps.metrics.ingest.writer import ingest_pull_requests
from apps.metrics.models import DetailState, Insight, PullRequest, Scope
from apps.metrics.pages.dashboard import frame
from apps.metrics.pages.panels import NOTHING_EARLIER, TOO_FEW, panels
from apps.metrics.records import PullRequestData, PullRequestState
from apps.onboarding import pipeline  # noqa: F401 - so that the runs below have a pipeline
from apps.pipelines import engine
from apps.teams.models import Team
from tests.metrics.pages import MONDAY, merged, words

NOW = MONDAY + timedelta(days=2)


@pytest.fixture
def history(repository):
    """Six weeks with three merges each; the later, the slower and the larger, the first
    of each week by AI.
    """
    author = TeamMemberFactory(team=repository.team, name="Ada")
    return [
        merged(
            repository,
            weeks_ago,
            10 * n + 6 - weeks_ago,
            additions=10 * n,
            deletions=6 - weeks_ago,
            author=author,
            ai_assisted=n == 1,
        )
        for weeks_ago in range(6)
        for n in (1, 2, 3)
    ]


def panel(figures, key):
    return next(panel for panel in panels(figures) if panel.key == key)


def test_its_weeks_are_those_of_the_export(team, history):
    recompute(team.pk)
    figures = frame(team.pk, Selection(), NOW)
    exported = {row["week"]: row for row in weekly_rows(team.pk, Scope.TEAM)}
    now = figures.now
    summaries = now.summaries("time_to_merge_hours")
    columns = ("merged", "ai_assisted", "additions", "deletions")
    counts = zip(*(now.by_week(name) for name in columns), strict=True)
    merges = 0
    for week, summary, row in zip(now.period.weeks, summaries, counts, strict=True):
        expected = exported[f"{week:%G-W%V}"]
        medians = (
            expected["time_to_merge_hours_median"],
            expected["time_to_merge_hours_p75"],
        )
        assert (summary.median, summary.p75) == medians
        assert row == tuple(expected[name] for name in columns)
        merges += expected["merged"] > 0
    assert merges == 6


def test_its_weeks_begin_on_the_team_s_monday(team, repository, visit):
    """Sunday evening in UTC is Monday in Auckland: the same week in the charts, the
    table and the list.
    """
    Team.objects.filter(pk=team.pk).update(time_zone="Pacific/Auckland")
    at = MONDAY - timedelta(hours=3)
    PullRequestFactory(
        repository=repository,
        title="Late on Sunday",
        created_at=at - timedelta(hours=2),
        merged_at=at,
    )
    recompute(team.pk)
    figures = frame(team.pk, Selection(), NOW)
    counts = zip(figures.period.weeks, figures.now.by_week("merged"), strict=True)
    weeks = {week: count for week, count in counts if count}
    assert weeks == {MONDAY.date(): 1}
    assert [row["week"] for row in weekly_rows(team.pk, Scope.TEAM) if row["merged"]] == [
        "2026-W07"
    ]
    assert "Late on Sunday" in words(visit("pull_requests", week=MONDAY.date().isoformat()))
    before = (MONDAY - timedelta(weeks=1)).date().isoformat()
    assert "Late on Sunday" not in words(visit("pull_requests", week=before))


def test_change_beyond_chance_is_better_or_worse(team, repository):
    for weeks_ago in range(24):
        is_now = weeks_ago < 12
        for n in range(3 if is_now else 5):
            hours, lines = (30, 40) if is_now else (20, 50)
            merged(repository, weeks_ago, hours + n, additions=lines + n, deletions=0)
    figures = frame(team.pk, Selection(weeks=12), NOW)
    tones = {key: panel(figures, key).comparison for key in ("merge", "size", "merged")}
    assert {key: (one.arrow, one.tone) for key, one in tones.items()} == {
        "merge": ("up", "worse"),
        "size": ("down", "better"),
        "merged": ("down", "worse"),
    }


def test_change_within_chance_has_no_tone(team, repository):
    for weeks_ago in range(24):
        is_now = weeks_ago < 12
        for n in range(3):
            merged(
                repository,
                weeks_ago,
                4 + 20 * n + is_now,
                additions=10 + 100 * n - 2 * is_now,
                deletions=0,
            )
    merged(repository, 1, 24)
    figures = frame(team.pk, Selection(weeks=12), NOW)
    for key in ("merge", "size", "merged"):
        assert panel(figures, key).comparison.tone == ""
    assert panel(figures, "merge").comparison.arrow == "up"
    assert panel(figures, "review").comparison == TOO_FEW


def test_panel_shows_one_unit(team, repository):
    for weeks_ago in range(4):
        for hours in (2, 41, 41, 100, 300):
            merged(repository, weeks_ago, hours)
    merge = panel(frame(team.pk, Selection(weeks=4), NOW), "merge")
    shown = " ".join(
        [merge.figure, merge.aside, merge.comparison.words, merge.chart, merge.table]
    )
    units = set(re.findall(r"\d\xa0(h|d|days?|min)\b", unescape(shown)))
    assert units == {"h"}


def test_no_comparison_beyond_the_history(team, history):
    figures = frame(team.pk, Selection(weeks=4), NOW)
    assert all(panel.comparison == NOTHING_EARLIER for panel in panels(figures))


def test_a_week_under_way_is_so_far_and_one_long_past_is_not(team, history):
    assert (
        panel(frame(team.pk, Selection(), NOW), "merged").aside
        == "this week so far, 3 in the previous week"
    )
    later = frame(team.pk, Selection(), NOW + timedelta(weeks=30))
    assert panel(later, "merged").aside == "in the week of 9 February, 3 in the previous week"
    assert "so far" not in panel(later, "merged").chart


@pytest.mark.parametrize(
    ("asked", "start", "is_cut"),
    [(4, MONDAY - timedelta(weeks=3), False), (52, MONDAY - timedelta(weeks=5), True)],
)
def test_weeks_before_the_first_merge_are_not_drawn_as_zero(
    team, history, asked, start, is_cut
):
    weeks = period(team.pk, NOW, asked)
    assert (weeks.since, weeks.is_cut, weeks.until) == (
        start,
        is_cut,
        MONDAY + timedelta(weeks=1),
    )


def test_no_marker_is_not_the_same_as_not_assisted(team, repository):
    merged(repository, 0, 5, ai_assisted=True)
    merged(repository, 0, 5)
    merged(repository, 0, 5, ai_assisted=None, detail_state=DetailState.PENDING)
    merged(repository, 0, 5, ai_assisted=False, detail_state=DetailState.DEGRADED)
    ai = panel(frame(team.pk, Selection(), NOW), "ai")
    assert ai.figure == "25\xa0%"
    assert "50\xa0%" in ai.aside
    assert [row[2:] for row in ai.values][-1] == (1, 1, 2)
    assert re.findall(r"\d+\xa0%", ai.chart)[:3] == ["25\xa0%", "25\xa0%", "50\xa0%"]


def test_the_wait_is_for_a_person_who_is_not_the_author(team, repository):
    pull = merged(repository, 0, 20)
    bot = TeamMemberFactory(team=team, is_bot=True)
    for reviewer, hours in (
        (bot, 1),
        (pull.author, 2),
        (TeamMemberFactory(team=team), 3),
        (TeamMemberFactory(team=team), 4),
    ):
        PRReviewFactory(
            pull_request=pull,
            reviewer=reviewer,
            submitted_at=pull.created_at + timedelta(hours=hours),
        )
    by_bot = merged(repository, 0, 20, author=bot)
    PRReviewFactory(pull_request=by_bot, submitted_at=by_bot.created_at + timedelta(hours=9))
    figures = merged_in(team.pk, period(team.pk, NOW, 4), Selection())
    assert figures.values("pickup_hours") == [3.0]
    assert sorted(figures.values("counted_reviews")) == [1, 2]


def test_filters_leave_out_the_others(team, repository, visit, history):
    other = merged(RepositoryFactory(team=team, full_name="acme/web"), 0, 5, title="Elsewhere")
    bot = merged(
        repository,
        0,
        5,
        title="Bump",
        author=TeamMemberFactory(team=team, is_bot=True, name="", login="bump[bot]"),
    )
    assert "20 merged" in words(visit())
    page = visit(repository=other.repository_id)
    assert ("1 merged" in words(page), "Elsewhere" in words(page), "Bump" in words(page)) == (
        True,
        True,
        False,
    )
    assert "19 merged" in words(visit(author="people"))
    assert "1 merged" in words(visit(author=bot.author_id))
    assert "20 merged" in words(visit(repository="999999", author="x", weeks="7"))


def test_the_rows_of_another_team_never_show(team, visit, history):
    foreign = PullRequestFactory(
        title="Secret plan", repository__full_name="globex/secret", merged_at=timezone.now()
    )
    PRReviewFactory(pull_request=foreign)
    Insight.objects.create(
        team=team,
        date="2026-02-09",
        rule="time-to-merge",
        subject="team",
        title="Slower",
        evidence={"pull_requests": [foreign.pk]},
    )
    for name in (
        "dashboard",
        "pull_requests",
        "repositories",
        "people",
        "weekly_csv",
        "weekly_json",
    ):
        for asked in (
            {},
            {
                "repository": foreign.repository_id,
                "author": foreign.author_id,
                "by": "member",
                "q": "plan",
            },
        ):
            page = visit(name, **asked).content.decode()
            assert "Secret plan" not in page
            assert "globex" not in page
            assert foreign.author.login not in page
    assert visit("member", foreign.author_id).status_code == 404
    assert "Slower" in words(visit())


def test_words_from_outside_are_escaped(team, visit, repository):
    bad = '<script>alert("x")</script>'
    member = TeamMemberFactory(team=team, name=bad)
    repository.full_name = bad
    repository.save()
    evidence = {
        "rule": bad,
        "tool": bad,
        "tier": "A",
        "axis": "wrote",
        "where": bad,
        "line": bad,
    }
    pull = merged(
        repository,
        0,
        5,
        title=bad,
        author=member,
        ai_assisted=True,
        ai_evidence=[evidence],
        ai_tools=[bad],
    )
    for page in (
        visit(),
        visit("pull_requests"),
        visit("repositories"),
        visit("people"),
        visit("member", member.pk),
    ):
        assert b"<script>alert" not in page.content
    assert "alert(" in words(visit("pull_requests", q=f"#{pull.number}"))


def test_htmx_gets_the_part_that_changes_and_a_browser_the_page(visit, history):
    part, page = visit(weeks=4, htmx=True), visit(weeks=4)
    assert part.content.lstrip().startswith(b'<div id="content"')
    assert b"<html" in page.content
    assert part["Vary"].count("HX-Request") == page["Vary"].count("HX-Request") == 1
    # Without JavaScript the form is sent by its own button.
    assert b'method="get"' in page.content
    assert b"<noscript><button" in page.content


def test_a_team_without_data_is_led_to_its_setup(team, visit):
    page = visit()
    assert reverse("onboarding:setup", args=[team.slug]) in page.content.decode()
    assert "Nothing has been read yet" in words(page)


def status(page):
    """What a page tells of its figures: state, cause, remedy, and what they mean."""
    found = re.search(
        r'id="data-status"\s+data-state="(.*?)"\s+data-cause="(.*?)"\s+data-remedy="(.*?)"\s+data-figures="(.*?)"',
        page.content.decode(),
    )
    return found.groups()


def test_what_runs_or_is_missing_is_said(team, visit, history):
    run, _ = engine.start(
        "onboarding", subject=f"team:{team.pk}", params={"team_id": team.pk}, send=False
    )
    assert status(visit()) == ("stalled", "no_worker", "operator", "moving")
    run.state, run.missing = (
        "partial",
        [{"what": "acme/docs", "why": "GitHub knows no such repository."}],
    )
    run.finished_at = timezone.now()
    run.save()
    page = visit()
    assert status(page) == ("partial", "incomplete", "retry", "incomplete")
    assert "acme/docs : GitHub knows no such repository." in words(page)
    run.state, run.cause, run.remedy = "failed", "overloaded", "retry"
    run.save()
    assert status(visit()) == ("failed", "overloaded", "retry", "none")


def test_findings_show_the_pull_requests_that_they_rest_on(team, visit, repository):
    pulls = [merged(repository, 0, hours, title=f"Took {hours}") for hours in (2, 40, 30)]
    Insight.objects.create(
        team=team,
        date="2026-02-09",
        rule="time-to-merge",
        subject=f"repository:{repository.pk}",
        title="Slower",
        evidence={"n_after": 3, "pull_requests": [pull.pk for pull in pulls]},
    )
    page = visit().content.decode()
    cards = page[page.index("insights") : page.index("panel-merge")]
    assert re.findall(r"Took \d+", cards) == ["Took 40", "Took 30"]
    assert f"?q=%23{pulls[1].number}&amp;repository={repository.pk}" in cards
    # A person's page, or a choice of people, is not what the finding is about.
    assert "Slower" not in words(visit(author=pulls[0].author_id))


@pytest.mark.parametrize(
    ("name", "most"),
    [("dashboard", 25), ("pull_requests", 17), ("repositories", 18), ("people", 24)],
)
def test_the_number_of_queries_does_not_grow(
    team, visit, history, django_assert_max_num_queries, name, most
):
    for _ in range(3):
        repository = RepositoryFactory(team=team)
        for weeks_ago in range(12):
            PRReviewFactory(pull_request=merged(repository, weeks_ago, 5))
    recompute(team.pk)
    with django_assert_max_num_queries(most):
        assert visit(name, weeks=26).status_code == 200


def test_the_weekly_table_can_be_taken_along(team, visit, history):
    author = history[0].author
    author.login, author.name = "=cmd()", ""
    author.save()
    recompute(team.pk)
    as_csv, as_json = visit("weekly_csv", by="member"), visit("weekly_json", by="member")
    assert as_csv["Content-Disposition"] == 'attachment; filename="acme-weekly-by-member.csv"'
    rows = list(weekly_rows(team.pk, Scope.MEMBER, dates=True))
    assert json.loads(as_json.content) == rows
    read = list(csv.DictReader(io.StringIO(as_csv.content.decode("utf-8-sig"))))
    assert [row["time_to_merge_hours_median"] for row in read] == [
        ""
        if row["time_to_merge_hours_median"] is None
        else str(row["time_to_merge_hours_median"])
        for row in rows
    ]
    # No spreadsheet takes a name for a formula.
    assert {row["member"] for row in read} == {"'=cmd()"}
    assert visit("weekly_csv").content.startswith(b"\xef\xbb\xbfweek,week_start,opened,merged,")


def test_each_figure_says_how_it_is_measured(team, history, visit):
    from apps.metrics.figures.declarations import MEASURES
    from apps.metrics.pages.panels import MEASURED_AS

    html = unescape(visit().content.decode())
    assert all(MEASURES[name].formula in html for name in MEASURED_AS.values())
    page = unescape(visit("measures").content.decode())
    assert all(measure.formula in page for measure in MEASURES.values())


def test_a_page_asked_for_again_costs_little_and_is_never_of_yesterday(
    team, repository, history, visit, django_assert_max_num_queries
):
    touch(team.pk)
    assert "18 merged" in words(visit())
    for name in ("dashboard", "pull_requests", "repositories", "people"):
        visit(name)
        with django_assert_max_num_queries(12):
            visit(name)
    latest = PullRequest.objects.for_team(team).order_by("-merged_at").first()
    data = PullRequestData(
        external_id="new",
        title="Brand new",
        state=PullRequestState.MERGED,
        created_at=latest.created_at,
        updated_at=latest.updated_at,
        merged_at=latest.merged_at,
        number=900,
        commits=(),
        reviews=(),
    )
    ingest_pull_requests(repository, [data])
    assert "19 merged" in words(visit())
    assert "Brand new" in words(visit("pull_requests"))
    pull = PullRequest.objects.for_team(team).get(number=900)
    correct(pull, True, "", None)
    assert "Corrected" in words(visit("pull_requests", q="900"))


def test_each_charts_numbers_can_be_taken_along(team, history, visit, client):
    html = visit(weeks="4").content.decode()
    addresses = re.findall(r'href="([^"]+/charts/[a-z]+\.(?:csv|json)[^"]*)"', html)
    assert len(addresses) == 10
    assert all(address.endswith("?weeks=4") for address in addresses)
    for address in addresses:
        answer = client.get(address)
        assert answer.status_code == 200
        assert "attachment" in answer.headers["Content-Disposition"]
        if ".csv" in address:
            assert len(list(csv.reader(io.StringIO(answer.content.decode())))) == 5
        else:
            assert len(json.loads(answer.content)["weeks"]) == 4
    row = list(csv.reader(io.StringIO(client.get(addresses[0]).content.decode())))[-1]
    assert row == ["2026-W07", "2026-02-09", "26.0", "31.0", "3"]
    assert visit("chart_csv", "nothing").status_code == 404
