"""Read in the background what a run could not wait for.

A run's AI step ends within LLM_PATIENCE. What is left then is read by a run of its own,
which waits for limits and outages with growing pauses, for at most a day without
progress:

    continuing.begin(ctx, team_id, chosen)     # joins the reading that is under way, if there is one
    continuing.progress_of(team_id)            # "40 of 100", what it waits for, and until when
    continuing.context_of(team_id)             # the same for templates/metrics/ai_progress.html

When it ends, the runs that handed over to it get what it read: nothing is missing in
them any more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.metrics.llm.batches import limit_of, read_count, wanted
from apps.metrics.llm.client import is_configured
from apps.metrics.llm.outcomes import Cause
from apps.pipelines import engine
from apps.pipelines.context import StepContext
from apps.pipelines.models import ACTIVE_RUN_STATES, Run, StepRun, StepState

PIPELINE = "ai_reading"
# A reading changes none of the team's figures, so its subject is not the team's.
SUBJECT = "ai_reading:"
# How long a run is shown after it has ended.
SHOWN_FOR = timedelta(days=2)
# Seconds after which an open page asks for the progress again, by its name.
ASKS_EVERY = {"reading": 5, "waiting": 20, "stopped": 60}
# The same for a page that shows none yet.
ASKS_EVERY_OTHERWISE = 60


def live_run(team_id: int) -> Run | None:
    """Return the reading that is under way, if there is one."""
    return Run.objects.filter(
        pipeline=PIPELINE, subject=f"{SUBJECT}{team_id}", state__in=ACTIVE_RUN_STATES
    ).first()


def standalone(team_id: int) -> tuple[str, str, None, dict[str, Any]]:
    """Return what run a call without another run starts: one over the newest that are
    not read.
    """
    chosen = wanted(team_id, limit_of(None))
    return (
        PIPELINE,
        f"{SUBJECT}{team_id}",
        None,
        {"team_id": team_id, "chosen": chosen, "origins": []},
    )


def is_reading(team_id: int) -> bool:
    """Return whether a worker reads on for the team right now."""
    run = live_run(team_id)
    return run is not None and run.steps.filter(state=StepState.RUNNING).exists()


def begin(ctx: StepContext, team_id: int, chosen: Sequence[int]) -> Run:
    """Let the chosen be read in the background, on behalf of this step.

    A reading under way reads them, too.
    """
    origin = {"run": str(ctx.run.pk), "step": ctx.step.key, "chosen": list(chosen)}
    params: dict[str, Any] = {"team_id": team_id, "chosen": list(chosen), "origins": [origin]}
    run, is_new = engine.start(PIPELINE, subject=f"{SUBJECT}{team_id}", params=params)
    if not is_new:
        with transaction.atomic():
            # Two runs may add to the same reading at once.
            run = Run.objects.select_for_update().get(pk=run.pk)
            others = [other for other in run.params["origins"] if other["run"] != origin["run"]]
            run.params["origins"] = [*others, origin]
            # The newest pull requests, which have the highest keys, are read first.
            run.params["chosen"] = sorted({*run.params["chosen"], *chosen}, reverse=True)
            run.save(update_fields=["params"])
    return run


@dataclass(frozen=True, slots=True)
class Progress:
    """The state of a team's AI summaries, apart from that of its figures.

    Attributes:
        name: "reading", "waiting", or "stopped".
        until: when a reading that waits goes on.
        reason: why it waits or stopped.
    """

    done: int
    total: int
    name: str
    cause: str = ""
    reason: str = ""
    until: datetime | None = None


def progress_of(team_id: int) -> Progress | None:
    """Return the progress of a team's newest background reading; None if all was read,
    or none is recent.
    """
    run = (
        Run.objects.filter(pipeline=PIPELINE, subject=f"{SUBJECT}{team_id}")
        .order_by("-created_at")
        .first()
    )
    if run is None:
        return None
    if not run.is_live and (
        run.finished_at is None or run.finished_at < timezone.now() - SHOWN_FOR
    ):
        return None
    chosen = run.params["chosen"]
    done = read_count(team_id, chosen)
    if done >= len(chosen):
        return None
    step: StepRun = run.steps.get()
    if run.is_live:
        if step.state == StepState.PARKED and step.parked_until:
            return Progress(
                done, len(chosen), "waiting", step.cause, step.message, step.parked_until
            )
        return Progress(done, len(chosen), "reading", Cause.CONTINUES)
    missing = step.missing[0] if step.missing else {}
    return Progress(
        done, len(chosen), "stopped", missing.get("cause", ""), missing.get("why", run.error)
    )


def context_of(team_id: int) -> dict[str, Any]:
    """Return what shows a team's progress and keeps it up to date on a page."""
    progress = progress_of(team_id)
    if progress is not None:
        every: int | None = ASKS_EVERY[progress.name]
    else:
        every = ASKS_EVERY_OTHERWISE if is_configured() else None
    return {"ai_progress": progress, "ai_asks_every": every}
