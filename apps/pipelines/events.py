"""The event log of a run: numbered under the run's row, in the transaction of the change that they tell of."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from apps.pipelines import clock, statements
from apps.pipelines.models import Event, Run, StepRun
from apps.pipelines.stream import hints


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
    more = statements.Sql(f"seq + {len(entries)}")
    [(last,)] = statements.update_values(Run, {"seq": more}, ["seq"], id=run_id)
    write(run_id, last, entries)
    return int(last)


def write(run_id: Any, last: int, entries: Sequence[Entry]) -> None:
    """Write events with the newest numbers of a run, `last` and those before it. The caller has taken them."""
    at, before = clock.now(), last - len(entries)
    statements.insert(
        Event,
        ("run_id", "seq", "at", "kind", "key", "message", "level", "data"),
        [
            (run_id, seq, at, entry.kind, entry.key, entry.message, entry.level, entry.data)
            for seq, entry in enumerate(entries, before + 1)
        ],
    )
    hints.after_commit(run_id, before)


def step_entry(step: StepRun, message: str = "", level: str = "info") -> Entry:
    """The whole current state of a step. Times are ISO 8601 with their offset."""
    return Entry(
        kind="step",
        key=step.key,
        level=level,
        message=message,
        data={
            "idx": step.idx,
            "title": step.title,
            "queue": step.queue,
            "state": step.state,
            "attempt": step.attempt,
            "failures": step.failures,
            "max_failures": step.max_failures,
            "done": step.done,
            "total": step.total,
            "unit": step.unit,
            "message": step.message,
            "error": step.error,
            "missing": step.missing,
            "parked_until": _iso(step.parked_until),
            "started_at": _iso(step.started_at),
            "attempt_started_at": _iso(step.attempt_started_at),
            "finished_at": _iso(step.finished_at),
            "active_seconds": round(step.active_seconds, 3),
        },
    )


def run_entry(run: Run, message: str = "", level: str = "info") -> Entry:
    """The whole current state of a run. Times are ISO 8601 with their offset."""
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
            "created_at": _iso(run.created_at),
            "generation_started_at": _iso(run.generation_started_at),
            "finished_at": _iso(run.finished_at),
        },
    )


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
