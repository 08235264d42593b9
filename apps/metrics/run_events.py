"""Define the events of a run that are about the product. Each kind is a class, which
producers emit and pages read.

    run_events.emit(ctx, "acme/api", RepositoryEvent(id=7, sync_status="syncing", found=120))
    RepositoryEvent.all_in(projection)      # {"acme/api": RepositoryEvent(id=7, …)}

An event has the whole current state of one item, so only the newest one of each kind
and key counts. Fields have defaults, because a run may have events of an earlier
version.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar, Self

from apps.pipelines.context import StepContext
from apps.pipelines.events import Entry
from apps.pipelines.projection import Projection


@dataclass(frozen=True, slots=True)
class RunEvent:
    """The base of all kinds. A subclass is a frozen dataclass."""

    kind: ClassVar[str]

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """Return the event that was stored as `data`; fields that it does not have are
        ignored.
        """
        names = {each.name for each in fields(cls)}
        return cls(**{name: value for name, value in data.items() if name in names})

    @classmethod
    def all_in(cls, projection: Projection) -> dict[str, Self]:
        """Return the newest events of this kind by key."""
        items = projection.items.get(cls.kind, {})
        return {key: cls.from_data(data) for key, data in items.items()}

    @property
    def data(self) -> dict[str, Any]:
        """Return what is stored."""
        return asdict(self)

    def entry(self, key: str) -> Entry:
        """Return the event's row, for a run that no step is writing."""
        return Entry(self.kind, key, data=self.data)


@dataclass(frozen=True, slots=True)
class RepositoryEvent(RunEvent):
    """A tracked repository, by its name.

    Attributes:
        found: pull requests in the list so far, while `total` is not known.
        done: pull requests that were read whole, of `total`.
        seconds: how long it has been read.
    """

    kind = "repository"

    id: int
    sync_status: str = "pending"
    last_sync_error: str = ""
    cause: str = ""
    remedy: str = ""
    phase: str = ""
    found: int = 0
    done: int = 0
    total: int | None = None
    seconds: float = 0


@dataclass(frozen=True, slots=True)
class WeeksEvent(RunEvent):
    """The first charts, under the key "team".

    Attributes:
        weeks: for each week its Monday ("week", ISO 8601), "merged", and hours to merge
            ("median", "p75").
        so_far: whether the last week is not over.
        whole_from: the first week, as ISO 8601, that is whole: earlier ones still grow.
            None if all are.
        counted: pull requests that the charts are about.
    """

    kind = "weeks"

    weeks: list[dict[str, Any]] = field(default_factory=list)
    so_far: bool = False
    whole_from: str | None = None
    preliminary: bool = False
    counted: int | None = None


@dataclass(frozen=True, slots=True)
class InsightEvent(RunEvent):
    """One of the strongest insights, under "first", "second", or "third".

    Attributes:
        of: how many insights there are from this one on.
        evidence: the first pull requests of its evidence, each with "number", "title",
            and "repository".
    """

    kind = "insight"

    title: str
    body: str = ""
    of: int = 1
    evidence: list[dict[str, Any]] = field(default_factory=list)
    preliminary: bool = False


@dataclass(frozen=True, slots=True)
class BudgetEvent(RunEvent):
    """The source's rate limit, under one key; its unit is the point, its time is ISO
    8601.
    """

    kind = "budget"

    points: int | None = None
    points_left: int | None = None
    resets_at: str | None = None


@dataclass(frozen=True, slots=True)
class SummariesEvent(RunEvent):
    """The model's latest summaries, under "last": "number", "title", "repository", and
    "summary" of each.
    """

    kind = "summaries"

    rows: list[dict[str, Any]] = field(default_factory=list)


def emit(ctx: StepContext, key: str, event: RunEvent) -> None:
    """Show the event on the run's page, with the step's next write."""
    ctx.emit(kind=event.kind, key=key, data=event.data)


def clear(ctx: StepContext, key: str, kind: type[RunEvent]) -> None:
    """Take an item off the run's page, with the step's next write."""
    ctx.emit(kind=kind.kind, key=key, data={})
