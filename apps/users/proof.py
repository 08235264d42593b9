"""Prove that an account's address belongs to the person who uses the account.

A person can sign up with the address of another one, so an account that was signed up
has no rights before its address is proven: it gets no session, and a session from an
earlier release ends. The first proof is a confirmed address, a completed password
reset, an invitation accepted from the mailbox, or an address that a sign-in provider
has verified.

At the first proof everything that an earlier person may have left is dropped, because
that person can be another one (account pre-hijacking):

    prove(user, trusts_past=False)   # the proof came from the mailbox alone, and set a new password
    prove(user, trusts_past=True)    # the same browser gave the account's password, too

Accounts that the operator creates (in the admin, by a command) have no `EmailAddress`
row of their own and work normally; their address is confirmed when the person signs in
for the first time. See docs/decisions/0013-proof-before-rights.md.
"""

import secrets

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.db import transaction
from django.db.models import QuerySet
from django.dispatch import Signal

from apps.users.models import User

# address_proven(user, signed_up, trusts_past), sent in the transaction of the first
# proof. With `signed_up` and without `trusts_past`, receivers end what the account
# could open before.
address_proven = Signal()


def is_unproven(user: User) -> bool:
    """Return whether the account was signed up and its address has not been
    confirmed.
    """
    primary = EmailAddress.objects.filter(user_id=user.pk, primary=True).first()
    return primary is not None and not primary.verified


def without_unproven(users: QuerySet[User]) -> QuerySet[User]:
    """Return the users without those that `is_unproven` is true of: they get no email
    but the confirmation.
    """
    unproven = EmailAddress.objects.filter(primary=True, verified=False)
    return users.exclude(pk__in=unproven.values("user_id"))


def has_proven_address(user: User) -> bool:
    """Return whether the account's own address has been confirmed."""
    return bool(
        EmailAddress.objects.filter(
            user_id=user.pk, email__iexact=user.email, verified=True
        ).exists()
    )


@transaction.atomic
def prove(user: User, *, trusts_past: bool) -> bool:
    """Mark the account's address as proven and drop what is from before; return False
    if it was proven already.

    Other addresses and all sessions are always dropped. Without `trusts_past`, sign-in
    providers and second factors of an account that was signed up are dropped, too; then
    the caller must have set a new password or none. Accounts of the operator keep them:
    a stranger could not have added them. `user` is saved.
    """
    User.objects.select_for_update().get(pk=user.pk)
    if has_proven_address(user):
        return False
    signed_up = is_unproven(user)
    EmailAddress.objects.filter(user=user).exclude(email__iexact=user.email).delete()
    # Other accounts may have claimed the address as a second one.
    EmailAddress.objects.filter(email__iexact=user.email).exclude(user=user).delete()
    EmailAddress.objects.update_or_create(
        user=user, email=user.email.lower(), defaults={"verified": True, "primary": True}
    )
    # A stranger who signed up with the address may have added these, and could use them
    # to sign in later.
    if signed_up and not trusts_past:
        SocialAccount.objects.filter(user=user).delete()
        Authenticator.objects.filter(user=user).delete()
    # A new value ends all sessions, which may be those of an earlier person.
    user.session_nonce = secrets.token_urlsafe(12)
    user.save(update_fields=["session_nonce", "password"])
    address_proven.send(User, user=user, signed_up=signed_up, trusts_past=trusts_past)
    return True
