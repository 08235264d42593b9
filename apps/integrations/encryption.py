"""Secrets in the database: encrypted with the first of `settings.CREDENTIAL_KEYS`,
readable with any of them, never shown again.

To change keys, put the new one first, restart, run `manage.py rotate_credentials`, and
remove the old one.
"""

import logging
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import transaction

from apps.integrations.models import Credential, Webhook
from apps.pipelines.remedy import Remedy

logger = logging.getLogger(__name__)

OPERATOR = (
    "Secrets cannot be stored or read: the configuration of this installation is incomplete. The "
    "reason is in the server's log."
)


class CredentialError(Exception):
    """A stored credential cannot be read.

    The message is for members; the log has the details for the operator.
    """

    cause = "credential_keys"
    remedy = Remedy.OPERATOR


class Secret:
    """A text whose `repr` hides it; `reveal()` returns it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Secret(…)"

    __str__ = __repr__


def keys() -> MultiFernet:
    """Return the keys of the settings. Raises CredentialError."""
    configured = settings.CREDENTIAL_KEYS
    if not configured:
        logger.error(
            "CREDENTIAL_KEYS is not set, so no token can be stored or read. Set it and restart."
        )
        raise CredentialError(OPERATOR)
    try:
        return MultiFernet([Fernet(key) for key in configured])
    except ValueError:
        logger.error("CREDENTIAL_KEYS has an invalid key; .env.example shows how to make one.")
        raise CredentialError(OPERATOR) from None


def encrypt(text: str) -> bytes:
    """Encrypt a text. Raises CredentialError."""
    return keys().encrypt(text.encode())


def decrypt(secret: bytes | memoryview) -> str:
    """Decrypt a text. Raises CredentialError."""
    try:
        return keys().decrypt(bytes(secret)).decode()
    except InvalidToken:
        logger.error("A stored secret cannot be decrypted with any of CREDENTIAL_KEYS.")
        raise CredentialError(OPERATOR) from None


def rotate() -> int:
    """Encrypt every stored secret again, with the first key. Returns how many.

    If one of them fails, none is changed.
    """
    present, count = keys(), 0
    with transaction.atomic():
        for model in (Credential, Webhook):
            manager: Any = model.objects
            for row in manager.across_teams().select_for_update().order_by("pk"):
                try:
                    row.secret = present.rotate(bytes(row.secret))
                except InvalidToken:
                    raise CredentialError(
                        f"The {row} cannot be decrypted with any of CREDENTIAL_KEYS."
                    ) from None
                row.save(update_fields=["secret"])
                count += 1
    return count
