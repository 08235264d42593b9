"""What a step raises to end in a certain way, and what the engine raises.

Messages are shown to users as they are.
"""

from datetime import datetime
from typing import Self

from apps.pipelines.remedy import Remedy, cause_of


class PipelineError(Exception):
    """Base of all errors of the engine.

    `cause` and `remedy`: see `apps.pipelines.remedy`.
    """

    cause = "failed"
    remedy = Remedy.RETRY

    def __init__(
        self, message: str = "", *, cause: str = "", remedy: Remedy | None = None
    ) -> None:
        super().__init__(message)
        if cause:
            self.cause = cause
        if remedy is not None:
            self.remedy = remedy

    @classmethod
    def of(cls, error: Exception) -> Self:
        """Return an error of this class with the message, the cause, and the remedy of
        another one.
        """
        cause, remedy = cause_of(error)
        return cls(str(error), cause=cause, remedy=remedy)


class Retryable(PipelineError):
    """The step failed, but may succeed later: it is parked for its back-off and
    retried.
    """


class Permanent(PipelineError):
    """The step failed and would fail again until a person changes something: no retry."""


class Park(PipelineError):
    """The step has to wait: it goes on at `until` (aware).

    That spends no retry, and the worker is free meanwhile.
    """

    def __init__(
        self, until: datetime, reason: str, *, cause: str = "", remedy: Remedy = Remedy.WAIT
    ) -> None:
        super().__init__(reason, cause=cause or "waiting", remedy=remedy)
        self.until = until
        self.reason = reason


class NotAllowed(PipelineError):
    """The run is in a state in which this is not possible; the message has the reason."""


class UnknownPipeline(PipelineError):
    """No pipeline of this name is registered."""


class AttemptOver(PipelineError):
    """This attempt must stop without recording anything, because another process
    decides how the step goes on.

    Never catch it in a step.
    """


class Superseded(AttemptOver):
    """The step was cancelled, or another worker took it over: nothing of this attempt
    can be committed any more.
    """


class Released(AttemptOver):
    """The worker is needed for something else: the step is released and spends no
    retry.

    If `message` is not empty, it is shown until the step goes on.
    """

    def __init__(self, reason: str, message: str = "") -> None:
        super().__init__(reason)
        self.message = message
