"""Limit how fast GitHub is asked, for each credential, across all workers through the
database.

GitHub counts points in an hour and seconds of its own work in a minute, and may ban a
client that goes on while it is limited. Every request of a sync therefore first
acquires a permit, and releases it with the time that the answer took:

- after a limit, no worker sends a request until the time that GitHub named;
- the answers of any 60 s together take at most 50 s;
- at most four requests are under way at once; an overload halves that number, and each
  good answer adds half a request;
- of several runs that wait, the one with the smaller share of the last minute is first.
"""

import uuid
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from django.db import transaction

from apps.integrations.models import ApiBudget
from apps.integrations.sources.github.errors import Overloaded, RateLimited
from apps.integrations.sources.github.limits import LONGEST_WAIT, MARGIN, Rate
from apps.pipelines import clock

WINDOW = 60.0
# GitHub's limit is 60; the rest is a margin.
SECONDS_A_WINDOW = 50.0
MOST_IN_FLIGHT = 4.0
# A permit that was not released by then belonged to a process that died, because no
# request takes longer.
TICKET_SECONDS = 75.0
# A run that has not asked again for so long no longer counts as waiting.
WAITING_SECONDS = 2.0
SHORTEST_WAIT, MAX_WAIT = 0.05, 1.0
# After so many refusals in a row the pauses stop growing.
MOST_REFUSALS = 16


@dataclass(slots=True)
class Pace:
    """The last minute of one credential. Times are seconds since the epoch. The methods
    are pure: the clock is an argument.

    `spent` has (end, seconds, owner) of each answer. `flying` has the owner and the
    start of each request that is under way, by permit. `waiting` has the last time that
    an owner was refused. `at_once` is how many requests may be under way, and `usual`
    is the running mean of seconds an answer.
    """

    spent: list[tuple[float, float, str]] = field(default_factory=list)
    flying: dict[str, tuple[str, float]] = field(default_factory=dict)
    waiting: dict[str, float] = field(default_factory=dict)
    at_once: float = MOST_IN_FLIGHT
    usual: float = 0.5
    refusals: int = 0

    def forget(self, now: float) -> None:
        self.spent = [entry for entry in self.spent if entry[0] > now - WINDOW]
        self.flying = {
            key: value for key, value in self.flying.items() if value[1] > now - TICKET_SECONDS
        }
        self.waiting = {
            owner: at for owner, at in self.waiting.items() if at > now - WAITING_SECONDS
        }

    def abandon(self, owner: str, now: float) -> None:
        """Charge an owner that starts again for the requests that were lost with its
        last attempt.

        How long GitHub worked on them is unknown. They are charged the usual time of a
        request and not the time since then, which may include an outage of the
        database.
        """
        for ticket, (who, start) in list(self.flying.items()):
            if who == owner:
                del self.flying[ticket]
                seconds = min(now - start, self.usual)
                self.spent.append((start + seconds, seconds, owner))

    def had(self, owner: str, now: float) -> float:
        """Return the seconds of the last minute that an owner's requests have taken."""
        flown = sum(now - start for who, start in self.flying.values() if who == owner)
        return flown + sum(seconds for _, seconds, who in self.spent if who == owner)

    def acquire(self, ticket: str, owner: str, now: float) -> float:
        """Return 0 if the request may be sent, and note the permit; otherwise return
        the seconds after which to ask again.
        """
        self.forget(now)
        wait = self._wait(now) or self._courtesy(owner, now)
        if wait:
            self.waiting[owner] = now
            return wait
        self.waiting.pop(owner, None)
        self.flying[ticket] = (owner, now)
        return 0.0

    def _wait(self, now: float) -> float:
        if len(self.flying) >= int(self.at_once):
            return SHORTEST_WAIT
        # Requests under way count with the time so far, and at least with the usual
        # time of a request.
        flown = sum(max(now - start, self.usual) for _, start in self.flying.values())
        over = (
            flown + self.usual + sum(seconds for _, seconds, _ in self.spent) - SECONDS_A_WINDOW
        )
        # A single answer may take longer than the whole limit, so one request is always
        # allowed.
        if over <= 0 or not (self.spent or self.flying):
            return 0.0
        # Wait until enough of the oldest answers have left the window.
        for ended, seconds, _ in sorted(self.spent):
            over -= seconds
            if over <= 0:
                return min(MAX_WAIT, max(SHORTEST_WAIT, ended + WINDOW - now))
        return SHORTEST_WAIT

    def _courtesy(self, owner: str, now: float) -> float:
        others = [who for who in self.waiting if who != owner]
        mine = self.had(owner, now)
        # A run that has had less of the last minute is waiting, so it goes first.
        return SHORTEST_WAIT if any(self.had(who, now) < mine for who in others) else 0.0

    def release(self, ticket: str, seconds: float, now: float) -> None:
        owner, _ = self.flying.pop(ticket, ("", now))
        self.spent.append((now, seconds, owner))
        # A running mean, in which recent answers have more weight.
        self.usual = 0.8 * self.usual + 0.2 * seconds

    def on_success(self) -> None:
        self.at_once, self.refusals = min(MOST_IN_FLIGHT, self.at_once + 0.5), 0

    def on_overload(self) -> None:
        self.at_once = max(1.0, self.at_once / 2)


@dataclass(frozen=True, slots=True)
class Ticket:
    key: str


class Allowance(Protocol):
    """The interface of a rate limiter."""

    def acquire(self) -> Ticket | float:
        """Return a permit for one request, or the seconds after which to ask again.

        Raises RateLimited.
        """

    def release(
        self,
        ticket: Ticket,
        seconds: float,
        rate: Rate | None = None,
        error: Exception | None = None,
    ) -> ApiBudget | None:
        """Record how long a request took and how it ended. Returns the budget after it,
        if there is one.
        """


class Unbounded:
    """No limit: for the sample organization, which the installation itself serves."""

    def acquire(self) -> Ticket | float:
        return Ticket("")

    def release(
        self,
        ticket: Ticket,
        seconds: float,
        rate: Rate | None = None,
        error: Exception | None = None,
    ) -> ApiBudget | None:
        return None


class RateLimiter:
    """One attempt's access to the rate limiter of one credential. Each method opens a
    short transaction.

    `owner` is the run, because only its newest attempt is active.
    """

    def __init__(self, key: str, owner: str) -> None:
        self._key, self._owner = key, owner
        self._begun = False

    def acquire(self) -> Ticket | float:
        with transaction.atomic():
            budget = self._budget()
            now, pace = clock.now(), _pace(budget)
            # A new attempt of the run: requests of the former one can have no answer
            # any more.
            if not self._begun:
                pace.abandon(self._owner, now.timestamp())
            if until := _closed_until(budget, now):
                raise RateLimited(until, secondary=budget.secondary)
            ticket = uuid.uuid4().hex[:12]
            wait = pace.acquire(ticket, self._owner, now.timestamp())
            self._save(budget, pace)
        self._begun = True
        return wait or Ticket(ticket)

    def release(
        self,
        ticket: Ticket,
        seconds: float,
        rate: Rate | None = None,
        error: Exception | None = None,
    ) -> ApiBudget:
        with transaction.atomic():
            budget = self._budget()
            now, pace = clock.now(), _pace(budget)
            pace.release(ticket.key, seconds, now.timestamp())
            if rate is not None:
                _note_rate(budget, rate)
            if isinstance(error, RateLimited):
                self._close(budget, pace, error, now)
            # Other errors change nothing, because they show nothing about GitHub's
            # load.
            elif isinstance(error, Overloaded):
                pace.on_overload()
            elif error is None:
                pace.on_success()
            self._save(budget, pace)
        return budget

    def _close(self, budget: ApiBudget, pace: Pace, limit: RateLimited, now: datetime) -> None:
        until = limit.until
        if limit.secondary and not limit.is_stated:
            # GitHub asks clients to wait longer each time if it names no time itself.
            until = now + min(LONGEST_WAIT, (limit.until - now) * 2**pace.refusals)
        # GitHub may name a limit that is already over, and refuse the next request
        # again. The pause must then grow, so that requests do not repeat without end.
        until = max(until, now + min(LONGEST_WAIT, MARGIN * 2**pace.refusals))
        pace.refusals = min(pace.refusals + 1, MOST_REFUSALS)
        if limit.secondary:
            pace.on_overload()
        else:
            # No points are left, whatever earlier answers contained.
            budget.points_left, budget.resets_at = 0, until
        if budget.blocked_until is None or until > budget.blocked_until:
            budget.blocked_until, budget.secondary = until, limit.secondary

    def _budget(self) -> ApiBudget:
        budget = ApiBudget.objects.select_for_update().filter(pk=self._key).first()
        if budget is None:
            ApiBudget.objects.get_or_create(pk=self._key)
            budget = ApiBudget.objects.select_for_update().get(pk=self._key)
        return budget

    @staticmethod
    def _save(budget: ApiBudget, pace: Pace) -> None:
        budget.pace = asdict(pace)
        budget.save()


def _pace(budget: ApiBudget) -> Pace:
    raw = dict(budget.pace)
    raw["spent"] = [tuple(entry) for entry in raw.get("spent", ())]
    raw["flying"] = {key: tuple(value) for key, value in raw.get("flying", {}).items()}
    return Pace(**raw)


def _closed_until(budget: ApiBudget, now: datetime) -> datetime | None:
    if budget.blocked_until and budget.blocked_until > now:
        return budget.blocked_until
    if budget.points_left == 0 and budget.resets_at and budget.resets_at > now:
        # It is the hourly limit that is used up.
        budget.secondary = False
        return budget.resets_at
    return None


def _note_rate(budget: ApiBudget, rate: Rate) -> None:
    """Store the newest number of points. Answers may overtake each other, so within an
    hour only a lower number counts.
    """
    new_hour = budget.resets_at is None or abs(rate.resets_at - budget.resets_at) > timedelta(
        seconds=5
    )
    if new_hour or budget.points_left is None or rate.remaining < budget.points_left:
        budget.points, budget.points_left, budget.resets_at = (
            rate.limit,
            rate.remaining,
            rate.resets_at,
        )
