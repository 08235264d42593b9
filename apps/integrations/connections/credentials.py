"""Tokens in the database: encrypted with the first of `settings.CREDENTIAL_KEYS`,
readable with any of them, never shown again.

To change keys, put the new one first, restart, run `manage.py rotate_credentials`, and
remove the old one.
"""

import json
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from apps.integrations.models import (
    Connection,
    ConnectionSource,
    Credential,
    CredentialKind,
    Webhook,
)
from apps.integrations.sources.github import app
from apps.integrations.sources.github.client import GitHubClient
from apps.integrations.sources.github.errors import MissingCredentials
from apps.pipelines.remedy import Remedy
from apps.teams.models import Team

logger = logging.getLogger(__name__)

# The sample's server accepts any token.
SAMPLE_TOKEN = "sample"  # noqa: S105
# An installation's token lasts an hour; this long before its end it is replaced.
TOKEN_MARGIN = timedelta(minutes=10)


OPERATOR = (
    "Secrets cannot be stored or read: the configuration of this installation is incomplete. The "
    "reason is in the server's log."
)


class CredentialError(Exception):
    """A stored credential cannot be read.

    The message is for members; the log has the details for the operator.
    """

    cause = "credential_keys"
    remedy = Remedy.OPERATOR


class Secret:
    """A text whose `repr` hides it; `reveal()` returns it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Secret(…)"

    __str__ = __repr__


def _keys() -> MultiFernet:
    keys = settings.CREDENTIAL_KEYS
    if not keys:
        logger.error(
            "CREDENTIAL_KEYS is not set, so no token can be stored or read. Set it and restart."
        )
        raise CredentialError(OPERATOR)
    try:
        return MultiFernet([Fernet(key) for key in keys])
    except ValueError:
        logger.error("CREDENTIAL_KEYS has an invalid key; .env.example shows how to make one.")
        raise CredentialError(OPERATOR) from None


def store_token(team: Team, token: str, user: Any = None) -> Credential:
    """Encrypt and store the team's GitHub token, in place of an earlier one. The team
    is then connected to GitHub.

    Raises MissingCredentials for an empty token.
    """
    if not token.strip():
        raise MissingCredentials
    secret = _keys().encrypt(token.strip().encode())
    values = {"secret": secret, "created_by": user}
    with transaction.atomic():
        Credential.objects.for_team(team).filter(
            kind=CredentialKind.GITHUB_INSTALLATION
        ).delete()
        credential, _ = Credential.objects.across_teams().update_or_create(
            team=team, kind=CredentialKind.GITHUB_TOKEN, defaults=values
        )
        Connection.objects.across_teams().get_or_create(
            team=team,
            source=ConnectionSource.GITHUB,
            defaults={"connected_by": user, "connected_at": timezone.now()},
        )
    return credential


def secret_for(team: Team | int) -> Secret:
    """Return the team's GitHub token, wrapped.

    Raises MissingCredentials or CredentialError.
    """
    credential = (
        Credential.objects.for_team(team).filter(kind=CredentialKind.GITHUB_TOKEN).first()
    )
    if credential is None:
        raise MissingCredentials
    try:
        return Secret(_keys().decrypt(bytes(credential.secret)).decode())
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


# The sources that this client reads, and those that other code reads.
READ_BY_CLIENT = {ConnectionSource.GITHUB, ConnectionSource.SAMPLE}
OTHERWISE_READ = {ConnectionSource.GIT}


def client_for(team: Team | int, **options: Any) -> GitHubClient:
    """Return a client with the team's token, at the address that the token is for:
    GitHub's, or that of the sample.

    The address comes from the settings only. `options` are passed to the client. Raises
    the same errors as `secret_for`.
    """
    connected = set(Connection.objects.for_team(team).values_list("source", flat=True))
    if unknown := connected - READ_BY_CLIENT - OTHERWISE_READ:
        # A token must not reach a host that it is not for.
        raise CredentialError(f"The client of GitHub can't read {', '.join(sorted(unknown))}.")
    if ConnectionSource.SAMPLE in connected:
        if not settings.SAMPLE_URL:
            raise CredentialError(
                "The sample data is no longer available. Disconnect it, and connect your own "
                "repositories."
            )
        return GitHubClient(settings.SAMPLE_URL, SAMPLE_TOKEN, **options)
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
    Credential.objects.for_team(team).filter(kind=CredentialKind.GITHUB_TOKEN).delete()
    secret = encrypt(json.dumps({"installation": installation_id}))
    credential, _ = Credential.objects.across_teams().update_or_create(
        team=team,
        kind=CredentialKind.GITHUB_INSTALLATION,
        defaults={"secret": secret, "created_by": user},
    )
    return credential


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
    row = (
        Credential.objects.for_team(team)
        .filter(kind=CredentialKind.GITHUB_INSTALLATION)
        .first()
    )
    return None if row is None else _Installed(row, json.loads(decrypt(bytes(row.secret))))


def encrypt(text: str) -> bytes:
    """Encrypt a text. Raises CredentialError."""
    return _keys().encrypt(text.encode())


def decrypt(secret: bytes | memoryview) -> str:
    """Decrypt a text. Raises CredentialError."""
    try:
        return _keys().decrypt(bytes(secret)).decode()
    except InvalidToken:
        logger.error("A stored secret cannot be decrypted with any of CREDENTIAL_KEYS.")
        raise CredentialError(OPERATOR) from None


def rotate() -> int:
    """Encrypt every stored secret again, with the first key. Returns how many.

    If one of them fails, none is changed.
    """
    keys, count = _keys(), 0
    with transaction.atomic():
        for model in (Credential, Webhook):
            manager: Any = model.objects
            for row in manager.across_teams().select_for_update().order_by("pk"):
                try:
                    row.secret = keys.rotate(bytes(row.secret))
                except InvalidToken:
                    raise CredentialError(
                        f"The {row} cannot be decrypted with any of CREDENTIAL_KEYS."
                    ) from None
                row.save(update_fields=["secret"])
                count += 1
    return count
