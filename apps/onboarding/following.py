"""Follow a run from a terminal: print its events, and display its steps.

On a terminal the display is drawn in place (rich); elsewhere each change is a plain
line. Everything goes to stderr.
"""

import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime

from django.db import DatabaseError, InterfaceError, connection
from django.utils import timezone
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from apps.commands import database_error
from apps.onboarding.state.words import NBSP, time_left
from apps.pipelines.models import LIVE, Event, Run, RunState, StepRun, StepState
from apps.pipelines.worker.health import database_is_locked, queues_without_workers

LOOK_EVERY = 0.2
NO_WORKER_AFTER = 30.0
# Seconds between two lines about a long step, if the terminal cannot redraw in place.
STILL_EVERY = 10.0

# Seconds between two tries while the database is away, and for how long to try.
RETRY_EVERY = 1.0
GIVE_UP_AFTER = 600.0
WITHOUT_DIGITS = str.maketrans("", "", "0123456789")

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
    """A step waits, and there is no sign of a worker."""


class LostDatabase(Exception):
    """The database stayed away for too long to follow the run."""


class Follower:
    def __init__(self, run: Run, title: str) -> None:
        self.run, self.title = run, title
        self.console = Console(stderr=True)
        # A run that is joined in its midst is followed from here on; what happened
        # before is in its rows.
        self._seq = max(0, run.seq - 1)
        self._percent = run.percent
        # The last event without its digits, and how often it came again.
        self._alike, self._repeated = "", 0
        self._began = self._said = time.monotonic()
        self._live = (
            Live(console=self.console, refresh_per_second=8)
            if self.console.is_terminal
            else None
        )
        if self._live:
            self._live.start()

    def say(self, text: str, style: str = "dim") -> None:
        self._said = time.monotonic()
        self.console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)

    def follow(self, check: Callable[[], None] = lambda: None) -> None:
        """Follow the run until it has ended.

        Raises NoWorker if it waits for a worker in vain, LostDatabase, and what `check`
        raises.
        """
        waiting_since: float | None = None
        away_since: float | None = None
        while True:
            check()
            try:
                steps = self._refresh()
                missing = queues_without_workers().keys()
            except (DatabaseError, InterfaceError) as error:
                # Only this process may have lost the database. The run may continue,
                # and does so in any case once the database is back.
                away_since = self._await_database(error, away_since)
                continue
            away_since = None
            if not self.run.is_live:
                self._end_repeated()
                return
            self._say_still(steps)
            waiting_since = self._watch_workers(steps, missing, waiting_since)
            time.sleep(LOOK_EVERY)

    def _refresh(self) -> list[StepRun]:
        """Read the run and print what is new. Returns its steps."""
        self.run.refresh_from_db()
        steps = list(StepRun.objects.filter(run=self.run).order_by("idx"))
        self._say_new()
        if self._live:
            self._live.update(self._display(steps))
        return steps

    def _await_database(self, error: Exception, since: float | None) -> float:
        """Wait a little for the database, and return since when it is away.

        Raises LostDatabase after GIVE_UP_AFTER.
        """
        words = database_error(error)
        if not words:
            raise error
        now = time.monotonic()
        if since is None:
            self.say(
                f"{words} The run is not affected by this command; it waits for the database.",
                "yellow",
            )
        elif now - since > GIVE_UP_AFTER:
            raise LostDatabase(
                f"{words} Stopped following. Run {self.run.pk} continues when the database is "
                "back."
            )
        # Django would use the broken connection again.
        connection.close_if_unusable_or_obsolete()
        time.sleep(RETRY_EVERY)
        return since or now

    def close(self) -> None:
        if self._live:
            self._live.stop()

    def _watch_workers(
        self, steps: list[StepRun], without: Collection[str], since: float | None
    ) -> float | None:
        """Return since when a step waits for a worker of its queue; None if none does.

        `without` are the queues without a worker. Without workers a parked step stays
        parked, and no other worker takes over from a dead one.
        """
        wanted = {step.queue for step in steps if step.state in LIVE}
        missing = wanted & set(without)
        if not missing:
            return None
        now = time.monotonic()
        if since is not None and now - since >= NO_WORKER_AFTER:
            if database_is_locked():
                self.say(
                    "The database is locked by another program; its workers wait for it.",
                    "yellow",
                )
                return now
            raise NoWorker(
                f"No worker for the queue {', '.join(sorted(missing))} for {NO_WORKER_AFTER:.0f} "
                "s. The run continues once there is one: start it with manage.py run_worker, or "
                "pass --worker."
            )
        return since or now

    def _say_new(self) -> None:
        for event in Event.objects.filter(run=self.run, seq__gt=self._seq).order_by("seq"):
            self._seq = event.seq
            if event.kind == "run":
                self._percent = event.data.get("percent", self._percent)
            if event.message and event.kind in ("log", "run", "receiver_failed"):
                self._line_once(event)

    def _line_once(self, event: Event) -> None:
        """Print an event; one that only differs in numbers from the last one is counted
        instead.
        """
        words = self._words(event)
        alike = words.translate(WITHOUT_DIGITS)
        # Warnings that come again and again would push everything else off the screen.
        if alike == self._alike and event.level in LEVELS:
            self._repeated += 1
            return
        self._end_repeated()
        self._alike = alike
        self._line(clock(event.at), words, event.level)

    def _end_repeated(self) -> None:
        if self._repeated:
            times = "once" if self._repeated == 1 else f"{self._repeated} times"
            self._line(clock(timezone.now()), f"The last line was repeated {times} more.")
        self._repeated = 0

    def _words(self, event: Event) -> str:
        if event.kind == "run" and event.data.get("state") == RunState.FAILED:
            return f"{event.message} Everything read so far is kept. To resume: manage.py run retry {self.run.pk}"
        return event.message

    def _say_still(self, steps: list[StepRun]) -> None:
        """Print a line about a long step from time to time, if the output is a plain
        log.
        """
        step = next((step for step in steps if step.state == StepState.RUNNING), None)
        if self._live or step is None or time.monotonic() - self._said < STILL_EVERY:
            return
        left = eta_in_words(self.run, time.monotonic() - self._began)
        so_far = count(step)
        progress = f"{step.title}: {so_far} {step.unit}".rstrip() if so_far else step.title
        words = ", ".join(filter(None, (progress, left)))
        self._percent = self.run.percent
        self._line(clock(timezone.now()), words)

    def _line(self, at: str, words: str, level: str = "info") -> None:
        self.say(f"{at}  {self._percent:>3} %  {words}", LEVELS.get(level, ""))

    def _display(self, steps: list[StepRun]) -> RenderableType:
        table = Table.grid(padding=(0, 2), expand=True)
        for justify in ("left", "left", "right"):
            table.add_column(justify=justify, no_wrap=True)
        table.add_column(overflow="ellipsis", no_wrap=True, ratio=1)
        for step in steps:
            mark, style = MARKS[StepState(step.state)]
            table.add_row(
                Text(mark, style),
                Text(step.title),
                Text(count(step)),
                Text(step.message, "dim"),
            )
        head = Table.grid(padding=(0, 2))
        head.add_row(
            Text(f"{self.run.percent:>3} %", "bold"),
            ProgressBar(total=100, completed=self.run.percent, width=40),
            Text(eta_in_words(self.run, time.monotonic() - self._began), "dim"),
        )
        return Group(Text(self.title, "bold"), head, table)


def clock(moment: datetime) -> str:
    """Return the time of day in UTC, as ISO 8601 writes it: 17:05:09Z."""
    return f"{moment.astimezone(UTC):%H:%M:%S}Z"


def count(step: StepRun) -> str:
    """Return the progress of a step, like "12 of 345"; empty if it has nothing to
    count.
    """
    if step.total:
        return f"{step.done:,} of {step.total:,}"
    return f"{step.done:,}" if step.done else ""


def eta_in_words(run: Run, watched: float) -> str:
    """Return what is left, rounded to what is known.

    `watched` is for how many seconds the run has been followed.
    """
    if not run.is_live or (run.eta_seconds is None and watched >= 10):
        return ""
    return time_left(run.eta_seconds).replace(NBSP, " ")
