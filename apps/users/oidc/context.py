"""What templates need to know about sign-in through OpenID Connect."""

from django.conf import settings
from django.http import HttpRequest

from apps.users.oidc import config


def oidc(request: HttpRequest) -> dict[str, object]:
    """Return `oidc_only`, and `oidc_name` for the words on buttons."""
    return {"oidc_only": config.is_only(), "oidc_name": settings.OIDC_NAME}
