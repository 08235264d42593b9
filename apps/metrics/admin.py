"""Show operators what was read and computed. Nothing here is edited by hand."""

from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from apps.metrics.models import Insight, PullRequest, Repository, TeamMember, WeeklyMetrics
from apps.teams.admin import TeamScopedAdmin


class ReadOnlyAdmin[M: Model](TeamScopedAdmin, admin.ModelAdmin[M]):
    """Rows of all teams, to read."""

    list_select_related = ("team",)
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Repository)
class RepositoryAdmin(ReadOnlyAdmin[Repository]):
    list_display = ("full_name", "team", "source", "default_branch", "created_at")
    list_filter = ("source",)
    search_fields = ("full_name",)


@admin.register(TeamMember)
class TeamMemberAdmin(ReadOnlyAdmin[TeamMember]):
    list_display = ("login", "name", "team", "is_bot", "key")
    list_filter = ("is_bot",)
    search_fields = ("login", "name")


@admin.register(PullRequest)
class PullRequestAdmin(ReadOnlyAdmin[PullRequest]):
    list_display = (
        "number",
        "title",
        "repository",
        "state",
        "author",
        "created_at",
        "merged_at",
        "ai_assisted",
    )
    list_select_related = ("repository", "author")  # type: ignore[assignment]
    list_filter = ("state", "kind", "detail_state", "ai_assisted")
    search_fields = ("title", "number")


@admin.register(WeeklyMetrics)
class WeeklyMetricsAdmin(ReadOnlyAdmin[WeeklyMetrics]):
    list_display = (
        "week",
        "team",
        "subject",
        "opened",
        "merged",
        "time_to_merge_hours_median",
        "ai_assisted",
        "reviews",
    )
    list_filter = ("scope",)
    ordering = ("-week", "subject")


@admin.register(Insight)
class InsightAdmin(ReadOnlyAdmin[Insight]):
    list_display = ("date", "team", "rule", "title", "effect")
    list_filter = ("rule",)
    ordering = ("-date", "-effect")
