"""Unexpected errors: members of a team get a plain sentence with a reference, and
operators get everything else.

    incidents.record(error, "Run 5, sync")     "Something unexpected went wrong. Reference 7F3K2."

The text and traceback of an exception may hold paths, host names, or parts of a token,
so no page, event, or email of a team has them. The log and the admin (*Incidents*) have
them under the reference, masked.
"""

import logging
import secrets
import traceback
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.masking import storable
from apps.pipelines.exceptions import PipelineError
from apps.pipelines.models import Incident

logger = logging.getLogger(__name__)

# Without letters and digits that look alike.
ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
REFERENCE_LENGTH = 6
LONGEST_DETAILS = 8000
KEPT = timedelta(days=90)


def record(error: BaseException, where: str, run_id: Any = None) -> str:
    """Log an exception, store it for operators, and return what members may read of it."""
    return f"Something unexpected went wrong. Reference {note(error, where, run_id)}."


def note(
    error: BaseException, where: str, run_id: Any = None, *, level: int = logging.ERROR
) -> str:
    """Log an exception, store it for operators, and return its reference.

    Errors are mailed to ADMINS, warnings are not.
    """
    reference = new_reference()
    logger.log(level, "Incident %s: %s", reference, where, exc_info=error)
    keep(reference, where, details_of(error), run_id)
    return reference


def new_reference() -> str:
    """Return a new reference, short enough to be read out."""
    return "".join(secrets.choice(ALPHABET) for _ in range(REFERENCE_LENGTH))


def details_of(error: BaseException) -> str:
    """Return the exception with its traceback, masked. A long one is cut at its
    beginning, because its end names the cause.
    """
    text = "".join(traceback.format_exception(error))
    return storable(text[-LONGEST_DETAILS:], LONGEST_DETAILS)


def keep(reference: str, where: str, details: str, run_id: Any = None) -> None:
    """Store an incident. If the database fails, only the row is lost: the log has all
    of it.
    """
    try:
        with transaction.atomic():
            Incident.objects.create(
                reference=reference,
                at=timezone.now(),
                where=storable(where, 200),
                details=details,
                run_id=run_id,
            )
    except Exception:
        logger.exception("Incident %s could not be stored.", reference)


def reason_of(error: Exception, where: str, run_id: Any = None) -> str:
    """Return the reason for a failure in words for members: the error's own if it was
    written for them.
    """
    if isinstance(error, PipelineError):
        return storable(str(error))
    return record(error, where, run_id)


def forget_old() -> int:
    """Delete incidents that are older than 90 days. Returns how many."""
    deleted, _ = Incident.objects.filter(at__lt=timezone.now() - KEPT).delete()
    return deleted
