"""`manage.py recovery_link EMAIL`: print a link that lets an owner in while the
provider is down.
"""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from apps.commands import UsageCommand, UsageError
from apps.mail.addresses import address_or_none
from apps.teams.recovery import make_link, may_recover
from apps.users.models import User
from apps.users.oidc import config
from apps.users.oidc.recovery import LINK_LASTS


class Command(UsageCommand):
    help = (
        "Print a link that signs an owner of a team, or a superuser, in once without the OpenID Connect provider, "
        f"within {LINK_LASTS.seconds // 60} minutes. It is recorded, and the team's other owners get an email."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email", help="email address of the account")

    def handle(self, *args: Any, **options: Any) -> None:
        if not config.is_only():
            raise CommandError(
                "Recovery links are for installations with OIDC_ONLY=1. Here people sign in without the provider, "
                "for example with a new password."
            )
        user = User.objects.filter(
            email=address_or_none(options["email"]) or "", is_active=True
        ).first()
        if user is None:
            raise UsageError(f"There is no active account with the address {options['email']}.")
        if not may_recover(user):
            raise UsageError(
                f"{user.email} owns no team and is no superuser. Recovery links are for them only."
            )
        self.stdout.write(make_link(user))
