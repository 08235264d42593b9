from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone

from apps.analytics import funnel
from apps.analytics.models import AnalyticsEvent, Funnel
from apps.forms import QueryForm

WINDOWS = {"7": "7 days", "30": "30 days", "90": "90 days", "all": "All time"}
USUAL_WINDOW = "30"


class WindowQuery(QueryForm):
    days = forms.ChoiceField(choices=list(WINDOWS.items()))


class ReadOnlyAdmin[Row: AnalyticsEvent](admin.ModelAdmin[Row]):
    """Rows are written by receivers only."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Row | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Row | None = None) -> bool:
        return False


@admin.register(AnalyticsEvent)
class AnalyticsEventAdmin(ReadOnlyAdmin[AnalyticsEvent]):
    """What happened, newest first."""

    list_display = ("name", "at", "team", "user", "run", "data")
    list_filter = ("name", "at")
    list_select_related = ("team", "user")
    search_fields = ("team__name", "user__email", "run")
    ordering = ("-at",)
    date_hierarchy = "at"


@admin.register(Funnel)
class FunnelAdmin(ReadOnlyAdmin[Funnel]):
    """One page: how far people come."""

    def get_urls(self) -> list[URLPattern]:
        # Named as a list, so that the admin's index and its navigation link it.
        view = self.admin_site.admin_view(self.page)
        return [path("", view, name="analytics_funnel_changelist")]

    def page(self, request: HttpRequest) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        window = WindowQuery(request.GET).values["days"] or USUAL_WINDOW
        since = None if window == "all" else timezone.now() - timedelta(days=int(window))
        stages = funnel.stages(since)
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "title": "Funnel",
            "opts": self.opts,
            "windows": WINDOWS.items(),
            "window": window,
            "stages": [
                (
                    stage,
                    _width(stage.of_first),
                    _percent(stage.of_first),
                    _percent(stage.of_previous),
                )
                for stage in stages
            ],
            "journeys": stages[0].count,
            "reasons": funnel.reasons(since),
        }
        return TemplateResponse(request, "admin/analytics/funnel.html", context)


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share * 100:.0f}\N{NO-BREAK SPACE}%"


def _width(share: float | None) -> str:
    return f"{(share or 0) * 100:.1f}%"
