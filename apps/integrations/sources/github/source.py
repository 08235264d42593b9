"""GitHub as a source: how it is connected, listed, and read, and its texts."""

import contextlib
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime
from typing import Any

import httpx
from django.conf import settings
from django.utils.html import format_html

from apps.integrations.encryption import CredentialError
from apps.integrations.models import Connection, TrackedRepository
from apps.integrations.sources.base import (
    App,
    Found,
    Installation,
    Listed,
    Listing,
    Source,
)
from apps.integrations.sources.cards import Card, Leaving, Point, TokenForm
from apps.integrations.sources.github import (
    KEY,
    app,
    changes,
    counts,
    credentials,
    deleted,
    rolling,
)
from apps.integrations.sources.github.client import GitHubClient
from apps.integrations.sources.github.errors import TOKEN_SETTINGS, GitHubError
from apps.integrations.sources.github.listing import read_page
from apps.integrations.sources.github.names import full_name
from apps.integrations.sources.github.probe import probe
from apps.integrations.sources.github.rate_limiter import Allowance, RateLimiter
from apps.integrations.sources.github.reader import Access, GitHubReader
from apps.integrations.sources.github.sizes import read_sizes
from apps.integrations.sources.github.webhook import GitHubHook
from apps.integrations.sources.hooks import Hook
from apps.integrations.sources.reading import Alone, Sync
from apps.integrations.sources.sizes import Size
from apps.teams.models import Team
from apps.users.models import User

# Of requests whose user waits for the page.
TIMEOUT = httpx.Timeout(5.0)
REQUEST_SECONDS = 8.0

TOKEN_LEFT = (
    " Its token is deleted here; only you can revoke it at GitHub, in your developer settings."  # noqa: S105
)
CARD = Card(
    title="Your GitHub organization",
    lead="Pull requests, reviews, and commits of the repositories you choose.",
    icon="branch",
    duration="a few minutes, depending on size",
    points=(
        Point("Reads titles, descriptions, reviews, and commit messages"),
        Point("Refreshed every night"),
        Point("Never reads the files of your code"),
    ),
)


class GitHub(Source):
    """The repositories that a token or an installation of the app can read."""

    key = rows = KEY
    name = site = "GitHub"
    seconds_each = 0.2
    speed = "at GitHub's usual speed"
    ignores_case = True
    has_sizes = True
    leaving = Leaving(
        "Deletes the token. Everything read so far is kept, but no longer refreshed."
    )

    @property
    def card(self) -> Card:
        return CARD

    @property
    def token_form(self) -> TokenForm | None:
        note = format_html(
            "Of a classic token, the scope <code>{}</code>; none for public repositories.",
            "repo",
        )
        permissions = ("pull_requests: read", "contents: read", "metadata: read")
        return TokenForm(permissions, note, TOKEN_SETTINGS)

    @property
    def hook(self) -> Hook | None:
        return GitHubHook()

    @property
    def app(self) -> App | None:
        return app.GitHubApp() if app.is_configured() else None

    # Connect

    def check(self, team: Team, token: str) -> Found:
        return probe(settings.GITHUB_API_URL, token).as_found()

    def check_names(self, token: str, names: Sequence[str]) -> Found | None:
        for name in names:
            full_name(name)
        return probe(settings.GITHUB_API_URL, token).as_found()

    def missing(self, token: str) -> str:
        if token.strip():
            return ""
        return "No GitHub token: give --token, or set GITHUB_TOKEN."

    def store(
        self, team: Team, user: User | None, token: str, installation: Installation | None
    ) -> dict[str, Any]:
        if installation is None:
            credentials.store_token(team, token, user)
            return {}
        credentials.store_installation(team, installation.id, user)
        return {
            "installation_id": installation.id,
            "login": installation.login,
            "of_app": True,
            "scopes": None,
        }

    def revoke(self, team: Team) -> None:
        """End the token of the app's installation. It ends by itself within an hour, so
        errors do not matter.
        """
        if credentials.has_installation(team):
            with (
                contextlib.suppress(GitHubError, CredentialError),
                self.client(team.pk, timeout=TIMEOUT) as client,
            ):
                client.revoke()

    def forget(self, team: Team) -> None:
        credentials.forget(team)

    def connected(self, connection: Connection) -> str:
        whose = f" as {connection.login}" if connection.login else ""
        return f"GitHub is connected{whose}: {self.counted(connection)} can be read."

    def disconnected(self, connection: Connection) -> str:
        left = "" if connection.installation_id else TOKEN_LEFT
        return f"GitHub is disconnected.{left}"

    # List

    def list_pages(self, connection: Connection, first: int, count: int) -> Listing:
        repositories: list[Listed] = []
        number: int | None = first
        with self.client(
            connection.team_id, timeout=TIMEOUT, request_seconds=REQUEST_SECONDS
        ) as client:
            while number is not None and number < first + count:
                page = read_page(client, number, of_app=connection.of_app)
                repositories += page.repositories
                number = page.next
        return Listing(repositories, number)

    def sizes(self, connection: Connection, names: Sequence[str]) -> dict[str, Size]:
        with self.client(
            connection.team_id, timeout=TIMEOUT, request_seconds=REQUEST_SECONDS
        ) as client:
            return read_sizes(client, names)

    def checked_name(self, text: str) -> str:
        return full_name(text)

    # Read

    def client(self, team_id: int, **options: Any) -> GitHubClient:
        """Return a client with the team's credentials. Raises MissingCredentials or
        CredentialError.
        """
        return credentials.client_for(team_id, **options)

    def allowance(self, client: GitHubClient, sync: Sync) -> Allowance:
        """Return the rate limiter of the client's credential."""
        return RateLimiter(client.fingerprint, str(sync.ctx.run.pk))

    def reader(self, sync: Sync, alone: Alone, stack: ExitStack) -> GitHubReader:
        access = Access(
            sync,
            stack,
            client=lambda: self.client(sync.team_id),
            allowance=lambda client: self.allowance(client, sync),
        )
        return GitHubReader(sync, alone, access)

    def begin(self, tracked: TrackedRepository, since: datetime) -> dict[str, Any]:
        """Return the cursor at the top of the list, or at the changes since the last
        complete window.
        """
        changes.read_again(tracked.repository, tracked.cursor.get("unsettled", []))
        deep = tracked.cursor.get("deep")
        if not tracked.watermark or not tracked.synced_since:
            return {"since": since.isoformat()}
        # Everything that changed after the watermark must be read, or the data would
        # have a gap. Pull requests whose last activity is before the first day are left
        # out, as in a first read.
        since = min(since, max(tracked.watermark, tracked.synced_since))
        cursor: dict[str, Any] = {"since": since.isoformat()}
        # The window was read before, or the list was read to its end. Only changes are
        # left to read.
        if tracked.synced_since <= since or (deep and deep["whole"]):
            cursor |= {"phase": "update", "deep": deep}
        elif deep:
            cursor["after"] = deep["after"]
        return cursor

    def plan_comparison(self, rows: Sequence[TrackedRepository], runs: int) -> None:
        rolling.plan(rows, runs)

    def newest(self, tracked: TrackedRepository) -> datetime | None:
        top = tracked.cursor.get("top")
        return datetime.fromisoformat(top) if top else None

    def on_read(self, tracked: TrackedRepository, since: datetime) -> None:
        counts.remember(tracked, since)

    def explain(self, tracked: TrackedRepository, error: Exception) -> Exception:
        return deleted.explain(tracked, error)
