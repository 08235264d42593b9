"""How a source announces changes: the deliveries of its webhooks.

`apps.integrations.webhooks` has the addresses, stores the secret, and handles each
delivery once; a source's Hook reads the request and writes the rows.
"""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from django.db.models import QuerySet
from django.http import HttpRequest

from apps.integrations.models import Connection


class BadDelivery(Exception):
    """A request that is refused; the message is the answer, with this status."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Delivered:
    """A delivery whose signature fits. `payload` is None for an event that isn't read."""

    guid: str
    event: str
    payload: Mapping[str, Any] | None


class Hook(Protocol):
    """A source's webhooks."""

    # The events to choose at the source, and how to get there.
    events: tuple[str, ...]
    place: str
    page: str

    @abstractmethod
    def read(self, request: HttpRequest, secret: str) -> Delivered:
        """Return the delivery of a request. Raises BadDelivery, and stores nothing."""

    @abstractmethod
    def take(self, team_id: int, delivery: Delivered) -> str:
        """Write the rows of a delivery in the caller's transaction. Returns the result
        in a word; raises BadDelivery.
        """

    def secret_of_app(self) -> str:
        """Return the secret of the webhook that serves all teams; empty if there is
        none.
        """
        return ""

    def readers_of(self, delivery: Delivered) -> QuerySet[Connection]:
        """Return the connections to which a delivery for all teams applies. Raises
        BadDelivery.
        """
        return Connection.objects.across_teams().none()

    def on_app_delivery(self, connection: Connection, delivery: Delivered) -> None:
        """Note what a delivery for all teams means for one of them."""
        return
