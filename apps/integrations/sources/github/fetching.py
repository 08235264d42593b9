"""Send several requests at once, as far as the rate limiter allows it. Threads do HTTP
only. The step's own thread takes the answers as they come, and writes the rows.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

from apps.integrations.models import ApiBudget
from apps.integrations.sources.github.client import GitHubClient
from apps.integrations.sources.github.errors import BadCredentials, RateLimited, Unreachable
from apps.integrations.sources.github.rate_limiter import MOST_IN_FLIGHT, Allowance, Ticket
from apps.pipelines.exceptions import Park, Released
from apps.pipelines.worker import marks

# Seconds to wait for an answer before `check` is called again.
LOOK_UP = 0.25
# Seconds without a permit after which the wait is noted, so that the page gives the
# reason.
NOTED_AFTER = 2.0
# After these errors every further request would fail, too.
OF_ALL = (RateLimited, BadCredentials, Unreachable)

Timed = tuple[Any, Exception | None, float]


@dataclass(slots=True)
class _Flight[T]:
    """The requests that are under way, and the error after which no more may be sent."""

    flying: dict[Future[Timed], tuple[T, Ticket]] = field(default_factory=dict)
    waiting: list[T] = field(default_factory=list)
    stopped: Exception | None = None


class Fetcher:
    """Sends the requests of one client. `check` raises if the step must stop; the
    answers that are under way are handled first.

    `note_wait` is called with True when no request has been allowed for a while, and
    with False when one is.
    """

    def __init__(
        self,
        client: GitHubClient,
        allowance: Allowance,
        check: Callable[[], None],
        note_wait: Callable[[bool], None] = lambda waits: None,
    ) -> None:
        self._client, self._allowance, self._check = client, allowance, check
        self._note_wait = note_wait
        self._waits_since: float | None = None
        self._is_noted = False
        self.budget: ApiBudget | None = None
        # The first request goes alone, until it is known that the token is valid.
        self._most = 1

    def in_parallel[T, R](
        self, acquire: Callable[[], T | None], call: Callable[[T], R]
    ) -> Iterator[tuple[T, Callable[[], R]]]:
        """Yield items with their answers, in the order of arrival. `answer()` raises
        what the request raised.

        `acquire` returns the next item, or None if there is none for now; it is called
        again after each answer. The iteration ends when no request is under way either.
        An error that concerns all requests, and what `check` raises, is raised at the
        end.
        """
        flight = _Flight[T]()
        pool = ThreadPoolExecutor(int(MOST_IN_FLIGHT), thread_name_prefix="github")
        try:
            while True:
                marks.alive()
                pause = self._send(flight, pool, acquire, call)
                if not flight.flying:
                    if flight.stopped is not None:
                        self._put_off(flight.stopped)
                        raise flight.stopped
                    if not flight.waiting:
                        return
                    self._wait(pause)
                    continue
                for future in wait(flight.flying, pause, FIRST_COMPLETED).done:
                    item, ticket = flight.flying.pop(future)
                    result, error, seconds = future.result()
                    self.budget = self._allowance.release(
                        ticket, seconds, self._client.rate, error
                    )
                    if error is None:
                        self._most = int(MOST_IN_FLIGHT)
                    if isinstance(error, OF_ALL):
                        # The requests that are under way are still awaited, because
                        # their answers are paid for.
                        flight.stopped = flight.stopped or error
                    else:
                        yield item, _answer(result, error)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            for _, ticket in flight.flying.values():
                # Permits of requests without an answer are released at once, so that
                # other runs need not wait until they expire.
                self._allowance.release(ticket, 0.0)

    def _put_off(self, reason: Exception) -> None:
        """Set the time until which a limit lasts. If GitHub named none, it grows with
        each refusal.
        """
        if (
            isinstance(reason, RateLimited)
            and self.budget is not None
            and self.budget.blocked_until is not None
        ):
            reason.until = max(reason.until, self.budget.blocked_until)

    def _send[T, R](
        self,
        flight: _Flight[T],
        pool: ThreadPoolExecutor,
        acquire: Callable[[], T | None],
        call: Callable[[T], R],
    ) -> float:
        """Send what may be sent now. Return how many seconds to wait before the next
        attempt.
        """
        try:
            while flight.stopped is None and len(flight.flying) < self._most:
                self._check()
                if not flight.waiting:
                    if (item := acquire()) is None:
                        break
                    flight.waiting.append(item)
                taken = self._allowance.acquire()
                if not isinstance(taken, Ticket):
                    # Not longer than that, so that answers that arrive meanwhile are
                    # handled.
                    return min(taken, LOOK_UP)
                self._go()
                item = flight.waiting.pop()
                flight.flying[pool.submit(_timed, call, item)] = (item, taken)
        except (RateLimited, Park, Released) as reason:
            flight.stopped = reason
        return LOOK_UP

    def _wait(self, seconds: float) -> None:
        """Wait for a permit while nothing is under way, and note it if that takes a
        while.
        """
        now = time.monotonic()
        if self._waits_since is None:
            self._waits_since = now
        if not self._is_noted and now - self._waits_since >= NOTED_AFTER:
            self._is_noted = True
            self._note_wait(True)
        time.sleep(seconds)

    def _go(self) -> None:
        self._waits_since = None
        if self._is_noted:
            self._is_noted = False
            self._note_wait(False)


def _timed[T](call: Callable[[T], Any], item: T) -> Timed:
    began = time.monotonic()
    try:
        return call(item), None, time.monotonic() - began
    except Exception as error:
        return None, error, time.monotonic() - began


def _answer(result: Any, error: Exception | None) -> Callable[[], Any]:
    def answer() -> Any:
        if error is not None:
            raise error
        return result

    return answer
