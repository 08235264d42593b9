"""Steps as Huey tasks.

@step_task(name="sync_historical_data_task", standalone=…)
def sync_historical_data_task(ctx, team_id, repo_ids=None): …

sync_historical_data_task.s(run=…, epoch=…)      the pipeline's message: runs the step of that run
sync_historical_data_task(5)                      starts a durable run of that one step, returns the Run
sync_historical_data_task.call_local(5)           the same run, inline, in this process; raises what the step raises
"""

import inspect
from collections.abc import Callable
from typing import Any

from huey import crontab
from huey.api import TaskWrapper
from huey.contrib.djhuey import HUEY, close_db, db_periodic_task

from apps.pipelines import definitions, engine, registry, runner
from apps.pipelines.context import StepContext
from apps.pipelines.exceptions import NotAllowed
from apps.pipelines.models import Run
from apps.pipelines.outcomes import Outcome

# (pipeline name or None for a run of this step alone, subject, dedupe key or None for
# the subject, params)
Standalone = tuple[str | None, str, str | None, dict[str, Any]]


class StepTask(TaskWrapper):  # type: ignore[misc]
    """A Huey task whose message names a run and an epoch.

    Its name is fixed: it does not move with the module.
    """

    def __init__(
        self,
        body: Callable[..., Outcome | None],
        name: str,
        standalone: Callable[..., Standalone] | None,
    ) -> None:
        self.body = body
        self.standalone = standalone
        self._parameters = list(inspect.signature(body).parameters.values())[1:]
        registry.register(self, name)
        super().__init__(HUEY, self._as_huey_function(), context=True, name=name)

    def _as_huey_function(self) -> Callable[..., None]:
        def message(
            *args: Any, task: Any, run: str | None = None, epoch: int = 0, **kwargs: Any
        ) -> None:
            if run is None:
                self(*args, **kwargs)
            # Huey would send the next step's message after every task that returns.
            elif not runner.execute(self.name, self.run_body, run, epoch):
                # End the chain this way, because raising CancelExecution would log a
                # warning and run error handlers.
                task.on_complete = None

        # A fixed module, because Huey builds the class name of a task from it, and
        # messages in the queue must survive a move of the code.
        message.__module__, message.__doc__ = "steps", self.body.__doc__
        wrapped: Callable[..., None] = close_db(message)
        return wrapped

    def route(self, queue: str) -> None:
        """Send this task's messages to a queue; the definition calls it."""
        current = getattr(self.task_class, "queue", None)
        if current not in (None, queue):
            raise ValueError(
                f"Task {self.name!r} runs on queue {current!r}; it cannot also run on {queue!r}."
            )
        self.task_class.queue = queue

    def run_body(self, context: StepContext) -> Outcome | None:
        """Run the body with those of the run's parameters that it takes."""
        wanted = {parameter.name for parameter in self._parameters}
        return self.body(
            context,
            **{key: value for key, value in context.run.params.items() if key in wanted},
        )

    def _bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        # Keyword-only parameters of the body may be given by position too.
        signature = inspect.Signature(
            [
                parameter.replace(kind=inspect.Parameter.POSITIONAL_OR_KEYWORD)
                for parameter in self._parameters
            ]
        )
        return dict(signature.bind(*args, **kwargs).arguments)

    def _start(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], *, send: bool
    ) -> tuple[Run, bool]:
        if self.standalone is None:
            raise NotAllowed(f"{self.name} runs only as a step of a pipeline.")
        pipeline, subject, dedupe_key, params = self.standalone(**self._bind(args, kwargs))
        name = pipeline or f"{definitions.ONE_STEP}{self.name}"
        return engine.start(
            name, subject=subject, dedupe_key=dedupe_key, params=params, send=send
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Run:
        """Start a run of this step alone, or join the live one."""
        return self._start(args, kwargs, send=True)[0]

    def call_local(self, *args: Any, **kwargs: Any) -> Run:
        """Run the step inline. Raises NotAllowed if such a run is active, and whatever
        the step raises.
        """
        run, created = self._start(args, kwargs, send=False)
        if not created:
            raise NotAllowed(f"A run of {self.name} is under way already: {run.pk}.")
        return runner.run_inline(
            run, {name: task.run_body for name, task in registry.tasks().items()}
        )


def step_task(
    *, name: str, standalone: Callable[..., Standalone] | None = None
) -> Callable[[Callable[..., Outcome | None]], StepTask]:
    """Make a step body, `(ctx, **params) -> Outcome | None`, a Huey task with a fixed
    name.

    `standalone` gets the body's arguments and returns which run a call without a
    pipeline belongs to.
    """
    return lambda body: StepTask(body, name, standalone)


def _every_minute(_timestamp: Any) -> bool:
    return True


@db_periodic_task(_every_minute, name="pipelines_sweep")  # type: ignore[untyped-decorator]
def sweep_backstop() -> None:
    """Sweep once, as a backstop that is visible in the queue. Each worker also sweeps
    by itself twice a second.
    """
    from apps.pipelines.worker.sweeper import sweep

    sweep()


@db_periodic_task(crontab(minute="17"), name="pipelines_compact")  # type: ignore[untyped-decorator]
def compact_events() -> None:
    """Keep the tables of events, incidents, and failed receivers small.

    Any number of workers may do it at once.
    """
    from apps.pipelines import incidents, redelivery
    from apps.pipelines.retention import compact_ended

    compact_ended()
    incidents.forget_old()
    redelivery.forget_old()
