"""The same step over local clones."""

import shutil

import pytest

from apps.integrations.connections.grants import grant
from apps.integrations.connections.tracking import track_repositories
from apps.integrations.models import SyncLog, SyncStatus, TrackedRepository
from apps.integrations.tasks import sync_historical_data_task
from apps.metrics.models import Commit, DetailState, PullRequest
from apps.pipelines import engine
from apps.pipelines.models import RunState
from apps.teams.models import Team
from tests.integrations.git.conftest import Builder


@pytest.fixture
def root(tmp_path, settings):
    settings.GIT_SOURCE_ROOT = tmp_path
    return tmp_path


@pytest.fixture
def team(transactional_db):
    """A team without any token."""
    team = Team.objects.create(name="Clones", slug="clones")
    grant(team, "git")
    return team


@pytest.fixture
def clone(root):
    """120 squashes and two merges of two commits each."""
    builder = Builder(root / "api")
    for number in range(1, 121):
        builder.write(f"Change {number} (#{number})", hour=number)
    for number in (121, 122):
        builder.branch(f"topic-{number}")
        builder.commit(f"First of {number}", hour=number)
        builder.commit(f"Second of {number}", hour=number)
        builder.merge(
            f"Merge pull request #{number} from acme/topic-{number}",
            f"topic-{number}",
            hour=number + 5,
        )
    return builder


def sync(worker, team):
    return worker.drain(worker.start(sync_historical_data_task, team_id=team.pk, months=600))


def row(team, path):
    return TrackedRepository.objects.for_team(team).get(repository__full_name=path)


def test_a_clone_arrives_whole(worker, team, clone):
    (tracked,) = track_repositories(team, "git", ["api"])
    run = sync(worker, team)
    assert run.state == RunState.DONE, (run.error, run.missing)
    pulls = PullRequest.objects.for_team(team)
    assert sorted(pulls.values_list("number", flat=True)) == list(range(1, 123))
    assert not pulls.exclude(detail_state=DetailState.COMPLETE).exists()
    assert Commit.objects.for_team(team).count() == 124
    tracked = row(team, "api")
    assert (tracked.sync_status, tracked.done, tracked.total) == (SyncStatus.COMPLETE, 122, 122)
    assert tracked.repository.external_id == str(clone.path)
    assert tracked.repository.default_branch == "main"
    signals = SyncLog.objects.for_team(team).order_by("pk").values_list("signal", flat=True)
    assert list(signals) == [
        "onboarding_sync_started",
        "repository_sync_completed",
        "onboarding_sync_completed",
    ]
    step = run.steps.get()
    assert (step.done, step.total) == (122, 122)


def test_a_second_sync_reads_what_is_new(worker, team, clone):
    track_repositories(team, "git", ["api"])
    sync(worker, team)
    before = set(PullRequest.objects.for_team(team).values_list("pk", flat=True))
    clone.write("Change 123 (#123)", hour=200)
    assert sync(worker, team).state == RunState.DONE
    now = PullRequest.objects.for_team(team)
    assert before < set(now.values_list("pk", flat=True))
    assert now.count() == 123
    assert (row(team, "api").done, row(team, "api").total) == (123, 123)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("../elsewhere", "out of the folder"),
        ("nowhere", "There is no 'nowhere'"),
        ("plain", "is not a git repository"),
    ],
)
def test_one_bad_path_leaves_the_others_running(worker, team, clone, root, path, words):
    (root / "plain").mkdir()
    (root.parent / "elsewhere").mkdir(exist_ok=True)
    track_repositories(team, "git", [path, "api"])
    run = sync(worker, team)
    assert run.state == RunState.PARTIAL
    assert [item["what"] for item in run.missing] == [path]
    assert words in run.missing[0]["why"]
    assert row(team, path).sync_status == SyncStatus.ERROR
    assert row(team, "api").sync_status == SyncStatus.COMPLETE


def test_an_empty_clone_is_complete(worker, team, root):
    Builder(root / "empty")
    track_repositories(team, "git", ["empty"])
    run = sync(worker, team)
    assert run.state == RunState.DONE
    assert (row(team, "empty").sync_status, row(team, "empty").total) == (
        SyncStatus.COMPLETE,
        0,
    )
    assert run.events.filter(kind="log", message__contains="no commits yet").exists()


def test_without_a_root_the_run_says_so(worker, team, clone, settings):
    track_repositories(team, "git", ["api"])
    settings.GIT_SOURCE_ROOT = None
    run = sync(worker, team)
    assert run.state == RunState.FAILED
    assert "Local repositories cannot be read" in run.error


def test_one_clone_under_two_paths_is_counted_once(worker, team, clone):
    track_repositories(team, "git", ["api", str(clone.path)])
    run = sync(worker, team)
    assert run.state == RunState.PARTIAL
    assert "is the same repository as 'api'" in run.missing[0]["why"]
    assert PullRequest.objects.for_team(team).count() == 122


def test_a_shallow_clone_is_partial_and_whole_after_its_mending(worker, team, clone, root):
    clone.git("clone", "--quiet", "--depth=100", f"file://{clone.path}", str(root / "shallow"))
    track_repositories(team, "git", ["shallow"])
    run = sync(worker, team)
    assert run.state == RunState.PARTIAL
    assert "--unshallow" in run.missing[0]["why"]
    assert 90 < PullRequest.objects.for_team(team).count() < 122
    clone.git("-C", str(root / "shallow"), "fetch", "--quiet", "--unshallow")
    run = worker.drain(engine.retry(run, ["shallow"]))
    assert run.state == RunState.DONE, (run.error, run.missing)
    assert set(PullRequest.objects.for_team(team).values_list("number", flat=True)) == set(
        range(1, 123)
    )


def test_a_damaged_object_leaves_the_rest_intact(worker, team, clone, root):
    tree = clone.git("rev-parse", "topic-122^{tree}")
    clone.git("checkout", "--quiet", "main")
    (clone.path / ".git" / "objects" / tree[:2] / tree[2:]).unlink()
    track_repositories(team, "git", ["api"])
    run = sync(worker, team)
    assert run.state == RunState.PARTIAL
    assert "could not be read" in run.missing[0]["why"]
    assert PullRequest.objects.for_team(team).count() >= 120


def tip_is_gone(clone):
    tip = clone.git("rev-parse", "HEAD")
    (clone.path / ".git/objects" / tip[:2] / tip[2:]).unlink()


def reference_leads_nowhere(clone):
    (clone.path / ".git/refs/heads/main").write_text("1" * 40 + "\n")


def is_made_anew(clone):
    shutil.rmtree(clone.path)
    clone.path.mkdir()
    clone.git("init", "--quiet")


@pytest.mark.parametrize("damage", [tip_is_gone, reference_leads_nowhere, is_made_anew])
def test_clone_that_has_no_commits_any_more_loses_nothing_that_was_read(
    worker, team, clone, damage
):
    track_repositories(team, "git", ["api"])
    assert sync(worker, team).state == RunState.DONE
    damage(clone)
    run = sync(worker, team)
    assert (run.state, row(team, "api").sync_status) == (RunState.FAILED, SyncStatus.ERROR)
    assert PullRequest.objects.for_team(team).count() == 122


def test_clone_that_became_shallow_loses_nothing_that_was_read(worker, team, clone):
    track_repositories(team, "git", ["api"])
    assert sync(worker, team).state == RunState.DONE
    (clone.path / ".git/shallow").write_text(clone.git("rev-parse", "HEAD~20") + "\n")
    run = sync(worker, team)
    assert (run.state, run.missing[0]["cause"]) == (RunState.PARTIAL, "incomplete")
    assert PullRequest.objects.for_team(team).count() == 122
    (clone.path / ".git/shallow").unlink()
    assert worker.drain(engine.retry(run)).state == RunState.DONE
    assert PullRequest.objects.for_team(team).count() == 122


@pytest.mark.parametrize("program", ["\x7fELF of another machine", "#!/nonexistent/sh\n"])
def test_program_that_cannot_be_started_is_named(
    worker, team, clone, program, tmp_path, monkeypatch
):
    folder = tmp_path / "programs"
    folder.mkdir()
    (folder / "git").write_text(program)
    (folder / "git").chmod(0o755)
    track_repositories(team, "git", ["api"])
    monkeypatch.setenv("PATH", str(folder))
    run = sync(worker, team)
    assert (run.state, run.cause) == (RunState.FAILED, "git_missing")
