"""Delete accounts that were not confirmed in time: anyone can sign up with an address
of another person.
"""

import logging
from datetime import datetime, timedelta

from allauth.account.models import EmailAddress
from django.db import transaction
from django.db.models import ProtectedError, QuerySet

from apps.users.models import User

logger = logging.getLogger(__name__)

UNCONFIRMED_KEPT = timedelta(days=30)


def delete_unconfirmed(now: datetime) -> int:
    """Delete accounts that were signed up long ago and never confirmed. Returns how
    many.

    Accounts of the operator, staff, and members of a team stay.
    """
    deleted = 0
    for pk in _unconfirmed(now).values_list("pk", flat=True):
        try:
            deleted += _delete(pk, now)
        except ProtectedError:
            logger.warning("The unconfirmed account %s is still needed, and stays.", pk)
    return deleted


def _unconfirmed(now: datetime) -> QuerySet[User]:
    addresses = EmailAddress.objects.values("user_id")
    users = User.objects.filter(
        signed_up_at__lt=now - UNCONFIRMED_KEPT,
        is_staff=False,
        is_superuser=False,
        pk__in=addresses.filter(primary=True, verified=False),
    )
    return (
        users.exclude(pk__in=addresses.filter(verified=True))
        .exclude(memberships__isnull=False)
        .order_by("pk")
    )


@transaction.atomic
def _delete(pk: int, now: datetime) -> bool:
    """Delete the account, unless it was confirmed in the meantime:

    `prove` locks the same row.
    """
    User.objects.select_for_update().filter(pk=pk).first()
    user = _unconfirmed(now).filter(pk=pk).first()
    if user is None:
        return False
    user.delete()
    return True
