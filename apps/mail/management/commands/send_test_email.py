"""`manage.py send_test_email ADDRESS`: check whether email can be sent, and if not,
print why and who can change it.
"""

from argparse import ArgumentParser
from email.utils import make_msgid
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from apps.commands import UsageCommand, UsageError
from apps.mail import outages
from apps.mail.addresses import InvalidAddress, normalize_address
from apps.mail.server import Accepted, Letter, MailServer, RecipientRefused, ReplyLost

SUBJECT = "Test email from Firstlight"
TEXT = """This is a test. Email from {site} reaches you.

It was sent with `manage.py send_test_email`. No reply is needed.
"""


class Command(UsageCommand):
    """Hands one email to the mail server at once, past the outbox, and prints the
    answer.
    """

    help = "Send a test email, and print what the mail server answered."
    epilog = """Exit status: 0 if the server took the email, 1 if not, 64 on bad usage.
Emails that wait in the outbox are tried at their next time, or at once if the server takes this one."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("address", metavar="ADDRESS", help="the recipient")

    def handle(self, *args: Any, address: str, **options: Any) -> None:
        try:
            recipient = normalize_address(address)
        except InvalidAddress as error:
            raise UsageError(str(error)) from None
        if not settings.EMAIL_CONFIGURED:
            raise CommandError(
                "No mail server is configured. Set EMAIL_URL; .env.example explains it."
            )
        letter = Letter(
            SUBJECT,
            TEXT.format(site=settings.SITE_URL),
            settings.DEFAULT_FROM_EMAIL,
            [recipient],
            headers={
                "Message-ID": make_msgid(domain="test.firstlight"),
                "Auto-Submitted": "auto-generated",
            },
        )
        with MailServer() as server:
            outcome = server.hand_over(letter)
        if isinstance(outcome, Accepted):
            outages.make_due()
            self.stdout.write(
                f"The mail server accepted the email to {recipient}. If it doesn't arrive, check "
                "the server's log."
            )
            return
        if isinstance(outcome, RecipientRefused):
            raise CommandError(
                f"The mail server knows no mailbox {recipient}: {outcome.reason}"
            )
        if isinstance(outcome, ReplyLost):
            raise CommandError(
                f"The email was perhaps sent: the server's answer was lost. {outcome.reason}"
            )
        advice = "Check EMAIL_URL." if outcome.needs_operator else "Try again in a few minutes."
        raise CommandError(
            f"The mail server did not accept the email: {outcome.reason} {advice}"
        )
