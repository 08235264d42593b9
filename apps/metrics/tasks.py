"""Run the steps over what has been synced: read the markers, ask a model, find
insights.
"""

from typing import Any

from django.utils import timezone

from apps.metrics import run_events
from apps.metrics.ai.apply_markers import read_next, unread
from apps.metrics.insights.daily import find, store
from apps.metrics.insights.preview import insight_event
from apps.metrics.llm import budget, client, continuing, pace, steps, wording
from apps.metrics.run_events import InsightEvent
from apps.metrics.signals import first_insight_found
from apps.pipelines.context import StepContext
from apps.pipelines.outcomes import Done, Missing, Outcome, Partial, Skipped
from apps.pipelines.portions import Watch
from apps.pipelines.tasks import step_task
from apps.teams.run_subjects import subject_of

MARKER_UNIT = 200


def of_team(team_id: int, **params: object) -> tuple[None, str, None, dict[str, object]]:
    """Return the arguments of a run of one step alone: one at a time for each team."""
    return None, subject_of(team_id), None, {"team_id": team_id, **params}


@step_task(name="run_llm_analysis_batch", standalone=of_team)
def run_llm_analysis_batch(
    ctx: StepContext, *, team_id: int, limit: int | None = None
) -> Outcome:
    """Read the AI markers of every pull request that the current table of markers has
    not seen. Then let the model, if there is one, read the newest `limit`
    (LLM_BATCH_SIZE) that it has not read as they are now, within LLM_PATIENCE.

    What is left after that is read in the background (`continue_llm_reading`).
    """
    marked = _read_markers(ctx, team_id)
    outcome = _after_markers(ctx, team_id, limit, marked)
    # Pull requests that hung while their markers were read are missing, whatever the
    # model did.
    hung: list[Missing] = ctx.cursor.get("skipped", [])
    if not hung:
        return outcome
    others = outcome.missing if isinstance(outcome, Partial) else []
    return Partial([*hung, *others], outcome.result)


@step_task(name="read_ai_markers", standalone=of_team)
def read_ai_markers(ctx: StepContext, *, team_id: int) -> Outcome:
    """Read the AI markers of every pull request that the current table of markers has
    not seen; no model is asked.
    """
    marked = _read_markers(ctx, team_id)
    result = {"pull_requests": marked}
    hung: list[Missing] = ctx.cursor.get("skipped", [])
    return Partial(hung, result) if hung else Done(result)


def _read_markers(ctx: StepContext, team_id: int) -> int:
    """Read the unread markers in units.

    Returns how many pull requests were read, in all attempts.
    """
    marked, watch = ctx.cursor.get("done", 0), Watch(ctx)
    while left := unread(team_id).count():
        with ctx.unit(
            total=marked + left, unit="pull requests", message="Reading AI markers"
        ) as work:
            marked += read_next(team_id, MARKER_UNIT, watch)
            skipped = [*ctx.cursor.get("skipped", []), *watch.skipped]
            watch.skipped.clear()
            work.cursor, work.done = {**work.cursor, "done": marked, "skipped": skipped}, marked
    return int(marked)


def _after_markers(ctx: StepContext, team_id: int, limit: int | None, marked: int) -> Outcome:
    read = f"AI markers read in {marked:,} pull request{'' if marked == 1 else 's'}."
    result = {"pull_requests": marked}
    if why := _without_model(team_id):
        return Skipped(reason=f"{read} {why}", result=result)
    return _read_by_model(ctx, team_id, limit, result)


def _without_model(team_id: int) -> str:
    """Return why no model is used; empty if one is used."""
    if budget.is_switched_off():
        return "AI summaries are turned off on this installation."
    if not client.is_configured():
        return "No language model is set up on this installation."
    if not pace.settings_of(team_id).enabled:
        return "AI summaries are turned off for this team."
    return ""


def _read_by_model(
    ctx: StepContext, team_id: int, limit: int | None, result: dict[str, Any]
) -> Outcome:
    missing, found = steps.within_patience(ctx, team_id, limit)
    result |= found
    return Partial(missing, result) if missing else Done(result=result)


@step_task(name="continue_llm_reading", standalone=continuing.standalone)
def continue_llm_reading(ctx: StepContext, *, team_id: int) -> Outcome:
    """Let the model read what a run could not wait for."""
    if why := _without_model(team_id):
        return Skipped(reason=why)
    missing = steps.in_background(ctx, team_id)
    return Partial(missing) if missing else Done()


@step_task(name="compute_team_insights", standalone=of_team)
def compute_team_insights(ctx: StepContext, *, team_id: int) -> Outcome:
    """Find today's insights of a team. They replace those that were found earlier
    today.
    """
    now = timezone.now()
    watch = Watch(ctx)
    findings = find(team_id, now, watch)
    summary = wording.word(ctx, team_id, findings)
    with ctx.unit(
        done=len(findings), total=len(findings), unit="insights", message="Finding insights"
    ):
        store(team_id, now.date(), findings)
        wording.store(team_id, now.date(), summary)
        if findings:
            ctx.send(
                first_insight_found, run=ctx.run, title=findings[0].title, preliminary=False
            )
        for n, rank in enumerate(("first", "second", "third")):
            event = insight_event(team_id, findings[n:], preliminary=False)
            if event is None:
                run_events.clear(ctx, rank, InsightEvent)
            else:
                run_events.emit(ctx, rank, event)
    result = {"insights": len(findings)}
    return Partial(watch.skipped, result) if watch.skipped else Done(result)
