import os
import subprocess
import sys
from collections import Counter
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
from apps.metrics.figures.aggregate import Figures
from apps.metrics.figures.definitions import open_state
from apps.metrics.figures.weekly import recompute, recompute_outdated, touched_weeks, units
from apps.metrics.figures.work_in_progress import in_progress
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
        (subject, week): Figures(*numbers)
        for subject, week, *numbers in WeeklyMetrics.objects.for_team(team).values_list(
            "subject", "week", *Figures._fields
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
            for name, number, other in zip(Figures._fields, found[place], numbers, strict=True):
                assert number == (
                    pytest.approx(other, rel=1e-9, abs=1e-9)
                    if isinstance(other, float)
                    else other
                ), name
        assert {week for _, week in found} == set(touched_weeks(team.pk))

    @EXAMPLES
    @given(reference.PULLS, st.lists(reference.MINUTES, min_size=1, max_size=4))
    def test_work_in_progress_is_what_is_open_at_a_moment(self, drawn, minutes):
        team = reference.write(drawn)
        at = sorted(reference.MONDAY + timedelta(minutes=minute) for minute in minutes)
        pulls = PullRequest.objects.for_team(team).exclude(kind="change")
        for moment, found in zip(at, in_progress(team.pk, at), strict=True):
            expected = Counter(
                open_state(
                    pull.is_draft,
                    [
                        (one.submitted_at, one.state, one.reviewer_id)
                        for one in reference.human_reviews(pull)
                        if one.submitted_at <= moment
                    ],
                )
                for pull in pulls
                if pull.created_at <= moment
                and (pull.closed_at is None or pull.closed_at > moment)
            )
            assert found == expected


@pytest.mark.skipif("SERVERS" in os.environ, reason="the whole session is on PostgreSQL")
def test_postgresql_says_the_same():
    """The two properties above, in a session of their own with SERVERS=1."""
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
    assert "2 passed" in done.stdout


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("draft", [(True, [])]),
        (
            "pending-review",
            [(False, []), (False, ["commented"]), (False, ["approved", "dismissed"])],
        ),
        (
            "changes-requested",
            [
                (False, ["approved", "changes_requested"]),
                (False, ["changes_requested", "commented"]),
            ],
        ),
        ("pending-merge", [(False, ["approved"]), (False, ["changes_requested", "approved"])]),
    ],
)
def test_an_open_pull_request_waits_for_what_was_said_last(state, words):
    for is_draft, said in words:
        assert (
            open_state(
                is_draft,
                [(MONDAY + timedelta(hours=n), word, 7) for n, word in enumerate(said)],
            )
            == state
        )


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
        week: numbers.additions
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
    assert [(row.opened, row.merged, row.closed) for row in rows] == [(1, 0, 0), (0, 0, 1)]
    assert rows[0].time_to_merge_hours_median is rows[0].review_gini is None


def test_who_only_reviewed_has_a_row(repository, pulls):
    reviewer = TeamMemberFactory(team=repository.team)
    for state in (ReviewState.COMMENTED, ReviewState.APPROVED):
        PRReviewFactory(pull_request=pulls[0], reviewer=reviewer, state=state)
    recompute(repository.team_id)
    row = table(repository.team)[f"member:{reviewer.pk}", pulls[0].created_at.date()]
    assert (row.merged, row.authors, row.reviewed, row.reviewers) == (0, 0, 1, 0)


def test_statements_do_not_grow_with_the_pull_requests(repository, pulls):
    recompute(repository.team_id)
    with CaptureQueriesContext(connection) as few:
        recompute(repository.team_id, {MONDAY.date()})
    PullRequestFactory.create_batch(
        40, repository=repository, created_at=MONDAY, author=pulls[0].author
    )
    with CaptureQueriesContext(connection) as many:
        recompute(repository.team_id, {MONDAY.date()})
    assert len(many) <= len(few) + 1 <= 11


def test_the_models_stay_in_their_team(repository, pulls):
    recompute(repository.team_id)
    for model in (Commit, PRReview, Repository, TeamMember, WeeklyMetrics):
        assert set(model.objects.across_teams().values_list("team_id", flat=True)) <= {
            repository.team_id
        }
