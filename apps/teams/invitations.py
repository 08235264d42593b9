"""Invite people by email.

An invitation is valid once, for seven days, and for the address that it was sent to.
Opening the link is not enough to join: it takes a POST by a user who is signed in with
that address.
"""

import hashlib
import secrets
from datetime import timedelta

from allauth.account.models import EmailAddress
from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from apps.mail.addresses import InvalidAddress, address_or_none, normalize_address
from apps.mail.letters import queue_letter
from apps.mail.links import without_links
from apps.teams.members import OWNERS_ONLY, NotPossible, grantable
from apps.teams.models import Invitation, InvitationState, Membership, Role, Team
from apps.teams.scoping import TeamQuerySet
from apps.teams.services import role_of
from apps.users.models import User
from apps.users.proof import is_unproven

LASTS = timedelta(days=7)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
# The most invitations a day: of a team, of a person over all teams, and of one team to
# one address. RECIPIENT_HOUR_LIMIT and RECIPIENT_DAY_LIMIT are for one address over all
# teams and people: a person can make more teams, so the limits of a team alone would
# not protect an address.
TEAM_LIMIT, PERSON_LIMIT, ADDRESS_LIMIT = 50, 50, 3
RECIPIENT_HOUR_LIMIT, RECIPIENT_DAY_LIMIT = 3, 10


class NotForYou(NotPossible):
    """Raised if the invitation is for another address than those of the signed-in
    user.
    """


def invite(team: Team, by: User, email: str, role: str) -> Invitation:
    """Invite an address, or invite it again: an earlier link to it ends.

    Raises NotPossible.
    """
    address = _checked(email)
    if is_unproven(by):
        raise NotPossible("Confirm your own email address before you invite other people.")
    with transaction.atomic():
        Team.objects.select_for_update().get(pk=team.pk)
        own = role_of(by, team)
        if own is None or role not in grantable(own):
            raise NotPossible(OWNERS_ONLY)
        if Membership.objects.filter(team=team, user__email=address).exists():
            raise NotPossible(f"{address} is already in the team.")
        _check_limits(team, by, address)
        now, token = timezone.now(), secrets.token_urlsafe(32)
        # An address has one open invitation, so that only the newest link works.
        _open(team).filter(email=address).update(state=InvitationState.REVOKED, ended_at=now)
        invitation = Invitation.objects.create(
            team=team,
            email=address,
            role=role,
            token_hash=_hash(token),
            invited_by=by,
            created_at=now,
            expires_at=now + LASTS,
        )
        _mail(invitation, team, by, token)
    return invitation


def revoke(team: Team, invitation_id: int) -> bool:
    """Revoke an open invitation. Return False if there is none of that id."""
    return bool(
        _open(team)
        .filter(pk=invitation_id)
        .update(state=InvitationState.REVOKED, ended_at=timezone.now())
    )


def resend(team: Team, by: User, invitation_id: int) -> Invitation:
    """Send it again, with a new link and seven new days. Raises NotPossible."""
    invitation = _open(team).filter(pk=invitation_id).first()
    if invitation is None:
        raise NotPossible(
            "This invitation was already accepted or withdrawn. You can invite the address again."
        )
    return invite(team, by, invitation.email, invitation.role)


def open_invitations(team: Team) -> list[Invitation]:
    """Return the invitations that are not answered yet, the newest first.

    Expired ones are included, so that they can be sent again or revoked.
    """
    return list(_open(team).select_related("invited_by").order_by("-created_at", "-pk"))


def find(token: str) -> Invitation | None:
    """Return the invitation of a link, in any state; None if there is none."""
    return (
        Invitation.objects.across_teams()
        .filter(token_hash=_hash(token))
        .select_related("team", "invited_by")
        .first()
    )


def is_for(invitation: Invitation, user: User) -> bool:
    """Return whether the person has the address that was invited: the account's own, or
    another one that is confirmed.
    """
    if address_or_none(user.email) == invitation.email:
        return True
    confirmed = EmailAddress.objects.filter(user=user, verified=True).values_list(
        "email", flat=True
    )
    return any(address_or_none(address) == invitation.email for address in confirmed)


def accept(invitation: Invitation, user: User) -> Membership:
    """Join the team. Raises NotForYou, NotPossible.

    Who is in the team already keeps their role.
    """
    if not is_for(invitation, user):
        raise NotForYou(
            f"This invitation is for {invitation.email}, and you are signed in as {user.email}."
        )
    with transaction.atomic():
        now = timezone.now()
        if not _may_still_invite(invitation):
            raise NotPossible("This invitation is no longer valid. Ask the team for a new one.")
        # The update decides between two requests at once: only one of them finds an
        # open row.
        won = (
            Invitation.objects.across_teams()
            .filter(pk=invitation.pk, state=InvitationState.OPEN, expires_at__gt=now)
            .update(state=InvitationState.ACCEPTED, accepted_by=user, ended_at=now)
        )
        if not won:
            raise NotPossible("This invitation is no longer valid. Ask the team for a new one.")
        membership, _ = Membership.objects.get_or_create(
            team_id=invitation.team_id, user=user, defaults={"role": invitation.role}
        )
    return membership


def _may_still_invite(invitation: Invitation) -> bool:
    """Return whether the person who sent the invitation could send it today.

    Otherwise a person who was removed, was deactivated, or got a lower role could still
    let people in.
    """
    if invitation.invited_by is None:
        return False
    role = role_of(invitation.invited_by, invitation.team)
    return role is not None and invitation.role in grantable(role)


def _open(team: Team) -> TeamQuerySet[Invitation]:
    return Invitation.objects.for_team(team).filter(state=InvitationState.OPEN)


def _checked(email: str) -> str:
    try:
        return normalize_address(email.strip())
    except InvalidAddress as error:
        raise NotPossible(str(error)) from None


def _check_limits(team: Team, by: User, address: str) -> None:
    now = timezone.now()
    sent = Invitation.objects.across_teams().filter(created_at__gt=now - DAY)
    received = sent.filter(email=address)
    in_an_hour = received.filter(created_at__gt=now - HOUR).count()
    if in_an_hour >= RECIPIENT_HOUR_LIMIT or received.count() >= RECIPIENT_DAY_LIMIT:
        raise NotPossible(
            f"{address} was recently sent several invitations. Try again tomorrow."
        )
    if sent.filter(team=team, email=address).count() >= ADDRESS_LIMIT:
        raise NotPossible(
            f"{address} was sent {ADDRESS_LIMIT} invitations in the last day. Try again tomorrow."
        )
    if (
        sent.filter(team=team).count() >= TEAM_LIMIT
        or sent.filter(invited_by=by).count() >= PERSON_LIMIT
    ):
        raise NotPossible(
            f"A team can send up to {TEAM_LIMIT} invitations per day. Try again tomorrow."
        )


def _hash(token: str) -> str:
    # Only the hash is stored, so a copy of the database contains no usable link. The
    # token is random and long, so a fast hash is enough.
    return hashlib.sha256(token.encode()).hexdigest()


def _mail(invitation: Invitation, team: Team, by: User, token: str) -> None:
    # Both are free text of the sender, in an email to a stranger: no mail program may
    # make a link of them.
    team_name, inviter = without_links(team.name), without_links(by.display_name)
    subject = f"{inviter} invites you to {team_name} on Firstlight"
    context = {
        "invitation": invitation,
        "team": {"name": team_name},
        "inviter": {"display_name": inviter, "email": by.email},
        "role": Role(invitation.role).label.lower(),
        "link": settings.SITE_URL + reverse("teams:accept", args=[token]),
        "heading": f"Join {team_name}",
        "reference": f"invitation {invitation.pk}",
    }
    queue_letter(
        "teams/email/invitation",
        dedupe_key=f"invitation:{invitation.pk}",
        recipient=invitation.email,
        subject=subject,
        context=context,
        to_account=False,
    )
