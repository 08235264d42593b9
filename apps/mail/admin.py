"""The outbox for operators.

Bodies are not shown: they may hold links that open an account.
"""

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from apps.mail.models import MailOutage, OutboxMessage, OutboxState
from apps.mail.retention import BODIES_KEPT
from apps.mail.tasks import hint

# The states in which an operator may send a message again.
AGAIN = (OutboxState.FAILED, OutboxState.UNCERTAIN, OutboxState.KEPT)


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

    def has_change_permission(
        self, request: HttpRequest, obj: OutboxMessage | None = None
    ) -> bool:
        return False

    def has_delete_permission(
        self, request: HttpRequest, obj: OutboxMessage | None = None
    ) -> bool:
        return False

    def has_send_permission(self, request: HttpRequest) -> bool:
        """Return whether the operator may change messages, which includes sending them
        again.
        """
        return request.user.has_perm("mail.change_outboxmessage")

    @admin.action(
        description="Send again (failed, perhaps sent, and kept ones)", permissions=["send"]
    )
    def send_again(self, request: HttpRequest, queryset: QuerySet[OutboxMessage]) -> None:
        blank = queryset.filter(state__in=AGAIN, text="", html="").count()
        if blank:
            self.message_user(
                request,
                f"{blank} cannot be sent again: their text was deleted {BODIES_KEPT.days} days after they failed.",
                messages.WARNING,
            )
        with transaction.atomic():
            unsent = queryset.filter(state__in=AGAIN)
            count = unsent.exclude(text="", html="").update(
                state=OutboxState.PENDING,
                attempts=0,
                refusals=0,
                lost_replies=0,
                deaths=0,
                next_attempt_at=timezone.now(),
            )
            transaction.on_commit(hint, robust=True)
        self.message_user(
            request, f"{count} of {queryset.count()} will be sent again.", messages.SUCCESS
        )


@admin.register(MailOutage)
class MailOutageAdmin(admin.ModelAdmin[MailOutage]):
    """The times in which the mail server took no messages, with the reason and the next
    try.
    """

    list_display = (
        "began_at",
        "ended_at",
        "reason",
        "needs_operator",
        "failures",
        "next_try_at",
    )
    list_filter = ("needs_operator", "began_at")
    ordering = ("-began_at",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(
        self, request: HttpRequest, obj: MailOutage | None = None
    ) -> bool:
        return False

    def has_delete_permission(
        self, request: HttpRequest, obj: MailOutage | None = None
    ) -> bool:
        return False
