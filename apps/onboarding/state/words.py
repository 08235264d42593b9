"""Write the texts of states: titles, and the time left.

Pages, emails, and commands take them from here.
"""

from apps.onboarding.state.kinds import NOUNS, Kind
from apps.teams.states import State, StateName

NBSP = "\N{NO-BREAK SPACE}"

# What a run of each kind is doing.
DOING = {
    Kind.ONBOARDING: "Setting up {team}",
    Kind.NIGHTLY: "Nightly refresh of {team}",
    Kind.REFRESH: "Refreshing {team}",
    Kind.WEBHOOK: "Updating {team}",
    Kind.OTHER: "Recalculating {team}",
}
# What a run of each kind is called, at the beginning of a sentence.
NAMES = {
    Kind.ONBOARDING: "Setup of {team}",
    Kind.NIGHTLY: "Nightly refresh of {team}",
    Kind.REFRESH: "Refresh of {team}",
    Kind.WEBHOOK: "Update of {team}",
    Kind.OTHER: "Recalculation of {team}",
}
DONE = {
    Kind.ONBOARDING: "{team} is set up",
    Kind.NIGHTLY: "{team} is up to date",
    Kind.REFRESH: "{team} is up to date",
    Kind.WEBHOOK: "{team} is up to date",
    Kind.OTHER: "{team} is recalculated",
}
ENDINGS = {
    StateName.PAUSED: "paused",
    StateName.FAILED: "stopped",
    StateName.CANCELLED: "canceled",
}


def title(
    kind: Kind,
    state: State,
    team: str,
    repositories: int,
    missing: int,
    *,
    only_optional: bool = False,
) -> str:
    """Return a run's heading.

    Args:
        repositories: how many the run was asked for.
        missing: how many of them lack something.
        only_optional: whether a partial run lacks nothing but AI summaries.
    """
    if state.name in ENDINGS:
        return f"{NAMES[kind]} {ENDINGS[state.name]}".format(team=team)
    if state.name == StateName.EMPTY:
        return f"No pull requests found for {team}"
    if state.name == StateName.PARTIAL and only_optional:
        return DONE[kind].format(team=team)
    if state.name == StateName.PARTIAL:
        return NAMES[kind].format(team=team) + _incomplete(repositories, missing)
    if state.name == StateName.DONE:
        return DONE[kind].format(team=team)
    return DOING[kind].format(team=team)


def _incomplete(repositories: int, missing: int) -> str:
    """Return `: 2 of 8 repositories are missing or incomplete`; ` is incomplete` if all
    repositories were read.
    """
    if not missing or repositories == 1:
        return " is incomplete"
    verb = "is" if missing == 1 else "are"
    return f": {missing} of {repositories} repositories {verb} missing or incomplete"


def eta(state: State, seconds: int | None, percent: int) -> str:
    """Return what is left of a run, as exactly as it is known; empty if the run does
    not move.
    """
    if state.name in (StateName.QUEUED, StateName.RUNNING):
        return time_left(seconds)
    return ""


def time_left(seconds: int | None) -> str:
    """Return seconds of work as `about 4 min left`; `estimating` if they are not
    known.
    """
    if seconds is None:
        return "estimating"
    if seconds < 60:
        return "less than a minute left"
    if seconds < 5400:
        return f"about {round(seconds / 60)}{NBSP}min left"
    return f"about {round(seconds / 3600)}{NBSP}h left"


def paused(kind: Kind, actor: str) -> str:
    """Return the reason of a refresh that a person has paused.

    Example:
        paused(Kind.NIGHTLY, "Mara")    # "The nightly refresh was paused by Mara."
    """
    by = f" by {actor}" if actor else ""
    return f"The {NOUNS[kind]} was paused{by}."


def no_worker(kind: Kind) -> str:
    """Return the reason of a run that no worker works on."""
    return (
        f"The background service is not running. The {NOUNS[kind]} continues once it is back."
    )


def database_locked(kind: Kind) -> str:
    """Return the reason of a run whose workers wait for the lock of the database."""
    return f"The database is locked by another program. The {NOUNS[kind]} continues once it is released."
