"""Read query strings through forms, for all apps.

class PageQuery(QueryForm):
    page = NumberField(most=1_000_000)

PageQuery(request.GET).values      # {"page": 3}; {"page": None} for ?page=three and for nothing
"""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

MAX_DIGITS = 18


class QueryForm(forms.Form):
    """A form that is never refused: addresses are shared, and what they name may be
    gone.

    A value that is not valid counts as not given. No field is required.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.required = False

    @property
    def values(self) -> dict[str, Any]:
        """Return the value of each field; that of an empty field for one that is not
        valid.
        """
        self.is_valid()
        values = {}
        for name, field in self.fields.items():
            values[name] = (
                self.cleaned_data[name] if name in self.cleaned_data else field.clean("")
            )
        return values

    @property
    def given(self) -> dict[str, str]:
        """Return the last text of each field that the address has, as it is sent."""
        return {name: str(self.data[name]) for name in self.fields if name in self.data}

    def has(self, name: str) -> bool:
        """Return whether the address has the parameter at all, as in `?sizes`."""
        return name in self.data


class NumberField(forms.Field):
    """A whole number in ASCII digits, from `least` to `most`; None for an empty one."""

    default_error_messages = {"invalid": "Enter a whole number from %(least)s to %(most)s."}

    def __init__(
        self, *, least: int = 1, most: int = 10**MAX_DIGITS - 1, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.least, self.most = least, most

    def to_python(self, value: Any) -> int | None:
        text = str(value or "").strip().replace(",", "").replace(" ", "")
        if not text:
            return None
        is_number = text.isascii() and text.isdecimal() and len(text) <= MAX_DIGITS
        if not is_number or not self.least <= int(text) <= self.most:
            limits = {"least": f"{self.least:,}", "most": f"{self.most:,}"}
            raise ValidationError(self.error_messages["invalid"], code="invalid", params=limits)
        return int(text)


class ListField(forms.Field):
    """All values of a name that a form repeats, at most `max_count` of `max_length`
    characters each.
    """

    widget = forms.MultipleHiddenInput

    def __init__(self, *, max_count: int = 1000, max_length: int = 500, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.max_count, self.max_length = max_count, max_length

    def to_python(self, value: Any) -> list[str]:
        texts = [str(text) for text in value or []]
        if len(texts) > self.max_count or any(len(text) > self.max_length for text in texts):
            raise ValidationError("That is more than this form takes.", code="invalid")
        return texts
