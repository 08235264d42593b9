"""The clocks' rows of the fault table: a setup, a night, and the pages, with a real
worker whose clock libfaketime sets.

All of it by hand, in about ten minutes: `SAMPLE=all python -m pytest -m long -n 0 -s
tests/faults/test_clock_table.py`. `make test-long` tries a sample by SEED.
"""

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from apps.integrations.connections.tracking import track_repositories
from apps.mail.models import OutboxMessage
from apps.metrics.models import WeeklyMetrics
from apps.onboarding.services import refreshing
from apps.onboarding.services.runs import start_onboarding
from apps.pipelines.models import StepState, Worker
from tests.faults.clock_rows import RESET_IN, ROWS
from tests.faults.scene import assert_fit_for_people, look
from tests.faults.table import assert_rows_differ, sample
from tests.faults.test_github_table import GitHubScene
from tests.fixtures.workers import eventually
from tests.sandbox.conftest import record
from tests.services import require

pytestmark = pytest.mark.django_db(transaction=True)

# How far a wait may be from what GitHub asked for, by the clock of the worker.
TOLERANCE = timedelta(seconds=90)


def faketime(clock):
    """Return the environment that gives a process another clock. What it counts seconds
    with stays right.

    The library reads its settings anew every ten seconds, and lets a sleep at that
    moment fail: it is to read them once.
    """
    program = require("faketime", "the clock's rows of the fault table set a worker's clock")
    library = next(Path(program).parents[1].glob("lib*/**/libfaketimeMT.so.1"))
    once = {"FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_CACHE_DURATION": "1000000"}
    return {"LD_PRELOAD": str(library), "FAKETIME": clock, **once}


class ClockScene(GitHubScene):
    """A GitHub whose clock is wrong, or a worker's."""

    def begin(self):
        self.sandbox.faults(*([self.row.fault] if self.row.fault else []))
        self.neighbor.forwards(
            **{name: value for name, value in self.row.how.items() if name != "clock"}
        )
        self.mark()

    def offset(self):
        """Return how far the worker's clock is from ours."""
        clock = self.row.how.get("clock", "+0").split()[0]
        return timedelta(seconds=int(clock))

    def check_wait(self, run):
        """Check that a limit is waited for as long as GitHub asked, whatever the clocks
        say.
        """
        step = run.steps.get(state=StepState.PARKED)
        wait = step.parked_until - timezone.now() - self.offset()
        assert abs(wait - timedelta(seconds=RESET_IN)) < TOLERANCE, wait


@pytest.mark.long
@pytest.mark.parametrize("row", sample("clock", ROWS), ids=lambda row: row.name)
def test_fault_ends_as_its_row_states(
    row, team, owner, workers, neighbor, octo_server, client, tried
):
    octo_server.reset()
    clock = row.how.get("clock")
    workers.start(GITHUB_API_URL=neighbor.url, **(faketime(clock) if clock else {}))
    eventually(Worker.objects.exists)
    scene = ClockScene(row, workers.log, tried, team, neighbor, octo_server)
    tracked = track_repositories(team, "github", ["octo/hello", "octo/world"])

    scene.begin()
    run = scene.measured(
        "onboarding", lambda: scene.until_settled(start_onboarding(team, owner, tracked, 12)[0])
    )
    scene.check(run)
    if row.ends == "waiting":
        scene.check_wait(run)
    scene.completed(run)
    scene.check_whole(33)
    assert OutboxMessage.objects.filter(dedupe_key__endswith=":complete").count() == 1

    octo_server.put(record(31))
    scene.begin()
    night = scene.measured("night", lambda: scene.until_settled(refreshing.refresh(team.pk)[0]))
    scene.check(night)
    assert WeeklyMetrics.objects.for_team(team).exists()
    scene.mark()
    neighbor.forwards()
    assert_fit_for_people(scene.measured("page", lambda: look(client, team, owner, night)))
    scene.completed(night)
    scene.check_whole(34)


def test_rows_differ():
    assert_rows_differ(ROWS, floor=20)
