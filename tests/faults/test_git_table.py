"""The rows of the fault table for clones: a setup, a night, and the pages, with a real
worker and the real git.

All of it by hand, in about ten minutes: `SAMPLE=all python -m pytest -m long -n 0 -s
tests/faults/test_git_table.py`. `make test-long` tries a sample by SEED.
"""

import shutil

import pytest

from apps.integrations.connections.grants import grant
from apps.integrations.connections.tracking import track_repositories
from apps.mail.models import OutboxMessage
from apps.metrics.models import DetailState, PullRequest, WeeklyMetrics
from apps.onboarding.services import refreshing
from apps.onboarding.services.runs import start_onboarding
from apps.pipelines import engine
from apps.pipelines.worker.health import live_workers
from apps.teams.services import create_team
from tests.faults.git_rows import GIT, ROWS
from tests.faults.scene import OURS, Scene, assert_fit_for_people, look
from tests.faults.table import assert_rows_differ, sample
from tests.fixtures.workers import ended, eventually
from tests.integrations.git.conftest import Builder
from tests.integrations.git_histories import begin

pytestmark = pytest.mark.django_db(transaction=True)

MONTHS = 24
# Landed changes of a clone: two merges, three squashes, one direct commit.
LANDED = 6


class GitScene(Scene):
    """A folder with two clones, and what is wrong with one of them or with the program
    git.
    """

    def __init__(self, row, log, tried, root, programs):
        super().__init__(row, log, tried)
        self.clone, self.program = root / "api", programs / "git"
        self.sound = root.parent / "sound"

    def begin(self):
        """Let the fault begin. What a sound clone has is kept aside."""
        if self.sound.exists():
            shutil.rmtree(self.sound)
        shutil.copytree(self.clone, self.sound)
        if self.row.fault:
            self.row.fault(self.clone)
        script = self.row.how.get("script")
        if script == "missing":
            self.program.unlink()
        elif script:
            self.program.write_text(script)
            self.program.chmod(0o644 if script == "not executable" else 0o755)
        self.mark()

    def end(self):
        if self.clone.is_symlink() or self.clone.is_file():
            self.clone.unlink()
        elif self.clone.exists():
            shutil.rmtree(self.clone)
        shutil.copytree(self.sound, self.clone)
        pass_on(self.program)

    def check(self, run, is_night=False):
        """Compare a run's end with the row."""
        causes = {one["cause"] for one in run.missing} or {run.cause}
        ends, outcome = self.row.ends, self.row.outcome
        if is_night and "night" in self.row.how:
            ends, outcome = self.row.how["night"]
        assert (run.state, causes) == (ends, {outcome}), (run.error, run.missing)
        for text in (run.error, *(one["why"] for one in run.missing)):
            assert len(text) <= 1000
            assert not OURS.search(text), text
            # Where the clones lie on the server is nobody's business, nor what git
            # quotes of files.
            assert str(self.clone.parent) not in text
            assert "secret" not in text


def pass_on(program):
    """Let the program be the real git."""
    program.write_text(f'#!/bin/sh\nexec {GIT} "$@"\n')
    program.chmod(0o755)


@pytest.fixture
def programs(tmp_path):
    """A folder with nothing but the program git."""
    folder = tmp_path / "programs"
    folder.mkdir()
    pass_on(folder / "git")
    return folder


@pytest.fixture
def root(tmp_path, settings):
    """The folder of two clones."""
    folder = tmp_path / "root"
    settings.GIT_SOURCE_ROOT = folder
    for name in ("api", "web"):
        begin(Builder(folder / name))
    return folder


@pytest.mark.long
@pytest.mark.parametrize("row", sample("git", ROWS), ids=lambda row: row.name)
def test_fault_ends_as_its_row_states(row, owner, workers, root, programs, client, tried):
    team = create_team("Clones", owner)
    grant(team, "git", by=owner)
    tracked = track_repositories(team, "git", ["api", "web"])
    workers.start(GIT_SOURCE_ROOT=str(root), PATH=str(programs))
    eventually(lambda: len(live_workers()) == 1)
    scene = GitScene(row, workers.log, tried, root, programs)
    pulls = PullRequest.objects.for_team(team)

    def until_ended(run):
        eventually(ended(run), 60)
        return run

    scene.begin()
    run = scene.measured(
        "onboarding", lambda: until_ended(start_onboarding(team, owner, tracked, MONTHS)[0])
    )
    scene.check(run)
    if "script" not in row.how:
        assert pulls.filter(repository__full_name="web").count() == LANDED
    scene.end()
    if run.state != "done":
        run = until_ended(engine.retry(run))
        assert (run.state, run.missing) == ("done", [])
    else:
        until_ended(refreshing.refresh(team.pk)[0])
    assert_whole(pulls, LANDED * 2)

    Builder.git(
        Bare(scene.clone), "commit", "--quiet", "--allow-empty", "-m", "Squash 8 (#8)", hour=60
    )
    scene.begin()
    night = scene.measured("night", lambda: until_ended(refreshing.refresh(team.pk)[0]))
    scene.check(night, is_night=True)
    # Nothing that was read is lost because of the fault.
    assert pulls.count() >= LANDED * 2
    assert WeeklyMetrics.objects.for_team(team).exists()
    scene.mark()
    assert_fit_for_people(scene.measured("page", lambda: look(client, team, owner, night)))
    scene.end()
    night = until_ended(refreshing.refresh(team.pk)[0])
    assert (night.state, night.missing) == ("done", [])
    assert_whole(pulls, LANDED * 2 + 1)
    for email in OutboxMessage.objects.all():
        assert not OURS.search(email.subject + email.text + email.html)


class Bare:
    """The path of a repository, for `Builder.git`."""

    def __init__(self, path):
        self.path = path


def assert_whole(pulls, count):
    """Check that all of the clones is in the rows."""
    assert pulls.count() == count
    assert not pulls.exclude(detail_state=DetailState.COMPLETE).exists()


def test_rows_differ():
    assert_rows_differ(ROWS, floor=50)
