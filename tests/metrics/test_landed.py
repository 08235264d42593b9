from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase as HypothesisTestCase

from apps.metrics.factories import (
    PRReviewFactory,
    PullRequestFactory,
    RepositoryFactory,
    TeamMemberFactory,
)
from apps.metrics.figures.definitions import counts_as_review, hours_to_review
from apps.metrics.figures.merged import counted_reviews, given_reviews, landed
from apps.metrics.figures.selection import Selection, period
from apps.metrics.figures.weekly import recompute
from apps.metrics.ingest.writer import ingest_pull_requests
from apps.metrics.insights.dataset import load
from apps.metrics.models import WeeklyMetrics
from apps.metrics.records import ChangeKind, ReviewState
from tests.metrics.conftest import make_pull, make_review

NOW = datetime(2026, 2, 20, tzinfo=UTC)
START = datetime(2026, 2, 9, 9, tzinfo=UTC)

# Who wrote it, and of each review who gave it, after how many hours and in which state.
# 0 is nobody, 3 a bot.
PULLS = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.lists(
            st.tuples(
                st.integers(0, 3), st.none() | st.integers(-5, 50), st.sampled_from(ReviewState)
            ),
            max_size=5,
        ),
    ),
    max_size=6,
)


class WhatIsCounted(HypothesisTestCase):
    @settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(PULLS)
    def test_the_database_counts_the_reviews_that_the_definitions_count(self, drawn):
        repository = RepositoryFactory()
        team = repository.team_id
        people = [
            None,
            *(TeamMemberFactory(team=repository.team, is_bot=n == 2) for n in range(3)),
        ]
        people[1].key = "ghost"
        people[1].save()
        expected, given_by = {}, {}
        for author, reviews in drawn:
            pull = PullRequestFactory(
                repository=repository, author=people[author], created_at=START
            )
            counted = []
            for reviewer, hours, state in reviews:
                at = None if hours is None else START + timedelta(hours=hours)
                by = people[reviewer]
                PRReviewFactory(pull_request=pull, reviewer=by, submitted_at=at, state=state)
                if state == ReviewState.PENDING or by is None:
                    continue
                told = {"is_ghost": by == people[1], "state": state}
                if counts_as_review(pull.author_id, by.pk, by.is_bot, at, **told):
                    counted.append(at)
                if counts_as_review(pull.author_id, by.pk, False, at, **told):
                    given_by[by.pk] = given_by.get(by.pk, 0) + 1
            expected[pull.pk] = (
                None if author == 3 else hours_to_review(START, counted),
                sorted(counted),
            )
        weeks = period(team, NOW, 12)
        rows = landed(team, weeks, Selection())
        assert sorted((row.wait or -99, row.received) for row in rows) == sorted(
            (wait or -99, len(counted)) for wait, counted in expected.values()
        )
        found = counted_reviews(team, list(expected))
        assert {pk: sorted(found.get(pk, [])) for pk in expected} == {
            pk: moments for pk, (_, moments) in expected.items()
        }
        if drawn:
            assert given_reviews(team, weeks) == given_by


@pytest.mark.django_db
def test_another_teams_reviews_are_not_counted():
    mine, other = RepositoryFactory(), RepositoryFactory()
    PRReviewFactory(pull_request=PullRequestFactory(repository=other, created_at=START))
    pull = PullRequestFactory(repository=mine, created_at=START)
    weeks = period(mine.team_id, NOW, 4)
    assert [row.received for row in landed(mine.team_id, weeks, Selection())] == [0]
    assert given_reviews(mine.team_id, weeks) == {}
    assert counted_reviews(mine.team_id, [pull.pk]) == {}


def test_release_has_no_wait_and_no_size(repository, team):
    release = PullRequestFactory(
        repository=repository, created_at=START, kind=ChangeKind.RELEASE
    )
    PRReviewFactory(pull_request=release)
    (row,) = landed(team.pk, period(team.pk, NOW, 12), Selection())
    assert (row.wait, row.hours, row.size) == (None, None, None)


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
    (row,) = landed(team.pk, weeks, Selection())
    recompute(team.pk)
    week = WeeklyMetrics.objects.for_team(team).get(subject="team")
    (fact,) = load(team.pk, NOW).pulls
    assert (row.received, week.reviewed, len(fact.human_reviews)) == (counts, counts, counts)
    assert week.without_approval == (state != "approved")
    assert list(given_reviews(team.pk, weeks).values()) == [1] * counts
