"""The tasks of steps that this process has, by their names.

`apps.pipelines.tasks` registers each task here when its module is imported. The code
that sends a step therefore needs no import of the code that runs it.

    registry.get("sync_historical_data_task")      # the task; KeyError if this release has none
"""

from typing import Any, Protocol


class StepTask(Protocol):
    """A Huey task that runs one step."""

    name: str

    def route(self, queue: str) -> None:
        """Send this task's messages to a queue."""

    def run_body(self, context: Any) -> Any:
        """Run the step's body with those of the run's parameters that it takes."""

    def s(self, *args: Any, **kwargs: Any) -> Any:
        """Return a message for this task."""


_tasks: dict[str, StepTask] = {}


def register(task: StepTask, name: str) -> None:
    """Make a task known in this process."""
    _tasks[name] = task


def get(name: str) -> StepTask:
    """Return the task of that name. Raises KeyError if this process has none."""
    return _tasks[name]


def tasks() -> dict[str, StepTask]:
    """Return all tasks of this process by their names."""
    return dict(_tasks)


def is_known(name: str) -> bool:
    """Return whether this process has a task of that name."""
    return name in _tasks
