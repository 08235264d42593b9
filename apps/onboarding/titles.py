"""Choose the title and the icon of a run's browser tab, which follow the run."""

from apps.onboarding.state.kinds import NOUNS, Kind
from apps.pipelines.models import RunState
from apps.teams.models import Team

SITE = "Firstlight"
# The icons that a tab can have: static/icon-<name>.svg.
ICONS = {
    RunState.RUNNING: "running",
    RunState.PAUSED: "running",
    RunState.DONE: "done",
    RunState.PARTIAL: "partial",
    RunState.FAILED: "failed",
    RunState.CANCELLED: "failed",
}
WORDS = {
    RunState.PAUSED: "Paused",
    RunState.DONE: "Done",
    RunState.PARTIAL: "Incomplete",
    RunState.FAILED: "Failed",
    RunState.CANCELLED: "Canceled",
}


def tab_of(kind: Kind, state: str, percent: int, team: Team) -> dict[str, str]:
    """Return the title, for example `42 % · Setup of Acme · Firstlight`, and the name
    of the icon.
    """
    words = WORDS.get(RunState(state), f"{percent}\N{NO-BREAK SPACE}%")
    noun = NOUNS[kind].capitalize()
    return {
        "title": f"{words} · {noun} of {team.name} · {SITE}",
        "icon": ICONS[RunState(state)],
    }
