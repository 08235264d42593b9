"""Decide the state of a team's connections: accepted, refused, expired, or replaced and
not tried yet.
"""

from datetime import datetime

from django.utils import timezone

from apps.integrations.models import Connection, Credential
from apps.integrations.sources import base
from apps.pipelines.models import Run, RunState
from apps.pipelines.remedy import Remedy
from apps.teams.states import CredentialState, Figures, State, StateName

# Causes that lie in the token itself, so that nothing can be read with it.
OF_TOKEN = ("token_refused", "token_missing", "account_suspended")


def changed_at(team_id: int) -> datetime | None:
    """Return when the team's token was stored last, None if there is none."""
    rows = Credential.objects.for_team(team_id).order_by("-updated_at")
    return rows.values_list("updated_at", flat=True).first()


def replaced_after(team_id: int, moment: datetime | None) -> bool:
    """Return whether a token was stored after a moment; False without a token."""
    if moment is None:
        return False
    changed = changed_at(team_id)
    return changed is not None and changed > moment


def of_team(
    team_id: int, newest: Run | None, changed: datetime | None
) -> list[CredentialState]:
    """Return the states of the team's connections, the oldest first.

    Args:
        newest: the newest run of the team that has ended; it tried the token last.
        changed: when the token was stored, see `changed_at`.
    """
    rows = Connection.objects.for_team(team_id).order_by("connected_at", "pk")
    found = rows.values_list("source", "connected_at", "expires_at")
    return [
        CredentialState(source, _state(source, connected_at, expires_at, newest, changed))
        for source, connected_at, expires_at in found
    ]


def _state(
    source: str,
    connected_at: datetime,
    expires_at: datetime | None,
    newest: Run | None,
    changed: datetime | None,
) -> State:
    label = str(StateName.CONNECTED.label)
    connected = State(StateName.CONNECTED, label=label, since=connected_at)
    # Without a token there is nothing that can be refused or expire.
    found = base.find(source)
    if found is None or found.token_form is None:
        return connected
    refused = (
        newest is not None and newest.state == RunState.FAILED and newest.cause in OF_TOKEN
    )
    if refused and newest is not None:
        if (
            changed is not None
            and newest.finished_at is not None
            and changed > newest.finished_at
        ):
            return State(
                StateName.REPLACED,
                label=str(StateName.REPLACED.label),
                since=changed,
                remedy=Remedy.RETRY,
            )
        return _broken(StateName.REFUSED, newest.finished_at, newest.cause, newest.error)
    if expires_at is not None and expires_at <= timezone.now():
        return _broken(StateName.EXPIRED, expires_at, "token_expired", "The token has expired.")
    return connected


def _broken(name: StateName, since: datetime | None, cause: str, reason: str) -> State:
    return State(
        name,
        label=str(name.label),
        since=since,
        cause=cause,
        reason=reason,
        remedy=Remedy.NEW_TOKEN,
        figures=Figures.OLD,
    )
