"""The form field of every page on which a person enters the address of an account."""

from typing import Any, cast

from allauth.account.fields import EmailField
from django import forms

from apps.mail.addresses import InvalidAddress, normalize_address


class AccountEmailField(EmailField):  # type: ignore[misc]  # allauth has no types
    """allauth's field, which returns the address as `normalize_address` does.

    allauth lowers the text before it calls `clean_email` of the adapter, and that maps
    some letters into ASCII: the Kelvin sign to k. So the text is normalized as it was
    typed.
    """

    def to_python(self, value: Any) -> str:
        """Return the normalized address, "" for none.

        Raises ValidationError with the reason.
        """
        text = cast(str, super().to_python(value))
        if not text:
            return text
        try:
            return normalize_address(text)
        except InvalidAddress as error:
            raise forms.ValidationError(str(error), code="invalid") from None
