"""`manage.py rotate_credentials`: every stored secret encrypted anew with the first of CREDENTIAL_KEYS."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.integrations.credentials import CredentialError, rotate


class Command(BaseCommand):
    help = "Encrypt every stored token and webhook secret anew with the first of CREDENTIAL_KEYS."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            count = rotate()
        except CredentialError as error:
            raise CommandError(f"{error} Nothing was changed.") from None
        noun = "secret is" if count == 1 else "secrets are"
        self.stdout.write(f"{count} {noun} encrypted with the first key. The older keys can be taken out now.")
