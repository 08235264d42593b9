"""The context of a step body: its run, its cursor, and units of work that commit once
or not at all.

    for batch in batches_after(ctx.cursor):
        answers = fetch(batch)                        # outside calls happen between units
        with ctx.unit(cursor={"after": batch.last}) as unit:
            write(answers)                            # effects, cursor, and progress commit together
            unit.done += len(answers)
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from django.db import transaction
from django.dispatch import Signal

from apps.masking import storable
from apps.pipelines import clock, events, progress, redelivery
from apps.pipelines.conf import config
from apps.pipelines.exceptions import Released, Retryable, Superseded
from apps.pipelines.models import Run, RunState, StepRun, StepState
from apps.pipelines.outcomes import Missing
from apps.pipelines.progress import Part
from apps.pipelines.signals import deliver
from apps.pipelines.sql import batch, statements
from apps.pipelines.sql.statements import Change, Sql
from apps.pipelines.worker import marks
from apps.pipelines.worker.heartbeat import Hold, stopping

# The fields of the step's row that a unit writes.
PROGRESS = ("cursor", "done", "total", "unit", "message")
# The columns of the run that a progress write returns: it changes or needs them.
CHANGED = ("seq", "state", "percent", "eta_seconds")


@dataclass(slots=True)
class Unit:
    """The open unit. Set `cursor`, `done`, `total`, `unit`, and `message` while the
    work goes on; they are committed with it.
    """

    cursor: dict[str, Any]
    done: int
    total: int | None
    unit: str
    message: str


@dataclass(slots=True)
class StepContext:
    """One attempt at one step.

    `parts` are all steps of the run as they were at the claim. They stay valid, because
    the run's other steps do not change until this attempt ends.
    """

    run: Run
    step: StepRun
    parts: Sequence[Part]
    hold: Hold
    # Seconds between two signs of progress after which the process is ended from
    # outside.
    unit_limit: float = 120.0
    _unit: Unit | None = None
    _published: float = 0.0
    _pending: dict[tuple[str, str], events.Entry] = field(default_factory=dict)
    _pace: progress.Pace = field(default_factory=progress.Pace)

    @property
    def attempt(self) -> int:
        return self.step.attempt

    @property
    def generation(self) -> int:
        return self.run.generation

    @property
    def cursor(self) -> dict[str, Any]:
        """Return the position after the last committed unit; empty at the first
        attempt.
        """
        return dict(self.step.cursor)

    def hung_count(self, what: str = "") -> int:
        """Return how often the work with this name (see `marks.watching`) had to be
        ended from outside; without a name, the unit at the cursor.
        """
        units = self.step.hung.get("units", {})
        return int(units.get(marks.short(what) if what else marks.unit_at(self.step.cursor), 0))

    def missing_so_far(self) -> list[Missing]:
        """Return what earlier steps of this run could not do."""
        return [
            item for part in self.parts if part.idx < self.step.idx for item in part.missing
        ]

    def check(self) -> None:
        """Raise if this attempt must stop. Call it between units and before an outside
        call.

        Raises Superseded if another attempt is the valid one, Released if the worker is
        needed elsewhere, and Retryable if the step's deadline is over.
        """
        marks.alive()
        if self.hold.lost.is_set():
            raise Superseded(
                f"Attempt {self.attempt} at {self.step.key!r} is no longer the valid one."
            )
        if stopping.is_set():
            raise Released("The worker is shutting down.")
        if self.hold.yield_requested:
            raise Released(*self.hold.yield_requested)
        if self.step.deadline_at and clock.now() > self.step.deadline_at:
            raise Retryable(
                f"“{self.step.title}” took longer than {self.step.deadline_seconds:.0f} s."
            )

    @contextmanager
    def unit(
        self,
        *,
        cursor: dict[str, Any] | None = None,
        done: int | None = None,
        total: int | None = None,
        unit: str | None = None,
        message: str | None = None,
        last: bool = False,
    ) -> Iterator[Unit]:
        """Open one short transaction: effects, cursor, and progress, guarded by the
        attempt. Make no outside call inside.

        Raises Superseded, with nothing written, if another attempt or a cancel came
        first. Pass `last=True` for a unit with the work that was already done when the
        step was asked to stop: the unit is committed, and the step stops after it.
        """
        if not last:
            self.check()
        step = self.step
        work = Unit(
            cursor=self.cursor if cursor is None else cursor,
            done=step.done if done is None else done,
            total=step.total if total is None else total,
            unit=step.unit if unit is None else unit,
            message=step.message if message is None else message,
        )
        before = {name: getattr(step, name) for name in PROGRESS}
        try:
            with transaction.atomic():
                self.guard()
                self._unit = work
                marks.alive()
                yield work
                self._save(work)
            marks.alive()
        except BaseException:
            # The exception's handler finds the step as the last committed unit left it.
            self._set(before)
            raise
        finally:
            self._unit = None

    def guard(self, **changes: Any) -> None:
        """Lock the step's row, if it is still this attempt's, and change it."""
        # Without other changes it writes the owner again, because only a write takes
        # the row's lock on both databases.
        [mine] = batch.change(self.mine(changes or {"owner": self.step.owner}))
        self.must_hold(mine)

    def mine(self, changes: Mapping[str, Any]) -> Change:
        """Return a change of the step's row that applies only while this attempt is
        valid.
        """
        still = {"id": self.step.pk, "attempt": self.attempt, "state": StepState.RUNNING}
        return Change(StepRun, changes, still, ("id",))

    def must_hold(self, found: Sequence[Any] | None) -> None:
        """Raise Superseded if a change of this attempt's row did not find the row."""
        if found is None:
            self.hold.lost.set()
            raise Superseded(
                f"Attempt {self.attempt} at {self.step.key!r} is no longer the valid one."
            )

    def _save(self, work: Unit) -> None:
        # Masking takes time, and most units keep the message.
        if work.message != self.step.message:
            work.message = storable(work.message)
        new = {name: getattr(work, name) for name in PROGRESS}
        statements.update(StepRun, new, id=self.step.pk)
        self._set(new)
        # Units may be much shorter than a page can show, so not each of them writes an
        # event.
        if time.monotonic() - self._published >= config().progress_every:
            self.publish()

    def _set(self, values: dict[str, Any]) -> None:
        for name, value in values.items():
            setattr(self.step, name, value)

    def publish(
        self, words: str = "", level: str = "info", with_changes: Sequence[Change] = ()
    ) -> None:
        """Write the run's progress and the emitted states, together with changes of
        steps. The first of these changes is that of this attempt's own step.

        `words` are the step's line in the log. Call it inside a transaction that holds
        the step, unless the changes contain one of the step.
        """
        shown = [events.RowSnapshot(place) for place in range(1, len(with_changes))]
        told: list[events.Entry | events.RowSnapshot] = [
            *self._pending.values(),
            events.step_entry(self.step, words, level),
        ]
        told += [events.RowSnapshot(len(with_changes)), *shown]
        rows, _ = events.update_with_events([*with_changes, self._progressed(len(told))], told)
        self.must_hold(rows[0])
        for name, value in zip(CHANGED, rows[-1] or (), strict=True):
            setattr(self.run, name, value)
        self._pending.clear()
        self.published()

    def _progressed(self, count: int) -> Change:
        """Return the change of the run's row for a progress write with `count` events."""
        parts = [self.step if part.idx == self.step.idx else part for part in self.parts]
        now = clock.now()
        self._pace.add(progress.active_seconds(self.step, now), self.step.done)
        percent, eta = (
            progress.percent(self.run, parts),
            progress.eta_seconds(parts, now, self._pace),
        )
        changes = {
            "seq": Sql("seq + %s", (count,)),
            # A percentage on a page must never fall, even if the total grows.
            "percent": Sql(
                "CASE WHEN percent > %s THEN percent ELSE %s END", (percent, percent)
            ),
            # A user may have paused the run a moment ago.
            "eta_seconds": Sql(
                "CASE WHEN state = %s THEN CAST(%s AS integer) END", (RunState.RUNNING, eta)
            ),
        }
        return Change(Run, changes, {"id": self.run.pk}, CHANGED)

    def tell_emitted(self) -> None:
        """Write the states that were emitted since the last progress write.

        Call it inside a transaction that holds the step.
        """
        events.append(self.run.pk, list(self._pending.values()))
        self._pending.clear()

    def published(self) -> None:
        """Note that a state was just written for the page: the next progress write is
        due one interval from now.
        """
        self._published = time.monotonic()

    def emit(self, *, kind: str, key: str, data: dict[str, Any]) -> None:
        """Queue the whole current state of one of the product's rows for the page.

        Only the newest state of a key is written, with the next progress write or at
        the end of the step.
        """
        self._pending[kind, key] = events.Entry(kind, key, data=data)

    def log(self, message: str, *, level: str = "info", **data: Any) -> None:
        """Add a line to the run's log, in the open unit or in a transaction of its own."""
        entry = events.Entry("log", self.step.key, message, level, data)
        # The open unit has the guard already, and the line must be rolled back with it.
        if self._unit is not None:
            events.append(self.run.pk, [entry])
            return
        with transaction.atomic():
            self.guard()
            events.append(self.run.pk, [entry])

    def send(self, signal: Signal, *, sender: Any = None, **named: Any) -> None:
        """Send a signal with the open unit, each receiver in a savepoint. A receiver
        that fails is retried later.
        """
        if self._unit is None:
            raise RuntimeError(
                "Signals are sent inside a unit, so that they happen with its effects or not at all."
            )
        deliver(signal, sender, on_error=partial(redelivery.record, self.run.pk), **named)
