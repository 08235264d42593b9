"""A system check. If sending a message could take longer than its lease, it would be
sent twice.
"""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from apps.mail.delivery import SMTP_TIMEOUT


@register
def check_smtp_timeout(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """mail.E001: the default mailer uses SMTP without a timeout, or with one that is
    too long for the lease.
    """
    mailer = settings.MAILERS.get("default", {})
    timeout = mailer.get("OPTIONS", {}).get("timeout")
    if "smtp" not in mailer.get("BACKEND", "smtp") or (timeout and timeout <= SMTP_TIMEOUT):
        return []
    return [
        Error(
            f"The default mailer's timeout is {timeout!r}; expected at most {SMTP_TIMEOUT:.0f} seconds.",
            hint="Set OPTIONS['timeout'] in MAILERS.",
            id="mail.E001",
        )
    ]
