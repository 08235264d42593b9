"""`manage.py sign_in_link EMAIL`: print a link that signs this person in, once."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from apps.commands import UsageCommand, UsageError
from apps.mail.addresses import address_or_none
from apps.users.models import User
from apps.users.sign_in_links import MAX_AGE, make_link


class Command(UsageCommand):
    help = (
        f"Print a one-time sign-in link, valid for {MAX_AGE.seconds // 3600} h. Only with "
        "DEBUG=1."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email", help="email address of the account")
        parser.add_argument(
            "--next",
            default="",
            help="the page to open, like /t/acme/ (default: the start page)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError(
                "Sign-in links stand in for a password. They work only in development, with DEBUG=1."
            )
        user = User.objects.filter(
            email=address_or_none(options["email"]) or "", is_active=True
        ).first()
        if user is None:
            raise UsageError(f"There is no active account with the address {options['email']}.")
        try:
            self.stdout.write(make_link(user, options["next"]))
        except ValueError as error:
            raise UsageError(f"--next: {error}") from None
