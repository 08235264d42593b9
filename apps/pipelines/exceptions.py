"""What a step raises to say how it ended, and what the engine raises.

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
        """Return an error of this class with the words, the cause, and the remedy of
        another one.
        """
        cause, remedy = cause_of(error)
        return cls(str(error), cause=cause, remedy=remedy)


class Retryable(PipelineError):
    """It failed, and the same may pass later: the step is parked for its back-off and
    tried again.
    """


class Permanent(PipelineError):
    """It failed, and will until somebody changes something: the step fails at once."""


class Park(PipelineError):
    """Not now: go on at `until` (aware).

    Spends no retry; the worker is free meanwhile.
    """

    def __init__(
        self, until: datetime, reason: str, *, cause: str = "", remedy: Remedy = Remedy.WAIT
    ) -> None:
        super().__init__(reason, cause=cause or "waiting", remedy=remedy)
        self.until = until
        self.reason = reason


class NotAllowed(PipelineError):
    """The run is in a state in which this can't be done; the message says why."""


class UnknownPipeline(PipelineError):
    """No pipeline of this name is registered."""


class AttemptOver(PipelineError):
    """This attempt must stop without recording anything; somebody else decides on.

    Never catch it in a step.
    """


class Superseded(AttemptOver):
    """The step was cancelled, or another worker took it over: nothing of this attempt
    can be committed any more.
    """


class Released(AttemptOver):
    """The worker is wanted for something else: the step is given back and spends no
    retry. `message`, where there is one, is shown until it goes on.
    """

    def __init__(self, reason: str, message: str = "") -> None:
        super().__init__(reason)
        self.message = message
