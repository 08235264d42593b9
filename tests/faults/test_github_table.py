"""GitHub's rows of the fault table: a setup, a night, and the pages, with a real
worker.

All of it by hand, in about 20 minutes: `SAMPLE=all python -m pytest -m long -n 0 -s
tests/faults/test_github_table.py`. `make test-long` tries a sample by SEED.
"""

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.integrations.connections.tracking import track_repositories
from apps.integrations.models import ApiBudget
from apps.mail.models import OutboxMessage
from apps.metrics.models import DetailState, PullRequest, WeeklyMetrics
from apps.onboarding.services import refreshing
from apps.onboarding.services.runs import start_onboarding
from apps.pipelines import engine
from apps.pipelines.models import StepRun, StepState
from apps.pipelines.worker.health import live_workers
from tests.faults.github_rows import ROWS
from tests.faults.scene import OURS, Scene, assert_fit_for_people, look
from tests.faults.table import assert_rows_differ, sample
from tests.fixtures.workers import eventually
from tests.sandbox.conftest import record

pytestmark = pytest.mark.django_db(transaction=True)

# The step that is parked for so long waits for GitHub, and not for its first back-off.
WAITS = timedelta(seconds=2)


class GitHubScene(Scene):
    """A team, a worker, and a GitHub with one fault."""

    def __init__(self, row, log, tried, team, neighbor, sandbox):
        super().__init__(row, log, tried)
        self.team, self.neighbor, self.sandbox = team, neighbor, sandbox

    def requests(self):
        return self.neighbor.count()

    def begin(self):
        """Let the fault begin; GitHub has a pull request that was not read."""
        faults = self.row.fault or []
        self.sandbox.faults(*(faults if isinstance(faults, list) else [faults]))
        if self.row.content is None:
            self.neighbor.forwards()
        else:
            self.neighbor.answers(self.row.content, **self.row.how)
        self.mark()

    def end(self):
        """Let the fault pass, and the time for which GitHub is not asked."""
        self.sandbox.faults()
        self.neighbor.forwards()
        # Long ago, by the clock of any worker.
        past = timezone.now() - timedelta(days=2)
        ApiBudget.objects.update(blocked_until=past, resets_at=past)
        StepRun.objects.filter(state=StepState.PARKED).update(parked_until=past)

    def offset(self):
        """Return how far the worker's clock is from ours."""
        return timedelta(0)

    def until_settled(self, run):
        """Wait until the run has ended, or one of its steps waits."""

        def is_settled():
            run.refresh_from_db()
            soon = timezone.now() + self.offset() + WAITS
            waiting = StepRun.objects.filter(
                run=run, state=StepState.PARKED, parked_until__gt=soon
            )
            return not run.is_live or waiting.exists()

        eventually(is_settled, 120)
        return run

    def check(self, run):
        """Compare where a run has come to with the row."""
        step = run.steps.get(key="sync")
        state = run.state if not run.is_live else "waiting"
        if state == "partial":
            causes = {one["cause"] for one in run.missing}
        elif state == "done":
            causes = {""}
        else:
            causes = {step.cause}
        assert (state, causes) == (self.row.ends, {self.row.outcome})
        for text in (run.error, step.message, *(one["why"] for one in run.missing)):
            assert len(text) <= 1000
            assert not OURS.search(text), text

    def check_whole(self, count):
        """Check that everything at GitHub was read, and the figures are there."""
        pulls = PullRequest.objects.for_team(self.team)
        assert pulls.count() == count
        assert not pulls.exclude(detail_state=DetailState.COMPLETE).exists()
        assert WeeklyMetrics.objects.for_team(self.team).exists()

    def completed(self, run):
        """Let the run go on as the row states, without the fault, to its end."""
        self.end()
        if run.state in ("failed", "partial"):
            run = engine.retry(run)

        def is_done():
            run.refresh_from_db()
            return run.state == "done"

        eventually(is_done, 60)
        return run


@pytest.mark.long
@pytest.mark.parametrize("row", sample("github", ROWS), ids=lambda row: row.name)
def test_fault_ends_as_its_row_states(
    row, team, owner, workers, neighbor, octo_server, client, tried
):
    octo_server.reset()
    workers.start(GITHUB_API_URL=neighbor.url)
    eventually(lambda: len(live_workers()) == 1)
    scene = GitHubScene(row, workers.log, tried, team, neighbor, octo_server)
    tracked = track_repositories(team, "github", ["octo/hello", "octo/world"])

    scene.begin()
    run = scene.measured(
        "onboarding", lambda: scene.until_settled(start_onboarding(team, owner, tracked, 12)[0])
    )
    scene.check(run)
    scene.completed(run)
    scene.check_whole(33)
    emails = OutboxMessage.objects.exclude(dedupe_key__contains="welcome")
    assert emails.filter(dedupe_key__endswith=":complete").count() >= 1
    assert {email.recipient for email in emails} == {owner.email}

    octo_server.put(record(31))
    scene.begin()
    night = scene.measured("night", lambda: scene.until_settled(refreshing.refresh(team.pk)[0]))
    scene.check(night)
    # What was read before the fault stays.
    assert PullRequest.objects.for_team(team).count() >= 33
    assert WeeklyMetrics.objects.for_team(team).exists()

    scene.mark()
    neighbor.forwards()
    pages = scene.measured("page", lambda: look(client, team, owner, night))
    assert_fit_for_people(pages)
    scene.completed(night)
    scene.check_whole(34)
    for email in emails:
        assert not OURS.search(email.subject + email.text + email.html)


def test_rows_differ_in_bytes():
    assert_rows_differ(ROWS, floor=70)
