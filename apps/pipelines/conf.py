"""The engine's settings, from `settings.PIPELINES`."""

from dataclasses import dataclass
from functools import cache

from django.conf import settings


@dataclass(frozen=True, slots=True)
class Config:
    """The settings of the engine. All times are in seconds.

    lease: how long a step stays with a worker that no longer renews it. progress_every:
    the least time between two progress writes of a run. missing_message_after: the age
    at which a ready step in an empty queue counts as lost. redispatch_after: the age at
    which it is sent again although the queue is not empty, doubled each time up to
    redispatch_cap. look_every: how often a worker checks whether its attempts are still
    valid. turn: how long a step may go on while another run waits for its queue.
    hung_after: how long past its deadline, or past its end, an attempt counts as hung.
    unit_limit: how long a step may take between two signs of progress before its
    process is ended from outside (a step's definition may give another limit); 0 turns
    the supervisor off. silence: how long one call may keep all other threads of its
    process from running. hangs (a count): how often the same thing may hang before it
    is skipped. most_hangs (a count): how often a step may hang in all. hang_pause: how
    long a step waits after it hung, times the number of its hangs. receiver_backoff:
    the pause after a receiver's first failure, doubled each time up to
    receiver_backoff_cap. receiver_told_after (a count): the number of failures after
    which the operators get an email. receiver_patience: how long a receiver is retried
    automatically.
    """

    lease: float = 15.0
    progress_every: float = 0.25
    sweep_every: float = 0.5
    missing_message_after: float = 1.0
    redispatch_after: float = 20.0
    redispatch_cap: float = 300.0
    backoff_cap: float = 300.0
    look_every: float = 0.5
    turn: float = 10.0
    hung_after: float = 5.0
    unit_limit: float = 120.0
    silence: float = 10.0
    hangs: float = 2
    most_hangs: float = 50
    hang_pause: float = 2.0
    receiver_backoff: float = 5.0
    receiver_backoff_cap: float = 900.0
    receiver_told_after: float = 6
    receiver_patience: float = 86_400.0


def config() -> Config:
    return _config(tuple(getattr(settings, "PIPELINES", {}).items()))


@cache
def _config(given: tuple[tuple[str, float], ...]) -> Config:
    return Config(**dict(given))
