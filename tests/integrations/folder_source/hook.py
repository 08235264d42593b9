import hmac
import json

from django.utils import timezone

from apps.integrations.models import TrackedRepository
from apps.integrations.sources.hooks import BadDelivery, Delivered, Hook


class FolderHook(Hook):
    """A program that writes the files announces each of them."""

    events = ("written",)
    place = "in the program that writes the files"
    page = "in its settings"

    def read(self, request, secret):
        if not hmac.compare_digest(request.headers.get("X-Folder-Secret", ""), secret):
            raise BadDelivery("The secret does not match.", 403)
        return Delivered(request.headers["X-Folder-Id"], "written", json.loads(request.body))

    def take(self, team_id, delivery):
        rows = TrackedRepository.objects.for_team(team_id).filter(
            repository__source="folder", repository__full_name=delivery.payload["name"]
        )
        return "noted" if rows.update(changed_at=timezone.now()) else "not followed"
