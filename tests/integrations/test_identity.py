"""Names, logins, and node ids change; what they name stays the same, and is never mixed
with another one.
"""

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.integrations.connections.tracking import track_repositories, untrack_repository
from apps.integrations.models import SyncStatus, TrackedRepository
from apps.integrations.tasks import sync_historical_data_task
from apps.metrics.models import PullRequest, Repository, TeamMember
from apps.pipelines.models import RunState
from apps.teams import states
from apps.teams.models import Team
from tests.integrations.test_incremental import ago, pulls, spent, sync
from tests.integrations.test_verification import REVIEW, refresh
from tests.sandbox.conftest import record

pytestmark = pytest.mark.django_db(transaction=True)
# The sandbox takes any.
ANY_TOKEN = {"Authorization": "Bearer of any shape"}


def recent(number, repository="octo/hello", **changes):
    times = {"createdAt": ago(hours=3), "updatedAt": ago(hours=2), "mergedAt": ago(hours=2)}
    return record(number, repository=repository, **(times | changes))


def titles(team, **which):
    return set(pulls(team).filter(**which).values_list("title", flat=True))


@pytest.fixture
def hello(octo, team, follow):
    """`octo/hello`, read."""
    (tracked,) = follow("octo/hello")
    sync(team)
    return tracked


# Node ids


@pytest.mark.parametrize(("before", "after"), [("legacy", "next"), ("next", "legacy")])
def test_ids_in_another_format_lead_to_the_same_rows(octo, team, follow, before, after):
    octo.change("ids", format=before)
    (hello,) = follow("octo/hello")
    octo.put(recent(50, state="OPEN", mergedAt=None))
    sync(team)
    keys = dict(pulls(team).values_list("number", "pk"))
    octo.change("ids", format=after)
    octo.put(recent(50, updatedAt=ago(hours=1), reviews=[REVIEW]))
    sync(team)
    assert dict(pulls(team).values_list("number", "pk")) == keys
    merged = pulls(team).get(number=50)
    assert (merged.state, merged.reviews.count()) == ("merged", 1)
    hello.refresh_from_db()
    assert hello.sync_status == SyncStatus.COMPLETE


def test_details_that_wait_under_an_old_id_are_read(octo, team, hello):
    octo.change("ids", format="legacy")
    PullRequest.objects.for_team(team).filter(number=3).update(detail_state="pending")
    sync(team)
    assert not pulls(team).exclude(detail_state="complete").exists()


def test_deleted_one_that_waits_under_an_old_id_goes(octo, team, hello):
    """The window is another one than at the last read, so that counts give no sign."""
    Team.objects.filter(pk=team.pk).update(history_start=timezone.now() - timedelta(days=900))
    octo.change("ids", format="legacy")
    octo.change("delete", repository="octo/hello", numbers=[3])
    PullRequest.objects.for_team(team).filter(number=3).update(detail_state="pending")
    sync(team)
    assert not pulls(team).filter(number=3).exists()
    hello.refresh_from_db()
    assert hello.sync_status == SyncStatus.COMPLETE


def test_verify_brings_the_ids_of_today(octo, team, hello):
    octo.change("ids", format="legacy")
    refresh(team, verify=True)
    assert not pulls(team).filter(external_id__startswith="PR_").exists()
    assert pulls(team).count() == 30


# Names of repositories


def take_over(octo, name="octo/hello", new="octo/hello-v1"):
    """Rename a repository, and give its name to another one with pull requests of the
    same numbers.
    """
    octo.rename(name, new)
    octo.change("create", name=name)
    octo.put(*(recent(number, name, title=f"Of another {number}") for number in (1, 2, 40)))


def test_name_taken_over_is_followed_by_id(octo, team, hello):
    take_over(octo)
    octo.put(recent(41, "octo/hello-v1", title="New in the old one"))
    for _ in range(2):
        run = sync(team)
        assert run.state == RunState.DONE
    hello.refresh_from_db()
    assert hello.repository.full_name == "octo/hello-v1"
    assert pulls(team).count() == 31
    assert not [title for title in titles(team) if title.startswith("Of another")]
    assert "New in the old one" in titles(team)
    assert "octo/hello " in hello.notice


def test_notice_of_a_taken_name_is_on_the_page_until_the_other_is_read(
    octo, team, hello, follow
):
    take_over(octo)
    sync(team)
    [state] = [row for row in states.of_team(team.pk).repositories if row.id == hello.pk]
    assert state.notice
    (other,) = follow("octo/hello")
    assert other.pk != hello.pk
    sync(team)
    hello.refresh_from_db()
    assert hello.notice == ""
    assert titles(team, repository=other.repository) == {
        "Of another 1",
        "Of another 2",
        "Of another 40",
    }
    assert pulls(team).filter(repository=hello.repository).count() == 30


def test_name_taken_after_a_deletion_is_an_error_and_mixes_nothing(octo, team, hello, follow):
    octo.change("delete", repository="octo/hello")
    octo.change("create", name="octo/hello")
    octo.put(recent(1, title="Of another 1"))
    for _ in range(2):
        with pytest.raises(Exception, match="another repository named octo/hello"):
            sync_historical_data_task.call_local(team_id=team.pk)
        hello.refresh_from_db()
        assert (hello.sync_status, hello.cause) == (SyncStatus.ERROR, "name_taken")
    assert pulls(team).count() == 30
    assert "Of another 1" not in titles(team)
    untrack_repository(team, hello.pk)
    (other,) = follow("octo/hello")
    assert other.pk != hello.pk
    sync(team)
    assert titles(team, repository=other.repository) == {"Of another 1"}


def test_exchanged_names_are_followed(octo, team, follow):
    hello, world = follow("octo/hello", "octo/world")
    sync(team)
    octo.rename("octo/hello", "octo/aside")
    octo.rename("octo/world", "octo/hello")
    octo.rename("octo/aside", "octo/world")
    octo.put(
        recent(60, "octo/world", title="In the first"),
        recent(60, "octo/hello", title="In the second"),
    )
    for _ in range(2):
        sync(team)
    for tracked, name, title, count in (
        (hello, "octo/world", "In the first", 31),
        (world, "octo/hello", "In the second", 4),
    ):
        tracked.refresh_from_db()
        assert tracked.repository.full_name == name
        assert title in titles(team, repository=tracked.repository)
        assert pulls(team).filter(repository=tracked.repository).count() == count
        assert tracked.notice == ""


def test_transfer_to_another_owner_is_followed(octo, team, hello):
    octo.rename("octo/hello", "elsewhere/hello")
    octo.put(recent(70, "elsewhere/hello"))
    sync(team)
    hello.refresh_from_db()
    assert (hello.repository.full_name, pulls(team).count()) == ("elsewhere/hello", 31)


def test_repository_that_is_tracked_again_under_another_name_keeps_its_rows(octo, team, hello):
    untrack_repository(team, hello.pk)
    octo.rename("octo/hello", "octo/greetings")
    (again,) = track_repositories(team, "github", ["octo/greetings"])
    sync(team)
    assert pulls(team).count() == pulls(team).filter(repository=again.repository).count() == 30
    assert Repository.objects.for_team(team).count() == 1


def test_repository_of_an_earlier_release_gets_its_identity(octo, team, hello):
    known = Repository.objects.for_team(team).get()
    assert known.github_id
    assert known.host == "127.0.0.1"
    Repository.objects.for_team(team).update(github_id=None, host="")
    octo.change("ids", format="legacy")
    sync(team)
    assert Repository.objects.for_team(team).get().github_id == known.github_id


def test_quiet_night_costs_no_more_for_identity(octo, team, follow):
    follow("octo/world")
    sync(team)
    before = octo.requests()
    sync(team)
    assert spent(octo, before) == {"Updated": 1}


# People


def test_renamed_login_is_one_person(octo, team, hello):
    ada = TeamMember.objects.for_team(team).get(login="ada")
    octo.change("account", **{"from": "ada", "to": "ada-l"})
    octo.put(recent(80, author={"login": "ada-l"}))
    sync(team)
    ada.refresh_from_db()
    assert ada.login == "ada-l"
    assert pulls(team).get(number=80).author == ada


def test_login_taken_over_is_another_person(octo, team, hello):
    ada = TeamMember.objects.for_team(team).get(login="ada")
    octo.change("account", **{"from": "ada", "to": "ada-l"})
    octo.put(recent(81, author={"login": "ada"}))
    sync(team)
    taker = pulls(team).get(number=81).author
    assert taker != ada
    refresh(team, verify=True)
    ada.refresh_from_db()
    assert (ada.login, taker.login) == ("ada-l", "ada")
    assert pulls(team).filter(author=ada).count() == 30


def test_tracked_rows_stay_one_for_each_repository(octo, team, hello):
    take_over(octo)
    sync(team)
    assert TrackedRepository.objects.for_team(team).count() == 1


def test_account_that_took_a_free_login_keeps_its_own_id_when_it_is_renamed(octo):
    ids = {}
    for number in (31, 32):
        octo.put(record(number, author={"login": "ada"}))
        octo.change("account", **{"from": "ada", "to": f"ada-{number}"})
        pull = octo.http.get(f"/repos/octo/hello/pulls/{number}", headers=ANY_TOKEN).json()
        ids[pull["user"]["login"]] = pull["user"]["id"]
    assert list(ids) == ["ada-31", "ada-32"]
    assert ids["ada-31"] != ids["ada-32"]
