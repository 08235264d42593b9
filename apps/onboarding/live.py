"""A run as its page shows it: rows for the templates, made of a projection and of nothing else.

The page and the stream use the same rows and the same partials, so that what a stream has built and what a reload
renders are the same at the same event number. Times are ISO 8601; the page's script turns them into running clocks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from apps.pipelines.models import PASSED, RunState, StepState
from apps.pipelines.projection import Projection

NBSP = "\N{NO-BREAK SPACE}"
# A repository's sync status as one of the eight discs, and in a word.
REPOSITORY = {
    "pending": ("waiting", "Waiting"),
    "syncing": ("running", "Reading"),
    "complete": ("done", "Complete"),
    "partial": ("partial", "Partial"),
    "error": ("failed", "Failed"),
}
STEP_WORDS = {
    "waiting": "Waiting", "ready": "Next", "running": "Running", "parked": "Parked", "done": "Done",
    "partial": "Partial", "skipped": "Skipped", "failed": "Failed", "cancelled": "Cancelled",
}  # fmt: skip
# The strongest findings, by their events' keys.
RANKS = ("first", "second", "third")
ENDED_WELL = (RunState.DONE, RunState.PARTIAL)


@dataclass(frozen=True, slots=True)
class Clock:
    """Seconds that passed already, and since when they go on, if they do."""

    seconds: float
    since: str | None = None

    @property
    def words(self) -> str:
        return clock_words(self.seconds)


@dataclass(frozen=True, slots=True)
class StepRow:
    key: str
    title: str
    state: str
    word: str
    count: str
    why: str
    until: str | None
    clock: Clock | None
    percent: int


@dataclass(frozen=True, slots=True)
class RepositoryRow:
    """`lasts` is how long it took, or how many pull requests a second are read."""

    id: int
    name: str
    state: str
    word: str
    count: str
    lasts: str
    why: str
    percent: int


@dataclass(frozen=True, slots=True)
class Live:
    """All that the live region shows."""

    seq: int
    state: str
    percent: int
    current: str
    eta: str
    aside: str
    until: str | None
    clock: Clock
    finished_at: str | None
    error: str
    failed_step: StepRow | None
    number: int
    missing: Sequence[Mapping[str, Any]]
    steps: Sequence[StepRow]
    repositories: Sequence[RepositoryRow]
    kept: Sequence[tuple[str, str]]
    weeks: Mapping[str, Any]
    insights: Sequence[Mapping[str, Any]]
    summaries: Sequence[Mapping[str, Any]]
    budget: str
    budget_until: str | None
    log: Sequence[Any]
    log_total: int

    @property
    def is_live(self) -> bool:
        return self.state in (RunState.RUNNING, RunState.PAUSED)

    @property
    def is_paused(self) -> bool:
        return self.state == RunState.PAUSED

    @property
    def ended_well(self) -> bool:
        return self.state in ENDED_WELL

    @property
    def can_retry(self) -> bool:
        return self.state in (RunState.FAILED, RunState.PARTIAL, RunState.CANCELLED)

    @property
    def wants_token(self) -> bool:
        """Whether the cause is one that a new token mends: then that is the first thing to do."""
        return self.state == RunState.FAILED and "token" in self.error.lower()

    @property
    def is_counting(self) -> bool:
        """Whether it is not known yet how much there is to do."""
        return self.state == RunState.RUNNING and self.percent == 0 and self.steps[0].state == StepState.RUNNING

    @property
    def lasting(self) -> str:
        return self.clock.words

    @property
    def sync_at(self) -> str:
        """The step under which the repositories stand: the first."""
        return self.steps[0].key if self.steps else ""


def live(projection: Projection) -> Live:
    run = projection.run
    steps = [_step(step, index, projection.steps) for index, step in enumerate(projection.steps)]
    repositories = [_repository(name, data) for name, data in projection.items.get("repository", {}).items()]
    if steps and steps[0].state == StepState.RUNNING:
        steps[0] = replace(steps[0], why=_sum_up(repositories) or steps[0].why)
    insights = projection.items.get("insight", {})
    parked = next((step for step in steps if step.state == StepState.PARKED), None)
    failed = next((index for index, step in enumerate(steps) if step.state == StepState.FAILED), None)
    return Live(
        seq=projection.seq,
        state=run.get("state", ""),
        percent=run.get("percent", 0),
        current=_current(run, projection.steps, steps),
        eta=_eta(run, parked),
        aside="Waiting time is not counted in what is left." if parked and run.get("eta_seconds") else "",
        until=parked.until if parked else None,
        clock=_run_clock(run),
        finished_at=run.get("finished_at"),
        error=run.get("error", ""),
        failed_step=None if failed is None else steps[failed],
        number=0 if failed is None else failed + 1,
        missing=run.get("missing", []),
        steps=steps,
        repositories=repositories,
        kept=_kept(projection.steps),
        weeks=projection.items.get("weeks", {}).get("team", {}),
        insights=[insights[rank] for rank in RANKS if rank in insights],
        summaries=projection.items.get("summaries", {}).get("last", {}).get("rows", []),
        budget=_budget(run, projection.items.get("budget", {}).get("github", {})),
        budget_until=projection.items.get("budget", {}).get("github", {}).get("resets_at"),
        log=projection.log,
        log_total=projection.log_total,
    )


def _budget(run: Mapping[str, Any], github: Mapping[str, Any]) -> str:
    """What GitHub allows until its hour is over, while something is read; its unit is the point."""
    if run.get("state") not in (RunState.RUNNING, RunState.PAUSED) or github.get("points_left") is None:
        return ""
    return f"{github['points_left']:,} of {github['points']:,}"


def _step(step: Mapping[str, Any], index: int, steps: Sequence[Mapping[str, Any]]) -> StepRow:
    state, total = step["state"], step["total"]
    passed = state in PASSED
    return StepRow(
        key=step["key"],
        title=step["title"],
        state="waiting" if state == StepState.READY else state,
        word=STEP_WORDS.get(state, state.capitalize()),
        count=_count(step["done"], total),
        why=_why(step, steps[index - 1]["title"] if index else ""),
        until=step["parked_until"] if state == StepState.PARKED else None,
        clock=_step_clock(step),
        percent=100 if passed else round(100 * min(1.0, step["done"] / total)) if total else 0,
    )


def _why(step: Mapping[str, Any], before: str) -> str:
    """One line below a step: what it does, or why it does not."""
    match step["state"]:
        case StepState.WAITING:
            return f"Starts after “{before}”." if before else "Starts at once."
        case StepState.READY:
            return "Next: waits for a free worker."
        case StepState.DONE:
            return _of(step["done"], step["unit"]) if step["done"] and step["unit"] else ""
        case StepState.PARTIAL:
            gaps = len(step["missing"])
            return "One thing is incomplete." if gaps == 1 else f"{gaps} things are incomplete."
        case StepState.FAILED:
            return str(step["error"])
        case StepState.CANCELLED:
            return "Not finished: the setup was cancelled."
        case _:
            return str(step["message"])


def _of(number: int, unit: str) -> str:
    """`1 week`, `2,385 pull requests`; units are given in the plural."""
    return f"{number:,} {unit.removesuffix('s') if number == 1 else unit}"


def _sum_up(rows: Sequence[RepositoryRow]) -> str:
    """`1 of 6 repositories finished, 1 partial, 1 failed`."""
    ended = {state: sum(row.state == state for row in rows) for state in ("done", "partial", "failed")}
    if len(rows) < 2 or not any(ended.values()):
        return ""
    gaps = [f"{ended[state]:,} {state}" for state in ("partial", "failed") if ended[state]]
    return ", ".join([f"{ended['done']:,} of {len(rows):,} repositories finished", *gaps])


def _kept(steps: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """What stays of a run, by the step that brought it."""
    return [(step["title"], _of(step["done"], step["unit"])) for step in steps if step["done"] and step["unit"]]


def _count(done: int, total: int | None) -> str:
    if total:
        return f"{min(done, total):,} of {total:,}"
    return f"{done:,}" if done else "–"


def _step_clock(step: Mapping[str, Any]) -> Clock | None:
    if step["state"] == StepState.RUNNING and step["attempt_started_at"]:
        return Clock(step["active_seconds"], step["attempt_started_at"])
    return Clock(step["active_seconds"]) if step["started_at"] else None


def _run_clock(run: Mapping[str, Any]) -> Clock:
    if run.get("finished_at") is None:
        return Clock(0.0, run.get("created_at"))
    span = datetime.fromisoformat(run["finished_at"]) - datetime.fromisoformat(run["created_at"])
    return Clock(span.total_seconds())


def _repository(name: str, data: Mapping[str, Any]) -> RepositoryRow:
    state, word = REPOSITORY.get(data["sync_status"], ("waiting", "Waiting"))
    done, total, found = data["done"], data["total"], data.get("found", 0)
    counting = state == "running" and total is None and found
    if state == "running" and data.get("phase") in ("update", "detail") and not done and total:
        state, word = REPOSITORY["pending"]  # its list is read, its details wait for their turn
    seconds = data.get("seconds", 0)
    took = clock_words(seconds) if seconds else ""
    pace = f"{done / seconds:.0f}/s" if state == "running" and seconds >= 1 and done >= seconds else ""
    return RepositoryRow(
        id=data["id"],
        name=name,
        state=state,
        word=word,
        count=f"{found:,} found" if counting else _count(done, total) if total != 0 else "none",
        lasts=took if state in ("done", "partial") else pace,
        why=data["last_sync_error"],
        percent=100 if state == "done" else round(100 * min(1.0, done / total)) if total else 0,
    )


def _current(run: Mapping[str, Any], steps: Sequence[Mapping[str, Any]], rows: Sequence[StepRow]) -> str:
    """What is happening, in one line beside the percentage."""
    at = next((index for index, step in enumerate(steps) if step["state"] not in PASSED), None)
    match run.get("state"):
        case RunState.RUNNING | RunState.PAUSED if at is not None:
            if run["state"] == RunState.PAUSED:
                return f"Paused at step {at + 1} of {len(steps)}"
            return f"Step {at + 1} of {len(steps)}: {rows[at].title}"
        case RunState.FAILED | RunState.CANCELLED if at is not None:
            ended = "Stopped" if run["state"] == RunState.FAILED else "Cancelled"
            return f"{ended} at step {at + 1} of {len(steps)}"
        case RunState.PARTIAL:
            gaps = len(run["missing"])
            return "Done, with one thing incomplete" if gaps == 1 else f"Done, with {gaps} things incomplete"
        case _:
            return "Done"


def _eta(run: Mapping[str, Any], parked: StepRow | None) -> str:
    """What is left, as exactly as can be known; empty where the run has ended."""
    if run.get("state") == RunState.PAUSED:
        return "paused"
    if run.get("state") != RunState.RUNNING:
        return ""
    seconds = run.get("eta_seconds")
    if seconds is None:
        return "waiting" if parked else "working it out"
    if seconds < 60:
        return "less than a minute left"
    return (
        f"about {round(seconds / 60)}{NBSP}min left" if seconds < 5400 else f"about {round(seconds / 3600)}{NBSP}h left"
    )


def clock_words(seconds: float) -> str:
    """`0:07`, `12:31`, `1:02:03`."""
    whole = int(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"
