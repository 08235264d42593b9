"""Forms for second factors: allauth's, with fields that suit codes.

A phone shows its digits for such a field, and the page starts in it, because it has
nothing else to do.
"""

from typing import Any

from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm
from allauth.mfa.totp.forms import ActivateTOTPForm
from django import forms


class _CodeField:
    """Give the form's field `code` its label, its keyboard, and its hint."""

    fields: dict[str, forms.Field]
    label = "Code"
    hint = "From your authenticator app, or one of your recovery codes."
    autofocus = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        code = self.fields["code"]
        code.label = self.label
        code.help_text = self.hint
        code.widget.attrs |= {"inputmode": "numeric", "placeholder": ""}
        if self.autofocus:
            code.widget.attrs["autofocus"] = True


class SecondStepForm(_CodeField, AuthenticateForm):  # type: ignore[misc]  # allauth has no types
    """The code at sign-in."""


class ConfirmForm(_CodeField, ReauthenticateForm):  # type: ignore[misc]  # allauth has no types
    """The code before a change that needs one."""


class ActivateAppForm(_CodeField, ActivateTOTPForm):  # type: ignore[misc]  # allauth has no types
    """The first code of an authenticator app.

    The page starts above it, with the QR code.
    """

    label = "Code from the app"
    hint = ""
    autofocus = False
