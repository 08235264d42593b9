"""Email the operators (ADMINS) about unexpected errors. The emails are limited in
number, queued in the outbox, and masked.

The first error of a kind is mailed at once. Its repetitions are counted, and the count
is mailed an hour later at the earliest. All processes together queue at most 10 such
emails an hour for each operator. An email has the time, the place, and the type of the
error, never settings, forms, cookies, or queries.

An answer of 503 and a malformed request are not errors, and the probes (`/healthz`)
report an outage of the database or of Redis. None of these is mailed.
"""

import hashlib
import logging
import os
import threading
import time
import traceback
from collections import OrderedDict
from dataclasses import dataclass
from datetime import timedelta
from email.utils import parseaddr

from django.apps import apps
from django.conf import settings
from django.db import InterfaceError, OperationalError, connections
from django.utils import timezone
from redis.exceptions import RedisError

from apps.masking import mask, storable
from project.log_limits import kind_of, place_of

EVERY = timedelta(hours=1)
# The most emails of all kinds for one operator within that time.
MAX_EMAILS = 10
MAX_KINDS = 100
MAX_FRAMES = 20
# Seconds until an email is retried that could not be queued because the database is
# away.
AGAIN_AFTER = 60.0
# Errors that the probes report.
OUTAGES = (OperationalError, InterfaceError, RedisError, ConnectionError, TimeoutError)
# Loggers whose errors are reported by probes or caused by clients.
SILENT = ("project.probes", "project.errors", "django.security")
_PREFIX = "operators:"


@dataclass(slots=True)
class _Report:
    """One kind of error: how often it happened since it was last mailed, and its first
    example since then.
    """

    count: int
    text: str
    subject: str
    mailed_at: float | None = None


class OperatorMailHandler(logging.Handler):
    """Passes errors that concern the operators to the reporter.

    It does nothing else and never fails.
    """

    def emit(self, record: logging.LogRecord) -> None:
        try:
            if settings.ADMINS and concerns_operators(record):
                reporter.report(record)
        except Exception:
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Do nothing: the record itself has been logged."""


def concerns_operators(record: logging.LogRecord) -> bool:
    """Return whether the record is an unexpected error of this installation."""
    # An error of the reporter itself would otherwise be reported without end.
    if record.name.startswith(SILENT) or getattr(_thread, "is_reporter", False):
        return False
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, OUTAGES) or isinstance(getattr(error, "__cause__", None), OUTAGES):
        return False
    # Django logs each answer of 5xx, also a deliberate 503. Only those with an
    # exception are errors.
    return error is not None or not record.name.startswith("django.request")


class Reporter:
    """Counts errors by kind and queues their emails. Each process that has errors
    starts one thread for that.
    """

    def __init__(self) -> None:
        self._reports: OrderedDict[str, _Report] = OrderedDict()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._thread_of_pid: int | None = None

    def report(self, record: logging.LogRecord) -> None:
        """Count the record. The thread sends the email, so this costs no query."""
        kind = hashlib.sha256(repr(kind_of(record)).encode()).hexdigest()[:24]
        with self._lock:
            known = self._reports.get(kind)
            if known is None:
                while len(self._reports) >= MAX_KINDS:
                    self._reports.popitem(last=False)
                self._reports[kind] = _Report(1, _text(record), _subject(record))
            else:
                known.count += 1
                # The first example since the last email, because the former one was
                # mailed.
                if known.count == 1:
                    known.text = _text(record)
            # Threads do not survive a fork: each process starts its own.
            if self._thread_of_pid != os.getpid():
                self._thread_of_pid = os.getpid()
                threading.Thread(target=self._run, name="operator-mail", daemon=True).start()
        self._wake.set()

    def _run(self) -> None:
        _thread.is_reporter = True
        pause: float | None = None
        while True:
            self._wake.wait(pause)
            self._wake.clear()
            try:
                pause = self.queue_due()
            except Exception:
                # Most likely the database is away. The counts stay, and the log already
                # has each error.
                pause = AGAIN_AFTER
                time.sleep(1)
            finally:
                connections.close_all()

    def queue_due(self) -> float:
        """Queue the emails that are due. Returns the seconds until the next check."""
        # Models cannot be used before the applications are loaded.
        if not apps.ready:
            return 1.0
        with self._lock:
            now = time.monotonic()
            every = EVERY.total_seconds()
            due = [
                (kind, report)
                for kind, report in self._reports.items()
                if report.count
                and (report.mailed_at is None or now - report.mailed_at >= every)
            ]
        for kind, report in due:
            queue_email(kind, report)
        return AGAIN_AFTER

    def forget(self) -> None:
        """Forget all kinds; for tests."""
        with self._lock:
            self._reports.clear()


def queue_email(kind: str, report: _Report) -> None:
    """Queue the email of one kind, unless another process has queued it within the
    hour, or the hour's limit is reached.
    """
    from apps.mail.letters import queue_letter
    from apps.mail.models import OutboxMessage

    now = timezone.now()
    recent = OutboxMessage.objects.filter(created_at__gt=now - EVERY)
    count, text = report.count, report.text
    if not recent.filter(dedupe_key__startswith=f"{_PREFIX}{kind}:").exists():
        if count > 1:
            text = f"This error happened {count:,} times since the last email about it. The first of them:\n\n{text}"
        for operator in settings.ADMINS:
            address = parseaddr(operator)[1]
            if (
                recent.filter(dedupe_key__startswith=_PREFIX, recipient=address).count()
                >= MAX_EMAILS
            ):
                return
            # The same key in all processes, so that the outbox stores one email of a
            # kind an hour.
            hour = int(now.timestamp() // EVERY.total_seconds())
            queue_letter(
                "operators/email/error",
                dedupe_key=f"{_PREFIX}{kind}:{hour}",
                recipient=address,
                subject=f"{settings.EMAIL_SUBJECT_PREFIX}{report.subject}",
                context={"report": text, "recipient": {"email": address}},
                to_account=False,
            )
    report.mailed_at = time.monotonic()
    # Not set to 0: the error may have happened again meanwhile.
    report.count -= count


def _subject(record: logging.LogRecord) -> str:
    error = (
        record.exc_info[0].__name__
        if record.exc_info and record.exc_info[0]
        else record.levelname
    )
    return f"{error} in {record.name}"


def _text(record: logging.LogRecord) -> str:
    """Return the email's text: the masked message and the places of the exception,
    without the values in between.
    """
    lines = [
        f"Time: {timezone.now():%Y-%m-%d %H:%M:%S} UTC",
        f"Logger: {record.name}",
        f"Message: {storable(record.getMessage().partition('?')[0])}",
        f"Place: {place_of(record)}",
    ]
    if record.exc_info and record.exc_info[0] is not None:
        lines += ["", f"{record.exc_info[0].__name__}, raised at (most recent call last):"]
        frames = traceback.extract_tb(record.exc_info[2])[-MAX_FRAMES:]
        lines += [f"  {frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
    lines += [
        "",
        "The log has the whole record. The next email about this error comes in an hour at the earliest.",
    ]
    return mask("\n".join(lines))


_thread = threading.local()
reporter = Reporter()
