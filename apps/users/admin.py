from typing import Any

from allauth.account.admin import EmailAddressAdmin
from allauth.account.models import EmailAddress
from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from apps.users.fields import AccountEmailField
from apps.users.guards import needed_by
from apps.users.models import User
from apps.users.oidc.admin import RecoveryLinkAdmin

__all__ = ["AddressAdmin", "RecoveryLinkAdmin", "UserAdmin"]


class NewUserForm(AdminUserCreationForm[User]):
    class Meta:
        model = User
        fields = ("email",)


class UserForm(UserChangeForm[User]):
    class Meta:
        model = User
        fields = "__all__"

    def clean_is_active(self) -> bool:
        """Refuse to deactivate a person whom a team depends on."""
        is_active = bool(self.cleaned_data["is_active"])
        if not is_active and self.instance.is_active and (reasons := needed_by(self.instance)):
            raise ValidationError(reasons)
        return is_active


@admin.register(User)
class UserAdmin(DjangoUserAdmin[User]):
    form = UserForm
    add_form = NewUserForm
    ordering = ("email",)
    list_display = ("email", "first_name", "last_name", "is_staff", "date_joined")
    search_fields = ("email", "first_name", "last_name")
    fieldsets = (
        (None, {"fields": ("email", "password")}),
        ("User", {"fields": ("first_name", "last_name")}),
        (
            "Permissions",
            {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")},
        ),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[Any]]:
        """Add to what keeps people from being deleted the teams that depend on them."""
        deleted, counts, perms_needed, protected = super().get_deleted_objects(objs, request)
        for user in objs:
            protected = [*protected, *needed_by(user)]
        return deleted, counts, perms_needed, protected

    add_fieldsets = (
        (
            None,
            {
                "classes": ("wide",),
                "fields": ("email", "usable_password", "password1", "password2"),
            },
        ),
    )


admin.site.unregister(EmailAddress)


class AddressForm(forms.ModelForm[EmailAddress]):
    email = AccountEmailField()

    class Meta:
        model = EmailAddress
        fields = ("user", "email", "primary", "verified")


@admin.register(EmailAddress)
class AddressAdmin(EmailAddressAdmin):  # type: ignore[misc]  # allauth has no types
    form = AddressForm
