"""Every figure comes from the stored measures: all pages, exports, answers, and emails
show the same numbers.
"""

import ast
import re
from datetime import date, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from django.urls import reverse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase as HypothesisTestCase

from apps.metrics.api import tokens
from apps.metrics.factories import (
    PRReviewFactory,
    PullRequestFactory,
    RepositoryFactory,
    TeamMemberFactory,
)
from apps.metrics.figures.declarations import FIGURES
from apps.metrics.figures.export import weekly_rows
from apps.metrics.figures.periods import merged_in
from apps.metrics.figures.pull_requests import rows_of
from apps.metrics.figures.selection import Selection, period
from apps.metrics.figures.weekly import recompute
from apps.metrics.formatting import in_hours, in_lines
from apps.metrics.insights import preview
from apps.metrics.insights.dataset import load
from apps.metrics.models import DetailState, PullRequestFigures, Scope, TeamMember
from apps.metrics.pages import breakdown, compared_groups, pull_request_list
from apps.metrics.pages.dashboard import frame
from apps.metrics.pages.panels import panels
from apps.onboarding.services import digest
from tests.metrics import reference
from tests.metrics.pages import MONDAY, words

NOW = reference.MONDAY + timedelta(days=60)
# What the panels of the dashboard show, by the names of the export.
SHOWN = {
    "merge": (
        "time_to_merge_hours_median",
        "time_to_merge_hours_p75",
        "time_to_merge_hours_n",
    ),
    "merged": ("merged", "direct_commits"),
    "size": ("size_lines_median", "size_lines_p75"),
    "review": ("pickup_hours_median", "pickup_hours_p75", "pickup_hours_n"),
    "ai": ("ai_assisted",),
}
ZONES = ("UTC", "Europe/Berlin", "Asia/Kathmandu")


class AllReadersTests(HypothesisTestCase):
    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(reference.PULLS, st.sampled_from(ZONES))
    def test_all_readers_show_the_same_figures(self, drawn, zone):
        team = reference.write(drawn, zone)
        recompute(team.pk)
        weeks = period(team.pk, NOW, 52)
        exported = by_week(team, Scope.TEAM)
        figures = merged_in(team.pk, weeks, Selection())
        for week, expected in self.of_weeks(weeks, exported):
            place = weeks.weeks.index(week)
            for figure in FIGURES:
                # The pages count what was merged or pushed in a period.
                if figure.name not in ("opened", "closed"):
                    found = figures.by_week(figure.name)[place]
                    assert found == expected[figure.name], figure.name
        self.assert_panels(team, exported)
        self.assert_sides(figures, exported)
        self.assert_lines(team, figures)
        self.assert_lists(team, weeks, exported, zone)
        self.assert_insights(team)

    @staticmethod
    def of_weeks(weeks, exported):
        for week in weeks.weeks:
            yield week, exported.get(week, NOTHING)

    def assert_panels(self, team, exported):
        shown = frame(team.pk, Selection(weeks=52), NOW)
        for panel in panels(shown):
            for _, week, *values in panel.values:
                row = exported.get(date.fromisoformat(week), NOTHING)
                expected = [row[name] for name in SHOWN[panel.key]]
                assert list(values)[: len(expected)] == expected, panel.key

    def assert_sides(self, figures, exported):
        for _, _, week, *values in compared_groups.values(figures, figures):
            row = exported.get(date.fromisoformat(week), NOTHING)
            assert values == [row[name] for name in SHOWN["merge"]]

    def assert_lines(self, team, figures):
        """The people and the repositories have the sums of their weeks."""
        scopes = (
            (Scope.MEMBER, "login", breakdown.by_member(team.pk, figures)),
            (Scope.REPOSITORY, "name", breakdown.by_repository(team.pk, figures)),
        )
        for scope, name, lines in scopes:
            sums = {}
            for row in weekly_rows(team.pk, scope, everything=True):
                counts = sums.setdefault(row[scope.value], [0, 0, 0])
                for place, column in enumerate(("merged", "direct_commits", "reviewed")):
                    counts[place] += row[column]
            for line in lines:
                label = getattr(line, name) or line.name
                expected = sums.get("ghost" if label == "Deleted account" else label, [0] * 3)
                assert [line.merged, line.direct] == expected[:2]
                # A repository has a load of its own, and the page shows none.
                assert scope == Scope.REPOSITORY or line.given == expected[2]

    def assert_lists(self, team, weeks, exported, zone):
        """The list has the number of pull requests that the chart shows."""
        for week, row in self.of_weeks(weeks, exported):
            search = pull_request_list.Search(state="merged", week=week, zone=ZoneInfo(zone))
            assert pull_request_list.page(team.pk, search).total == row["merged"]

    def assert_insights(self, team):
        pulls = load(team.pk, NOW).pulls
        measures = rows_of([pull.pk for pull in pulls])
        for pull in pulls:
            row = measures[pull.pk]
            assert pull.hours_to_merge == row.time_to_merge_hours
            assert pull.hours_to_review == row.pickup_hours
            assert pull.verdict == row.verdict


NOTHING = {
    figure.name: (None if figure.aggregate in ("median", "p75", "p90", "depth", "gini") else 0)
    for figure in FIGURES
} | {"ai_tools": ""}


def by_week(team, scope):
    rows = weekly_rows(team.pk, scope, everything=True)
    return {date.fromisoformat(row["week_start"]): row for row in rows}


@pytest.fixture
def odd(team):
    """A team of one person, whose stored measures are set to values that no definition
    gives.
    """
    repository = RepositoryFactory(team=team, full_name="acme/web")
    author = TeamMemberFactory(team=team, name="Ada", login="ada")
    for n in range(5):
        pull = PullRequestFactory(
            repository=repository,
            author=author,
            number=n + 1,
            created_at=MONDAY + timedelta(hours=1),
            merged_at=MONDAY + timedelta(hours=6),
            detail_state=DetailState.COMPLETE,
            ai_assisted=False,
        )
        PRReviewFactory(pull_request=pull, submitted_at=MONDAY + timedelta(hours=2))
    recompute(team.pk)
    changed = PullRequestFigures.objects.for_team(team).update(
        time_to_merge_hours=7777.0,
        pickup_hours=5555.0,
        additions=123_456,
        deletions=0,
        is_revert=True,
        ai_verdict="assisted",
    )
    assert changed == 5
    recompute(team.pk, afresh=False)
    return team


MERGE, WAIT, SIZE = in_hours(7777.0), in_hours(5555.0), in_lines(123_456)
ODD_WEEK = {
    "time_to_merge_hours_median": 7777.0,
    "pickup_hours_p90": 5555.0,
    "size_lines_median": 123_456.0,
    "additions": 5 * 123_456,
    "reverts": 5,
    "ai_assisted": 5,
}


def test_odd_stored_measures_are_on_every_page(odd, visit):
    member = TeamMember.objects.for_team(odd).get(login="ada")
    pages = {
        "dashboard": words(visit()),
        "pull requests": words(visit("pull_requests")),
        "repositories": words(visit("repositories")),
        "people": words(visit("people")),
        "member": words(visit("member", member.pk)),
        "compare": words(visit("compare")),
    }
    lacking = {
        name: [value for value in (MERGE, WAIT, SIZE) if plain(value) not in plain(text)]
        for name, text in pages.items()
    }
    # The list of pull requests has no sizes, and a person's page neither.
    assert lacking.pop("pull requests") == [SIZE]
    assert not any(lacking.values()), lacking
    charts = {
        key: visit("chart_json", key).json()["weeks"][-1] for key in ("merge", "review", "ai")
    }
    assert charts["merge"]["median"] == 7777.0
    assert charts["review"]["median"] == 5555.0
    assert charts["ai"]["assisted"] == 5


def plain(text):
    return text.replace("\xa0", " ")


def test_odd_stored_measures_are_in_exports_answers_and_emails(odd, visit, client):
    (row,) = weekly_rows(odd.pk, Scope.TEAM, everything=True)
    assert {name: row[name] for name in ODD_WEEK} == ODD_WEEK
    assert "7777.0" in visit("weekly_csv").content.decode()
    _, token = tokens.make(odd, "Report", None)
    answer = client.get(
        reverse("metrics:api_weekly"), headers={"Authorization": f"Bearer {token}"}
    )
    (item,) = answer.json()["items"]
    assert {name: item[name] for name in ODD_WEEK} == ODD_WEEK
    lines = {line.key: line.value for line in digest.figures(odd, MONDAY.date())}
    assert (lines["time_to_merge"], lines["pickup"]) == (MERGE, WAIT)
    live = preview.weeks_event(odd.pk, MONDAY + timedelta(days=1), preliminary=False)
    assert live.weeks[-1]["median"] == 7777.0


def test_odd_stored_measures_are_in_insights(odd):
    pulls = load(odd.pk, MONDAY + timedelta(days=1)).pulls
    assert {pull.hours_to_merge for pull in pulls} == {7777.0}
    assert {pull.hours_to_review for pull in pulls} == {5555.0}
    assert {pull.lines for pull in pulls} == {123_456}
    assert all(pull.is_revert for pull in pulls)


def moments_subtracted(text):
    """Return the lines of Python code that subtract one moment of a pull request from
    another.
    """
    names = re.compile(
        r"(created|merged|closed|opened|submitted|authored|committed|approved)_at$"
    )
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub):
            sides = [ast.unparse(side).rstrip("\")'") for side in (node.left, node.right)]
            if all(names.search(side) for side in sides):
                found.append(node.lineno)
    return found


def test_only_the_figures_subtract_moments():
    apps = Path(__file__).parents[2] / "apps"
    code = [
        path
        for name in ("metrics", "onboarding")
        for path in (apps / name).rglob("*.py")
        if apps / "metrics" / "figures" not in path.parents
    ]
    assert len(code) > 100
    assert {
        path: found for path in code if (found := moments_subtracted(path.read_text()))
    } == {}
    assert moments_subtracted('hours = F("merged_at") - F("created_at")') == [1]
    assert moments_subtracted("pull.merged_at - pull.created_at") == [1]
