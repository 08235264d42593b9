"""`manage.py rotate_credentials`: encrypt every stored secret with the first of
CREDENTIAL_KEYS.
"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from apps.integrations.encryption import CredentialError, rotate
from apps.pipelines.worker import presence
from apps.users.mfa import UnreadableSecret, rotate_secrets
from apps.users.oidc.encryption import rotate_tokens


class Command(BaseCommand):
    help = (
        "Encrypt every stored token, webhook secret, second factor, and OpenID Connect session "
        "with the first of CREDENTIAL_KEYS. Refused while a process runs that encrypts with another key: "
        "it could not read the result, or would go on to write what is unreadable later."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        _refuse_old_processes()
        try:
            with transaction.atomic():
                count = rotate() + rotate_secrets() + rotate_tokens()
        except (CredentialError, UnreadableSecret) as error:
            raise CommandError(f"{error} Nothing was changed.") from None
        noun = "secret is" if count == 1 else "secrets are"
        self.stdout.write(
            f"{count} {noun} encrypted with the first key. You can now remove the older keys."
        )


def _refuse_old_processes() -> None:
    """Raise CommandError with the processes that have to be restarted first, if there
    are any.
    """
    stale = presence.with_other_keys()
    if stale:
        listed = "".join(f"\n  {process}" for process in stale)
        raise CommandError(
            "These processes encrypt with another first key than this command. Restart them with the same "
            f"CREDENTIAL_KEYS, and wait a minute if one was ended on another machine. Nothing was changed.{listed}"
        )
