"""Starts the runs, does what hurts them, and clicks twice, by one seeded chance."""

import contextlib
import threading
import time
from collections import Counter
from itertools import pairwise

from django.db import InterfaceError, OperationalError, close_old_connections, connection
from django.db.models import Q
from huey.contrib.djhuey import HUEY

from apps.pipelines import engine
from apps.pipelines.exceptions import NotAllowed
from apps.pipelines.models import Event, Run, RunState, StepState
from tests.pipelines.lab.tasks import LAB

AWAY = (OperationalError, InterfaceError)
# How often each fault comes, relative to the others.
FAULTS = {
    "kill one": 6,
    "kill a child": 3,
    "kill all": 1,
    "freeze": 6,
    "flush": 3,
    "restart queue": 1,
    "restart database": 1,
    "duplicate": 8,
    "old snapshot": 1,
}
PAUSE = (0.1, 0.5)
# Between two faults something has to happen, or a busy machine would see nothing but
# workers that start and die.
EVENTS_BETWEEN, PATIENCE = 10, 5.0


class Driver:
    """One pass: `start` some runs, `hurt` now and then, `mend` what waits for it, until
    all have ended.
    """

    def __init__(self, plans, crew, chance, lease, faults, redis=None, postgres=None):
        self.plans, self.crew, self.chance, self.lease = plans, crew, chance, lease
        self.faults = {name: FAULTS[name] for name in faults}
        self.redis, self.postgres = redis, postgres
        self.done = Counter()
        self._todo = list(plans)
        self._start_until, self._trying = float("inf"), None
        self._hurt_at, self._events, self._pause = time.monotonic(), 0, 0.0

    def go(self, seconds, start_for=None):
        """Drive all runs to their end, and return those that have not ended after
        `seconds`.

        With `start_for`, plans that have not been started after so many seconds are
        dropped.
        """
        until = time.monotonic() + seconds
        if start_for:
            self._start_until = time.monotonic() + start_for
        while time.monotonic() < until:
            with contextlib.suppress(*AWAY):
                self.crew.tend()
                self._start_some()
                self._mend()
                open_plans = self._open()
                if not self._todo and not open_plans:
                    return []
                if self._is_time_for_a_fault(open_plans):
                    self.hurt()
                    self._hurt_at, self._events = time.monotonic(), Event.objects.count()
                    self._pause = self.chance.uniform(*PAUSE)
            time.sleep(0.03)
        return self._open()

    def _is_time_for_a_fault(self, open_plans):
        if not self._todo and len(open_plans) <= max(2, len(self.plans) // 20):
            return False  # the last few end in peace, or a short pass would be nothing but waiting for leases
        passed = time.monotonic() - self._hurt_at
        moved = Event.objects.count() - self._events
        return passed >= self._pause and (moved >= EVENTS_BETWEEN or passed >= PATIENCE)

    def _start_some(self):
        while self._todo and len(self._open()) < 12:
            plan = self._todo[0]
            # A start that failed is tried again even then: its run may exist.
            if time.monotonic() > self._start_until and plan is not self._trying:
                self._todo.clear()
                self.plans[:] = [started for started in self.plans if started.run]
                return
            self._trying = plan
            twice(
                lambda plan=plan: engine.start("lab", subject=plan.subject, params=plan.params)
            )
            runs = list(Run.objects.filter(subject=plan.subject).order_by("created_at"))
            if not runs:
                return  # the database went away; again
            # A click that comes after the end starts another one, rightly.
            if any(
                first.is_live or first.finished_at > second.created_at
                for first, second in pairwise(runs)
            ):
                plan.problems.append(f"two clicks on start made {len(runs)} runs at once")
            plan.run = runs[-1].pk
            self._todo.pop(0)
            self.done["start twice"] += 1

    def _open(self):
        live = set(Run.objects.filter(state=RunState.RUNNING).values_list("pk", flat=True))
        waiting = [
            plan
            for plan in self.plans
            if plan.kind == "mends" and plan.run and not plan.retried
        ]
        return [plan for plan in self.plans if plan.run in live] + [
            plan for plan in waiting if plan.run not in live
        ]

    def _mend(self):
        """Click twice on retry where the cause is mended, and twice on cancel where
        that is planned.
        """
        for plan in self.plans:
            if plan.run is None:
                continue
            if plan.kind == "mends" and not plan.retried:
                run = Run.objects.get(pk=plan.run)
                if run.state == RunState.FAILED:
                    plan.mended.touch()
                    twice(lambda run=run: engine.retry(run))
                    plan.retried = Run.objects.get(pk=plan.run).generation > 1
                    self.done["retry twice"] += plan.retried
            elif plan.kind == "cancelled" and not plan.cancelled and self.chance.random() < 0.1:
                run = Run.objects.get(pk=plan.run)
                twice(lambda run=run: engine.cancel(run))
                plan.cancelled = not Run.objects.get(pk=plan.run).is_live
                self.done["cancel twice"] += plan.cancelled

    def hurt(self):
        name = self.chance.choices(list(self.faults), self.faults.values())[0]
        # A frozen one is left alone until it wakes: what it does then is the point.
        awake = [worker for worker in self.crew.workers if worker not in self.crew.frozen]
        worker = self.chance.choice(awake) if awake else None
        match name:
            case "kill one" if worker:
                self.crew.kill(worker)
            case "kill a child" if worker:
                self.crew.kill_child(worker)
            case "kill all":
                for each in awake:
                    self.crew.kill(each)
            case "freeze" if worker:
                self.crew.freeze(worker, self.lease * self.chance.uniform(1.5, 2.5))
            case "flush":
                HUEY.flush() if self.redis is None else self.redis.flush()
            case "restart queue" if self.redis:
                self._away(self.redis)
            case "restart database" if self.postgres:
                self._away(self.postgres)
                connection.close()
            case "duplicate":
                self._duplicate()
            case "old snapshot":
                for each in awake:
                    self.crew.kill(each)
                self._restore_old_messages()
            case _:
                return
        self.done[name] += 1

    def _restore_old_messages(self):
        """The queue comes back as it was before a sweeper sent its steps again: only
        messages of older epochs are there.

        The new ones have to be sent again, after the old ones have died.
        """
        waiting = [step for step in engine.live_steps() if step.state == StepState.READY]
        with contextlib.suppress(Exception):  # the queue may be away
            sent = [
                step
                for step in waiting
                if engine.dispatch_tail(
                    step.run_id, step.idx, when=Q(state=StepState.READY, epoch=step.epoch)
                )
            ]
            HUEY.flush()
            for step in sent:
                HUEY.enqueue(message(step.run_id, step.idx, step.epoch))

    def _away(self, server):
        down = self.chance.uniform(0.2, 1.5)
        restart = threading.Thread(target=server.restart, args=(down,))
        restart.start()
        restart.join()

    def _duplicate(self):
        """Send a message again, of this epoch or of one before: what a queue gives out
        twice.
        """
        live = [plan for plan in self.plans if plan.run]
        if not live:
            return
        run = Run.objects.get(pk=self.chance.choice(live[-15:]).run)
        start = self.chance.randrange(len(LAB.steps))
        epoch = self.chance.choice([run.epoch, max(1, run.epoch - 1), 1])
        with contextlib.suppress(Exception):  # the queue may be away
            HUEY.enqueue(message(run.pk, start, epoch))


def message(run_id, start, epoch):
    """The message of a step, with those that follow it, as a pipeline of that epoch
    carries it.
    """
    first, *rest = (step.task.s(run=str(run_id), epoch=epoch) for step in LAB.steps[start:])
    for later in rest:
        first.then(later)
    return first


def twice(click):
    """Two threads at once; what each got, an exception where it was refused."""
    results = []

    def one():
        try:
            results.append(click())
        except (NotAllowed, *AWAY) as refusal:
            results.append(refusal)
        finally:
            connection.close()

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    close_old_connections()
    return results
