"""Inviting people by e-mail.

An invitation is good once, for seven days, and for the address that it was sent to. Nobody joins by opening a link:
only by a POST of somebody who is signed in with that address.
"""

import hashlib
import secrets
from datetime import timedelta

from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from apps.mail.outbox import queue_mail
from apps.teams.members import OWNERS_ONLY, NotPossible, grantable
from apps.teams.models import Invitation, InvitationState, Membership, Role, Team
from apps.teams.scoping import TeamQuerySet
from apps.teams.services import role_of
from apps.users.models import User

LASTS = timedelta(days=7)
DAY = timedelta(days=1)
# How many mails a day: of a team, of a person over all teams, and to one address.
TEAM_LIMIT, PERSON_LIMIT, ADDRESS_LIMIT = 50, 50, 3


class NotForYou(NotPossible):
    """The invitation is for another address than those of whoever is signed in."""


def invite(team: Team, by: User, email: str, role: str) -> Invitation:
    """Invite an address, or invite it again: an earlier link to it ends. Raises NotPossible."""
    address = _checked(email)
    with transaction.atomic():
        Team.objects.select_for_update().get(pk=team.pk)
        own = role_of(by, team)
        if own is None or role not in grantable(own):
            raise NotPossible(OWNERS_ONLY)
        if Membership.objects.filter(team=team, user__email__iexact=address).exists():
            raise NotPossible(f"{address} is in the team already.")
        _check_limits(team, by, address)
        now, token = timezone.now(), secrets.token_urlsafe(32)
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
    """End an open invitation; False where there is none of that id."""
    return bool(_open(team).filter(pk=invitation_id).update(state=InvitationState.REVOKED, ended_at=timezone.now()))


def resend(team: Team, by: User, invitation_id: int) -> Invitation:
    """Send it again, with a new link and seven new days. Raises NotPossible."""
    invitation = _open(team).filter(pk=invitation_id).first()
    if invitation is None:
        raise NotPossible("This invitation was accepted or withdrawn meanwhile. Invite the address anew if you want.")
    return invite(team, by, invitation.email, invitation.role)


def open_invitations(team: Team) -> list[Invitation]:
    """Those not answered yet, the newest first; also such whose time is over, to be sent again or withdrawn."""
    return list(_open(team).select_related("invited_by").order_by("-created_at", "-pk"))


def find(token: str) -> Invitation | None:
    """The invitation of a link, in whatever state."""
    return (
        Invitation.objects.across_teams().filter(token_hash=_hash(token)).select_related("team", "invited_by").first()
    )


def is_for(invitation: Invitation, user: User) -> bool:
    """Whether the person has the address that was invited: the account's own, or another one that is confirmed."""
    if user.email.casefold() == invitation.email:
        return True
    return bool(EmailAddress.objects.filter(user=user, verified=True, email__iexact=invitation.email).exists())


def accept(invitation: Invitation, user: User) -> Membership:
    """Join the team. Raises NotForYou, NotPossible. Who is in the team already keeps their role."""
    if not is_for(invitation, user):
        raise NotForYou(f"This invitation is for {invitation.email}, and you are signed in as {user.email}.")
    with transaction.atomic():
        now = timezone.now()
        won = (
            Invitation.objects.across_teams()
            .filter(pk=invitation.pk, state=InvitationState.OPEN, expires_at__gt=now)
            .update(state=InvitationState.ACCEPTED, accepted_by=user, ended_at=now)
        )
        if not won:
            raise NotPossible("This invitation is not open any more. Ask the team for a new one.")
        membership, _ = Membership.objects.get_or_create(
            team_id=invitation.team_id, user=user, defaults={"role": invitation.role}
        )
    return membership


def _open(team: Team) -> TeamQuerySet[Invitation]:
    return Invitation.objects.for_team(team).filter(state=InvitationState.OPEN)


def _checked(email: str) -> str:
    address = email.strip().casefold()
    try:
        validate_email(address)
    except ValidationError:
        raise NotPossible(f"“{email.strip()[:100]}” is no e-mail address. Give one like name@example.com.") from None
    return address


def _check_limits(team: Team, by: User, address: str) -> None:
    sent = Invitation.objects.across_teams().filter(created_at__gt=timezone.now() - DAY)
    if sent.filter(team=team, email=address).count() >= ADDRESS_LIMIT:
        raise NotPossible(
            f"{address} was sent {ADDRESS_LIMIT} invitations in the last day. Send the next one tomorrow."
        )
    if sent.filter(team=team).count() >= TEAM_LIMIT or sent.filter(invited_by=by).count() >= PERSON_LIMIT:
        raise NotPossible(f"No more than {TEAM_LIMIT} invitations are sent in a day. Go on tomorrow.")


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _mail(invitation: Invitation, team: Team, by: User, token: str) -> None:
    subject = f"{by.display_name} invites you to {team.name} on Firstlight"
    context = {
        "invitation": invitation,
        "team": team,
        "inviter": by,
        "role": Role(invitation.role).label.lower(),
        "link": settings.SITE_URL + reverse("teams:accept", args=[token]),
        "site": settings.SITE_URL,
        "subject": subject,
        "heading": f"Join {team.name}",
        "reference": f"invitation {invitation.pk}",
    }
    queue_mail(
        dedupe_key=f"invitation:{invitation.pk}",
        recipient=invitation.email,
        subject=subject,
        text=render_to_string("teams/email/invitation.txt", context).strip() + "\n",
        html=render_to_string("teams/email/invitation.html", context),
    )
