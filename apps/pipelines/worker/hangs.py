"""What happens after a supervisor had to end a process: the hang is counted, and the
steps of the process are sent again.

The supervisor writes a report for each process that it ended
(`apps.supervision.supervisor`). Every sweeper reads the reports. The step that hung
gets the name of its work counted in `hung`; the other steps of the process go on
without a crash counted. A step's body then makes its work smaller or skips it
(`apps.pipelines.portions`). If a step still hangs at the same place, or hangs too often
in all, it fails with the reason. Before the step goes on it waits a little, so that
other steps of its workers get a turn.
"""

import json
import logging
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from apps.pipelines import clock, engine, events
from apps.pipelines.conf import config
from apps.pipelines.dispatch import lock
from apps.pipelines.models import StepRun, StepState
from apps.pipelines.remedy import Remedy
from apps.pipelines.worker import marks

logger = logging.getLogger(__name__)

FORGET_AFTER = 86400.0
# The most seconds that a step waits after a hang.
LONGEST_PAUSE = 30.0
# Reports that a step's row remembers, so that none is counted twice.
REMEMBERED = 100


def folder() -> Path:
    """Return the folder to which supervisors of this installation's processes on this
    machine write their reports.
    """
    return Path(settings.STATE_DIR) / "hung"


def handle_reports() -> None:
    """Count what hung and send its steps again. Handled reports are kept for a day."""
    for path in _waiting():
        try:
            _handle_report(path)
        except Exception:
            # The database may be away; one report must not keep the others, and the
            # sweep, from going on.
            logger.exception(
                "The report %s about a process that hung could not be taken in; trying again.",
                path,
            )
    for path in folder().glob("*.done"):
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > FORGET_AFTER:
                path.unlink()


def _handle_report(path: Path) -> None:
    report = _read(path)
    if report is not None:
        for step_id, attempt, what in _blamed(report):
            _count(path.stem, step_id, attempt, what, float(report["seconds"]))
        _send_others(report)
    with suppress(FileNotFoundError):
        # Renamed after the work: if this process dies in between, the report is handled
        # again, and `_count` ignores it.
        path.rename(path.with_suffix(".done"))


def is_reported(owner: str) -> bool:
    """Return whether a report about this process waits to be handled."""
    return any(
        (report := _read(path)) is not None and report["owner"] == owner for path in _waiting()
    )


def _waiting() -> list[Path]:
    return sorted(folder().glob("*.json"))


def _read(path: Path) -> dict[str, Any] | None:
    """Return a report, or None if the file is no report or another sweeper has just
    handled it.
    """
    try:
        report: dict[str, Any] = json.loads(path.read_text())
        return report if {"owner", "seconds", "blamed"} <= report.keys() else None
    except (OSError, ValueError, AttributeError):
        return None


def _blamed(report: dict[str, Any]) -> list[tuple[int, int, str]]:
    """Return the step, the attempt, and the work of each thread that hung."""
    found = []
    for text in report["blamed"]:
        try:
            subject = json.loads(text)
            found.append((int(subject["step"]), int(subject["attempt"]), str(subject["what"])))
        except (ValueError, KeyError, TypeError):
            logger.warning("A report names work that is not a step's: %.100s", text)
    return found


def _count(report: str, step_id: int, attempt: int, what: str, seconds: float) -> None:
    """Count one hang of a step, once per report. Then send the step again, or fail it."""
    place = StepRun.objects.filter(pk=step_id).values_list("run_id", "idx").first()
    if place is None:
        return
    with transaction.atomic():
        step = lock(*place)[0]
        seen = step.hung.get("reports", [])
        # Another sweeper has counted this report.
        if report in seen:
            return
        key = what or marks.unit_at(step.cursor)
        units = dict(step.hung.get("units", {}))
        units[key] = units.get(key, 0) + 1
        step.hung = {"units": units, "reports": [*seen, report][-REMEMBERED:]}
        step.save(update_fields=["hung"])
        named = what or "A unit"
        logger.error(
            "Run %s, %s: %s hung for %.0f s (time %d).",
            step.run_id,
            step.key,
            named,
            seconds,
            units[key],
        )
        # If another attempt runs already, the hang is counted and that attempt goes on.
        same = Q(state=StepState.RUNNING, attempt=attempt)
        total = sum(units.values())
        if units[key] > config().hangs or total > config().most_hangs:
            text = f"“{step.title}” was stopped {total} times because it did not respond. It is not tried again automatically."
            engine.give_up(step, same, text, clock.now(), cause="hung", remedy=Remedy.OPERATOR)
            return
        # The pause grows with each hang, so that other steps of its workers get a turn.
        until = clock.now() + timedelta(seconds=min(config().hang_pause * total, LONGEST_PAUSE))
        text = f"{named} took longer than {seconds:.0f} s and was stopped. The step continues by itself."
        parked: dict[str, Any] = {
            "state": StepState.PARKED,
            "parked_at": clock.now(),
            "parked_until": until,
            "message": text,
            "cause": "hung",
            "remedy": Remedy.WAIT,
            "dispatched_at": None,
        }
        if engine.dispatch_tail(step.run_id, step.idx, when=same, **parked):
            events.append(
                step.run_id, [events.Entry("log", step.key, f"{step.title}: {text}", "warning")]
            )


def _send_others(report: dict[str, Any]) -> None:
    """Send the other steps of the ended process again, without spending a retry."""
    # The process was killed, so their leases need not be waited for.
    for step in StepRun.objects.filter(owner=report["owner"], state=StepState.RUNNING):
        same = Q(state=StepState.RUNNING, attempt=step.attempt)
        with transaction.atomic():
            if engine.dispatch_tail(step.run_id, step.idx, when=same):
                text = f"{step.title}: its worker was restarted. The step continues."
                events.append(step.run_id, [events.Entry("log", step.key, text, "warning")])
