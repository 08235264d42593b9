"""The record of recovery links, to be read only."""

from django.contrib import admin
from django.http import HttpRequest

from apps.users.oidc_models import RecoveryLink


@admin.register(RecoveryLink)
class RecoveryLinkAdmin(admin.ModelAdmin[RecoveryLink]):
    list_display = (
        "email",
        "made_by",
        "made_on",
        "created_at",
        "expires_at",
        "used_at",
        "used_from",
    )
    search_fields = ("email", "made_by", "made_on")
    ordering = ("-created_at",)
    exclude = ("token_hash",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(
        self, request: HttpRequest, obj: RecoveryLink | None = None
    ) -> bool:
        return False

    def has_delete_permission(
        self, request: HttpRequest, obj: RecoveryLink | None = None
    ) -> bool:
        return False
