"""Steps over what has been synced: read the markers, ask a model (not yet), find insights."""

from django.utils import timezone

from apps.metrics.analysis import read_next, unread
from apps.metrics.early import insight_state
from apps.metrics.findings import find, store
from apps.metrics.signals import first_insight_found
from apps.pipelines.context import StepContext
from apps.pipelines.outcomes import Done, Skipped
from apps.pipelines.tasks import step_task

MARKER_UNIT = 200


def of_team(team_id: int, **params: object) -> tuple[None, str, None, dict[str, object]]:
    """A run of one step alone: for the team, one at a time."""
    return None, f"team:{team_id}", None, {"team_id": team_id, **params}


@step_task(name="run_llm_analysis_batch", standalone=of_team)
def run_llm_analysis_batch(ctx: StepContext, *, team_id: int, limit: int | None = None) -> Skipped:
    """Read the AI markers of every pull request that the current table of markers has not seen.

    `limit` bounds what a model is asked; no model is asked yet, so the step ends as skipped and says so.
    """
    done = ctx.cursor.get("done", 0)
    while left := unread(team_id).count():
        with ctx.unit(total=done + left, unit="pull requests", message="Reading AI markers") as work:
            done += read_next(team_id, MARKER_UNIT)
            work.cursor, work.done = {"done": done}, done
    read = f"AI markers read in {done:,} pull request{'' if done == 1 else 's'}."
    return Skipped(
        reason=f"{read} Summaries by a language model are not part of this version.", result={"pull_requests": done}
    )


@step_task(name="compute_team_insights", standalone=of_team)
def compute_team_insights(ctx: StepContext, *, team_id: int) -> Done:
    """Today's findings about a team; they replace those found earlier today."""
    now = timezone.now()
    findings = find(team_id, now)
    with ctx.unit(done=len(findings), total=len(findings), unit="insights", message="Finding insights"):
        store(team_id, now.date(), findings)
        if findings:
            ctx.send(first_insight_found, run=ctx.run, title=findings[0].title, preliminary=False)
        for n, rank in enumerate(("first", "second", "third")):
            ctx.emit(kind="insight", key=rank, data=insight_state(team_id, findings[n:], preliminary=False))
    return Done(result={"insights": len(findings)})
