"""The reason for a failure as fields of the error: its cause, and what a person can do
about it.

    raise Permanent("GitHub does not accept the token.", cause="token_refused", remedy=Remedy.NEW_TOKEN)
    raise Permanent.of(error)        the same, from any error that has the two fields

Pages, emails, and commands read these fields and never parse the message of an error. A
cause is a short name that stays the same when the message is improved; it is stored and
published.
"""

from django.db import models


class Remedy(models.TextChoices):
    """What the person who reads about a state can do."""

    NONE = "none", "No action needed"
    WAIT = "wait", "Wait; it continues by itself"
    RETRY = "retry", "Fix the cause, then retry"
    NEW_TOKEN = "new_token", "Enter a new token"
    OPERATOR = "operator", "Ask the operator of this site"


# The cause of an unexpected error. Its reference is in the log and in the admin.
UNEXPECTED = "unexpected"


def cause_of(error: BaseException) -> tuple[str, Remedy]:
    """Return the cause and the remedy of an error; those of an unexpected one if it has
    none.

    Example:
        cause_of(BadCredentials())    # ("token_refused", Remedy.NEW_TOKEN)
        cause_of(KeyError("x"))       # ("unexpected", Remedy.OPERATOR)
    """
    cause = getattr(error, "cause", None)
    remedy = getattr(error, "remedy", None)
    if isinstance(cause, str) and isinstance(remedy, Remedy):
        return cause, remedy
    return UNEXPECTED, Remedy.OPERATOR
