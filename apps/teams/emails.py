"""The emails of a team that a person can turn off, and the links that do it.

    field_of(EmailKind.FAILURES)                     # "email_failures", a column of Membership
    stop_link(membership, EmailKind.DIGEST)          # https://…/account/emails/stop/<token>/
    find(token)                                      # (membership, EmailKind.DIGEST)

Emails about an account's security, and those that a person asked for, can't be turned
off.
"""

from django.conf import settings
from django.core import signing
from django.db import models
from django.urls import reverse

from apps.teams.models import Membership, Role, Team
from apps.users.models import User

_SALT = "email-stop"
# The salt of links in weekly emails from before there were other kinds. An email may be
# opened long after it was sent.
_OLD_SALT = "weekly-digest"


class EmailKind(models.TextChoices):
    """What can be turned off, for each team."""

    FINISHED = "finished", "Setup finished"
    FAILURES = "failures", "Something stopped working"
    JOIN_REQUESTS = "join_requests", "Requests to join"
    DIGEST = "digest", "Weekly summary"


EXPLANATIONS = {
    EmailKind.FINISHED: "The first figures and insights, or what is missing.",
    EmailKind.FAILURES: (
        "A setup stopped, or figures are no longer refreshed. One email for each cause, and one when it works again."
    ),
    EmailKind.JOIN_REQUESTS: "A person asks to join the team.",
    EmailKind.DIGEST: "Last week's figures and new insights, every Monday.",
}
# Kinds that can't be turned off: name, title, and why.
ALWAYS = (
    (
        "security",
        "Account and security",
        "Your password, email address, or a second factor changed, or a link was asked for.",
    ),
    (
        "answers",
        "Invitations and answers",
        "A person invited you, or answered your request to join a team.",
    ),
    ("welcome", "New team", "You created a team."),
)
# The rest goes to owners and admins.
FOR_ALL_MEMBERS = (EmailKind.DIGEST,)


def field_of(kind: EmailKind) -> str:
    """Return the column of Membership that holds whether the person wants emails of
    this kind.
    """
    return "digest" if kind == EmailKind.DIGEST else f"email_{kind.value}"


def kinds_for(role: str) -> list[EmailKind]:
    """Return the kinds that a person of this role can get."""
    if role == Role.MEMBER:
        return list(FOR_ALL_MEMBERS)
    return list(EmailKind)


def wants(membership: Membership, kind: EmailKind) -> bool:
    """Return whether the person wants emails of this kind about this team."""
    return bool(getattr(membership, field_of(kind)))


def user_wants(user: User, team: Team, kind: EmailKind) -> bool:
    """Return whether a member wants emails of this kind; False for a person outside the
    team.
    """
    membership = Membership.objects.filter(team=team, user=user).first()
    return membership is not None and wants(membership, kind)


def choose(membership: Membership, kind: EmailKind, wanted: bool) -> None:
    """Turn emails of this kind on or off for one person and team."""
    Membership.objects.filter(pk=membership.pk).update(**{field_of(kind): wanted})


def stop_link(membership: Membership, kind: EmailKind) -> str:
    """Return the address that turns the emails of this kind off, without signing in."""
    token = signing.dumps([membership.pk, kind.value], salt=_SALT)
    return settings.SITE_URL + reverse("teams:email_stop", args=[token])


def stop_link_of(user: User, team: Team, kind: EmailKind) -> str:
    """Return the same for a member of the team; empty for a person outside it."""
    membership = Membership.objects.filter(team=team, user=user).first()
    return "" if membership is None else stop_link(membership, kind)


def find(token: str) -> tuple[Membership, EmailKind] | None:
    """Return whose emails of which kind a link turns off; None if it is not ours or the
    person left the team.
    """
    try:
        key, name = signing.loads(token, salt=_SALT)
    except signing.BadSignature:
        try:
            key, name = signing.loads(token, salt=_OLD_SALT), EmailKind.DIGEST.value
        except signing.BadSignature:
            return None
    membership = Membership.objects.filter(pk=key).select_related("team", "user").first()
    return None if membership is None else (membership, EmailKind(name))
