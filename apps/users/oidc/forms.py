"""Read what browsers send to the pages of OpenID Connect."""

from django import forms

from apps.users.sign_in_links import is_inside


class NextForm(forms.Form):
    """The page to go on to: a path of this site, or "" for any other value."""

    next = forms.CharField(required=False, max_length=2000)

    def clean_next(self) -> str:
        path = str(self.cleaned_data["next"])
        return path if is_inside(path) else ""


class CallbackForm(forms.Form):
    """The part of the provider's answer that allauth does not read (RFC 9207)."""

    iss = forms.CharField(required=False, max_length=2000)
