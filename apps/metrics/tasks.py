"""Steps over what has been synced: read the markers, ask a model, find insights."""

from typing import Any

from django.utils import timezone

from apps.metrics.analysis import read_next, unread
from apps.metrics.early import insight_state
from apps.metrics.findings import find, store
from apps.metrics.llm import client, pace, wording
from apps.metrics.llm.reading import Reading, limit_of, open_ones, wanted
from apps.metrics.models import Analysis, AnalysisState
from apps.metrics.signals import first_insight_found
from apps.pipelines.context import StepContext
from apps.pipelines.outcomes import Done, Missing, Outcome, Partial, Skipped
from apps.pipelines.tasks import step_task

MARKER_UNIT = 200


def of_team(team_id: int, **params: object) -> tuple[None, str, None, dict[str, object]]:
    """A run of one step alone: for the team, one at a time."""
    return None, f"team:{team_id}", None, {"team_id": team_id, **params}


@step_task(name="run_llm_analysis_batch", standalone=of_team)
def run_llm_analysis_batch(ctx: StepContext, *, team_id: int, limit: int | None = None) -> Outcome:
    """Read the AI markers of every pull request that the current table of markers has not seen; then let the model, where
    there is one, read the newest `limit` (LLM_BATCH_SIZE) that it has not read as they are now."""
    marked = ctx.cursor.get("done", 0)
    while left := unread(team_id).count():
        with ctx.unit(total=marked + left, unit="pull requests", message="Reading AI markers") as work:
            marked += read_next(team_id, MARKER_UNIT)
            work.cursor, work.done = {**work.cursor, "done": marked}, marked
    read = f"AI markers read in {marked:,} pull request{'' if marked == 1 else 's'}."
    result = {"pull_requests": marked}
    if why := _without_model(team_id):
        return Skipped(reason=f"{read} {why}", result=result)
    return _read_by_model(ctx, team_id, limit, read, result)


def _without_model(team_id: int) -> str:
    """Why no model is asked; empty where one is."""
    if not client.is_configured():
        return (
            "Summaries by a language model need a key: set GROQ_API_KEY, or LLM_BASE_URL for a server of your own, and "
            "restart."
        )
    if not pace.settings_of(team_id).enabled:
        return "This team has turned the language model off."
    return ""


def _read_by_model(ctx: StepContext, team_id: int, limit: int | None, read: str, result: dict[str, Any]) -> Outcome:
    if "chosen" not in ctx.cursor:
        with ctx.unit() as work:
            work.cursor = {**work.cursor, "chosen": wanted(team_id, limit_of(limit))}
            # From here on the step counts what the model reads.
            work.done = 0
    chosen = ctx.cursor["chosen"]
    if not chosen:
        return Done(result=result)
    tally = Reading(ctx, team_id, chosen).run()
    left = open_ones(team_id, chosen).count()
    failed = Analysis.objects.for_team(team_id).filter(pull_request_id__in=chosen, state=AnalysisState.FAILED)
    result |= {"read_by_model": len(chosen) - left - failed.count()}
    missing = []
    if lost := failed.count():
        why = failed.values_list("error", flat=True).first()
        missing.append(Missing(what=f"Summaries of {lost:,} pull request{'' if lost == 1 else 's'}", why=str(why)))
    if left:
        why = tally.why or "This month's budget for the language model is spent. Raise it, or wait for the next month."
        missing.append(
            Missing(what=f"Summaries of {left:,} pull request{'' if left == 1 else 's'}", why=f"{why} {read}")
        )
    return Partial(missing, result) if missing else Done(result=result)


@step_task(name="compute_team_insights", standalone=of_team)
def compute_team_insights(ctx: StepContext, *, team_id: int) -> Done:
    """Today's findings about a team; they replace those found earlier today."""
    now = timezone.now()
    findings = find(team_id, now)
    summary = wording.word(ctx, team_id, findings)
    with ctx.unit(done=len(findings), total=len(findings), unit="insights", message="Finding insights"):
        store(team_id, now.date(), findings)
        wording.store(team_id, now.date(), summary)
        if findings:
            ctx.send(first_insight_found, run=ctx.run, title=findings[0].title, preliminary=False)
        for n, rank in enumerate(("first", "second", "third")):
            ctx.emit(kind="insight", key=rank, data=insight_state(team_id, findings[n:], preliminary=False))
    return Done(result={"insights": len(findings)})
