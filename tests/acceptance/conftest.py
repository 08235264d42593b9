"""A team's onboarding with everything real: the sandbox over HTTP, worker processes, a
mail server, the database.
"""

import json
from datetime import UTC, datetime, timedelta

import pytest
from aiosmtpd.controller import Controller

from apps.integrations.connections.tracking import track_repositories
from apps.integrations.sources.github.credentials import store_token
from apps.onboarding.services.runs import start_onboarding
from apps.teams.services import create_team
from apps.users.models import User
from tests.sandbox.server import start_sandbox
from tests.services import free_port

REPOSITORIES = {"acme/api": 60, "acme/web": 55}


def pull_request(repository, number):
    """A merged pull request in the sandbox's file format; every third one was written
    with an assistant.
    """
    opened = datetime.now(UTC).replace(microsecond=0) - timedelta(days=4 * number + 1)
    merged = opened + timedelta(hours=3 + number % 40)
    trailer = "\n\nCo-authored-by: Claude <noreply@anthropic.com>" if number % 3 == 0 else ""
    author = {"login": f"dev-{number % 5}", "name": f"Dev {number % 5}", "isBot": False}
    commit = {
        "oid": f"{number:040x}",
        "message": f"Change {number}{trailer}",
        "authoredDate": iso(opened),
        "committedDate": iso(opened),
        "author": author,
        "additions": 5,
        "deletions": 2,
        "changedFiles": 1,
    }
    return {
        "repository": repository,
        "number": number,
        "title": f"Change {number}",
        "body": "",
        "state": "MERGED",
        "isDraft": False,
        "createdAt": iso(opened),
        "updatedAt": iso(merged),
        "mergedAt": iso(merged),
        "closedAt": iso(merged),
        "additions": 5,
        "deletions": 2,
        "changedFiles": 1,
        "author": author,
        "mergedBy": author,
        "mergeCommit": {"oid": f"{number + 10000:040x}"},
        "baseRefName": "main",
        "headRefName": None,
        "labels": [],
        "commitsTotalCount": 1,
        "commits": [commit],
        "reviews": [
            {"author": {"login": "dev-9"}, "state": "APPROVED", "submittedAt": iso(merged)}
        ],
    }


def iso(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture(scope="session")
def github(tmp_path_factory):
    """The address of a sandbox that serves two small repositories."""
    folder = tmp_path_factory.mktemp("pull-requests")
    for name, count in REPOSITORIES.items():
        lines = [json.dumps(pull_request(name, number)) for number in range(1, count + 1)]
        (folder / f"{name.replace('/', '__')}.jsonl").write_text("\n".join(lines) + "\n")
    with start_sandbox(data=folder) as address:
        yield address


class Mailbox:
    """A real SMTP server that takes everything and keeps what it took."""

    def __init__(self):
        self.port = free_port()
        self.received = []
        self._controller = Controller(
            self, hostname="127.0.0.1", port=self.port, server_hostname="mail.test"
        )

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 - aiosmtpd's name
        self.received.append((envelope.rcpt_tos[0], envelope.content.decode()))
        return "250 OK"

    def subjects(self, words):
        return [recipient for recipient, content in self.received if words in content]

    def __enter__(self):
        self._controller.start()
        return self

    def __exit__(self, *_):
        self._controller.stop()


@pytest.fixture
def mailbox():
    with Mailbox() as box:
        yield box


@pytest.fixture
def onboarding(queue):
    """A team with an owner and an admin, ready to start."""

    def start():
        mara = User.objects.create_user("mara@acme.example")
        teo = User.objects.create_user("teo@acme.example")
        team = create_team("Acme", mara)
        team.memberships.create(user=teo, role="admin")
        store_token(team, "token", mara)
        tracked = track_repositories(team, "github", list(REPOSITORIES))
        return start_onboarding(team, mara, tracked, months=12)[0]

    return start
