"""The outbox for operators. Bodies are not shown: they may hold links that open an account."""

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from apps.mail.models import OutboxMessage, OutboxState
from apps.mail.tasks import hint


@admin.register(OutboxMessage)
class OutboxAdmin(admin.ModelAdmin[OutboxMessage]):
    list_display = (
        "subject",
        "recipient",
        "state",
        "attempts",
        "created_at",
        "next_attempt_at",
        "sent_at",
        "last_error",
    )
    list_filter = ("state", "created_at")
    search_fields = ("recipient", "subject", "message_id", "dedupe_key")
    ordering = ("-created_at",)
    exclude = ("text", "html")
    actions = ("send_again",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: OutboxMessage | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: OutboxMessage | None = None) -> bool:
        return False

    def has_send_permission(self, request: HttpRequest) -> bool:
        """Sending again takes the right to change messages, which has no form here."""
        return request.user.has_perm("mail.change_outboxmessage")

    @admin.action(description="Send again (failed and kept ones)", permissions=["send"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[OutboxMessage]) -> None:
        with transaction.atomic():
            count = queryset.filter(state__in=(OutboxState.FAILED, OutboxState.KEPT)).update(
                state=OutboxState.PENDING, attempts=0, next_attempt_at=timezone.now()
            )
            transaction.on_commit(hint, robust=True)
        self.message_user(request, f"{count} of {queryset.count()} will be sent again.", messages.SUCCESS)
