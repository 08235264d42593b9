"""Following a run from a terminal: its events as they come, and a display of its steps.

On a terminal the display is drawn in place (rich); elsewhere each change is a plain line. Everything goes to stderr.
"""

import time
from collections.abc import Callable

from django.utils import timezone
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from apps.pipelines.health import queues_without_workers
from apps.pipelines.models import LIVE, Event, Run, RunState, StepRun, StepState
from apps.teams.models import Team

LOOK_EVERY = 0.2
NO_WORKER_AFTER = 30.0
# Where nothing can be drawn in place: how often a long step says how far it is.
STILL_EVERY = 10.0

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
LEVELS = {"warning": "yellow", "error": "red"}


class NoWorker(Exception):
    """A step waits, and no worker has been seen."""


class Follower:
    def __init__(self, run: Run, team: Team) -> None:
        self.run, self.team = run, team
        self.console = Console(stderr=True)
        # A run that is joined in its midst is followed from here on; what happened before stands in its rows.
        self._seq = max(0, run.seq - 1)
        self._percent = run.percent
        self._began = self._said = time.monotonic()
        self._live = Live(console=self.console, refresh_per_second=8) if self.console.is_terminal else None
        if self._live:
            self._live.start()

    def say(self, text: str, style: str = "dim") -> None:
        self._said = time.monotonic()
        self.console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)

    def follow(self, check: Callable[[], None] = lambda: None) -> None:
        """Until the run has ended. Raises NoWorker where it waits for one in vain, and what `check` raises meanwhile."""
        waiting_since: float | None = None
        while True:
            check()
            self.run.refresh_from_db()
            steps = list(StepRun.objects.filter(run=self.run).order_by("idx"))
            self._say_new()
            if self._live:
                self._live.update(self._display(steps))
            if not self.run.is_live:
                return
            self._say_still(steps)
            waiting_since = self._watch_workers(steps, waiting_since)
            time.sleep(LOOK_EVERY)

    def close(self) -> None:
        if self._live:
            self._live.stop()

    def _watch_workers(self, steps: list[StepRun], since: float | None) -> float | None:
        """Since when a step has been in want of its queue's workers, if it is. Without them a sleeping one sleeps on,
        and nobody takes over from a dead one."""
        wanted = {step.queue for step in steps if step.state in LIVE}
        missing = wanted & queues_without_workers().keys()
        if not missing:
            return None
        now = time.monotonic()
        if since is not None and now - since >= NO_WORKER_AFTER:
            raise NoWorker(
                f"No worker for the queue {', '.join(sorted(missing))} was seen for {NO_WORKER_AFTER:.0f} s. The run "
                "waits, and nothing is lost: start one with manage.py run_worker, or give --worker."
            )
        return since or now

    def _say_new(self) -> None:
        for event in Event.objects.filter(run=self.run, seq__gt=self._seq).order_by("seq"):
            self._seq = event.seq
            if event.kind == "run":
                self._percent = event.data.get("percent", self._percent)
            if event.message and event.kind in ("log", "run", "receiver_failed"):
                self._line(f"{event.at:%H:%M:%S}", self._words(event), event.level)

    def _words(self, event: Event) -> str:
        if event.kind == "run" and event.data.get("state") == RunState.FAILED:
            # The line before has the reason; this one says what next.
            return f"The set-up stopped; what was read is kept. To go on: manage.py run retry {self.run.pk}"
        return event.message

    def _say_still(self, steps: list[StepRun]) -> None:
        """On a plain log, a sign of life from a long step."""
        step = next((step for step in steps if step.state == StepState.RUNNING), None)
        if self._live or step is None or time.monotonic() - self._said < STILL_EVERY:
            return
        left = eta_in_words(self.run, time.monotonic() - self._began)
        words = ", ".join(filter(None, (f"{step.title}: {count(step)} {step.unit}".rstrip(": "), left)))
        self._percent = self.run.percent
        self._line(f"{timezone.now():%H:%M:%S}", words)

    def _line(self, at: str, words: str, level: str = "info") -> None:
        self.say(f"{at}  {self._percent:>3} %  {words}", LEVELS.get(level, ""))

    def _display(self, steps: list[StepRun]) -> RenderableType:
        table = Table.grid(padding=(0, 2), expand=True)
        for justify in ("left", "left", "right"):
            table.add_column(justify=justify, no_wrap=True)
        table.add_column(overflow="ellipsis", no_wrap=True, ratio=1)
        for step in steps:
            mark, style = MARKS[StepState(step.state)]
            table.add_row(Text(mark, style), Text(step.title), Text(count(step)), Text(step.message, "dim"))
        head = Table.grid(padding=(0, 2))
        head.add_row(
            Text(f"{self.run.percent:>3} %", "bold"),
            ProgressBar(total=100, completed=self.run.percent, width=40),
            Text(eta_in_words(self.run, time.monotonic() - self._began), "dim"),
        )
        return Group(Text(f"Setting up {self.team.name}", "bold"), head, table)


def count(step: StepRun) -> str:
    """How far a step is, as "12 of 345"; empty where it has nothing to count."""
    if step.total:
        return f"{step.done:,} of {step.total:,}"
    return f"{step.done:,}" if step.done else ""


def eta_in_words(run: Run, watched: float) -> str:
    """What is left, rounded to what can be known. `watched` is for how many seconds."""
    if not run.is_live:
        return ""
    if run.eta_seconds is None:
        return "working it out" if watched < 10 else ""
    if run.eta_seconds < 60:
        return "less than a minute left"
    return f"about {round(run.eta_seconds / 60)} min left"
