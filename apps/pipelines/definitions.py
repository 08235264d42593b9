"""The definition of a pipeline: a tuple of frozen steps.

Rows, titles, order, totals, and progress all derive from it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from apps.pipelines.exceptions import UnknownPipeline

if TYPE_CHECKING:
    from apps.pipelines.models import Run, StepRun
    from apps.pipelines.registry import StepTask

# Called in a retry's transaction for the step that the retry starts from, with the
# names that the user selected.
PrepareRetry = Callable[["Run", "StepRun", Sequence[str] | None], None]

ONE_STEP = "only:"


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `weight` is its share of the run's time, `backoff` the seconds before
    the first retry (doubled each time), `deadline` the seconds that one attempt may
    take, `unit_limit` the seconds between two signs of progress after which the process
    is ended from outside (None: the setting).
    """

    key: str
    title: str
    task: "StepTask"
    queue: str
    weight: int = 1
    retries: int = 3
    backoff: float = 5.0
    deadline: float = 3600.0
    unit_limit: float | None = None
    prepare_retry: PrepareRetry | None = None


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A named, ordered tuple of steps.

    Bump `version` when steps are added, removed or reordered.
    """

    name: str
    title: str
    steps: tuple[Step, ...]
    version: int = 1

    def __post_init__(self) -> None:
        if not self.steps:
            raise ValueError(f"Pipeline {self.name!r} has no steps.")
        for field in ("key", "task"):
            values = [getattr(step, field) for step in self.steps]
            if len(set(values)) != len(values):
                raise ValueError(f"Pipeline {self.name!r} names one {field} twice.")

    def register(self) -> "Pipeline":
        """Make the pipeline known in this process and send each step's task to the
        step's queue.
        """
        if self.name in _pipelines and _pipelines[self.name] is not self:
            raise ValueError(f"There is a pipeline {self.name!r} already.")
        for step in self.steps:
            step.task.route(step.queue)
        _pipelines[self.name] = self
        return self

    def step(self, key: str) -> Step | None:
        return next((step for step in self.steps if step.key == key), None)


_pipelines: dict[str, Pipeline] = {}


def get(name: str) -> Pipeline:
    """Return the registered pipeline with this name.

    The name `only:<task name>` returns a pipeline with one step, which runs that task.
    """
    if name in _pipelines:
        return _pipelines[name]
    if name.startswith(ONE_STEP):
        for pipeline in list(_pipelines.values()):
            for step in pipeline.steps:
                if step.task.name == name.removeprefix(ONE_STEP):
                    return Pipeline(name, step.title, (replace(step),), pipeline.version)
    raise UnknownPipeline(f"There is no pipeline named {name!r}.")
