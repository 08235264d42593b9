"""The sources as the pages "Connect" and "Sources" show them: a card for each, a form
for a token, and a webhook.

The pages render what is here, and decide nothing by a source's name.
"""

from dataclasses import dataclass
from typing import Self

from apps.integrations.connections import service
from apps.integrations.models import Connection, Webhook
from apps.integrations.sources import base
from apps.integrations.sources.base import Source
from apps.teams import states
from apps.teams.models import Team
from apps.teams.states import State


def _suffix(source: Source) -> str:
    return "" if source is base.default() else f"-{source.key}"


@dataclass(frozen=True, slots=True)
class SourceCard:
    """A source that a team has connected, or may connect."""

    source: Source
    connection: Connection | None
    state: State | None
    # Whether it is suggested, because nothing is connected yet.
    is_suggested: bool

    @property
    def suffix(self) -> str:
        """Return the end of the ids of its form, so that several forms differ."""
        return _suffix(self.source)


@dataclass(frozen=True, slots=True)
class SourceCards:
    """All sources of a page."""

    cards: list[SourceCard]
    webhook: Webhook | None
    # The source that the user has just tried to connect.
    asked: Source | None

    @property
    def is_connected(self) -> bool:
        """Return whether the team has connected any source."""
        return any(card.connection for card in self.cards)

    @property
    def has_demo(self) -> bool:
        """Return whether the team has connected a source whose figures are made up."""
        return any(card.connection and card.source.is_demo for card in self.cards)

    @property
    def with_token(self) -> list[SourceCard]:
        """Return the sources with a form for a token."""
        return [card for card in self.cards if card.source.token_form is not None]

    @property
    def with_hook(self) -> list[SourceCard]:
        """Return the connected sources that announce changes."""
        return [card for card in self.cards if card.connection and card.source.hook]

    @property
    def asked_by_token(self) -> bool:
        """Return whether a problem belongs into the form for a token."""
        return self.asked is not None and self.asked.token_form is not None

    @property
    def trouble_id(self) -> str:
        """Return the id of the element that shows a problem."""
        if self.asked is None or not self.asked_by_token:
            return "source-trouble"
        return f"trouble{_suffix(self.asked)}"

    @classmethod
    def of(cls, team: Team, cards: list[SourceCard], asked: str) -> Self:
        """Return the cards of a team with its webhook."""
        webhook = Webhook.objects.for_team(team).first()
        return cls(cards, webhook, base.find(asked))


def of_team(team: Team, *, can_manage: bool, asked: str = "") -> SourceCards:
    """Return the sources that a page shows to a member of the team.

    Args:
        can_manage: whether to show sources that are not connected.
        asked: the key of the source that the user has just tried to connect.
    """
    connections = {row.source: row for row in service.connections_of(team)}
    known = {row.source: row.state for row in states.of_team(team.pk).credentials}
    cards = []
    for source in base.registered():
        connection = connections.get(source.key)
        if connection is None and not (can_manage and source.is_offered(team)):
            continue
        is_suggested = not connections and source is base.default()
        cards.append(SourceCard(source, connection, known.get(source.key), is_suggested))
    return SourceCards.of(team, cards, asked)
