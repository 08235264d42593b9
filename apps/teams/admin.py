"""The admin sees all teams; `TeamScopedAdmin` lets it read rows that are guarded by
`apps.teams.scoping`.
"""

from typing import Any

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.forms import BaseInlineFormSet
from django.http import HttpRequest

from apps.teams.models import Membership, Role, Team
from apps.teams.owners import has_owner
from apps.teams.scoping import TeamQuerySet


class TeamScopedAdmin(admin.options.BaseModelAdmin[Any]):
    """Mixin for the ModelAdmin or inline of a team-scoped model, or of one with a
    foreign key to such a model.

    For long lists of choices use `autocomplete_fields`; `raw_id_fields` and list
    filters on such a foreign key read through the default manager and so end in
    UnscopedQuery.
    """

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return _across_teams(super().get_queryset(request))

    def get_field_queryset(
        self, db: str | None, db_field: Any, request: HttpRequest
    ) -> QuerySet[Any] | None:
        queryset = super().get_field_queryset(db, db_field, request)
        if queryset is None:  # the field would take the default manager's rows
            queryset = db_field.remote_field.model._default_manager.using(db)
        return _across_teams(queryset)


def _across_teams(queryset: QuerySet[Any]) -> QuerySet[Any]:
    return queryset.across_teams() if isinstance(queryset, TeamQuerySet) else queryset


class MembershipFormSet(BaseInlineFormSet[Membership, Team, Any]):
    def clean(self) -> None:
        """Refuse a change that leaves a team with members but without an active
        owner.
        """
        super().clean()
        kept = []
        for form in self.forms:
            data = getattr(form, "cleaned_data", None)
            if data and not data.get("DELETE") and data.get("user"):
                kept.append(data)
        # A team that has no owner already can be changed all the same.
        had_owner = self.instance.pk is not None and has_owner(self.instance)
        keeps_owner = any(
            data["role"] == Role.OWNER and data["user"].is_active for data in kept
        )
        if had_owner and not keeps_owner:
            raise ValidationError(
                "A team needs an active owner. Make another member owner first."
            )


class MembershipInline(admin.TabularInline[Membership, Team]):
    model = Membership
    formset = MembershipFormSet
    autocomplete_fields = ("user",)
    extra = 0


@admin.register(Team)
class TeamAdmin(admin.ModelAdmin[Team]):
    list_display = ("name", "slug", "onboarding_pipeline_status", "created_at")
    list_filter = ("onboarding_pipeline_status",)
    search_fields = ("name", "slug", "memberships__user__email")
    ordering = ("name",)
    inlines = (MembershipInline,)
    readonly_fields = (
        "created_at",
        "onboarding_pipeline_status",
        "onboarding_pipeline_error",
        "onboarding_pipeline_started_at",
        "onboarding_pipeline_completed_at",
    )
