"""States as the API and commands publish them.

Names and codes stay; words may be improved at any time.
"""

from datetime import datetime
from typing import Any

from apps.teams.states import Gap, RunState, State, TeamState


def state_as_json(state: State) -> dict[str, Any]:
    """Return one state."""
    return {
        "state": str(state.name),
        "since": _time(state.since),
        "cause": state.cause,
        "reason": state.reason,
        "remedy": str(state.remedy),
        "act": state.act,
        "actor": state.actor,
        "until": _time(state.until),
        "figures": str(state.figures),
    }


def run_as_json(run: RunState) -> dict[str, Any]:
    """Return the state of a run."""
    return state_as_json(run.state) | {
        "run": str(run.id),
        "kind": run.kind,
        "percent": run.percent,
        "resumes_at": run.resumes_at,
        "missing": [_gap(gap) for gap in run.gaps],
        "finished_at": _time(run.finished_at),
    }


def as_json(team: TeamState) -> dict[str, Any]:
    """Return the state of a team, its newest runs, its repositories, and its
    connections.
    """
    return state_as_json(team.state) | {
        "run": run_as_json(team.live) if team.live else None,
        "newest": run_as_json(team.newest) if team.newest else None,
        "missing": [_gap(gap) for gap in team.gaps],
        "repositories": [
            {"name": row.name, "read_at": _time(row.read_at), **state_as_json(row.state)}
            for row in team.repositories
        ],
        "sources": [
            {"source": row.source, **state_as_json(row.state)} for row in team.credentials
        ],
        "updated_at": _time(team.updated_at),
    }


def _gap(gap: Gap) -> dict[str, Any]:
    return {
        "what": list(gap.what),
        "reason": gap.reason,
        "cause": gap.cause,
        "remedy": str(gap.remedy),
    }


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment is not None else None
