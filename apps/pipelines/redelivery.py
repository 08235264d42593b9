"""Retry receivers of signals that failed, until they work.

    a receiver raises      a row in the transaction of the change, an event of the run, an incident
    its back-off is over   a sweeper claims the row, and calls the receiver with the same arguments
    it returns             what it wrote and the end of the row are one transaction: its effect exists once
    it raises again        a longer back-off; after `receiver_told_after` failures operators get one email
    `receiver_patience`    it is given up: the admin, the metrics, and the run's log show it

The claim counts the attempt before the call. A receiver that ends its process therefore
costs one process for each back-off.
"""

import logging
import sys
from datetime import datetime, timedelta
from functools import cache
from importlib import import_module
from typing import Any

from django.db import transaction
from django.db.models import F
from django.dispatch import Signal

from apps.masking import storable
from apps.pipelines import arguments, clock, events, incidents
from apps.pipelines.conf import config
from apps.pipelines.models import FailedReceiver, ReceiverState, Run
from apps.pipelines.signals import Failure

logger = logging.getLogger(__name__)

# The most receivers that one sweep calls; the next sweep continues.
AT_ONCE = 10
LONGEST_ERROR = 500
KEPT = timedelta(days=90)
# Seconds until a receiver is retried that this process does not know, but another may.
UNKNOWN_PAUSE = 60.0
FAILED = "A follow-up task of this step failed and will be retried. Reference {}."
WORKED = "The failed follow-up task is done now (reference {})."
GIVEN_UP = "A follow-up task of this step keeps failing and is no longer retried. Reference {}."
KIND = "receiver_failed"


class UnknownReceiver(Exception):
    """This process's code does not have the signal or the receiver: it is another
    release.
    """


def record(run_id: Any, failure: Failure) -> None:
    """Store a receiver that failed, in the transaction of the change, so that it is
    retried.
    """
    name, now = _name_of(failure.receiver), clock.now()
    reference = incidents.note(failure.error, f"Receiver {name}", run_id, level=logging.WARNING)
    try:
        address = _address_of(failure.signal)
        stored = arguments.encode({"sender": failure.sender, "named": failure.named})
    except (LookupError, TypeError) as why:
        logger.error("Receiver %s of run %s can't be called again: %s", name, run_id, why)
        # The failure must be visible even if it can't be repeated.
        address, stored = "", {}
    repeatable = bool(address)
    FailedReceiver.objects.create(
        run_id=run_id,
        signal=address,
        receiver=name,
        arguments=stored,
        state=ReceiverState.WAITING if repeatable else ReceiverState.GIVEN_UP,
        failed_at=now,
        next_attempt_at=now + _back_off(1),
        patient_until=now + timedelta(seconds=config().receiver_patience),
        ended_at=None if repeatable else now,
        told_at=None if repeatable else now,
        reference=reference,
        error=_text_of(failure.error),
    )
    text = FAILED if repeatable else GIVEN_UP
    events.append(run_id, [events.Entry(KIND, name, text.format(reference), "error")])


def retry_due() -> int:
    """Retry the receivers whose back-off is over. Returns how many worked."""
    due = FailedReceiver.objects.filter(
        state=ReceiverState.WAITING, next_attempt_at__lte=clock.now()
    )
    worked = 0
    # The oldest first, so that one receiver that always fails cannot block the others.
    for row in list(due.order_by("next_attempt_at")[:AT_ONCE]):
        if _claim(row):
            worked += _try(row)
    return worked


def _claim(row: FailedReceiver) -> bool:
    """Claim the row for this attempt, unless another process has claimed it."""
    pause = _back_off(row.attempts + 1)
    same = FailedReceiver.objects.filter(
        pk=row.pk, state=ReceiverState.WAITING, attempts=row.attempts
    )
    # A compare-and-set: several sweepers may have read the same row.
    taken = same.filter(next_attempt_at=row.next_attempt_at).update(
        attempts=F("attempts") + 1, next_attempt_at=clock.now() + pause
    )
    row.attempts += 1
    return bool(taken)


def _try(row: FailedReceiver) -> bool:
    """Call the receiver. Returns whether it worked; a failure is written to its row."""
    try:
        with transaction.atomic():
            # Lock in the same order as the first delivery: the run, then the rows that
            # receivers change.
            Run.objects.select_for_update().get(pk=row.run_id)
            _call(row)
            if not _end(row, ReceiverState.DONE):
                # Another process has called it meanwhile, because this one took longer
                # than the back-off.
                transaction.set_rollback(True)
                return False
            line = WORKED.format(row.reference)
            events.append(row.run_id, [events.Entry("log", "", line)])
    # The row is deleted together with its run.
    except Run.DoesNotExist:
        return False
    except UnknownReceiver as error:
        _wait_for_another_release(row, error)
        return False
    except Exception as error:
        _failed_again(row, error)
        return False
    logger.info(
        "Receiver %s of run %s worked at attempt %s.", row.receiver, row.run_id, row.attempts
    )
    return True


def _call(row: FailedReceiver) -> None:
    signal = _signal_at(row.signal)
    given = arguments.decode(row.arguments)
    receivers, _asynchronous = signal._live_receivers(given["sender"])
    for receiver in receivers:
        if _name_of(receiver) == row.receiver:
            receiver(signal=signal, sender=given["sender"], **given["named"])
            return
    raise UnknownReceiver(f"{row.signal} has no receiver {row.receiver} in this release.")


def _wait_for_another_release(row: FailedReceiver, error: Exception) -> None:
    """Leave the receiver to a process that knows it, as during an upgrade.

    That spends no attempt.
    """
    now = clock.now()
    if now > row.patient_until:
        _give_up(row, error, now)
        return
    mine = FailedReceiver.objects.filter(
        pk=row.pk, state=ReceiverState.WAITING, attempts=row.attempts
    )
    mine.update(
        attempts=F("attempts") - 1, next_attempt_at=now + timedelta(seconds=UNKNOWN_PAUSE)
    )


def _failed_again(row: FailedReceiver, error: Exception) -> None:
    now = clock.now()
    mine = FailedReceiver.objects.filter(
        pk=row.pk, state=ReceiverState.WAITING, attempts=row.attempts
    )
    mine.update(error=_text_of(error))
    logger.warning(
        "Receiver %s of run %s failed again (%s).",
        row.receiver,
        row.run_id,
        row.attempts,
        exc_info=error,
    )
    if row.attempts >= config().receiver_told_after:
        _tell_operators(row, error, now)
    if now > row.patient_until:
        _give_up(row, error, now)


def _give_up(row: FailedReceiver, error: Exception, now: datetime) -> None:
    with transaction.atomic():
        Run.objects.select_for_update().get(pk=row.run_id)
        if not _end(row, ReceiverState.GIVEN_UP, error=_text_of(error)):
            return
        line = GIVEN_UP.format(row.reference)
        events.append(row.run_id, [events.Entry(KIND, row.receiver, line, "error")])
    _tell_operators(row, error, now)


def _tell_operators(row: FailedReceiver, error: Exception, now: datetime) -> None:
    """Log an error, which is mailed to ADMINS, once for each row."""
    # The update decides which process sends the email, so that there is only one.
    if FailedReceiver.objects.filter(pk=row.pk, told_at=None).update(told_at=now):
        text = "Receiver %s of run %s keeps failing, reference %s; see the failed receivers in the admin."
        logger.error(text, row.receiver, row.run_id, row.reference, exc_info=error)


def _end(row: FailedReceiver, state: ReceiverState, **changes: Any) -> bool:
    """Write the end of this attempt's row.

    Returns whether it was still this attempt's.
    """
    mine = FailedReceiver.objects.filter(
        pk=row.pk, state=ReceiverState.WAITING, attempts=row.attempts
    )
    return bool(mine.update(state=state, ended_at=clock.now(), **changes))


def try_again(row: FailedReceiver) -> bool:
    """Make a receiver due now, and retry it for as long as a new one.

    Returns False if it is done or can't be called.
    """
    now = clock.now()
    open_rows = (
        FailedReceiver.objects.filter(pk=row.pk)
        .exclude(state=ReceiverState.DONE)
        .exclude(signal="")
    )
    return bool(
        open_rows.update(
            state=ReceiverState.WAITING,
            next_attempt_at=now,
            patient_until=now + timedelta(seconds=config().receiver_patience),
            ended_at=None,
            told_at=None,
        )
    )


def forget_old() -> int:
    """Delete the rows that ended more than 90 days ago. Returns how many."""
    deleted, _ = FailedReceiver.objects.filter(ended_at__lt=clock.now() - KEPT).delete()
    return deleted


def _back_off(attempts: int) -> timedelta:
    """Return the pause after so many failures."""
    # The exponent is limited, because a larger number would not fit into a timedelta.
    doubled = config().receiver_backoff * 2 ** min(attempts - 1, 30)
    return timedelta(seconds=min(doubled, config().receiver_backoff_cap))


def _text_of(error: Exception) -> str:
    return storable(f"{type(error).__name__}: {error}", LONGEST_ERROR)


def _name_of(receiver: Any) -> str:
    return f"{getattr(receiver, '__module__', '')}.{getattr(receiver, '__qualname__', repr(receiver))}"


@cache
def _address_of(signal: Signal) -> str:
    """Return the module and the name by which a signal can be imported.

    Raises LookupError if no module has it.
    """
    names = [name for name in list(sys.modules) if name.startswith(("apps.", "tests."))]
    # Prefer the module that defines it: the next release may no longer import it
    # elsewhere.
    for name in sorted(names, key=lambda name: (not name.endswith(".signals"), name)):
        for attribute, value in vars(sys.modules[name]).items():
            if value is signal:
                return f"{name}.{attribute}"
    raise LookupError("its signal is in no module.")


def _signal_at(address: str) -> Signal:
    module, _, attribute = address.rpartition(".")
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise UnknownReceiver(f"There is no signal {address} in this release.") from error
    if not isinstance(found, Signal):
        raise UnknownReceiver(f"{address} is no signal in this release.")
    return found
