"""Forms of signing up, confirming, and changing an address: allauth's, with this
installation's rules.
"""

from typing import Any, cast

from allauth.account.adapter import get_adapter
from allauth.account.fields import PasswordField, SetPasswordField
from allauth.account.forms import (
    AddEmailForm,
    LoginForm,
    PasswordVerificationMixin,
    ResetPasswordForm,
)
from allauth.account.forms import SignupForm as AccountSignUpForm
from allauth.account.internal.flows.login import perform_login
from allauth.account.models import EmailAddress, Login
from allauth.core import context
from allauth.socialaccount.forms import SignupForm as ProviderSignUpForm
from django import forms
from django.conf import settings
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse

from apps.users.fields import AccountEmailField
from apps.users.models import User
from apps.users.proof import has_proven_address, is_unproven, prove
from apps.users.sign_up import forget_invitation, invited_address, may_sign_up

NEEDS_INVITATION = (
    "You need an invitation to sign up here. Ask an admin of your team to invite this address."
)
CONFIRM_FIRST = (
    "Confirm your current address first: sign out, sign in, and open the link in the email."
)


class _Rules:
    """What both sign-up forms check: the mode, the domains, and the address of an
    invitation.
    """

    fields: dict[str, forms.Field]
    initial: dict[str, Any]
    cleaned_data: dict[str, Any]
    account_already_exists: bool

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.invited = invited_address(context.request)
        if self.invited is not None:
            self.initial["email"] = self.invited
            self.fields["email"].disabled = settings.SIGN_UP != "open"

    def clean_email(self) -> str:
        email = cast(str, super().clean_email())  # type: ignore[misc]  # of allauth's form
        if not may_sign_up(email, invited=email == self.invited):
            raise forms.ValidationError(_refusal())
        return email

    def validate_unique_email(self, value: str) -> str:
        """Check the address; another account's unfinished change to it does not
        count.
        """
        # Otherwise a stranger could reserve an address by entering it as a new one.
        pending = EmailAddress.objects.filter(email=value, verified=False, primary=False)
        pending.exclude(user__email__iexact=value).delete()
        return cast(str, super().validate_unique_email(value))  # type: ignore[misc]  # of allauth's form

    def try_save(self, request: HttpRequest) -> tuple[User | None, HttpResponse | None]:
        """Create the account. For an address that has one, answer the same and send an
        email to its owner.
        """
        if not self.account_already_exists:
            try:
                with transaction.atomic():
                    return super().try_save(request)  # type: ignore[misc,no-any-return]  # of allauth's form
            except IntegrityError:  # the same address signed up at the same moment
                self.account_already_exists = True
        # allauth hashes no password if the account exists.
        self._spend_time_of_hashing()
        return super().try_save(request)  # type: ignore[misc,no-any-return]  # of allauth's form

    def _spend_time_of_hashing(self) -> None:
        """Hash a password as for a new account, because the time of the answer would
        reveal an existing one.
        """
        if password := self.cleaned_data.get("password1"):
            User().set_password(password)


class SignUpForm(_Rules, AccountSignUpForm):  # type: ignore[misc]  # allauth has no types
    email = AccountEmailField()

    def try_save(self, request: HttpRequest) -> tuple[User | None, HttpResponse | None]:
        """Create the account, or take over an unproven one: an invitation's link is the
        proof of its address.
        """
        if self.account_already_exists and self.cleaned_data["email"] == self.invited:
            user = User.objects.filter(email__iexact=self.invited, is_active=True).first()
            if user is not None and is_unproven(user):
                user.set_password(self.cleaned_data["password1"])
                prove(user, trusts_past=False)
                forget_invitation(request)
                return user, perform_login(
                    request, Login(user=user, email=user.email, signup=True)
                )
        return super().try_save(request)


class ProviderForm(_Rules, ProviderSignUpForm):  # type: ignore[misc]  # allauth has no types
    email = AccountEmailField()


class SignInForm(LoginForm):  # type: ignore[misc]  # allauth has no types
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["login"] = AccountEmailField()
        if "remember" in self.fields:
            self.fields["remember"].label = "Keep me signed in"


class ResetForm(ResetPasswordForm):  # type: ignore[misc]  # allauth has no types
    email = AccountEmailField()


class ChangeAddressForm(AddEmailForm):  # type: ignore[misc]  # allauth has no types
    email = AccountEmailField()

    def clean_email(self) -> str:
        email = cast(str, super().clean_email())
        if not has_proven_address(self.user):
            raise forms.ValidationError(CONFIRM_FIRST)
        return email


class NewPasswordForm(PasswordVerificationMixin, forms.Form):  # type: ignore[misc]  # allauth has no types
    """A new password for an account whose link was opened in another browser than the
    sign-up.
    """

    password1 = SetPasswordField(label="New password")
    password2 = PasswordField(label="New password (again)", autocomplete="new-password")

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        cast(SetPasswordField, self.fields["password1"]).user = user


def _refusal() -> str:
    if settings.SIGN_UP != "open" and invited_address(context.request) is None:
        return NEEDS_INVITATION
    if settings.SIGN_UP_DOMAINS:
        return f"Only addresses at {', '.join(settings.SIGN_UP_DOMAINS)} can sign up here."
    return str(get_adapter().error_messages["email_taken"])
