"""What a page shows of a run, computed from the run's event log and from nothing else.

`project` reads the newest event of each row; `Projection.apply` goes on from there,
event by event. At an equal number both give the same, so that what a stream has built
and what a reload renders are the same.

    kind "run"                      the run's whole state
    kind "step", key                that step's whole state
    "log", "receiver_failed"        a line in the log; so is a "run" event that has a message
    any other kind, key             the product's: the whole state of one of its items; empty data takes it away
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Max

from apps.pipelines.models import ACTIVE_RUN_STATES, Event, Run

LOG_LINES = 100
# Events of these kinds are lines of the log if they have a message. The first two kinds
# are used for nothing else.
LINES_ONLY = ("log", "receiver_failed")
LOG_KINDS = (*LINES_ONLY, "run", "step")
LOG = ("log", "")
STATES = ("states", "")
# Items of this kind name why a running step waits.
WAIT = "wait"

Name = tuple[str, str]


@dataclass(frozen=True, slots=True)
class LogLine:
    """`key` is the step's, or empty. `level` is info, warning or error."""

    seq: int
    at: datetime
    key: str
    level: str
    message: str


@dataclass(frozen=True, slots=True)
class Projection:
    """A run as its page shows it at event number `seq`. It is immutable; `apply`
    returns a new one.

    `run` and `steps` are the data of `events.run_entry` and `events.step_entry`, steps
    in order and with their "key". `items` has the product's own items by kind and key,
    sorted by key. `log` has the newest lines, oldest first, and `log_total` is the
    number of all lines. `versions` has the number of the newest event of each (kind,
    key); ("log", "") is that of the log.
    """

    run_id: UUID
    pipeline: str
    subject: str
    seq: int = 0
    run: dict[str, Any] = field(default_factory=dict)
    steps: tuple[dict[str, Any], ...] = ()
    items: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    log: tuple[LogLine, ...] = ()
    log_total: int = 0
    versions: dict[Name, int] = field(default_factory=dict)
    # The run's kind, as stored.
    kind: str = ""
    # The newest event at which the run or a step may have changed its state, or a wait
    # began or ended.
    states_seq: int = field(default=0, compare=False)

    @property
    def is_live(self) -> bool:
        return self.run.get("state") in ACTIVE_RUN_STATES

    def changed_since(self, seq: int) -> frozenset[Name]:
        """Return what has changed after that event: (kind, key) of the run ("run", ""),
        steps, items, and ("log", "").

        ("states", "") is among them if a state may have changed, not only numbers.
        """
        changed = frozenset(name for name, version in self.versions.items() if version > seq)
        return changed | {STATES} if self.states_seq > seq else changed

    def apply(self, events: Iterable[Event]) -> "Projection":
        """Return the projection after these events, which are in order. Events that it
        already contains are skipped.
        """
        news = [event for event in events if event.seq > self.seq]
        if not news:
            return self
        run, steps, items = (
            self.run,
            {step["key"]: step for step in self.steps},
            dict(self.items),
        )
        # Copies, because viewers share the former projection.
        log, versions = [], dict(self.versions)
        for event in news:
            if event.kind in LOG_KINDS and event.message:
                log.append(_line(event))
                versions[LOG] = event.seq
            if event.kind in LINES_ONLY:
                continue
            versions[event.kind, event.key] = event.seq
            if event.kind == "run":
                run = event.data
            elif event.kind == "step":
                steps[event.key] = {"key": event.key, **event.data}
            else:
                items[event.kind] = items.get(event.kind, {}) | {event.key: event.data}
        in_order, sorted_items = tuple(sorted(steps.values(), key=_place)), _in_order(items)
        same = _states(run, in_order, sorted_items) == _states(self.run, self.steps, self.items)
        return replace(
            self,
            seq=news[-1].seq,
            states_seq=self.states_seq if same else news[-1].seq,
            run=run,
            steps=in_order,
            items=sorted_items,
            log=(*self.log, *log)[-LOG_LINES:],
            log_total=self.log_total + len(log),
            versions=versions,
        )


def project(run_id: Any) -> Projection:
    """Return the run as it is now. Raises Run.DoesNotExist.

    Events are numbered in the order of commits. All events up to the number on the
    run's row are therefore visible, even if other processes write at the same time.
    """
    run = Run.objects.only("pk", "pipeline", "subject", "seq", "kind").get(pk=run_id)
    written = Event.objects.filter(run_id=run.pk, seq__lte=run.seq)
    newest = (
        written.exclude(kind__in=LINES_ONLY)
        .values("kind", "key")
        .annotate(newest=Max("seq"))
        .values("newest")
    ).order_by()
    state = Projection(run.pk, run.pipeline, run.subject, kind=run.kind).apply(
        written.filter(seq__in=newest).order_by("seq")
    )
    lines = written.filter(kind__in=LOG_KINDS).exclude(message="")
    log = tuple(_line(event) for event in reversed(lines.order_by("-seq")[:LOG_LINES]))
    versions = state.versions | ({LOG: log[-1].seq} if log else {})
    # Counted only if there may be more lines than were read.
    total = len(log) if len(log) < LOG_LINES else lines.count()
    return replace(
        state,
        seq=run.seq,
        states_seq=_newest_state(state.versions),
        log=log,
        log_total=total,
        versions=versions,
    )


def _newest_state(versions: dict[Name, int]) -> int:
    """Return the newest event that may have changed a state: of the run, a step, or a
    wait.
    """
    found = [
        version for (kind, _), version in versions.items() if kind in ("run", "step", WAIT)
    ]
    return max(found, default=0)


def _states(
    run: dict[str, Any], steps: tuple[dict[str, Any], ...], items: dict[str, dict[str, Any]]
) -> tuple[Any, ...]:
    """Return the values that decide whether work goes on: the states of the run and its
    steps, and what they wait for.
    """
    return run.get("state"), tuple([step["state"] for step in steps]), items.get(WAIT)


def events_after(run_id: UUID, seq: int, limit: int) -> list[Event]:
    """Return the run's events after a number, in order, at most `limit`."""
    return list(Event.objects.filter(run_id=run_id, seq__gt=seq).order_by("seq")[:limit])


def _line(event: Event) -> LogLine:
    return LogLine(event.seq, event.at, event.key, event.level, event.message)


def _place(step: dict[str, Any]) -> tuple[int, str]:
    return step["idx"], step["key"]


def _in_order(
    items: dict[str, dict[str, dict[str, Any]]],
) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the items sorted by key, without those that were removed.

    Two viewers whose items came in a different order get the same result.
    """
    return {
        kind: {key: data for key, data in sorted(of_kind.items()) if data}
        for kind, of_kind in sorted(items.items())
    }
