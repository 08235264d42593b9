"""Share what the commands that follow a run need: exit statuses, the following itself,
and the object of --json.

    with ended_in_order(), follower_of(run, "Setting up Acme") as follower:
        follow(follower)       # returns when the run has ended
    sys.exit(EXIT[RunState(run.state)])
"""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import CommandError
from django.db import DatabaseError, InterfaceError

from apps.commands import EX_FAILED, EX_INTERRUPTED, EX_USAGE
from apps.onboarding.following import Follower, LostDatabase, NoWorker
from apps.onboarding.services.runs import run_url, totals_of
from apps.onboarding.state import of_run, run_as_json
from apps.pipelines.models import PASSED, Run, RunState, StepState
from apps.teams.models import Team

EX_NO_WORKER = 4
EXIT = {RunState.DONE: 0, RunState.PARTIAL: 2, RunState.FAILED: 1, RunState.CANCELLED: 3}

EPILOG = f"""Exit statuses:
  {EXIT[RunState.DONE]:<4} done: everything that was asked for is there
  {EXIT[RunState.PARTIAL]:<4} partial: something is missing; `missing` names it
  {EXIT[RunState.FAILED]:<4} failed, or refused before a run was started (a token that GitHub does not accept)
  {EXIT[RunState.CANCELLED]:<4} canceled
  {EX_NO_WORKER:<4} no worker was seen for 30 s; the run waits for one
  {EX_USAGE:<4} bad usage
  {EX_INTERRUPTED:<4} Ctrl-C; the run goes on

--json prints one object as the last line of stdout, whatever the status:
  run, state   of the run; null before there is one
  exit         the exit status
  reasons      why it did not end as done: a list of sentences, each cause once
  missing      what could not be read: a list of {{"what", "why"}}, each repository once;
               status.missing has the same by cause
  team, url, steps, totals
"""


def follow(follower: Follower) -> None:
    """Follow a run to its end.

    Raises CommandError with the exit status if it waits for a worker in vain, or if the
    database stays away; SystemExit on Ctrl-C, after which the run goes on.
    """
    try:
        follower.follow()
    except (NoWorker, LostDatabase) as reason:
        status = EX_NO_WORKER if isinstance(reason, NoWorker) else EX_FAILED
        raise CommandError(str(reason), returncode=status) from None
    except KeyboardInterrupt:
        follower.say(
            "Stopped following. The run continues as long as there is a worker; manage.py run "
            f"cancel {follower.run.pk} cancels it."
        )
        sys.exit(EX_INTERRUPTED)


def summary(run: Run | None, team: Team | None, status: int, reason: str) -> dict[str, Any]:
    """Return the object that --json prints.

    `reason` is why the command ended, if it was an error of its own.
    """
    ending: dict[str, Any] = {
        "exit": status,
        "reasons": [reason] if reason else [],
        "missing": [],
    }
    unknown: dict[str, Any] = dict.fromkeys(("run", "team", "url", "state", "status"))
    unknown |= {"steps": [], "totals": None}
    if run is None or team is None:
        return unknown | ending
    try:
        found = _summary(run, team)
    except (DatabaseError, InterfaceError):
        # The database is away: the id is what a program needs to ask again.
        return (
            unknown
            | {"run": str(run.pk), "team": team.slug, "url": run_url(run, team)}
            | ending
        )
    ending["missing"] = run.missing
    if run.state == RunState.PARTIAL:
        ending["reasons"] += [gap["reason"] for gap in found["status"]["missing"]]
    elif run.state == RunState.FAILED and found["status"]["reason"]:
        ending["reasons"].append(found["status"]["reason"])
    return found | ending


def _summary(run: Run, team: Team) -> dict[str, Any]:
    run.refresh_from_db()
    steps = []
    for step in run.steps.order_by("idx"):
        has_ended = step.state in (*PASSED, StepState.FAILED, StepState.CANCELLED)
        # Of an ended run no step is under way; whatever has not ended waits.
        state = step.state if has_ended or run.is_live else StepState.WAITING
        steps.append(
            {"key": step.key, "state": state, "attempts": step.attempt, "seconds": step.seconds}
        )
    return {
        "run": str(run.pk),
        "team": team.slug,
        "url": run_url(run, team),
        "state": run.state,
        "status": run_as_json(of_run(run, team.name)),
        "steps": steps,
        "totals": totals_of(team.pk, run.params.get("repo_ids")),
    }


@contextmanager
def follower_of(run: Run, title: str) -> Iterator[Follower]:
    """Yield what follows a run, and give the terminal back at the end of the block."""
    follower = Follower(run, title)
    try:
        yield follower
    finally:
        follower.close()


@contextmanager
def ended_in_order() -> Iterator[None]:
    """Let SIGTERM and a closed terminal end the block as an exception does: a worker of
    ours ends with us.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # called from a program, whose signals are its own
        return
    before = {
        number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def leave(number: int, frame: object) -> None:
    # The status that a shell reports for a process that a signal ended.
    sys.exit(128 + number)
