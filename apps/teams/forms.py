from zoneinfo import available_timezones

from django import forms

from apps.forms import QueryForm
from apps.mail.links import has_address


class TeamForm(forms.Form):
    name = forms.CharField(
        max_length=120,
        label="Name",
        help_text="Shown in emails and URLs.",
    )

    def clean_name(self) -> str:
        """Return the name on one line. Names are part of subjects of emails, so one
        with control characters or a web address is refused.
        """
        name = " ".join(self.cleaned_data["name"].split())
        if not name.isprintable():
            raise forms.ValidationError(
                "The name contains characters that cannot be shown. Enter it again."
            )
        if has_address(name):
            raise forms.ValidationError(
                "A team's name appears in emails, so it cannot contain a web address."
            )
        return name


def zones() -> list[tuple[str, str]]:
    """Return the time zones of the IANA database that name a place, with UTC first."""
    return [
        ("UTC", "UTC"),
        *(
            (name, name.replace("_", " "))
            for name in sorted(available_timezones())
            if "/" in name
        ),
    ]


class TeamSettingsForm(TeamForm):
    time_zone = forms.ChoiceField(
        choices=zones,
        label="Time zone",
        help_text="Defines days and weeks in the figures, and when the weekly email is sent.",
    )


class RoleForm(QueryForm):
    """The role that a member is to have; `change_role` states what is wrong with it."""

    role = forms.CharField(max_length=20)


class InvitationForm(RoleForm):
    """Who is invited as what; `invite` states what is wrong with the address."""

    email = forms.CharField(max_length=320)
