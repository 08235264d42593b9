"""Decide who may get a recovery link, and email the people who have to know of it.

`apps.users.oidc.recovery` makes the link itself.
"""

from email.utils import parseaddr

from django.conf import settings
from django.db import transaction

from apps.mail.letters import queue_letter
from apps.teams.models import Membership, Role
from apps.users.models import User
from apps.users.oidc import recovery
from apps.users.oidc_models import RecoveryLink
from apps.users.proof import without_unproven


def may_recover(user: User) -> bool:
    """Return whether the account is active and a superuser's, or owns a team."""
    owns = Membership.objects.filter(user=user, role=Role.OWNER).exists()
    return user.is_active and (user.is_superuser or owns)


def make_link(user: User) -> str:
    """Create a recovery link and return its address.

    The emails about it are queued in the same transaction.
    """
    with transaction.atomic():
        link, address = recovery.make(user)
        _tell(link, user)
    return address


def _tell(link: RecoveryLink, user: User) -> None:
    """Email the operators and the other owners of the person's teams about the link."""
    owned = Membership.objects.filter(user=user, role=Role.OWNER).values("team")
    owners = User.objects.filter(
        memberships__team__in=owned, memberships__role=Role.OWNER, is_active=True
    )
    owners = without_unproven(owners).exclude(pk=user.pk)
    recipients = {parseaddr(admin)[1] for admin in settings.ADMINS}
    recipients |= set(owners.values_list("email", flat=True))
    for recipient in sorted(recipients):
        queue_letter(
            "teams/email/recovery_link",
            dedupe_key=f"recovery-link:{link.pk}",
            recipient=recipient,
            subject=f"A recovery link for {link.email} was created",
            context={
                "link_row": link,
                "recipient": {"email": recipient},
                "reference": f"recovery link {link.pk}",
            },
            to_account=False,
        )
