"""The sample organization as a source: GitHub at another address, without a token, and
with figures that must not mix with a team's own.
"""

from typing import Any

from django.conf import settings

from apps.integrations.encryption import CredentialError
from apps.integrations.models import Connection
from apps.integrations.sources.base import App, Found, Installation
from apps.integrations.sources.cards import Card, Leaving, Point, TokenForm
from apps.integrations.sources.github.client import GitHubClient
from apps.integrations.sources.github.probe import probe
from apps.integrations.sources.github.rate_limiter import Allowance, Unbounded
from apps.integrations.sources.github.source import GitHub
from apps.integrations.sources.hooks import Hook
from apps.integrations.sources.reading import Sync
from apps.integrations.sources.sample import KEY
from apps.teams.models import Team
from apps.users.models import User

# The sample's server accepts any token.
TOKEN = "sample"  # noqa: S105
CARD = Card(
    title="A sample organization",
    lead="Made-up repositories and people. See every step before you connect anything.",
    icon="sample",
    duration="less than a minute",
    points=(
        Point("A year of pull requests and reviews"),
        Point("The same steps, charts, and insights"),
        Point("Nothing leaves this server"),
    ),
    button="Try the sample",
)


class Sample(GitHub):
    """The organization at SAMPLE_URL, which is offered if that is set."""

    key = KEY
    name = "Sample organization"
    seconds_each = 0.01
    speed = ""
    is_demo = True
    leaving = Leaving(
        "Deletes the sample's figures from this team.",
        "Disconnect the sample data",
        "Delete the sample's figures",
    )

    @property
    def card(self) -> Card:
        return CARD

    @property
    def token_form(self) -> TokenForm | None:
        return None

    @property
    def hook(self) -> Hook | None:
        return None

    @property
    def app(self) -> App | None:
        return None

    def is_offered(self, team: Team) -> bool:
        return bool(settings.SAMPLE_URL)

    def check(self, team: Team, token: str) -> Found:
        return probe(settings.SAMPLE_URL, TOKEN).as_found()

    def store(
        self, team: Team, user: User | None, token: str, installation: Installation | None
    ) -> dict[str, Any]:
        return {}

    def revoke(self, team: Team) -> None:
        """There is no token to end."""

    def forget(self, team: Team) -> None:
        """There is no token to delete."""

    def connected(self, connection: Connection) -> str:
        return f"The sample organization is connected: {self.counted(connection)}."

    def disconnected(self, connection: Connection) -> str:
        return f"{self.name} is disconnected."

    def client(self, team_id: int, **options: Any) -> GitHubClient:
        if not settings.SAMPLE_URL:
            raise CredentialError(
                "The sample data is no longer available. Disconnect it, and connect your own "
                "repositories."
            )
        return GitHubClient(settings.SAMPLE_URL, TOKEN, **options)

    def allowance(self, client: GitHubClient, sync: Sync) -> Allowance:
        """Return no limit, because the installation itself serves the sample."""
        return Unbounded()
