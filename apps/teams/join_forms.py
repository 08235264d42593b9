"""What is typed to open a team to a domain."""

from django import forms

from apps.users.sign_up import domain_of


class JoinDomainForm(forms.Form):
    """A domain, in IDNA 2008's ASCII form when it is clean."""

    domain = forms.CharField(max_length=253)

    def clean_domain(self) -> str:
        domain = domain_of("@" + str(self.cleaned_data["domain"]))
        if not domain:
            raise forms.ValidationError("This is not a domain.")
        return domain
