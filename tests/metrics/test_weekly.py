from datetime import UTC, datetime, timedelta

import numpy
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase as HypothesisTestCase

from apps.metrics.definitions import Figures, week_of
from apps.metrics.factories import (
    PRReviewFactory,
    PullRequestFactory,
    RepositoryFactory,
    TeamFactory,
    TeamMemberFactory,
)
from apps.metrics.models import Commit, PRReview, PullRequest, Repository, TeamMember, WeeklyMetrics
from apps.metrics.records import ChangeKind, PullRequestState, ReviewState
from apps.metrics.weekly import recompute, touched_weeks, units

MONDAY = datetime(2026, 2, 9, tzinfo=UTC)


def table(team):
    return {
        (subject, week): Figures(*numbers)
        for subject, week, *numbers in WeeklyMetrics.objects.for_team(team).values_list(
            "subject", "week", *Figures._fields
        )
    }


def reference(team):
    """The same table by the words of the definitions, the slow way."""
    pulls = list(PullRequest.objects.for_team(team))
    expected = {}
    groups = {"team": pulls}
    for pull in pulls:
        groups.setdefault(f"repository:{pull.repository_id}", []).append(pull)
        groups.setdefault(f"member:{pull.author_id}", []).append(pull)
    for subject, rows in groups.items():
        weeks = {week_of(row.created_at) for row in rows} | {week_of(row.merged_at) for row in rows if row.merged_at}
        for week in weeks:
            merged = [row for row in rows if row.merged_at and week_of(row.merged_at) == week]
            hours = [
                (row.merged_at - row.created_at) / timedelta(hours=1) for row in merged if row.kind != ChangeKind.CHANGE
            ]
            expected[subject, week] = Figures(
                sum(week_of(row.created_at) == week for row in rows),
                len(merged),
                *([float(numpy.percentile(hours, share)) for share in (50, 75, 90)] if hours else [None] * 3),
                len({row.author_id for row in merged}),
                len([row for row in merged if row.ai_assisted]),
                sum(row.additions for row in merged),
                sum(row.deletions for row in merged),
                sum(review.state != ReviewState.PENDING for row in merged for review in row.reviews.all()),
            )
    return expected


MOMENTS = st.integers(0, 40 * 24 * 60).map(lambda minutes: MONDAY + timedelta(minutes=minutes))
PULLS = st.lists(
    st.tuples(
        MOMENTS,
        st.none() | st.integers(0, 20 * 24 * 60),
        st.integers(0, 2),
        st.integers(0, 3),
        st.booleans() | st.none(),
        st.sampled_from(ChangeKind),
        st.integers(0, 10**6),
        st.lists(st.sampled_from(ReviewState), max_size=3),
    ),
    max_size=25,
)


class WeeklyTableTests(HypothesisTestCase):
    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(PULLS)
    def test_it_equals_the_definitions_in_words(self, drawn):
        team = TeamFactory()
        repositories = RepositoryFactory.create_batch(3, team=team)
        members = TeamMemberFactory.create_batch(4, team=team)
        for created_at, minutes, repository, author, ai_assisted, kind, size, reviews in drawn:
            pull = PullRequestFactory(
                repository=repositories[repository],
                author=members[author],
                created_at=created_at,
                state=PullRequestState.OPEN if minutes is None else PullRequestState.MERGED,
                merged_at=None if minutes is None else created_at + timedelta(minutes=minutes),
                ai_assisted=ai_assisted,
                kind=kind,
                additions=size,
                deletions=size // 2,
            )
            for state in reviews:
                PRReviewFactory(pull_request=pull, reviewer=members[0], state=state)
        recompute(team.pk)
        found, expected = table(team), reference(team)
        assert found.keys() == expected.keys()
        for place, numbers in expected.items():
            for number, other in zip(found[place], numbers, strict=True):
                assert number == (None if other is None else pytest.approx(other, rel=1e-9, abs=1e-9))


@pytest.fixture
def pulls(repository):
    author = TeamMemberFactory(team=repository.team)
    return [
        PullRequestFactory(repository=repository, author=author, created_at=MONDAY + timedelta(weeks=n))
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
        week: numbers.additions for (subject, week), numbers in table(repository.team).items() if subject == "team"
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
    WeeklyMetrics.objects.for_team(repository.team_id).filter(subject="team").update(definitions_version=0)
    assert recompute(repository.team_id) == 10


def test_teams_are_apart(repository, pulls):
    other = PullRequestFactory()
    recompute(other.team_id)
    assert not table(repository.team)
    assert len(table(other.team)) == 3


def test_a_pull_request_that_was_closed_is_opened_only(repository):
    PullRequestFactory(repository=repository, state=PullRequestState.CLOSED, created_at=MONDAY, merged_at=None)
    recompute(repository.team_id)
    assert table(repository.team)["team", MONDAY.date()] == Figures(1, 0, None, None, None, 0, 0, 0, 0, 0)


def test_statements_do_not_grow_with_the_pull_requests(repository, pulls):
    recompute(repository.team_id)
    with CaptureQueriesContext(connection) as few:
        recompute(repository.team_id, {MONDAY.date()})
    PullRequestFactory.create_batch(40, repository=repository, created_at=MONDAY, author=pulls[0].author)
    with CaptureQueriesContext(connection) as many:
        recompute(repository.team_id, {MONDAY.date()})
    assert len(many) <= len(few) + 1 <= 7


def test_the_models_stay_in_their_team(repository, pulls):
    recompute(repository.team_id)
    for model in (Commit, PRReview, Repository, TeamMember, WeeklyMetrics):
        assert set(model.objects.across_teams().values_list("team_id", flat=True)) <= {repository.team_id}
