import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase as HypothesisTestCase

from apps.metrics.factories import PRReviewFactory, PullRequestFactory, TeamMemberFactory
from apps.metrics.figures.declarations import NAMES
from apps.metrics.figures.weekly import recompute, recompute_outdated, touched_weeks, units
from apps.metrics.models import (
    Commit,
    PRReview,
    PullRequest,
    Repository,
    TeamMember,
    WeeklyMetrics,
)
from apps.metrics.records import PullRequestState, ReviewState
from tests import services
from tests.metrics import reference

MONDAY = datetime(2026, 2, 9, tzinfo=UTC)


def table(team):
    return {
        (subject, week): dict(zip(NAMES, numbers, strict=True))
        for subject, week, *numbers in WeeklyMetrics.objects.for_team(team).values_list(
            "subject", "week", *NAMES
        )
    }


ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu")
EXAMPLES = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


class WeeklyTableTests(HypothesisTestCase):
    @EXAMPLES
    @given(reference.PULLS, st.sampled_from(ZONES))
    def test_it_equals_the_definitions_in_words(self, drawn, zone):
        assert connection.vendor == ("postgresql" if "SERVERS" in os.environ else "sqlite")
        team = reference.write(drawn, zone)
        recompute(team.pk)
        found, expected = table(team), reference.table(team, ZoneInfo(zone))
        assert found.keys() == expected.keys()
        for place, numbers in expected.items():
            for name, other in numbers.items():
                assert found[place][name] == (
                    pytest.approx(other, rel=1e-9, abs=1e-9)
                    if isinstance(other, float)
                    else other
                ), name
        assert {week for _, week in found} == set(touched_weeks(team.pk))


@pytest.mark.skipif("SERVERS" in os.environ, reason="the whole session is on PostgreSQL")
def test_postgresql_says_the_same():
    """The property above, in a session of their own with SERVERS=1."""
    services.require("postgres", "the figures are compared on it")
    inherited = ("PYTEST", "TEST_", "DATABASE", "REDIS", "FIRSTLIGHT", "STATE_DIR")
    env = {name: value for name, value in os.environ.items() if not name.startswith(inherited)}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-n",
        "0",
        "-p",
        "no:cacheprovider",
        __file__,
        "-k",
        "WeeklyTableTests",
    ]
    done = subprocess.run(
        command,
        cwd=Path(__file__).parents[2],
        env=env | {"SERVERS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


@pytest.fixture
def pulls(repository):
    author = TeamMemberFactory(team=repository.team)
    return [
        PullRequestFactory(
            repository=repository, author=author, created_at=MONDAY + timedelta(weeks=n)
        )
        for n in range(10)
    ]


def test_running_it_again_writes_nothing(repository, pulls):
    assert recompute(repository.team_id) == 30
    with CaptureQueriesContext(connection) as queries:
        assert recompute(repository.team_id) == 0
    assert not [query for query in queries if not query["sql"].startswith("SELECT")]


def test_only_the_weeks_asked_for_change(repository, pulls):
    recompute(repository.team_id)
    PullRequest.objects.for_team(repository.team_id).update(additions=1000)
    assert recompute(repository.team_id, {pulls[3].created_at.date()}) == 3
    additions = {
        week: numbers["additions"]
        for (subject, week), numbers in table(repository.team).items()
        if subject == "team"
    }
    assert [additions[week] for week in sorted(additions)] == [20] * 3 + [1000] + [20] * 6


def test_weeks_far_apart_are_read_apart(repository, pulls):
    first, last = pulls[0].created_at.date(), pulls[9].created_at.date()
    assert list(units([last, first])) == [[first], [last]]
    assert recompute(repository.team_id, {first, last}) == 6
    assert {week for _, week in table(repository.team)} == {first, last}


def test_no_unit_is_longer_than_half_a_year():
    weeks = [(MONDAY + timedelta(weeks=n)).date() for n in range(60)]
    assert [len(unit) for unit in units(reversed(weeks))] == [26, 26, 8]


def test_rows_without_data_are_removed(repository, pulls):
    recompute(repository.team_id)
    week = pulls[0].created_at.date()
    pulls[0].delete()
    assert recompute(repository.team_id) == 3
    assert week not in touched_weeks(repository.team_id)


def test_a_definition_of_another_version_is_computed_again(repository, pulls):
    recompute(repository.team_id)
    WeeklyMetrics.objects.for_team(repository.team_id).filter(subject="team").update(
        definitions_version=0
    )
    assert recompute_outdated(repository.team_id) == 10
    assert recompute_outdated(repository.team_id) == 0


def test_teams_are_apart(repository, pulls):
    other = PullRequestFactory()
    recompute(other.team_id)
    assert not table(repository.team)
    assert len(table(other.team)) == 3


def test_a_pull_request_that_was_closed_is_opened_and_closed(repository):
    PullRequestFactory(
        repository=repository,
        state=PullRequestState.CLOSED,
        created_at=MONDAY,
        closed_at=MONDAY + timedelta(weeks=1),
    )
    recompute(repository.team_id)
    rows = [
        numbers
        for (subject, _), numbers in sorted(table(repository.team).items())
        if subject == "team"
    ]
    assert [(row["opened"], row["merged"], row["closed"]) for row in rows] == [
        (1, 0, 0),
        (0, 0, 1),
    ]
    assert rows[0]["time_to_merge_hours_median"] is rows[0]["review_gini"] is None


def test_who_only_reviewed_has_a_row(repository, pulls):
    reviewer = TeamMemberFactory(team=repository.team)
    for state in (ReviewState.COMMENTED, ReviewState.APPROVED):
        PRReviewFactory(pull_request=pulls[0], reviewer=reviewer, state=state)
    recompute(repository.team_id)
    row = table(repository.team)[f"member:{reviewer.pk}", pulls[0].created_at.date()]
    assert tuple(row[name] for name in ("merged", "authors", "reviewed", "reviewers")) == (
        0,
        0,
        1,
        0,
    )


def test_statements_do_not_grow_with_the_pull_requests(repository, pulls):
    recompute(repository.team_id)
    with CaptureQueriesContext(connection) as few:
        recompute(repository.team_id, {MONDAY.date()})
    PullRequestFactory.create_batch(
        40, repository=repository, created_at=MONDAY, author=pulls[0].author
    )
    with CaptureQueriesContext(connection) as many:
        recompute(repository.team_id, {MONDAY.date()})
    # Then there is something to write: measures and figures.
    assert len(many) <= len(few) + 2 <= 12


def test_the_models_stay_in_their_team(repository, pulls):
    recompute(repository.team_id)
    for model in (Commit, PRReview, Repository, TeamMember, WeeklyMetrics):
        assert set(model.objects.across_teams().values_list("team_id", flat=True)) <= {
            repository.team_id
        }
