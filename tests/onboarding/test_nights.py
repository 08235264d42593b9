"""A team's night comes once a day, spread over an hour, and a night that was missed is
made good.
"""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from apps.integrations.models import Connection, TrackedRepository
from apps.onboarding import nights
from apps.onboarding.services.refreshing import refresh
from apps.onboarding.state.kinds import Kind
from apps.onboarding.tasks import nightly_refresh
from apps.pipelines import engine
from apps.pipelines.models import Run
from apps.teams.models import OnboardingStatus, Team

DAY = timedelta(days=1)
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ready(team, begin, work):
    """A team whose setup ended two days ago."""
    work(begin())
    Run.objects.update(created_at=timezone.now() - 2 * DAY)
    team.refresh_from_db()
    return team


def started(team):
    return list(
        Run.objects.filter(subject=f"team:{team.pk}", pipeline="nightly").values_list(
            "kind", flat=True
        )
    )


def test_missed_night_is_made_good_once(ready):
    for _ in range(3):
        nightly_refresh.call_local()
    assert started(ready) == ["nightly"]
    engine.cancel(Run.objects.get(pipeline="nightly"))
    nightly_refresh.call_local()
    assert started(ready) == ["nightly"], "a night that ended is not begun again"


def test_night_of_yesterday_is_followed_by_tonights(ready):
    nightly_refresh.call_local()
    engine.cancel(Run.objects.get(pipeline="nightly"))
    now = nights.last_due(ready.pk, timezone.now()) + DAY
    assert [team_id for team_id, _ in nights.due(now)] == [ready.pk]
    assert nights.due(now - timedelta(minutes=1)) == []


def test_refresh_since_the_night_was_due_stands_in_for_it(ready):
    refresh(ready.pk)
    assert nights.due(timezone.now()) == []


def test_update_by_a_webhook_does_not_stand_in(ready):
    refresh(ready.pk, kind=Kind.WEBHOOK)
    assert [team_id for team_id, _ in nights.due(timezone.now())] == [ready.pk]


@pytest.mark.parametrize(
    "status", [OnboardingStatus.CANCELLED, OnboardingStatus.FAILED, OnboardingStatus.RUNNING]
)
def test_second_setup_that_does_not_end_well_ends_no_refreshes(ready, status):
    Team.objects.filter(pk=ready.pk).update(onboarding_pipeline_status=status)
    assert [team_id for team_id, _ in nights.due(timezone.now())] == [ready.pk]


def test_team_that_was_never_read_has_no_nights(ready):
    Team.objects.filter(pk=ready.pk).update(onboarding_pipeline_status=OnboardingStatus.FAILED)
    TrackedRepository.objects.across_teams().update(last_synced_at=None)
    assert nights.due(timezone.now()) == []


def test_team_without_a_connection_has_no_nights(ready):
    Connection.objects.across_teams().all().delete()
    assert nights.due(timezone.now()) == []


def test_nights_are_spread_over_an_hour():
    now = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
    moments = [nights.last_due(team_id, now) for team_id in range(1, 61)]
    assert len(set(moments)) == 60
    assert {moment.hour for moment in moments} == {nights.NIGHTLY_HOUR}
    assert {moment.date() for moment in moments} == {now.date()}
    assert nights.last_due(1, datetime(2026, 3, 4, 1, 0, tzinfo=UTC)).day == 3
