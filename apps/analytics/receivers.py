"""Record the journey: one row for each thing that happened, however often its signal is
sent.

Accounts, sources, and choices count the first time (for a team and source, for a team);
runs, steps, and their ends count once in each generation of the run. The rows are
written in the transaction of the event that they record, with no outside call.

A failure in here does not prevent the event itself. The engine calls its receivers in a
savepoint, and again later; those of other signals are marked as `_optional`.
"""

import logging
from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Any

from allauth.account.signals import user_signed_up
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.dispatch import receiver
from django.utils import timezone

from apps.analytics.models import AnalyticsEvent, EventName
from apps.metrics.signals import first_insight_found
from apps.onboarding.signals import repositories_chosen, source_connected
from apps.pipelines import signals
from apps.pipelines.models import PASSED, Run, StepRun
from apps.pipelines.sql import statements
from apps.teams.models import Team
from apps.teams.run_subjects import team_id_of

logger = logging.getLogger(__name__)


def record(name: EventName, once_key: str, **fields: Any) -> None:
    """Write the event, unless one with this key is there."""
    _write([_row(name, once_key, **fields)])


def _row(name: EventName, once_key: str, **fields: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": name,
        "once_key": f"{name}:{once_key}",
        "data": {},
        "run": None,
    }
    row |= {"team_id": None, "user_id": None} | fields
    return row | {"at": fields.get("at") or timezone.now()}


def _write(rows: list[dict[str, Any]]) -> None:
    statements.insert(
        AnalyticsEvent,
        list(rows[0]),
        [list(row.values()) for row in rows],
        ignore_conflicts=True,
    )


def team_of(run: Run) -> int | None:
    """Return the key of the team that a run is about; None for other subjects and for
    deleted teams.
    """
    team_id = team_id_of(run.subject)
    if team_id is None:
        return None
    return Team.objects.filter(pk=team_id).values_list("pk", flat=True).first()


def record_run(name: EventName, run: Run, at: datetime | None, **data: Any) -> None:
    _write([_row(name, f"{run.pk}:{run.generation}", at=at, **_of_run(run, **data))])


def _of_run(run: Run, **data: Any) -> dict[str, Any]:
    about = {"pipeline": run.pipeline, "generation": run.generation}
    return {
        "run": run.pk,
        "team_id": team_of(run),
        "user_id": run.started_by_id,
        "data": about | data,
    }


def record_end(name: EventName, run: Run, at: datetime | None, **data: Any) -> None:
    """Record the end of a run, and before it the steps that this generation passed.

    While the run is under way, its own rows have the steps.
    """
    of_run = _of_run(run)
    names = ("key", "state", "started_at", "finished_at", "attempt")
    steps = [
        StepRun(**dict(zip(names, row, strict=True)))
        for row in statements.select_values(StepRun, names, run_id=run.pk, order="idx")
    ]
    rows = [
        _row(
            EventName.STEP,
            f"{run.pk}:{run.generation}:{step.key}",
            **of_run | {"at": step.finished_at},
        )
        | {"data": of_run["data"] | _of_step(step)}
        for step in steps
        if step.state in PASSED
        and step.finished_at
        and step.finished_at >= run.generation_started_at
    ]
    end = _row(name, f"{run.pk}:{run.generation}", at=at, **of_run)
    _write([*rows, end | {"data": of_run["data"] | {"seconds": _seconds(run)} | data}])


def _of_step(step: StepRun) -> dict[str, Any]:
    return {
        "step": step.key,
        "state": step.state,
        "seconds": step.seconds,
        "attempts": step.attempt,
    }


def _optional(record_it: Callable[..., None]) -> Callable[..., None]:
    """Make a receiver optional: if it fails, only its own event is lost."""

    @wraps(record_it)
    def receive(**kwargs: Any) -> None:
        try:
            with transaction.atomic():
                record_it(**kwargs)
        except Exception:
            logger.exception("An event of a journey was not recorded.")

    return receive


@receiver(user_signed_up, dispatch_uid="analytics.signed_up")
@_optional
def on_signed_up(user: AbstractBaseUser, **kwargs: Any) -> None:
    record(EventName.SIGNED_UP, str(user.pk), user_id=user and user.pk)


@receiver(source_connected, dispatch_uid="analytics.connected")
@_optional
def on_connected(team: Team, user: AbstractBaseUser | None, source: str, **kwargs: Any) -> None:
    record(
        EventName.CONNECTED,
        f"{team.pk}:{source}",
        team_id=team.pk,
        user_id=user and user.pk,
        data={"source": source},
    )


@receiver(repositories_chosen, dispatch_uid="analytics.chose")
@_optional
def on_chose(team: Team, user: AbstractBaseUser | None, count: int, **kwargs: Any) -> None:
    record(
        EventName.CHOSE,
        str(team.pk),
        team_id=team.pk,
        user_id=user and user.pk,
        data={"repositories": count},
    )


@receiver(signals.pipeline_started, dispatch_uid="analytics.started")
def on_started(run: Run, sent_at: datetime | None = None, **kwargs: Any) -> None:
    record_run(EventName.STARTED, run, sent_at)


@receiver(first_insight_found, dispatch_uid="analytics.first_insight")
def on_first_insight(
    run: Run, title: str, preliminary: bool, sent_at: datetime | None = None, **kwargs: Any
) -> None:
    waited = ((sent_at or timezone.now()) - run.generation_started_at).total_seconds()
    record_run(
        EventName.FIRST_INSIGHT,
        run,
        sent_at,
        seconds=round(waited, 2),
        title=title,
        preliminary=preliminary,
    )


@receiver(signals.pipeline_completed, dispatch_uid="analytics.completed")
def on_completed(run: Run, state: str, sent_at: datetime | None = None, **kwargs: Any) -> None:
    record_end(EventName.COMPLETED, run, sent_at, state=state, missing=len(run.missing))


@receiver(signals.pipeline_retried, dispatch_uid="analytics.retried")
def on_retried(run: Run, sent_at: datetime | None = None, **kwargs: Any) -> None:
    record_run(EventName.RETRIED, run, sent_at)


@receiver(signals.pipeline_failed, dispatch_uid="analytics.failed")
def on_failed(
    run: Run, sent_at: datetime | None = None, error: str = "", **kwargs: Any
) -> None:
    step = run.steps.filter(state="failed").values_list("key", flat=True).first()
    record_end(EventName.FAILED, run, sent_at, step=step, error=error or run.error)


@receiver(signals.pipeline_cancelled, dispatch_uid="analytics.cancelled")
def on_cancelled(run: Run, sent_at: datetime | None = None, **kwargs: Any) -> None:
    record_end(EventName.CANCELLED, run, sent_at)


def _seconds(run: Run) -> float | None:
    """Return the seconds that this generation took; None if it has not finished."""
    return (
        (run.finished_at - run.generation_started_at).total_seconds()
        if run.finished_at
        else None
    )
