from django import forms


class TeamForm(forms.Form):
    name = forms.CharField(
        max_length=120, label="Name", help_text="What your colleagues call it. It stands in mails and addresses."
    )

    def clean_name(self) -> str:
        """One line without control characters: names stand in subjects of mails."""
        name = " ".join(self.cleaned_data["name"].split())
        if not name.isprintable():
            raise forms.ValidationError("The name contains characters that cannot be shown. Type it anew.")
        return name
