"""The pace of one credential:

GitHub's limits are kept, whoever asks, and shared fairly.
"""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from apps.integrations.models import ApiBudget
from apps.integrations.sources.github.errors import Overloaded, RateLimited
from apps.integrations.sources.github.limits import Rate
from apps.integrations.sources.github.rate_limiter import (
    MOST_IN_FLIGHT,
    SECONDS_A_WINDOW,
    WINDOW,
    Pace,
    RateLimiter,
    Ticket,
)


class Simulation:
    """Requests on a made-up clock: each owner sends as soon as it may, each answer
    takes as long as it is told.
    """

    def __init__(self, owners):
        self.pace, self.now, self.owners = Pace(), 1_000_000.0, owners
        self.flying, self.answers, self.most = [], [], 0
        self.asks_again = dict.fromkeys(owners, self.now)
        self.count = 0

    def run(self, durations):
        queue = list(durations)
        while queue or self.flying:
            for owner in self.owners:
                while queue and self.asks_again[owner] <= self.now:
                    self.count += 1
                    ticket = f"t{self.count}"
                    wait = self.pace.acquire(ticket, owner, self.now)
                    if wait:
                        self.asks_again[owner] = self.now + min(wait, 0.25)
                        break
                    self.flying.append((self.now + queue[0], queue.pop(0), ticket, owner))
            self.most = max(self.most, len(self.flying))
            times = [end for end, *_ in self.flying] + [
                at for at in self.asks_again.values() if at > self.now and queue
            ]
            self.now = min(times)
            for answer in sorted(self.flying):
                if answer[0] <= self.now:
                    self.flying.remove(answer)
                    self.pace.release(answer[2], answer[1], self.now)
                    self.pace.on_success()
                    self.answers.append(answer)

    def worst_window(self):
        ends = sorted((end, seconds) for end, seconds, *_ in self.answers)
        return max(sum(s for e, s in ends if end - WINDOW < e <= end) for end, _ in ends)


@hypothesis_settings(deadline=None)  # a busy machine takes its time
@given(st.lists(st.floats(0.1, 3.0), min_size=30, max_size=200))
def test_no_minute_takes_more_seconds_than_allowed(durations):
    simulation = Simulation(["a"])
    simulation.run(durations)
    assert len(simulation.answers) == len(durations)
    assert simulation.most <= MOST_IN_FLIGHT
    # What is under way may last longer than expected; GitHub's own limit is ten seconds
    # further.
    assert simulation.worst_window() <= SECONDS_A_WINDOW + 10


def test_the_allowance_is_used():
    simulation = Simulation(["a"])
    simulation.run([0.65] * 231)
    took = simulation.now - 1_000_000.0
    assert took < sum([0.65] * 231) / SECONDS_A_WINDOW * WINDOW * 1.05


def test_two_runs_share_it_fairly():
    simulation = Simulation(["a", "b"])
    simulation.run([0.65] * 400)
    had = {
        owner: sum(s for _, s, _, who in simulation.answers if who == owner)
        for owner in ("a", "b")
    }
    assert 0.8 < had["a"] / had["b"] < 1.25


def test_who_comes_later_is_served_at_once():
    pace, now = Pace(), 1_000.0
    for _ in range(60):
        pace.spent.append((now - 30, 0.8, "greedy"))
    assert pace.acquire("1", "greedy", now) == 0.0
    pace.release("1", 0.8, now)
    pace.waiting["modest"] = now
    assert pace.acquire("2", "greedy", now) > 0
    assert pace.acquire("3", "modest", now) == 0.0


def test_an_overload_halves_what_is_under_way_and_good_answers_give_it_back():
    pace = Pace()
    pace.on_overload()
    assert pace.at_once == MOST_IN_FLIGHT / 2
    pace.on_overload()
    pace.on_overload()
    assert pace.at_once == 1
    for _ in range(10):
        pace.on_success()
    assert pace.at_once == MOST_IN_FLIGHT


def test_a_ticket_that_nobody_gives_back_does_not_count_for_ever():
    pace = Pace()
    for number in range(int(MOST_IN_FLIGHT)):
        assert pace.acquire(f"dead {number}", "killed", 0.0) == 0.0
    assert pace.acquire("next", "alive", 10.0) > 0
    assert pace.acquire("next", "alive", 80.0) == 0.0


@pytest.mark.django_db
class TestSharedState:
    def test_a_limit_stops_every_worker_of_the_credential_and_no_other(self):
        until = timezone.now() + timedelta(minutes=12)
        first, second, other = (
            RateLimiter("k", "a"),
            RateLimiter("k", "b"),
            RateLimiter("another", "a"),
        )
        ticket = first.acquire()
        assert isinstance(ticket, Ticket)
        first.release(ticket, 0.2, error=RateLimited(until, secondary=True))
        with pytest.raises(RateLimited) as raised:
            second.acquire()
        assert (raised.value.until, raised.value.secondary) == (until, True)
        assert isinstance(other.acquire(), Ticket)

    def test_points_that_are_used_up_stop_before_github_has_to(self):
        limiter, reset = RateLimiter("k", "a"), timezone.now() + timedelta(minutes=30)
        budget = limiter.release(
            limiter.acquire(), 0.2, Rate(limit=5000, remaining=0, resets_at=reset)
        )
        assert (budget.points, budget.points_left) == (5000, 0)
        with pytest.raises(RateLimited) as raised:
            limiter.acquire()
        assert (raised.value.until, raised.value.secondary) == (reset, False)

    def test_a_new_attempt_does_not_wait_for_what_died_with_the_last(self):
        killed = RateLimiter("k", "a")
        assert all(isinstance(killed.acquire(), Ticket) for _ in range(int(MOST_IN_FLIGHT)))
        assert not isinstance(killed.acquire(), Ticket)
        assert isinstance(RateLimiter("k", "a").acquire(), Ticket)

    def test_answers_that_overtake_each_other_do_not_give_points_back(self):
        limiter, reset = RateLimiter("k", "a"), timezone.now() + timedelta(minutes=30)
        limiter.release(
            limiter.acquire(), 0.2, Rate(limit=5000, remaining=4000, resets_at=reset)
        )
        budget = limiter.release(
            limiter.acquire(), 0.2, Rate(limit=5000, remaining=4001, resets_at=reset)
        )
        assert budget.points_left == 4000
        later = reset + timedelta(hours=1)
        budget = limiter.release(
            limiter.acquire(), 0.2, Rate(limit=5000, remaining=4999, resets_at=later)
        )
        assert budget.points_left == 4999

    def test_a_limit_without_a_time_is_waited_for_longer_each_time(self):
        limiter = RateLimiter("k", "a")
        waits = []
        for _ in range(3):
            ApiBudget.objects.update(blocked_until=None)
            now = timezone.now()
            limit = RateLimited(now + timedelta(seconds=60), secondary=True, is_stated=False)
            waits.append(
                (
                    limiter.release(limiter.acquire(), 0.1, error=limit).blocked_until - now
                ).total_seconds()
            )
        assert [round(wait, -1) for wait in waits] == [60, 120, 240]

    @pytest.mark.parametrize("secondary", [True, False])
    def test_limit_that_is_over_at_once_is_waited_for_longer_each_time(self, secondary):
        limiter = RateLimiter("k", "a")
        waits = []
        for _ in range(20):
            ApiBudget.objects.update(blocked_until=None, resets_at=None)
            now = timezone.now()
            limit = RateLimited(now + timedelta(seconds=1), secondary=secondary)
            waits.append(
                (
                    limiter.release(limiter.acquire(), 0.1, error=limit).blocked_until - now
                ).total_seconds()
            )
        assert [round(wait) for wait in waits[:5]] == [1, 2, 4, 8, 16]
        assert round(waits[-1]) == 7200

    def test_a_good_answer_makes_the_next_wait_short_again(self):
        limiter = RateLimiter("k", "a")
        limit = RateLimited(
            timezone.now() + timedelta(seconds=60), secondary=True, is_stated=False
        )
        limiter.release(limiter.acquire(), 0.1, error=limit)
        ApiBudget.objects.update(blocked_until=None)
        limiter.release(limiter.acquire(), 0.1)
        assert Pace(**ApiBudget.objects.get(pk="k").pace).refusals == 0
        limiter.release(limiter.acquire(), 0.1, error=Overloaded("HTTP 502"))
        assert Pace(**ApiBudget.objects.get(pk="k").pace).at_once == 1.25


@pytest.mark.django_db(transaction=True)
def test_threads_together_take_no_more_than_may_be_under_way():
    taken, start = [], threading.Barrier(8)

    def ask(owner):
        start.wait()
        taken.append(RateLimiter("k", owner).acquire())
        connection.close()

    threads = [threading.Thread(target=ask, args=(f"run {number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(isinstance(each, Ticket) for each in taken) == MOST_IN_FLIGHT


def test_requests_that_died_in_an_outage_are_charged_what_one_usually_takes():
    pace, now = Pace(usual=0.8), 1_000.0
    tickets = [f"t{number}" for number in range(4)]
    assert [pace.acquire(ticket, "run", now) for ticket in tickets] == [0.0] * 4
    # The database was away for 9 s, and the step waited for its back-off.
    now += 12.0
    pace.abandon("run", now)
    assert pace.had("run", now) == pytest.approx(4 * 0.8)
    assert pace.acquire("again", "run", now) == 0.0


def test_requests_that_died_early_are_charged_their_time():
    pace = Pace(usual=0.8)
    pace.acquire("t", "run", 1_000.0)
    pace.abandon("run", 1_000.3)
    assert pace.spent == [(1_000.3, pytest.approx(0.3), "run")]
