from datetime import UTC, datetime

import pytest

from apps.integrations.connections.tracking import track_repositories
from apps.integrations.models import SyncStatus, TrackedRepository
from apps.integrations.sources.errors import InvalidName
from apps.integrations.sync import window
from apps.metrics.models import Repository
from apps.pipelines.exceptions import Permanent
from apps.teams.models import Team


@pytest.fixture
def team(db):
    return Team.objects.create(name="Acme", slug="acme")


def test_following_is_idempotent_and_ignores_case(team):
    first = track_repositories(team, "github", ["acme/api", " acme/web ", "Acme/API"])
    assert [row.repository.full_name for row in first] == ["acme/api", "acme/web"]
    assert track_repositories(team, "github", ["ACME/web", "acme/api"]) == first[::-1]
    assert (
        Repository.objects.for_team(team).count()
        == TrackedRepository.objects.for_team(team).count()
        == 2
    )
    assert {row.sync_status for row in first} == {SyncStatus.PENDING}


def test_the_ids_of_both_rows_are_one(team):
    (row,) = track_repositories(team, "github", ["acme/api"])
    assert row.pk == row.id == row.repository.pk


def test_two_teams_follow_one_repository_each_for_itself(team):
    other = Team.objects.create(name="Other", slug="other")
    assert track_repositories(team, "github", ["acme/api"]) != track_repositories(
        other, "github", ["acme/api"]
    )


def test_paths_keep_their_case(team):
    assert len(track_repositories(team, "git", ["Api", "api", "/srv/git/api"])) == 3


@pytest.mark.parametrize(
    "name",
    [
        "",
        "api",
        "acme/",
        "/api",
        "a/b/c",
        "https://github.com/acme/api",
        "acme/..",
        "acme/<b>",
        "acme/a b",
        "-a/b",
    ],
)
def test_what_is_no_name_is_refused_before_anything_is_written(team, name):
    with pytest.raises(InvalidName, match="owner/name"):
        track_repositories(team, "github", ["acme/good", name])
    assert not Repository.objects.for_team(team).exists()


@pytest.mark.parametrize(
    ("end", "months", "start"),
    [
        ((2026, 11, 24), 12, (2025, 11, 24)),
        ((2026, 3, 31), 1, (2026, 2, 28)),
        ((2024, 2, 29), 12, (2023, 2, 28)),
        ((2026, 1, 15), 1, (2025, 12, 15)),
        ((2026, 11, 24), 600, (1976, 11, 24)),
    ],
)
def test_windows_are_calendar_months(end, months, start):
    assert window.start(datetime(*end, tzinfo=UTC), months) == datetime(*start, tzinfo=UTC)


@pytest.mark.parametrize("months", [-1, 0, 601])
def test_windows_have_bounds(months):
    with pytest.raises(Permanent):
        window.start(datetime(2026, 1, 1, tzinfo=UTC), months)
