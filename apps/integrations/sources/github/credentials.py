"""The credentials with which a team reads GitHub: a token, or an installation of the
app. Only this module stores, reads, and renews them.

    store_token(team, "github_pat_…", user)
    with client_for(team) as client:          # with the team's token, at GitHub's address
        client.get("/user")
"""

import json
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cryptography.fernet import InvalidToken
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from apps.integrations.encryption import CredentialError, Secret, decrypt, encrypt, keys
from apps.integrations.models import Connection, Credential
from apps.integrations.sources.github import KEY, app
from apps.integrations.sources.github.client import GitHubClient
from apps.integrations.sources.github.errors import MissingCredentials
from apps.teams.models import Team

logger = logging.getLogger(__name__)

# The kinds of credentials, as they are stored.
TOKEN, INSTALLATION = "github_token", "github_installation"
# An installation's token lasts an hour; this long before its end it is replaced.
TOKEN_MARGIN = timedelta(minutes=10)


def store_token(team: Team, token: str, user: Any = None) -> Credential:
    """Encrypt and store the team's GitHub token, in place of an earlier one. The team
    is then connected to GitHub.

    Raises MissingCredentials for an empty token.
    """
    if not token.strip():
        raise MissingCredentials
    secret = keys().encrypt(token.strip().encode())
    values = {"secret": secret, "created_by": user}
    with transaction.atomic():
        Credential.objects.for_team(team).filter(kind=INSTALLATION).delete()
        credential, _ = Credential.objects.across_teams().update_or_create(
            team=team, kind=TOKEN, defaults=values
        )
        Connection.objects.across_teams().get_or_create(
            team=team,
            source=KEY,
            defaults={"connected_by": user, "connected_at": timezone.now()},
        )
    return credential


def secret_for(team: Team | int) -> Secret:
    """Return the team's GitHub token, wrapped.

    Raises MissingCredentials or CredentialError.
    """
    credential = Credential.objects.for_team(team).filter(kind=TOKEN).first()
    if credential is None:
        raise MissingCredentials
    try:
        return Secret(keys().decrypt(bytes(credential.secret)).decode())
    except InvalidToken:
        logger.error(
            "A GitHub token cannot be decrypted with any of CREDENTIAL_KEYS. Add the key it was stored with."
        )
        raise CredentialError(
            "The stored GitHub token cannot be read. Connect GitHub again."
        ) from None


def token_for(team: Team | int) -> str:
    """Return the team's GitHub token as plain text. Pass it to the client and store it
    nowhere.

    Raises the same errors as `secret_for`.
    """
    return secret_for(team).reveal()


def client_for(team: Team | int, **options: Any) -> GitHubClient:
    """Return a client with the team's token, at GitHub's address.

    The address comes from the settings only, so that a token reaches no other host.
    `options` are passed to the client. Raises the same errors as `secret_for`.
    """
    if installed := _installation(team):
        token, _ = installed.token()
        return GitHubClient(
            settings.GITHUB_API_URL, token, identity=f"installation:{installed.id}", **options
        )
    return GitHubClient(settings.GITHUB_API_URL, token_for(team), **options)


def keep_fresh(client: GitHubClient, team: Team | int) -> None:
    """Give the client of a long sync the next token before the present one ends.

    Raises the same errors as `client_for`.
    """
    if client.identity and (installed := _installation(team)):
        token, renewed = installed.token()
        if renewed:
            client.use(token)


def store_installation(team: Team, installation_id: int, user: Any = None) -> Credential:
    """Store that the team reads through the app's installation, in place of a token.

    Call it in a transaction of the caller's.
    """
    Credential.objects.for_team(team).filter(kind=TOKEN).delete()
    secret = encrypt(json.dumps({"installation": installation_id}))
    credential, _ = Credential.objects.across_teams().update_or_create(
        team=team,
        kind=INSTALLATION,
        defaults={"secret": secret, "created_by": user},
    )
    return credential


def has_installation(team: Team | int) -> bool:
    """Return whether the team reads through the app's installation."""
    return Credential.objects.for_team(team).filter(kind=INSTALLATION).exists()


def forget_installation(team: Team | int) -> None:
    """Delete the credential of an installation that was removed at GitHub."""
    Credential.objects.for_team(team).filter(kind=INSTALLATION).delete()


def forget(team: Team | int) -> None:
    """Delete the team's credentials of GitHub."""
    Credential.objects.for_team(team).filter(kind__in=(TOKEN, INSTALLATION)).delete()


@dataclass(slots=True)
class _Installed:
    """An installation's credential: its id, and the last token with its end, encrypted
    together.
    """

    row: Credential
    kept: dict[str, Any]

    @property
    def id(self) -> int:
        return int(self.kept["installation"])

    def token(self) -> tuple[str, bool]:
        """Return a token that lasts for a while yet, and whether it is a new one.

        Asks GitHub, so call it outside of transactions.
        """
        ends = self.kept.get("ends")
        if ends and datetime.fromisoformat(ends) > timezone.now() + TOKEN_MARGIN:
            return str(self.kept["token"]), False
        token, until = app.installation_token(self.id)
        kept = json.dumps({"installation": self.id, "token": token, "ends": until.isoformat()})
        Credential.objects.across_teams().filter(pk=self.row.pk).update(secret=encrypt(kept))
        return token, True


def _installation(team: Team | int) -> _Installed | None:
    row = Credential.objects.for_team(team).filter(kind=INSTALLATION).first()
    return None if row is None else _Installed(row, json.loads(decrypt(bytes(row.secret))))
