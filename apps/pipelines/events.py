"""The event log of a run: numbered under the run's row, in the transaction of the change that they tell of."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import F

from apps.pipelines import clock
from apps.pipelines.models import Event, Run, StepRun


@dataclass(frozen=True, slots=True)
class Entry:
    kind: str
    key: str = ""
    message: str = ""
    level: str = "info"
    data: dict[str, Any] = field(default_factory=dict)


def append(run_id: Any, entries: Sequence[Entry]) -> int:
    """Write events and return the run's new sequence number. The caller's transaction then holds the run's row."""
    if not entries:
        return Run.objects.values_list("seq", flat=True).get(pk=run_id)
    Run.objects.filter(pk=run_id).update(seq=F("seq") + len(entries))
    last: int = Run.objects.values_list("seq", flat=True).get(pk=run_id)
    at = clock.now()
    Event.objects.bulk_create(
        Event(
            run_id=run_id,
            seq=last - len(entries) + 1 + offset,
            at=at,
            kind=entry.kind,
            key=entry.key,
            message=entry.message,
            level=entry.level,
            data=entry.data,
        )
        for offset, entry in enumerate(entries)
    )
    return last


def step_entry(step: StepRun, message: str = "", level: str = "info") -> Entry:
    """The whole current state of a step."""
    return Entry(
        kind="step",
        key=step.key,
        level=level,
        message=message,
        data={
            "title": step.title,
            "state": step.state,
            "attempt": step.attempt,
            "failures": step.failures,
            "done": step.done,
            "total": step.total,
            "unit": step.unit,
            "message": step.message,
            "error": step.error,
            "parked_until": step.parked_until.isoformat() if step.parked_until else None,
            "started_at": step.started_at.isoformat() if step.started_at else None,
            "finished_at": step.finished_at.isoformat() if step.finished_at else None,
        },
    )


def run_entry(run: Run, message: str = "", level: str = "info") -> Entry:
    """The whole current state of a run."""
    return Entry(
        kind="run",
        level=level,
        message=message,
        data={
            "state": run.state,
            "generation": run.generation,
            "percent": run.percent,
            "eta_seconds": run.eta_seconds,
            "missing": run.missing,
            "error": run.error,
        },
    )
