"""A filter for log handlers that adds the step in which a record was written: `run`,
`step`, and `attempt`.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Optional

if TYPE_CHECKING:  # logging is set up before there are models
    from apps.pipelines.models import StepRun

FIELDS = ("run", "step", "attempt")
_current: ContextVar[Optional["StepRun"]] = ContextVar("pipelines_step", default=None)


@contextmanager
def written_in(step: "StepRun") -> Iterator[None]:
    """Mark the log records of this thread within the block with the step."""
    token = _current.set(step)
    try:
        yield
    finally:
        _current.reset(token)


class StepFilter(logging.Filter):
    """Lets every record pass; those written in a step get the fields."""

    def filter(self, record: logging.LogRecord) -> bool:
        if step := _current.get():
            record.run, record.step, record.attempt = str(step.run_id), step.key, step.attempt
        return True
