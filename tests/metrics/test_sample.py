"""The figures of the real pull requests: counts exactly, percentiles within the four
decimals of the file.
"""

import collections

import pytest

from apps.metrics.ai.apply_markers import read_next, unread
from apps.metrics.factories import RepositoryFactory
from apps.metrics.figures.export import weekly_rows
from apps.metrics.figures.weekly import recompute
from apps.metrics.ingest.writer import ingest_pull_requests
from apps.metrics.models import PullRequest, Scope
from apps.metrics.weeks import week_label, week_of
from tests.metrics import sample

pytestmark = sample.needs_sample

COUNTS = {
    "opened": "opened",
    "merged": "merged",
    "authors": "distinctAuthors",
    "ai_assisted": "aiMarkedWithoutSuggestionBots",
    "additions": "additions",
    "deletions": "deletions",
    "reviews": "reviews",
}
PERCENTILES = {
    "time_to_merge_hours_median": "cycleHoursMedian",
    "time_to_merge_hours_p75": "cycleHoursP75",
}


@pytest.fixture
def ingested(team):
    for name, dataset in sample.truth()["repositories"].items():
        ingest_pull_requests(
            RepositoryFactory(team=team, full_name=name), sample.pull_requests(dataset["file"])
        )
    while read_next(team.pk, 200):
        pass
    assert not unread(team.pk).exists()
    recompute(team.pk)
    return team


def check(row, expected):
    assert {name: row[name] for name in COUNTS} == {
        name: expected[key] for name, key in COUNTS.items()
    }
    for name, key in PERCENTILES.items():
        assert row[name] == (
            None if expected[key] is None else pytest.approx(expected[key], abs=5.1e-5)
        )


def test_every_figure_of_every_repository_and_week(ingested):
    rows = {
        (row["repository"], row["week"]): row
        for row in weekly_rows(ingested.pk, Scope.REPOSITORY)
    }
    expected = {
        (name, week): figures
        for name, dataset in sample.truth()["repositories"].items()
        for week, figures in dataset["weeks"].items()
    }
    assert rows.keys() == expected.keys()
    for place, figures in expected.items():
        check(rows[place], figures)


def test_every_figure_of_the_team_and_week(ingested):
    rows = {row["week"]: row for row in weekly_rows(ingested.pk, Scope.TEAM)}
    expected = sample.truth()["all"]["weeks"]
    assert rows.keys() == expected.keys()
    for week, figures in expected.items():
        check(rows[week], figures)


def test_the_tools_of_every_repository_and_week(ingested):
    found = collections.defaultdict(collections.Counter)
    for name, merged_at, tools in PullRequest.objects.for_team(ingested).values_list(
        "repository__full_name", "merged_at", "ai_tools"
    ):
        found[name, week_label(week_of(merged_at))].update(tools)
    for name, dataset in sample.truth()["repositories"].items():
        for week, figures in dataset["weeks"].items():
            assert found[name, week] == figures["aiByTool"]
