"""The admin pages of runs: what each run did, step by step, with retry and cancel."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.pipelines import engine, redelivery
from apps.pipelines.models import Event, FailedReceiver, Incident, Run, StepRun, Worker

# An old run may have thousands of events. The newest ones show how it ended.
EVENTS_SHOWN = 200


class ReadOnlyInline(admin.TabularInline[Any, Run]):
    extra = 0
    can_delete = False
    show_change_link = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class StepInline(ReadOnlyInline):
    model = StepRun
    fields = (
        "idx",
        "key",
        "state",
        "queue",
        "attempt",
        "failures",
        "crashes",
        "done",
        "total",
        "message",
        "error",
        "owner",
        "lease_until",
        "parked_until",
        "started_at",
        "finished_at",
    )


class EventInline(ReadOnlyInline):
    model = Event
    verbose_name_plural = f"newest {EVENTS_SHOWN} events"
    fields = ("seq", "at", "kind", "key", "level", "message")
    ordering = ("-seq",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Event]:
        run_id = (
            request.resolver_match.kwargs.get("object_id", "") if request.resolver_match else ""
        )
        events = Event.objects.filter(run_id=run_id).order_by("-seq")
        newest = list(events.values_list("pk", flat=True)[:EVENTS_SHOWN])
        return Event.objects.filter(pk__in=newest).order_by("-seq")


@admin.register(Run)
class RunAdmin(admin.ModelAdmin[Run]):
    list_display = (
        "id",
        "pipeline",
        "subject",
        "state",
        "percent",
        "generation",
        "created_at",
        "finished_at",
    )
    list_filter = ("pipeline", "state")
    search_fields = ("id", "subject", "error", "incidents__reference")
    inlines = (StepInline, EventInline)
    actions = ("pause_runs", "resume_runs", "retry_runs", "cancel_runs")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def get_readonly_fields(
        self, request: HttpRequest, obj: Run | None = None
    ) -> tuple[str, ...]:
        return tuple(field.name for field in Run._meta.fields)

    @admin.action(description="Retry from the failed step", permissions=["change"])
    def retry_runs(self, request: HttpRequest, queryset: QuerySet[Run]) -> None:
        self._each(request, queryset, engine.retry, "continues from its failed step")

    @admin.action(description="Pause", permissions=["change"])
    def pause_runs(self, request: HttpRequest, queryset: QuerySet[Run]) -> None:
        self._each(request, queryset, engine.pause, "is paused")

    @admin.action(description="Resume", permissions=["change"])
    def resume_runs(self, request: HttpRequest, queryset: QuerySet[Run]) -> None:
        self._each(request, queryset, engine.resume, "continues")

    @admin.action(description="Cancel", permissions=["change"])
    def cancel_runs(self, request: HttpRequest, queryset: QuerySet[Run]) -> None:
        self._each(request, queryset, engine.cancel, "is canceled")

    def _each(
        self, request: HttpRequest, runs: QuerySet[Run], act: Callable[..., Run], words: str
    ) -> None:
        for run in runs:
            try:
                act(run, by=request.user)
                self.message_user(request, f"Run {run.pk} {words}.")
            except engine.NotAllowed as reason:
                self.message_user(request, f"Run {run.pk}: {reason}", messages.WARNING)


@admin.register(Worker)
class WorkerAdmin(admin.ModelAdmin[Worker]):
    list_display = ("owner", "queues", "started_at", "seen_at", "swept_at", "stopped_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Worker | None = None) -> bool:
        return False


@admin.register(Incident)
class IncidentAdmin(admin.ModelAdmin[Incident]):
    """Unexpected errors by the reference that members read."""

    list_display = ("reference", "at", "where", "run")
    search_fields = ("reference", "where", "details")
    date_hierarchy = "at"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Incident | None = None) -> bool:
        return False


@admin.register(FailedReceiver)
class FailedReceiverAdmin(admin.ModelAdmin[FailedReceiver]):
    """Receivers of a run's signals that failed: whether each is retried, is done, or
    was given up.
    """

    list_display = (
        "receiver",
        "run",
        "state",
        "attempts",
        "failed_at",
        "next_attempt_at",
        "told_at",
        "error",
    )
    list_filter = ("state",)
    search_fields = ("receiver", "reference", "run__id", "error")
    actions = ("try_again",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def get_readonly_fields(
        self, request: HttpRequest, obj: FailedReceiver | None = None
    ) -> tuple[str, ...]:
        return tuple(field.name for field in FailedReceiver._meta.fields)

    @admin.action(description="Try again now", permissions=["change"])
    def try_again(self, request: HttpRequest, queryset: QuerySet[FailedReceiver]) -> None:
        for row in queryset:
            if redelivery.try_again(row):
                self.message_user(request, f"{row.receiver} is tried again within seconds.")
            else:
                text = f"{row.receiver} can't be tried again: it is done, or its arguments were not stored."
                self.message_user(request, text, messages.WARNING)
