"""Template tags for links to the sign-up page.

{% load sign_up %}{% can_sign_up as open %}{% if open %}<a href="{% url 'account_signup'
%}">Sign up</a>{% endif %}
"""

from typing import Any

from django import template
from django.conf import settings
from django.http import HttpRequest

from apps.users.sign_up import is_open_for

register = template.Library()


@register.simple_tag
def sign_up_mode() -> str:
    """Return the setting SIGN_UP: open, invite, or closed."""
    return str(settings.SIGN_UP)


@register.simple_tag(takes_context=True)
def can_sign_up(context: dict[str, Any]) -> bool:
    """Return whether this visitor can sign up; some settings let only invited
    people.
    """
    request: HttpRequest | None = context.get("request")
    if request is None:  # the page of an error
        return False
    return is_open_for(request)
