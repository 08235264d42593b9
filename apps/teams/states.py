"""Define the states of a team and of what belongs to it. `apps.onboarding.state`
decides them; all other modules only render them.

Apps below onboarding get them through the provider that onboarding registers:

    from apps.teams import states

    state = states.of_team(team.pk)
    state.figures      # Figures.OLD: what the state means for the numbers on the page
    state.cause        # "token_refused"
    state.remedy       # Remedy.NEW_TOKEN
    state.updated_at   # when everything was last read
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import TextChoices

from apps.pipelines.remedy import Remedy


class StateName(TextChoices):
    """The states of a run, a repository, a credential, and a team.

    Values are published; labels are shown.
    """

    NOT_STARTED = "not_started", "Not set up"
    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    PARKED = "parked", "Waiting"
    STALLED = "stalled", "Waiting"
    PAUSED = "paused", "Paused"
    DONE = "done", "Done"
    EMPTY = "empty", "No pull requests"
    PARTIAL = "partial", "Incomplete"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Canceled"
    # Of credentials.
    CONNECTED = "connected", "Connected"
    REFUSED = "refused", "Token refused"
    EXPIRED = "expired", "Token expired"
    REPLACED = "replaced", "Token replaced"


class Figures(TextChoices):
    """What a state means for the figures."""

    NONE = "none", "There are none yet"
    ZERO = "zero", "All was read, and there are no pull requests"
    MOVING = "moving", "They may change while a run reads"
    CURRENT = "current", "They are complete"
    INCOMPLETE = "incomplete", "Something is missing in them"
    OLD = "old", "They are complete up to the last read that succeeded"


# States in which a run can still move.
LIVE = (
    StateName.QUEUED,
    StateName.RUNNING,
    StateName.PARKED,
    StateName.STALLED,
    StateName.PAUSED,
)


# The disc that shows each state; those that are not listed have one of their own name.
DISCS = {
    StateName.NOT_STARTED: "waiting",
    StateName.QUEUED: "waiting",
    StateName.STALLED: "parked",
    StateName.PAUSED: "parked",
    StateName.EMPTY: "skipped",
    StateName.CONNECTED: "done",
    StateName.REFUSED: "failed",
    StateName.EXPIRED: "failed",
    StateName.REPLACED: "waiting",
}


@dataclass(frozen=True, slots=True)
class Gap:
    """What is missing for one reason: names of repositories, or of other things.

    One cause is one gap.
    """

    what: tuple[str, ...]
    reason: str
    cause: str
    remedy: Remedy

    @property
    def names(self) -> str:
        """Return the names for a sentence, at most five of them."""
        if len(self.what) <= 5:
            return ", ".join(self.what)
        return f"{', '.join(self.what[:5])}, and {len(self.what) - 5} more"


@dataclass(frozen=True, slots=True)
class State:
    """The state of one thing.

    Attributes:
        name: what it is in, as pages publish it (`data-state`).
        label: the same in a word or two, for badges.
        since: since when.
        cause: a short name of why (`data-cause`), empty if there is nothing to explain.
        reason: the same in words.
        remedy: what the person can do (`data-remedy`).
        act: what a person did last ("paused", "canceled", "retried", "resumed"), with
            `actor` as who did it.
        until: when it ends by itself, if that is known.
        figures: what it means for the figures.
    """

    name: StateName
    label: str = ""
    since: datetime | None = None
    cause: str = ""
    reason: str = ""
    remedy: Remedy = Remedy.NONE
    act: str = ""
    actor: str = ""
    until: datetime | None = None
    figures: Figures = Figures.CURRENT

    @property
    def is_live(self) -> bool:
        return self.name in LIVE

    @property
    def is_moving(self) -> bool:
        """Return whether something is being done right now, so that clocks run and
        discs turn.
        """
        return self.name in (StateName.QUEUED, StateName.RUNNING)

    @property
    def disc(self) -> str:
        """Return the name of the disc and of the color for the state."""
        return DISCS.get(self.name, str(self.name))


@dataclass(frozen=True, slots=True)
class RunState:
    """The state of a run, with what its page, its emails, and commands need to show it.

    Attributes:
        kind: `apps.onboarding.state.kinds.Kind`, as text.
        noun: what the run is called in a sentence: "setup", "nightly refresh".
        title: the heading: what the run does or how it ended.
        percent: of what was asked; 100 only if all of it is there.
        eta: what is left, in words; empty if the run does not move.
        resumes_at: the percentage from which a retry continues, None if it cannot be
            retried.
        repositories: how many the run was asked for, and `missing_repositories` how
            many of them lack something.
    """

    id: UUID
    kind: str
    noun: str
    state: State
    title: str
    percent: int
    eta: str
    gaps: Sequence[Gap]
    resumes_at: int | None
    repositories: int
    missing_repositories: int
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class RepositoryState:
    """The state of a repository's newest read; `read_at` is when it was last read
    successfully.
    """

    id: int
    name: str
    state: State
    read_at: datetime | None
    # What the team should know of its name.
    notice: str = ""


@dataclass(frozen=True, slots=True)
class CredentialState:
    """The state of a team's connection to one source."""

    source: str
    state: State


@dataclass(frozen=True, slots=True)
class TeamState:
    """The state of a team and its figures.

    Attributes:
        state: of the team as a whole; its `figures` are what it means for the numbers.
        live: the run that is under way, if any.
        newest: the newest run that has ended, of any kind.
        failing: the run because of which the figures are not refreshed any more, if
            that is so.
        resumable: the failed run to which a new token leads back.
        gaps: what is missing in the figures now, grouped by cause.
        updated_at: when the repository that was read the longest time ago was read.
            Everything is as new as this.
        newest_read_at: when any repository was read last.
    """

    team_id: int
    state: State
    live: RunState | None
    newest: RunState | None
    failing: RunState | None
    resumable: RunState | None
    gaps: Sequence[Gap]
    repositories: Sequence[RepositoryState]
    credentials: Sequence[CredentialState]
    updated_at: datetime | None
    newest_read_at: datetime | None

    @property
    def figures(self) -> Figures:
        return self.state.figures

    def read_at(self, repository_id: int | None) -> datetime | None:
        """Return when a repository was last read successfully; without one, when
        everything was.
        """
        if repository_id is None:
            return self.updated_at
        for repository in self.repositories:
            if repository.id == repository_id:
                return repository.read_at
        return self.updated_at


Provider = Callable[[int], TeamState]
_provider: Provider | None = None


def use(provider: Provider) -> None:
    """Register the function that decides a team's state; onboarding does it when it is
    ready.
    """
    global _provider
    _provider = provider


def of_team(team_id: int) -> TeamState:
    """Return the state of a team as it is now."""
    if _provider is None:
        raise RuntimeError(
            "No provider of team states is registered; apps.onboarding registers it."
        )
    return _provider(team_id)
