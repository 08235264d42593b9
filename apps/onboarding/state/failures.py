"""Note when a team's figures stop being refreshed, and when they are refreshed again.
Each is emailed once.

The row is written in the transaction in which the run ends, or within a minute's task
if a person has paused it. Only one open row of a team can exist, and the emails depend
on it: any number of workers and of failed nights cause one.
"""

from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from apps.onboarding.models import RefreshFailure
from apps.onboarding.state.kinds import REFRESHING, Kind, kind_of_run
from apps.pipelines.models import Run
from apps.pipelines.remedy import Remedy
from apps.teams.models import Team

# Causes that stop every run of the team, whatever it reads.
OF_ALL = (
    "token_refused",
    "token_missing",
    "account_suspended",
    "installation_suspended",
    "credential_keys",
)


# The cause of a time in which the team's refresh is paused.
PAUSED = "paused"


def begin(run: Run, team: Team) -> RefreshFailure | None:
    """Note that a run failed. Return the row if the failing begins with it, None if it
    was noted before.

    A run that a webhook started reads a few repositories. Its failure counts only if it
    concerns all of them.
    """
    kind = kind_of_run(run)
    if kind not in REFRESHING or run.finished_at is None:
        return None
    if kind == Kind.WEBHOOK and run.cause not in OF_ALL:
        return None
    # The pause was another cause, so the new one is emailed as well.
    RefreshFailure.objects.for_team(team).filter(ended_at=None, cause=PAUSED).update(
        ended_at=run.finished_at
    )
    return _open(
        run,
        team,
        cause=run.cause,
        remedy=run.remedy,
        reason=run.error,
        began_at=run.finished_at,
    )


def pause(run: Run, team: Team, reason: str, since: datetime) -> RefreshFailure | None:
    """Note that the team's refresh is paused.

    Return the row if it is new, None if it was noted before.
    """
    return _open(run, team, cause=PAUSED, remedy=Remedy.NONE, reason=reason, began_at=since)


def _open(run: Run, team: Team, **values: Any) -> RefreshFailure | None:
    try:
        with transaction.atomic():
            row, created = RefreshFailure.objects.across_teams().get_or_create(
                team=team, ended_at=None, defaults={"run": run, **values}
            )
    # A unique constraint allows one open row, and another worker has just made it.
    except IntegrityError:
        return None
    return row if created else None


def end(run: Run, team: Team) -> RefreshFailure | None:
    """Note that a run succeeded.

    Return the row whose failing ended with it, if there is one.
    """
    kind = kind_of_run(run)
    if kind not in (*REFRESHING, Kind.ONBOARDING):
        return None
    row = open_of(team.pk)
    if row is None:
        return None
    if kind == Kind.WEBHOOK and row.cause not in OF_ALL:
        return None
    still_open = RefreshFailure.objects.for_team(team).filter(pk=row.pk, ended_at=None)
    # Of several workers that end it, only the one whose update finds the row sends the
    # email.
    if not still_open.update(ended_at=run.finished_at):
        return None
    row.ended_at = run.finished_at
    return row


def open_of(team_id: int) -> RefreshFailure | None:
    """Return the row of a team whose figures are not refreshed at present."""
    rows = RefreshFailure.objects.for_team(team_id).filter(ended_at=None)
    return rows.select_related("run").first()
