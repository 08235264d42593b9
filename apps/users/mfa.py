"""Secrets of second factors at rest: encrypted with the first of
`settings.CREDENTIAL_KEYS`, readable with any of them.

Rows from releases before are in the clear. They stay readable and are encrypted by a
migration, or by `manage.py rotate_credentials`, which also replaces an older key.

    encrypt("JBSWY3DP…")   # "fernet:gAAAAA…"
    decrypt("JBSWY3DP…")   # "JBSWY3DP…", from a release before
"""

from typing import Any

from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import transaction

from apps.users.models import User

PREFIX = "fernet:"
# The keys in `Authenticator.data` that hold a secret, or a list of secrets.
FIELDS = ("secret", "seed", "migrated_codes")


class UnreadableSecret(Exception):
    """A second factor cannot be decrypted with any of CREDENTIAL_KEYS."""


def encrypt(text: str) -> str:
    """Return the text encrypted with the first key."""
    return PREFIX + _keys().encrypt(text.encode()).decode()


def decrypt(stored: str) -> str:
    """Return the text. Raises UnreadableSecret if none of the keys fits."""
    if not stored.startswith(PREFIX):
        return stored
    try:
        return _keys().decrypt(stored.removeprefix(PREFIX).encode()).decode()
    except InvalidToken:
        raise UnreadableSecret(
            "A second factor cannot be decrypted with any of CREDENTIAL_KEYS."
        ) from None


def rotate_secrets() -> int:
    """Encrypt all secrets with the first key; return of how many second factors.

    Raises UnreadableSecret.
    """
    count = 0
    with transaction.atomic():
        for factor in Authenticator.objects.select_for_update().order_by("pk"):
            data = encrypted(factor.data)
            if data != factor.data:
                Authenticator.objects.filter(pk=factor.pk).update(data=data)
                count += 1
    return count


def encrypted(data: dict[str, Any]) -> dict[str, Any]:
    """Return a factor's data with its secrets encrypted with the first key."""
    changed = dict(data)
    for field in FIELDS:
        value = data.get(field)
        if isinstance(value, str):
            changed[field] = encrypt(decrypt(value))
        elif isinstance(value, list):
            changed[field] = [encrypt(decrypt(text)) for text in value]
    return changed


def _keys() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.CREDENTIAL_KEYS])


class MFAAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # allauth has no types
    error_messages = DefaultMFAAdapter.error_messages | {
        # allauth has one message for codes and keys.
        "incorrect_code": "Not accepted. Try again.",
    }

    def generate_authenticator_name(self, user: User, kind: Authenticator.Type) -> str:
        """Return the name that a new security key gets unless the user enters
        another.
        """
        count = Authenticator.objects.filter(user=user, type=kind).count()
        return f"Security key {count + 1}"

    def encrypt(self, text: str) -> str:
        return encrypt(text)

    def decrypt(self, encrypted_text: str) -> str:
        return decrypt(encrypted_text)
