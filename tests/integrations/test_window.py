"""The first day of what a team reads: fixed at the setup, kept by nights, widened as a
fresh start would read.
"""

from datetime import date, timedelta

import pytest
from django.utils import timezone

from apps.integrations.connections.tracking import track_repositories
from apps.integrations.models import TrackedRepository
from apps.integrations.sync import window
from apps.integrations.tasks import sync_historical_data_task
from apps.metrics.models import PullRequest
from apps.onboarding.services.runs import start_onboarding
from apps.pipelines import engine
from tests.integrations.test_incremental import ago, pulls, sync
from tests.sandbox.conftest import record

pytestmark = pytest.mark.django_db(transaction=True)


def setup(team, months, since=None):
    """Choose a window as the setup does, without its run."""
    run, _ = start_onboarding(
        team, None, list(TrackedRepository.objects.for_team(team)), months, since
    )
    engine.cancel(run)
    team.refresh_from_db()
    return run


def numbers(team):
    return sorted(pulls(team).values_list("number", flat=True))


@pytest.fixture
def history(octo, follow):
    """One pull request for each of the last 30 months, and an old one that was merged
    ten months ago.
    """
    follow("octo/world")
    octo.put(
        *(
            record(
                100 + month,
                repository="octo/world",
                createdAt=ago(days=30 * month + 15),
                updatedAt=ago(days=30 * month + 15),
                mergedAt=ago(days=30 * month + 15),
            )
            for month in range(30)
        ),
        record(
            900,
            repository="octo/world",
            createdAt=ago(days=700),
            updatedAt=ago(days=300),
            mergedAt=ago(days=300),
        ),
    )
    return octo


def test_night_reads_the_window_of_the_setup(history, team):
    setup(team, months=3)
    for _ in range(2):
        run = sync(team)
    assert [number for number in numbers(team) if number >= 100] == [100, 101, 102]
    assert "since" not in run.params
    assert TrackedRepository.objects.for_team(team).get().synced_since == window.midnight(
        team.history_start
    )


def test_first_day_can_be_given_as_a_date(history, team):
    day = timezone.now().date() - timedelta(days=50)
    setup(team, months=2, since=day)
    sync(team)
    assert team.history_start == day
    assert [number for number in numbers(team) if number >= 100] == [100, 101]


def test_second_setup_only_widens(history, team):
    setup(team, months=6)
    sync(team)
    first = team.history_start
    setup(team, months=3)
    assert team.history_start == first
    setup(team, months=12)
    assert team.history_start < first


def test_setup_that_read_nothing_leaves_no_window(history, team):
    setup(team, months=24)
    setup(team, months=3)
    sync(team)
    assert [number for number in numbers(team) if number >= 100] == [100, 101, 102]


def test_rows_of_a_canceled_longer_setup_are_removed(history, team):
    setup(team, months=24)
    sync(team)
    # As a setup leaves it that is canceled while it reads: rows, and no window that was
    # read whole.
    TrackedRepository.objects.for_team(team).update(
        synced_since=None, watermark=None, cursor={}
    )
    assert len(numbers(team)) > 20
    setup(team, months=3)
    sync(team)
    assert [number for number in numbers(team) if number >= 100] == [100, 101, 102]
    assert 900 not in numbers(team)


@pytest.mark.parametrize(("narrow", "wide"), [(1, 12), (3, 24), (3, 36)])
def test_wider_window_reads_what_a_fresh_start_reads(history, team, narrow, wide):
    setup(team, months=narrow)
    sync(team)
    setup(team, months=wide)
    sync(team)
    widened = numbers(team)
    assert 900 in widened
    PullRequest.objects.for_team(team).delete()
    TrackedRepository.objects.for_team(team).delete()
    track_repositories(team, "github", ["octo/world"])
    sync(team)
    assert widened == numbers(team)


def test_list_that_fits_on_one_page_is_widened_too(octo, team, follow):
    follow("octo/world")
    octo.put(
        record(50, repository="octo/world", createdAt=ago(days=200), updatedAt=ago(days=200))
    )
    octo.put(
        record(51, repository="octo/world", createdAt=ago(days=10), updatedAt=ago(days=10))
    )
    setup(team, months=1)
    sync(team)
    assert numbers(team) == [51]
    setup(team, months=8)
    sync(team)
    assert 50 in numbers(team)


def test_team_of_an_earlier_release_keeps_what_was_read(octo, team, follow):
    follow("octo/hello")
    sync_historical_data_task.call_local(team_id=team.pk, months=5)
    read = TrackedRepository.objects.for_team(team).get().synced_since
    assert team.history_start is None
    assert window.first_day(team.pk) == read.date()


@pytest.mark.parametrize(
    ("first", "end", "months"),
    [
        (date(2025, 11, 29), date(2026, 11, 29), 12),
        (date(2025, 11, 29), date(2026, 11, 30), 13),
        (date(2026, 2, 28), date(2026, 3, 31), 1),
        (date(2026, 11, 29), date(2026, 11, 29), 1),
    ],
)
def test_months_reach_back_to_the_first_day(first, end, months):
    assert window.months_between(first, end) == months
    assert window.start(window.midnight(end), months).date() <= first


def test_repository_that_rests_since_before_the_window_has_no_rows(octo, team, follow):
    follow("octo/world")
    resting = {
        "createdAt": ago(days=200),
        "updatedAt": ago(days=190),
        "mergedAt": ago(days=190),
    }
    octo.put(*(record(n, repository="octo/world", **resting) for n in range(1, 4)))
    setup(team, months=3)
    for _ in range(2):
        sync(team)
        assert numbers(team) == []
