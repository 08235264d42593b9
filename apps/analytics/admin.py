from django.contrib import admin
from django.http import HttpRequest

from apps.analytics.models import AnalyticsEvent


@admin.register(AnalyticsEvent)
class AnalyticsEventAdmin(admin.ModelAdmin[AnalyticsEvent]):
    """What happened, newest first. Rows are written by receivers only."""

    list_display = ("name", "at", "team", "user", "run", "data")
    list_filter = ("name", "at")
    list_select_related = ("team", "user")
    search_fields = ("team__name", "user__email", "run")
    ordering = ("-at",)
    date_hierarchy = "at"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: AnalyticsEvent | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: AnalyticsEvent | None = None) -> bool:
        return False
