"""Encrypt stored refresh tokens with the first of settings.CREDENTIAL_KEYS."""

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import transaction

from apps.users.oidc_models import OidcSession


def seal(token: str) -> bytes:
    """Return the encrypted token; an empty one stays empty."""
    return _keys().encrypt(token.encode()) if token else b""


def unseal(sealed: bytes | memoryview) -> str:
    """Return the token; "" if there is none, or if none of the keys decrypts it."""
    if not sealed:
        return ""
    try:
        return _keys().decrypt(bytes(sealed)).decode()
    except InvalidToken:
        return ""


def rotate_tokens() -> int:
    """Encrypt all refresh tokens with the first key, and return how many there are.

    A token that none of the keys decrypts is deleted, because it is of no use: the
    session's next check is a visit at the provider.
    """
    count = 0
    with transaction.atomic():
        rows = OidcSession.objects.select_for_update().exclude(refresh_token=b"").order_by("pk")
        for row in rows:
            token = unseal(row.refresh_token)
            OidcSession.objects.filter(pk=row.pk).update(refresh_token=seal(token))
            if token:
                count += 1
    return count


def _keys() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.CREDENTIAL_KEYS])
