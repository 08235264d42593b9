"""Build the rows of a run's page for the templates, from a projection and nothing else.

The page and the stream use the same rows and the same partials, so that what a stream
has built and what a reload renders are the same at the same event number. Times are ISO
8601; the page's script turns them into running clocks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from apps.metrics.run_events import (
    BudgetEvent,
    InsightEvent,
    RepositoryEvent,
    SummariesEvent,
    WeeksEvent,
)
from apps.onboarding.state import run_state
from apps.onboarding.state.kinds import EMAILING
from apps.pipelines.models import PASSED, RunState, StepState
from apps.pipelines.projection import LOG_LINES, Projection
from apps.pipelines.remedy import Remedy
from apps.teams import states
from apps.teams.states import State, StateName

# A repository's sync status as one of the eight discs, and in a word.
REPOSITORY = {
    "pending": ("waiting", "Waiting"),
    "syncing": ("running", "Reading"),
    "complete": ("done", "Complete"),
    "partial": ("partial", "Partial"),
    "error": ("failed", "Failed"),
}
STEP_WORDS = {
    "waiting": "Waiting",
    "ready": "Queued",
    "running": "Running",
    "parked": "Waiting",
    "done": "Done",
    "partial": "Incomplete",
    "skipped": "Skipped",
    "failed": "Failed",
    "cancelled": "Canceled",
}
# Why a run waits, for its page's one line.
WAITS = {
    "rate_limit": "Waiting for GitHub",
    "secondary_limit": "Waiting for GitHub",
    "github_pace": "Waiting for GitHub",
    "unreachable": "Waiting for GitHub",
    "other_run": "Waiting for another run",
}
# Causes that a new token removes.
OF_TOKEN = ("token_refused", "token_missing", "account_suspended")
# The strongest findings, by their events' keys.
RANKS = ("first", "second", "third")
ENDED_WELL = (RunState.DONE, RunState.PARTIAL)


@dataclass(frozen=True, slots=True)
class Clock:
    """The seconds that have passed, and the moment from which they count on, if they
    do.
    """

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
    """`lasts` is how long it took, or how many pull requests a second are read.

    `can_retry` is whether it can be retried alone: if its cause is its own.
    """

    id: int
    name: str
    state: str
    word: str
    count: str
    lasts: str
    why: str
    percent: int
    can_retry: bool = False


@dataclass(frozen=True, slots=True)
class Live:
    """Everything that the live region shows.

    `now` is the run's state, which decides its texts.
    """

    now: states.RunState
    seq: int
    state: str
    percent: int
    current: str
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
    weeks: WeeksEvent | None
    insights: Sequence[InsightEvent]
    summaries: Sequence[Mapping[str, Any]]
    budget: str
    budget_until: str | None
    log: Sequence[Any]
    log_total: int

    @property
    def is_live(self) -> bool:
        return self.state in (RunState.RUNNING, RunState.PAUSED)

    @property
    def ended_well(self) -> bool:
        return self.state in ENDED_WELL

    @property
    def eta(self) -> str:
        return self.now.eta

    @property
    def emails(self) -> bool:
        """Return whether the run emails the team when it is done."""
        return self.now.kind in EMAILING

    @property
    def wants_token(self) -> bool:
        return self.now.state.remedy == Remedy.NEW_TOKEN

    @property
    def token_replaced(self) -> bool:
        """Return whether a token was stored since the run failed because of the one
        before.
        """
        return self.now.state.cause in OF_TOKEN and self.now.state.remedy == Remedy.RETRY

    @property
    def is_counting(self) -> bool:
        """Return whether it is not known yet how much there is to do."""
        return (
            self.state == RunState.RUNNING
            and self.percent == 0
            and self.steps[0].state == StepState.RUNNING
        )

    @property
    def log_most(self) -> int:
        """Return the most log lines that a page keeps."""
        return LOG_LINES

    @property
    def lasting(self) -> str:
        return self.clock.words

    @property
    def sync_at(self) -> str:
        """Return the key of the step below which the repositories are listed: the
        first.
        """
        return self.steps[0].key if self.steps else ""


def live(projection: Projection, team_name: str = "", *, token_replaced: bool = False) -> Live:
    """Return the rows of a run's page; the arguments are those of `state.run_state`."""
    run = projection.run
    now = run_state(projection, team_name, token_replaced=token_replaced)
    steps = [
        _step(step, index, projection.steps, now) for index, step in enumerate(projection.steps)
    ]
    repositories = [
        _repository(name, event, now)
        for name, event in RepositoryEvent.all_in(projection).items()
    ]
    if steps and steps[0].state == StepState.RUNNING:
        steps[0] = replace(steps[0], why=_sum_up(repositories) or steps[0].why)
    insights = InsightEvent.all_in(projection)
    summaries = SummariesEvent.all_in(projection).get("last", SummariesEvent())
    budgets = list(BudgetEvent.all_in(projection).values())
    budget = budgets[-1] if budgets else BudgetEvent()
    parked = next((step for step in steps if step.state == StepState.PARKED), None)
    failed = next(
        (index for index, step in enumerate(steps) if step.state == StepState.FAILED), None
    )
    return Live(
        now=now,
        seq=projection.seq,
        state=run.get("state", ""),
        percent=run.get("percent", 0),
        current=_current(now, projection.steps, steps),
        until=parked.until if parked and now.state.name == StateName.PARKED else None,
        clock=_run_clock(run, now.state),
        finished_at=run.get("finished_at"),
        error=run.get("error", ""),
        failed_step=None if failed is None else steps[failed],
        number=0 if failed is None else failed + 1,
        missing=run.get("missing", []),
        steps=steps,
        repositories=repositories,
        kept=_kept(projection.steps),
        weeks=WeeksEvent.all_in(projection).get("team"),
        insights=[insights[rank] for rank in RANKS if rank in insights],
        summaries=summaries.rows,
        budget=_budget(now.state, budget),
        budget_until=budget.resets_at,
        log=projection.log,
        log_total=projection.log_total,
    )


def _budget(state: State, budget: BudgetEvent) -> str:
    """Return how many points of the source's limit are left in its hour, while it is
    read; otherwise an empty text.
    """
    if not state.is_moving or budget.points_left is None or budget.points is None:
        return ""
    return f"{budget.points_left:,} of {budget.points:,}"


def _step(
    step: Mapping[str, Any],
    index: int,
    steps: Sequence[Mapping[str, Any]],
    now: states.RunState,
) -> StepRow:
    state, total = step["state"], step["total"]
    passed = state in PASSED
    # The current step of a run that has stopped does not move, either.
    rests = (
        state in (StepState.READY, StepState.RUNNING, StepState.PARKED)
        and not now.state.is_moving
    )
    disc, word = (
        ("waiting" if state == StepState.READY else state),
        STEP_WORDS.get(state, state.capitalize()),
    )
    why = _why(step, steps[index - 1]["title"] if index else "")
    if rests:
        disc, word, why = now.state.disc, now.state.label, now.state.reason
    if state == StepState.FAILED and step["error"] == now.state.reason:
        # The note above the steps has the cause.
        why = ""
    return StepRow(
        key=step["key"],
        title=step["title"],
        state=disc,
        word=word,
        count=_count(step["done"], total),
        why=why,
        until=step["parked_until"]
        if state == StepState.PARKED and now.state.name == StateName.PARKED
        else None,
        clock=_step_clock(step, now.state),
        percent=100 if passed else round(100 * min(1.0, step["done"] / total)) if total else 0,
    )


def _why(step: Mapping[str, Any], before: str) -> str:
    """Return one line below a step: what it does, or why it does not run."""
    match step["state"]:
        case StepState.WAITING:
            return f"Starts after “{before}”." if before else "Starts at once."
        case StepState.READY:
            return ""
        case StepState.DONE:
            return _of(step["done"], step["unit"]) if step["done"] and step["unit"] else ""
        case StepState.PARTIAL:
            gaps = len(step["missing"])
            return "One thing is incomplete." if gaps == 1 else f"{gaps} things are incomplete."
        case StepState.FAILED:
            return str(step["error"])
        case StepState.CANCELLED:
            return "Not finished."
        case _:
            return str(step["message"])


def _of(number: int, unit: str) -> str:
    """Return a count like `1 week` or `2,385 pull requests`; `unit` is the plural."""
    return f"{number:,} {unit.removesuffix('s') if number == 1 else unit}"


def _sum_up(rows: Sequence[RepositoryRow]) -> str:
    """Return a summary like `1 of 6 repositories finished, 1 partial, 1 failed`."""
    ended = {
        state: sum(row.state == state for row in rows)
        for state in ("done", "partial", "failed")
    }
    # The row of a single repository shows all of this itself.
    if len(rows) < 2 or not any(ended.values()):
        return ""
    gaps = [f"{ended[state]:,} {state}" for state in ("partial", "failed") if ended[state]]
    return ", ".join([f"{ended['done']:,} of {len(rows):,} repositories finished", *gaps])


def _kept(steps: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Return what a run has stored, by the title of the step that did it."""
    return [
        (step["title"], _of(step["done"], step["unit"]))
        for step in steps
        if step["done"] and step["unit"]
    ]


def _count(done: int, total: int | None) -> str:
    if total:
        return f"{min(done, total):,} of {total:,}"
    return f"{done:,}" if done else "–"


def _step_clock(step: Mapping[str, Any], state: State) -> Clock | None:
    if (
        step["state"] == StepState.RUNNING
        and step["attempt_started_at"]
        and state.name != StateName.PAUSED
    ):
        return Clock(step["active_seconds"], step["attempt_started_at"])
    return Clock(step["active_seconds"]) if step["started_at"] else None


def _run_clock(run: Mapping[str, Any], state: State) -> Clock:
    if state.name == StateName.PAUSED and state.since is not None:
        # The clock of a paused run stops.
        return Clock((state.since - datetime.fromisoformat(run["created_at"])).total_seconds())
    if run.get("finished_at") is None:
        return Clock(0.0, run.get("created_at"))
    span = datetime.fromisoformat(run["finished_at"]) - datetime.fromisoformat(
        run["created_at"]
    )
    return Clock(span.total_seconds())


def _repository(name: str, event: RepositoryEvent, now: states.RunState) -> RepositoryRow:
    state, word = REPOSITORY.get(event.sync_status, ("waiting", "Waiting"))
    done, total, found = event.done, event.total, event.found
    counting = state == "running" and total is None and found
    if state == "running" and event.phase in ("update", "detail") and not done and total:
        state, word = REPOSITORY["pending"]  # its list is read, its details wait for their turn
    if state == "running" and not now.state.is_moving:
        state, word = now.state.disc, now.state.label
    why = event.last_sync_error
    seconds = event.seconds
    took = clock_words(seconds) if seconds else ""
    pace = (
        f"{done / seconds:.0f}/s"
        if state == "running" and seconds >= 1 and done >= seconds
        else ""
    )
    return RepositoryRow(
        id=event.id,
        name=name,
        state=state,
        word=word,
        count=f"{found:,} found" if counting else _count(done, total) if total != 0 else "none",
        lasts=took if state in ("done", "partial") else pace,
        # After the end the note above has the causes, each once.
        why=why if now.state.is_live else "",
        can_retry=_can_retry_alone(now, name),
        percent=100 if state == "done" else round(100 * min(1.0, done / total)) if total else 0,
    )


def _can_retry_alone(now: states.RunState, name: str) -> bool:
    """Return whether the repository lacks something for a reason of its own, and others
    do not share it.
    """
    if now.state.name != StateName.PARTIAL or len(now.gaps) < 2:
        return False
    return any(gap.what == (name,) for gap in now.gaps)


def _current(
    now: states.RunState, steps: Sequence[Mapping[str, Any]], rows: Sequence[StepRow]
) -> str:
    """Return what is happening, in one line beside the percentage."""
    at = next((index for index, step in enumerate(steps) if step["state"] not in PASSED), None)
    state = now.state
    by = f" by {state.actor}" if state.actor else ""
    place = "" if at is None else f" at step {at + 1} of {len(steps)}"
    match state.name:
        case StateName.PAUSED | StateName.CANCELLED:
            return f"{state.label}{by}{place}"
        case StateName.FAILED:
            return f"Stopped{place}"
        case StateName.PARKED | StateName.STALLED:
            return f"{WAITS.get(state.cause, 'Waiting')}{place}"
        case StateName.PARTIAL:
            return "Incomplete"
        case StateName.EMPTY:
            return state.label
    if state.is_live and at is not None:
        return f"Step {at + 1} of {len(steps)}: {rows[at].title}"
    return "Done"


def clock_words(seconds: float) -> str:
    """Return a duration like `0:07`, `12:31`, or `1:02:03`."""
    whole = int(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"
