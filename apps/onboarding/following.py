"""Following a run from a terminal: its events as they come, and a display of its steps.

On a terminal the display is drawn in place (rich); elsewhere each change is a plain line. Everything goes to stderr.
"""

import time
from datetime import datetime

from django.utils import timezone
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from apps.pipelines.models import Event, Run, StepRun, StepState, Worker
from apps.teams.models import Team

LOOK_EVERY = 0.2
NO_WORKER_AFTER = 30.0

MARKS = {
    StepState.WAITING: ("○", "dim"),
    StepState.READY: ("○", "dim"),
    StepState.RUNNING: ("◐", "blue"),
    StepState.PARKED: ("◷", "cyan"),
    StepState.DONE: ("●", "green"),
    StepState.PARTIAL: ("◑", "yellow"),
    StepState.SKIPPED: ("»", "dim"),
    StepState.FAILED: ("✕", "red"),
    StepState.CANCELLED: ("⊘", "dim"),
}


class NoWorker(Exception):
    """A step waits, and no worker has been seen."""


class Follower:
    def __init__(self, run: Run, team: Team) -> None:
        self.run, self.team = run, team
        self.console = Console(stderr=True)
        # A run that is joined in its midst is followed from here on; what happened before stands in its rows.
        self._seq = max(0, run.seq - 1)
        self._began = time.monotonic()
        self._live = Live(console=self.console, refresh_per_second=8) if self.console.is_terminal else None
        if self._live:
            self._live.start()

    def say(self, text: str) -> None:
        self.console.print(text, style="dim", markup=False, highlight=False, soft_wrap=True)

    def follow(self) -> None:
        """Until the run has ended. Raises NoWorker where it waits for one in vain."""
        waiting_since: float | None = None
        while True:
            self.run.refresh_from_db()
            steps = list(StepRun.objects.filter(run=self.run).order_by("idx"))
            self._print_new()
            if self._live:
                self._live.update(self._display(steps))
            if not self.run.is_live:
                return
            waiting_since = self._watch_workers(steps, waiting_since)
            time.sleep(LOOK_EVERY)

    def close(self) -> None:
        if self._live:
            self._live.stop()

    def _watch_workers(self, steps: list[StepRun], since: float | None) -> float | None:
        """Since when a step has been waiting for its queue's workers, if it is."""
        waiting = {step.queue for step in steps if step.state == StepState.READY}
        served = {queue for worker in _alive(timezone.now()) for queue in worker.queues}
        if not waiting - served:
            return None
        now = time.monotonic()
        if since is not None and now - since >= NO_WORKER_AFTER:
            queue = ", ".join(sorted(waiting - served))
            raise NoWorker(
                f"No worker for the queue {queue} was seen for {NO_WORKER_AFTER:.0f} s. The run waits, and nothing is "
                "lost: start one with manage.py run_worker, or give --worker."
            )
        return since or now

    def _print_new(self) -> None:
        for event in Event.objects.filter(run=self.run, seq__gt=self._seq).order_by("seq"):
            self._seq = event.seq
            if event.message and event.kind in ("log", "run", "receiver_failed"):
                style = {"warning": "yellow", "error": "red"}.get(event.level, "")
                line = f"{event.at:%H:%M:%S}  {self.run.percent:>3} %  {event.message}"
                self.console.print(line, style=style, markup=False, highlight=False, soft_wrap=True)

    def _display(self, steps: list[StepRun]) -> RenderableType:
        table = Table.grid(padding=(0, 2))
        for step in steps:
            mark, style = MARKS[StepState(step.state)]
            count = f"{step.done:,} of {step.total:,}" if step.total else (f"{step.done:,}" if step.done else "")
            table.add_row(
                Text(mark, style), Text(step.title), Text(count, justify="right"), Text(step.message or "", "dim")
            )
        head = Table.grid(padding=(0, 2))
        head.add_row(
            Text(f"{self.run.percent} %", "bold"),
            ProgressBar(total=100, completed=self.run.percent, width=40),
            Text(eta_in_words(self.run, time.monotonic() - self._began), "dim"),
        )
        return Group(Text(f"Setting up {self.team.name}", "bold"), head, table)


def eta_in_words(run: Run, watched: float) -> str:
    """What is left, rounded to what can be known."""
    if not run.is_live:
        return ""
    if run.eta_seconds is None:
        return "working it out" if watched < 10 else ""
    if run.eta_seconds < 60:
        return "less than a minute"
    return f"about {round(run.eta_seconds / 60)} min left"


def _alive(now: datetime) -> list[Worker]:
    return [worker for worker in Worker.objects.all() if (now - worker.seen_at).total_seconds() < 10]
