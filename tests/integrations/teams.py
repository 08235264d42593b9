"""Teams over GitHub and clones, read in this process with all steps of a refresh."""

import os
import signal
import time

from django.db import connections
from django.utils import timezone
from huey.contrib.djhuey import HUEY

from apps.integrations.connections.grants import grant
from apps.integrations.connections.tracking import track_repositories
from apps.integrations.models import TrackedRepository
from apps.integrations.sources.github.credentials import store_token
from apps.pipelines import engine, registry, runner
from apps.pipelines.exceptions import Permanent, Retryable
from apps.pipelines.models import ACTIVE_RUN_STATES, RunState, StepRun, StepState
from apps.pipelines.worker.sweeper import sweep
from apps.teams.models import Membership, Role, Team
from apps.teams.services import create_team
from apps.users.models import User

OWNER = "owner@example.com"


def octo_owner():
    """Return the user who owns the team of `octo_team`."""
    return User.objects.get_or_create(email="lead@octo.example")[0]


def octo_team(owner):
    """Return a team of this owner that is connected to the sandbox by a token."""
    team = create_team("Octo", owner)
    store_token(team, "a token of any shape")
    return team


def read(slug, repositories, clones, first_day):
    """Make a team that follows these repositories of GitHub and these clones, and read
    them from its first day on.
    """
    owner, _ = User.objects.get_or_create(email=OWNER)
    team = Team.objects.create(name=slug, slug=slug, history_start=first_day)
    Membership.objects.create(team=team, user=owner, role=Role.OWNER)
    store_token(team, "a token of any shape")
    grant(team, "git")
    track_repositories(team, "github", repositories)
    track_repositories(team, "git", clones)
    refresh(team)
    return team


def errors(team):
    """Return what could not be read, by repository."""
    rows = TrackedRepository.objects.for_team(team).exclude(last_sync_error="")
    return dict(rows.values_list("repository__full_name", "last_sync_error"))


def refresh(team, *, may_fail=False, **params):
    """Run a refresh to its end.

    Returns the run, which may be partial if GitHub sends what can't be.
    """
    return _ended(_run(_started(team, params)), may_fail=may_fail)


def refresh_killed(team, after, *, may_fail=False, **params):
    """Run a refresh in a process that is killed after so many seconds, and go on with
    it as a worker does.
    """
    run = _started(team, params)
    for database in connections.all():
        database.close()
        if hasattr(database, "close_pool"):
            # Otherwise both processes would use the pool's connections.
            database.close_pool()
    child = os.fork()
    if child == 0:
        try:
            _run(run)
        finally:
            os._exit(0)
    time.sleep(after)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    # Its lease ends, and the sweeper sends the step again.
    StepRun.objects.filter(run=run, state=StepState.RUNNING).update(lease_until=timezone.now())
    StepRun.objects.filter(run=run, state=StepState.READY).update(dispatched_at=None)
    _work_off(run)
    return _ended(run, may_fail=may_fail)


def _work_off(run):
    """Do what a worker and its sweeper do, until the run has ended; for at most a
    minute.
    """
    until = time.monotonic() + 60
    while run.state in ACTIVE_RUN_STATES and time.monotonic() < until:
        message = HUEY.dequeue()
        if message is None:
            sweep()
            time.sleep(0.05)
        else:
            HUEY.execute(message)
        run.refresh_from_db()


def _started(team, params):
    params = {"team_id": team.pk, "limit": 0, **params}
    run, created = engine.start("nightly", subject=f"team:{team.pk}", params=params, send=False)
    assert created
    return run


def _run(run):
    try:
        return runner.run_inline(
            run, {name: task.run_body for name, task in registry.tasks().items()}
        )
    except Permanent:
        run.refresh_from_db()
    except Retryable:
        _work_off(run)
    return run


def _ended(run, *, may_fail):
    ends = (
        (RunState.DONE, RunState.PARTIAL, RunState.FAILED)
        if may_fail
        else (RunState.DONE, RunState.PARTIAL)
    )
    assert run.state in ends, (run.state, run.error)
    return run
