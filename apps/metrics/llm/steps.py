"""Run the AI steps of the pipelines: within a set patience, and later in the
background.

    within_patience(ctx, team_id, limit)     # for a setup or a night; ends in time, whatever the model does
    in_background(ctx, team_id)              # reads what was left, for at most a day without progress
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from apps.metrics.llm import continuing, pace
from apps.metrics.llm.batches import limit_of, open_ones, read_count, wanted
from apps.metrics.llm.outcomes import Cause
from apps.metrics.llm.reading import Reading, Tally
from apps.metrics.llm_models import Analysis, AnalysisState
from apps.pipelines import late
from apps.pipelines.context import StepContext
from apps.pipelines.exceptions import Park
from apps.pipelines.models import Run
from apps.pipelines.outcomes import Missing
from apps.pipelines.remedy import Remedy

# The share of LLM_PATIENCE for reading; the rest is for the words of the day's insights
# (`wording`).
SHARE = 7 / 8
# Causes that pass by themselves.
PASSING = (Cause.RATE_LIMIT, Cause.QUOTA, Cause.UNREACHABLE, Cause.UNUSABLE, Cause.CONTINUES)
# The first pause in the background, doubled each time, and the longest one.
FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=1)
# A reading without progress ends after this time, or after so many rounds of unusable
# answers, which may cost money.
WITHOUT_PROGRESS = timedelta(hours=24)
MOST_UNUSABLE = 3
# A run that handed over may not have ended yet: it is waited for, and then left alone.
ORIGIN_PAUSE, MOST_ORIGIN_WAITS = timedelta(seconds=5), 60
# The most pull requests that are named among those that could not be read.
NAMED = 5


def within_patience(
    ctx: StepContext, team_id: int, limit: int | None
) -> tuple[list[Missing], dict[str, Any]]:
    """Let the model read the newest pull requests for a stated time. Returns what is
    missing, and the step's result.

    Raises Park if the model wants a pause that is over in time.
    """
    if "chosen" not in ctx.cursor:
        with ctx.unit() as unit:
            unit.cursor = {**unit.cursor, "chosen": wanted(team_id, limit_of(limit))}
            # From here on the step counts what the model reads.
            unit.done = 0
    chosen = ctx.cursor["chosen"]
    if not chosen:
        return [], {}
    end = _patience_end(ctx)
    tally = Tally()
    if continuing.is_reading(team_id):
        tally.end(Cause.CONTINUES, "", Remedy.WAIT, end)
    else:
        tally = Reading(ctx, team_id, chosen).run((end - timezone.now()).total_seconds())
    left = open_ones(team_id, chosen).count()
    continues = left > 0 and tally.cause in PASSING
    if (
        continues
        and tally.until is not None
        and tally.until < end
        and tally.cause != Cause.UNUSABLE
    ):
        raise Park(tally.until, tally.why, cause=tally.cause, remedy=Remedy.WAIT)
    missing = _given_up(team_id, chosen)
    if continues:
        continuing.begin(ctx, team_id, chosen)
        why = f"{tally.why} They are read in the background and added automatically.".strip()
        missing.append(_missing(left, why, Cause.CONTINUES, Remedy.WAIT))
    elif left:
        missing.append(_missing(left, tally.why, tally.cause, tally.remedy))
    return missing, {"read_by_model": read_count(team_id, chosen)}


def _patience_end(ctx: StepContext) -> datetime:
    """Return when the step has to end.

    It is kept over attempts; a retry by a person has a patience of its own.
    """
    generation, stored = ctx.cursor.get("patience", (None, ""))
    end = parse_datetime(stored) if generation == ctx.generation else None
    if end is not None:
        return end
    end = timezone.now() + timedelta(seconds=int(settings.LLM_PATIENCE) * SHARE)
    with ctx.unit() as unit:
        unit.cursor = {**unit.cursor, "patience": (ctx.generation, end.isoformat())}
    # A person who retries wants an attempt now. Only the server's own limit of requests
    # still counts.
    if ctx.generation > 1:
        pace.unblock()
    return end


def in_background(ctx: StepContext, team_id: int) -> list[Missing]:
    """Read what other runs left.

    Returns what is missing at the end. Raises Park for each pause.
    """
    chosen = ctx.run.params["chosen"]
    before = read_count(team_id, chosen)
    tally = Reading(ctx, team_id, chosen).run()
    done = read_count(team_id, chosen)
    left = open_ones(team_id, chosen).count()
    if left and tally.cause in PASSING:
        pause = _next_pause(ctx, tally, progressed=done > before)
        if pause is not None:
            raise Park(pause, tally.why, cause=tally.cause, remedy=Remedy.WAIT)
    reason = (
        f"{tally.why} The next nightly refresh tries again."
        if tally.cause in PASSING
        else tally.why
    )
    remedy = Remedy.RETRY if tally.cause in PASSING else tally.remedy
    _tell_origins(ctx, team_id, reason, tally.cause, remedy)
    missing = _given_up(team_id, chosen)
    if left:
        missing.append(_missing(left, reason, tally.cause, remedy))
    return missing


def _next_pause(ctx: StepContext, tally: Tally, *, progressed: bool) -> datetime | None:
    """Return when to go on; None if it is time to give up until the next night."""
    now = timezone.now()
    rounds, unusable, since = ctx.cursor.get("rounds", (0, 0, now.isoformat()))
    # Only a time without any progress counts, so a slow model may take days.
    if progressed:
        rounds, unusable, since = 0, 0, now.isoformat()
    if tally.cause == Cause.UNUSABLE:
        unusable += 1
    started = parse_datetime(since) or now
    if unusable >= MOST_UNUSABLE or now - started > WITHOUT_PROGRESS:
        return None
    with ctx.unit(last=True) as unit:
        unit.cursor = {**unit.cursor, "rounds": (rounds + 1, unusable, since)}
    # The exponent is bounded, because a timedelta cannot hold arbitrarily long times.
    pause: timedelta = min(FIRST_PAUSE * 2 ** min(rounds, 10), LONGEST_PAUSE)
    if tally.cause == Cause.RATE_LIMIT and tally.until is not None:
        # The server's own time is exact, and `pace` lets it grow if it is not.
        return max(tally.until, now)
    return max(tally.until or now, now + pause)


def _tell_origins(ctx: StepContext, team_id: int, why: str, cause: str, remedy: Remedy) -> None:
    """Let the runs that handed over know what was read.

    Raises Park if one of them has not ended yet.
    """
    waits = ctx.cursor.get("origin_waits", 0)
    for origin in ctx.run.params["origins"]:
        run = Run.objects.filter(pk=origin["run"]).first()
        if run is None:
            continue
        if run.is_live and waits < MOST_ORIGIN_WAITS:
            with ctx.unit(last=True) as unit:
                unit.cursor = {**unit.cursor, "origin_waits": waits + 1}
            raise Park(
                timezone.now() + ORIGIN_PAUSE, "The run that began this has not ended yet."
            )
        chosen = origin["chosen"]
        missing = _given_up(team_id, chosen)
        if left := open_ones(team_id, chosen).count():
            missing.append(_missing(left, why, cause, remedy))
        late.fill(run.pk, origin["step"], missing, done=read_count(team_id, chosen))


def _given_up(team_id: int, chosen: Sequence[int]) -> list[Missing]:
    """Return those of the chosen that can't be read for a reason of their own, up to
    NAMED of them by name.
    """
    failed = Analysis.objects.for_team(team_id).filter(
        pull_request_id__in=chosen, state=AnalysisState.FAILED
    )
    rows = list(
        failed.select_related("pull_request__repository").order_by("pull_request_id")[
            : NAMED + 1
        ]
    )
    if not rows:
        return []
    # One row more than NAMED was read, which shows that there are too many to name.
    if len(rows) > NAMED:
        return [_missing(failed.count(), rows[0].error, rows[0].cause, Remedy.NONE)]
    named = []
    for row in rows:
        pull = row.pull_request
        what = f"Summary of {pull.repository.full_name} #{pull.number}"
        named.append(
            Missing(
                what=what, why=row.error, cause=row.cause or Cause.UNUSABLE, remedy=Remedy.NONE
            )
        )
    return named


def _missing(count: int, why: str, cause: str, remedy: Remedy) -> Missing:
    what = f"Summaries of {count:,} pull request{'' if count == 1 else 's'}"
    return Missing(what=what, why=why, cause=cause or Cause.UNUSABLE, remedy=remedy)
