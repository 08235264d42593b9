"""What a refresh of a clone leaves equals what a first read of it gives."""

import pytest

from apps.integrations.connections.grants import grant
from apps.integrations.connections.tracking import track_repositories
from apps.integrations.tasks import sync_historical_data_task
from apps.metrics.models import Commit, PullRequest, TeamMember
from apps.metrics.records import ChangeKind
from apps.onboarding.services.refreshing import corrected_by
from apps.pipelines import engine, runner
from apps.pipelines.models import RunState
from apps.teams.models import Team
from tests.integrations import git_histories
from tests.integrations.fresh import differences
from tests.integrations.git.conftest import Builder


@pytest.fixture
def clone(tmp_path, settings):
    settings.GIT_SOURCE_ROOT = tmp_path
    builder = Builder(tmp_path / "api")
    git_histories.begin(builder)
    return builder


@pytest.fixture
def onboard(worker):
    """Makes a team that has read the clone."""

    def onboard_team(name):
        team = Team.objects.create(name=name, slug=name)
        grant(team, "git")
        track_repositories(team, "git", ["api"])
        return refresh(worker, team)

    return onboard_team


def refresh(worker, team):
    run = worker.drain(worker.start(sync_historical_data_task, team_id=team.pk, months=600))
    assert run.state == RunState.DONE, (run.error, run.missing)
    return team


@pytest.mark.parametrize("change", git_histories.CHANGES)
def test_refresh_equals_a_first_read(worker, clone, onboard, change):
    team = onboard("refreshed")
    git_histories.CHANGES[change](clone)
    refresh(worker, team)
    fresh = onboard("fresh")
    assert PullRequest.objects.for_team(fresh).exists()
    assert differences(team, fresh) == []


def test_rewritten_landings_are_deleted(worker, clone, onboard):
    team = onboard("refreshed")
    git_histories.dropped(clone)
    refresh(worker, team)
    numbers = (
        PullRequest.objects.for_team(team).exclude(number=None).values_list("number", flat=True)
    )
    assert sorted(numbers) == [1, 2, 3, 5]


def test_mailmap_takes_former_people_away(worker, clone, onboard):
    team = onboard("refreshed")
    assert TeamMember.objects.for_team(team).filter(login="ben").exists()
    git_histories.mailmap(clone)
    refresh(worker, team)
    assert not TeamMember.objects.for_team(team).filter(login="ben").exists()


def test_imported_history_has_no_people(worker, clone, onboard):
    git_histories.imported(clone)
    team = onboard("refreshed")
    assert not TeamMember.objects.for_team(team).filter(name="Stranger").exists()
    assert not Commit.objects.for_team(team).filter(message="Their first").exists()
    newest = PullRequest.objects.for_team(team).order_by("-merged_at").first()
    assert (newest.kind, newest.additions, newest.lines_left_out) == (ChangeKind.CHANGE, 0, 1)


ANN_LATER = ("Ann Lee-Roe", "ann@example.com")
BOT, PERSON = ("ci-bot", "ci@example.com"), ("Cy Irving", "ci@example.com")


def newer_name(builder):
    builder.commit("Under another name (#6)", {"n.txt": "1\n"}, hour=90, author=ANN_LATER)


def older_name(builder):
    """Merge a branch with an old commit of another name, which is read last."""
    builder.branch("old")
    builder.commit("Old work", {"o.txt": "1\n"}, hour=2, author=("A. Lee", "ann@example.com"))
    builder.merge("Merge pull request #7 from acme/old", "old", hour=95)


def former_bot(builder):
    builder.commit("By a program (#8)", {"p.txt": "1\n"}, hour=97, author=BOT)
    builder.commit("By a person (#9)", {"p.txt": "2\n"}, hour=98, author=PERSON)


def present_bot(builder):
    builder.commit("By a person (#8)", {"p.txt": "1\n"}, hour=97, author=PERSON)
    builder.commit("By a program (#9)", {"p.txt": "2\n"}, hour=98, author=BOT)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ([newer_name], "Ann Lee-Roe"),
        ([older_name], "Ann Lee"),
        ([newer_name, older_name], "Ann Lee-Roe"),
        ([newer_name, git_histories.reset], None),
        ([former_bot], "Ann Lee"),
        ([present_bot], "Ann Lee"),
    ],
)
def test_name_is_that_of_the_newest_commit_in_any_order_of_reading(
    worker, clone, onboard, changes, name
):
    team = onboard("refreshed")
    for change in changes:
        change(clone)
        refresh(worker, team)
    assert differences(team, onboard("fresh")) == []
    if name:
        assert TeamMember.objects.for_team(team).get(login__startswith="ann~").name == name


def verified(team):
    """Refresh with a comparison; return how many pull requests it corrected."""
    params = {"team_id": team.pk, "months": 600, "verify": True}
    run, _ = engine.start("sync", subject=f"team:{team.pk}", params=params, send=False)
    run = runner.run_inline(
        run, {"sync_historical_data_task": sync_historical_data_task.run_body}
    )
    assert run.state == RunState.DONE, (run.error, run.missing)
    return corrected_by(run)


def test_verify_corrects_rows_that_differ_from_the_clone(worker, clone, onboard):
    team = onboard("refreshed")
    pulls = PullRequest.objects.for_team(team)
    pulls.filter(number=3).update(title="Another")
    Commit.objects.for_team(team).filter(pull_request__number=1).delete()
    refresh(worker, team)
    # An ordinary refresh goes by the digests, which are those of the clone.
    assert pulls.get(number=3).title == "Another"
    assert verified(team) == 2
    assert differences(team, onboard("fresh")) == []
    assert verified(team) == 0


def test_verify_counts_nothing_that_a_refresh_does_anyway(worker, clone, onboard):
    team = onboard("refreshed")
    git_histories.dropped(clone)
    clone.commit("Squash 6 (#6)", {"s6.txt": "1\n"}, hour=90)
    assert verified(team) == 0
    assert differences(team, onboard("fresh")) == []


def test_refresh_without_a_change_writes_no_row(worker, clone, onboard):
    team = onboard("refreshed")
    before = dict(PullRequest.objects.for_team(team).values_list("pk", "digest"))
    refresh(worker, team)
    assert dict(PullRequest.objects.for_team(team).values_list("pk", "digest")) == before
    assert all(before.values())
