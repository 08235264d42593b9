from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis.extra.django import TestCase as HypothesisTestCase

from apps.metrics.factories import (
    PRReviewFactory,
    PullRequestFactory,
    RepositoryFactory,
)
from apps.metrics.figures.compute import compute
from apps.metrics.figures.measures import Measures
from apps.metrics.figures.periods import merged_in, reviewed_by
from apps.metrics.figures.pull_requests import read, read_by_keys, rows_of, store
from apps.metrics.figures.selection import Selection, period
from apps.metrics.figures.weekly import recompute
from apps.metrics.ingest.writer import ingest_pull_requests
from apps.metrics.insights.dataset import load
from apps.metrics.models import (
    DetailState,
    PullRequest,
    PullRequestFigures,
    TeamMember,
    WeeklyMetrics,
)
from apps.metrics.records import ChangeKind, ReviewState
from tests.metrics import reference
from tests.metrics.conftest import make_pull, make_review

NOW = datetime(2026, 2, 20, tzinfo=UTC)
START = datetime(2026, 2, 9, 9, tzinfo=UTC)


class MeasuresTests(HypothesisTestCase):
    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(reference.PULLS)
    def test_measures_equal_the_definitions_in_words(self, drawn):
        team = reference.write(drawn)
        pulls = PullRequest.objects.for_team(team)
        measured = read(pulls)
        for place, pk in enumerate(measured.pulls.pk.tolist()):
            expected = reference.measures(pulls.get(pk=pk))
            for name, value in expected.items():
                found = getattr(measured.pulls, name)[place]
                assert found == pytest.approx(value, nan_ok=True), name
        counted = [
            (review.pull_request_id, review.reviewer_id)
            for pull in pulls
            for review in reference.human_reviews(pull)
            if reference.is_possible(review.submitted_at)
        ]
        keys = measured.pulls.pk[measured.reviews.pull]
        assert sorted(counted) == sorted(
            zip(keys.tolist(), measured.reviews.reviewer.tolist(), strict=True)
        )

    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(reference.PULLS)
    def test_stored_measures_are_the_computed_ones(self, drawn):
        team = reference.write(drawn)
        pulls = PullRequest.objects.for_team(team).order_by("pk")
        computed = read(pulls)
        keys = np.array(pulls.values_list("pk", flat=True), dtype=np.int64)
        assert store(team.pk, compute(keys)) == len(keys)
        with CaptureQueriesContext(connection) as queries:
            stored = read(pulls)
        assert len(queries) == 1
        order, other = np.argsort(computed.pulls.pk), np.argsort(stored.pulls.pk)
        for name, one, two in zip(Measures._fields, computed.pulls, stored.pulls, strict=True):
            np.testing.assert_array_equal(one[order], two[other], name)
        assert sorted(map(str, zip(*reviews_of(computed), strict=True))) == sorted(
            map(str, zip(*reviews_of(stored), strict=True))
        )
        # What is stored already is not written again.
        assert store(team.pk, compute(keys)) == 0


def reviews_of(measured):
    reviews = measured.reviews
    return measured.pulls.pk[reviews.pull], reviews.reviewer, reviews.at, reviews.approves


@pytest.mark.django_db
def test_measures_of_an_older_version_are_computed_when_read(repository, team):
    pull = PullRequestFactory(repository=repository, created_at=START)
    recompute(team.pk)
    rows = PullRequestFigures.objects.for_team(team)
    rows.update(time_to_merge_hours=999.0)
    assert read_by_keys(np.array([pull.pk])).pulls.time_to_merge_hours.tolist() == [999.0]
    rows.update(definitions_version=1)
    assert read_by_keys(np.array([pull.pk])).pulls.time_to_merge_hours.tolist() == [5.0]
    recompute(team.pk)
    assert rows.get().time_to_merge_hours == 5.0


@pytest.mark.django_db
def test_review_after_the_merge_counts_but_ends_no_wait(repository, team):
    """The dashboard, the weekly table, and the insights agree."""
    pull = PullRequestFactory(
        repository=repository,
        created_at=START,
        merged_at=START + timedelta(hours=10),
        detail_state=DetailState.COMPLETE,
    )
    PRReviewFactory(pull_request=pull, submitted_at=START + timedelta(hours=15))
    recompute(team.pk)
    figures = merged_in(team.pk, period(team.pk, NOW, 12), Selection())
    week = WeeklyMetrics.objects.for_team(team).get(subject="team")
    (insight,) = load(team.pk, NOW).pulls
    assert figures.values("pickup_hours") == []
    assert week.pickup_hours_n == 0
    assert insight.hours_to_review is None
    counted = (
        figures.values("counted_reviews"),
        week.reviewed,
        len(insight.reviews),
    )
    assert counted == ([1.0], 1, 1)


@pytest.mark.django_db
def test_reverts_are_the_same_in_the_weekly_table_and_in_insights(repository, team):
    for n in range(3):
        PullRequestFactory(
            repository=repository, created_at=START, title=f'Revert "Add page {n}"', body=""
        )
    recompute(team.pk)
    assert WeeklyMetrics.objects.for_team(team).get(subject="team").reverts == 3
    assert sum(pull.is_revert for pull in load(team.pk, NOW).pulls) == 3


@pytest.mark.django_db
def test_another_teams_reviews_are_not_counted():
    mine, other = RepositoryFactory(), RepositoryFactory()
    theirs = PullRequestFactory(repository=other, created_at=START)
    reviewer = PRReviewFactory(pull_request=theirs).reviewer
    PullRequestFactory(repository=mine, created_at=START)
    weeks = period(mine.team_id, NOW, 4)
    assert merged_in(mine.team_id, weeks, Selection()).values("counted_reviews") == [0.0]
    assert reviewed_by(mine.team_id, weeks, reviewer.pk) == 0
    assert reviewed_by(other.team_id, weeks, reviewer.pk) == 1


def test_release_has_no_wait_and_no_size(repository, team):
    release = PullRequestFactory(
        repository=repository, created_at=START, kind=ChangeKind.RELEASE
    )
    PRReviewFactory(pull_request=release)
    row = rows_of([release.pk])[release.pk]
    assert (row.pickup_hours, row.time_to_merge_hours, row.size_lines) == (None, None, None)


@pytest.mark.parametrize(
    ("state", "counts"), [("approved", True), ("changes_requested", True), ("commented", False)]
)
def test_review_by_one_deleted_account_of_another_one_s_pull_request(
    repository, team, state, counts
):
    """A comment may be the author's own; an approval can't be."""
    review = make_review(
        reviewer=None, state=ReviewState(state), submitted_at=START + timedelta(hours=1)
    )
    ingest_pull_requests(
        repository, [make_pull(author=None, created_at=START, commits=(), reviews=(review,))]
    )
    weeks = period(team.pk, NOW, 12)
    recompute(team.pk)
    (received,) = merged_in(team.pk, weeks, Selection()).values("counted_reviews")
    week = WeeklyMetrics.objects.for_team(team).get(subject="team")
    (fact,) = load(team.pk, NOW).pulls
    assert (received, week.reviewed, len(fact.reviews)) == (counts, counts, counts)
    assert week.without_approval == (state != "approved")
    ghost = TeamMember.objects.for_team(team).get(key="ghost")
    assert reviewed_by(team.pk, weeks, ghost.pk) == counts


def test_pull_request_that_is_deleted_while_it_is_read_counts_nowhere(repository, team):
    """It is deleted after the first statement, by which its row of measures is missing,
    and before the one that reads it to compute them.
    """
    gone, kept = (PullRequestFactory(repository=repository, created_at=START) for _ in range(2))
    statements = []

    def delete_meanwhile(execute, sql, params, many, context):
        statements.append(sql)
        if len(statements) == 2:
            PullRequest.objects.for_team(team).filter(pk=gone.pk).delete()
        return execute(sql, params, many, context)

    with connection.execute_wrapper(delete_meanwhile):
        measured = read(PullRequest.objects.for_team(team))
    hours = dict(
        zip(
            measured.pulls.pk.tolist(),
            measured.pulls.time_to_merge_hours.tolist(),
            strict=True,
        )
    )
    assert hours[kept.pk] == 5.0
    assert np.isnan(hours[gone.pk])
    assert measured.pulls.ai_verdict.tolist().count("unread") == 2
    assert list(rows_of([gone.pk, kept.pk])) == [kept.pk]
