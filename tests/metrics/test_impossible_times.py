"""No figure is computed from times that are impossible, and the pull requests that have
them are named.
"""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase as HypothesisTestCase

from apps.metrics.api import tokens
from apps.metrics.factories import (
    CommitFactory,
    PRReviewFactory,
    PullRequestFactory,
    RepositoryFactory,
    TeamMemberFactory,
)
from apps.metrics.figures.export import weekly_rows
from apps.metrics.figures.moments import are_impossible, impossible_condition
from apps.metrics.figures.weekly import recompute
from apps.metrics.insights.daily import find
from apps.metrics.insights.dataset import load
from apps.metrics.models import DetailState, PullRequest, Scope
from apps.metrics.records import PullRequestState
from apps.onboarding.services.summary import median_hours_to_merge

MONDAY = datetime(2026, 2, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
# When each pull request was opened and merged. Only the first took a time that can be
# measured.
TIMES = {
    "sound": (MONDAY + 20 * HOUR, MONDAY + 30 * HOUR),
    "merged before it was opened": (MONDAY + 240 * HOUR, MONDAY + 31 * HOUR),
    "merged in 2099": (MONDAY + 21 * HOUR, datetime(2099, 5, 5, tzinfo=UTC)),
    "opened in 1970": (datetime(1970, 1, 1, tzinfo=UTC), MONDAY + 32 * HOUR),
    "merged in 1970": (MONDAY + 22 * HOUR, datetime(1970, 1, 1, tzinfo=UTC)),
    "opened and merged in 2099": (
        datetime(2099, 5, 1, tzinfo=UTC),
        datetime(2099, 5, 5, tzinfo=UTC),
    ),
}
IMPOSSIBLE = set(TIMES) - {"sound"}
MERGED_IN_A_POSSIBLE_WEEK = 3


@pytest.fixture
def pulls(repository):
    found = {}
    for number, (title, (created, merged)) in enumerate(TIMES.items(), 1):
        found[title] = PullRequestFactory(
            repository=repository,
            number=number,
            title=title,
            created_at=created,
            updated_at=merged,
            merged_at=merged,
            closed_at=merged,
            detail_state=DetailState.COMPLETE,
        )
    recompute(repository.team_id)
    return found


def test_weekly_table_has_no_impossible_week_or_duration(team, pulls):
    rows = list(weekly_rows(team.pk, Scope.TEAM, everything=True))
    weeks = {row["week"] for row in rows}
    assert weeks == {"2026-W07", "2026-W08"}
    (week,) = (row for row in rows if row["week"] == "2026-W07")
    assert week["merged"] == MERGED_IN_A_POSSIBLE_WEEK
    assert week["time_to_merge_hours_n"] == 1
    spans = [
        value
        for name, value in week.items()
        if re.search("_hours_(median|p75|p90)$", name) and value is not None
    ]
    assert spans
    assert all(0 <= value <= 10 for value in spans)


def test_pages_show_the_one_duration_that_is_known(team, pulls, visit):
    merge = visit("chart_json", "merge").json()["weeks"]
    assert [row["median"] for row in merge if row["n"]] == [10.0]
    counts = visit("chart_json", "merged").json()["weeks"]
    assert sum(row["merged"] for row in counts) == MERGED_IN_A_POSSIBLE_WEEK
    compared = visit("compare", **{"as": "json"}).json()["weeks"]
    assert {row["time_to_merge_hours_median"] for row in compared if row["n"]} == {10.0}
    for page in ("dashboard", "repositories", "people"):
        assert "2099" not in visit(page).content.decode().split('data-impossible-times="')[0]


def test_insights_are_computed_from_possible_times(team, pulls):
    dataset = load(team.pk, MONDAY + timedelta(days=20))
    assert dataset.until == max(
        pull.created_at for pull in pulls.values() if pull.created_at.year == 2026
    )
    known = [pull.hours_to_merge for pull in dataset.pulls if pull.hours_to_merge is not None]
    assert known == [10.0]
    assert find(team.pk, MONDAY + timedelta(days=20)) == []
    assert median_hours_to_merge(team) == 10.0


def test_dashboard_names_them_and_leads_to_their_list(team, pulls, visit, client):
    page = visit("dashboard").content.decode()
    assert f'data-impossible-times="{len(IMPOSSIBLE)}"' in page
    (address,) = re.findall(r'href="([^"]+times=impossible)"', page)
    listed = client.get(address).content.decode()
    assert set(re.findall(r'class="name">([^<]+)<', listed)) == IMPOSSIBLE
    assert listed.count('badge dashed" data-impossible-times') == len(IMPOSSIBLE)


def test_team_with_sound_times_has_no_note(team, repository, visit):
    PullRequestFactory(repository=repository)
    assert "data-impossible-times" not in visit("dashboard").content.decode()
    assert "data-impossible-times" not in visit("pull_requests").content.decode()


def test_slowest_first_begins_with_a_known_duration(team, pulls, visit):
    listed = visit("pull_requests", sort="slowest").content.decode()
    assert re.findall(r'class="name">([^<]+)<', listed)[0] == "sound"


def test_api_marks_them(team, pulls, client):
    _, token = tokens.make(team, "Report", None)
    answer = client.get(
        reverse("metrics:api_pull_requests"), headers={"Authorization": f"Bearer {token}"}
    )
    marked = {
        row["title"] for row in json.loads(answer.content)["items"] if row["impossible_times"]
    }
    assert marked == IMPOSSIBLE


def test_review_before_the_opening_ends_no_wait(team, repository, visit):
    author, reviewer = TeamMemberFactory(team=team), TeamMemberFactory(team=team)
    times = {
        "created_at": MONDAY,
        "merged_at": MONDAY + 9 * HOUR,
        "detail_state": DetailState.COMPLETE,
    }
    pull = PullRequestFactory(repository=repository, author=author, **times)
    for hours in (-50, 3):
        PRReviewFactory(
            pull_request=pull, reviewer=reviewer, submitted_at=MONDAY + hours * HOUR
        )
    CommitFactory(pull_request=pull, authored_at=datetime(1970, 1, 1, tzinfo=UTC))
    recompute(team.pk)
    (row,) = weekly_rows(team.pk, Scope.TEAM, everything=True)
    assert row["pickup_hours_median"] == 3.0
    assert row["coding_hours_median"] is None
    assert [
        week["median"] for week in visit("chart_json", "review").json()["weeks"] if week["n"]
    ] == [3.0]
    (pull,) = load(team.pk, MONDAY + timedelta(days=9)).pulls
    assert pull.hours_to_review == 3.0


MOMENTS = st.none() | st.datetimes(
    datetime(1971, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)


class WhatIsImpossible(HypothesisTestCase):
    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.lists(st.tuples(MOMENTS.filter(bool), MOMENTS, MOMENTS), max_size=6))
    def test_database_finds_the_same_as_the_definition(self, drawn):
        repository = RepositoryFactory()
        expected = set()
        for created, merged, closed in drawn:
            state = PullRequestState.MERGED if merged else PullRequestState.OPEN
            times = {
                "created_at": created,
                "merged_at": merged,
                "closed_at": closed,
                "state": state,
            }
            pull = PullRequestFactory(repository=repository, **times)
            if are_impossible(created, merged, closed):
                expected.add(pull.pk)
        found = PullRequest.objects.for_team(repository.team).filter(impossible_condition())
        assert set(found.values_list("pk", flat=True)) == expected
