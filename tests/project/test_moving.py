"""From SQLite to PostgreSQL, by the commands of docs/operations.md."""

import json
import re

import pytest

from tests.chaos.servers import Postgres
from tests.operations.documents import block
from tests.project.installation import Installation
from tests.project.test_outages import running

pytestmark = pytest.mark.long
DOCUMENT, HEADING = "docs/operations.md", "From SQLite to PostgreSQL"
FILE = "/var/lib/firstlight/rows.json"
FILL = """
from tests.teams.conftest import world
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP
from apps.integrations.sources.github.credentials import store_token
from apps.integrations.connections.tracking import track_repositories
from apps.onboarding.services.runs import start_onboarding
from apps.teams.invitations import invite
from apps.teams.models import Team
from apps.users.models import User
from allauth.account.models import EmailAddress

owner, team = User.objects.get(), Team.objects.get()
EmailAddress.objects.create(user=owner, email=owner.email, verified=True, primary=True)
TOTP.activate(owner, "JBSWY3DPEHPK3PXP")
world("globex")
store_token(team, "token-of-acme", owner)
start_onboarding(team, owner, track_repositories(team, "github", ["acme/api"]), 12)
invite(team, owner, "new@example.com", "member")
"""
# How many rows each table has, and what is stored encrypted. Django makes the left-out
# ones anew.
COUNT = """
import json
from allauth.mfa.models import Authenticator
from django.apps import apps
from apps.integrations.models import Credential
counts = {}
for model in apps.get_models():
    if model._meta.label not in ("contenttypes.ContentType", "auth.Permission"):
        counts[model._meta.label] = model._base_manager.count()
stored = [Authenticator.objects.get().data, bytes(Credential._base_manager.get().secret)]
print(json.dumps({"counts": counts, "stored": [str(each) for each in stored]}))
"""


def commands(word, file):
    """Return the words after `deploy/manage` of each command of a block, with a file of
    this test.
    """
    lines = [
        line for line in block(DOCUMENT, HEADING, word) if line.startswith("deploy/manage ")
    ]
    return [
        line.removeprefix("deploy/manage ").replace(FILE, str(file)).split() for line in lines
    ]


def counted(installation):
    return json.loads(installation.manage("shell", "-v", "0", "-c", COUNT).splitlines()[-1])


def test_rows_and_sessions_move_to_postgresql(folder):
    file = folder / "rows.json"
    (folder / "postgres").mkdir()
    site = Installation(folder)
    try:
        site.manage("shell", "-v", "0", "-c", FILL)
        before = counted(site)
        assert before["counts"]["metrics.PullRequest"] == 2
        [dump] = commands("dumpdata", file)
        site.manage(*dump)
        with running(Postgres(folder / "postgres")) as server:
            site.env["DATABASE_URL"] = server.url
            for command in commands("loaddata", file):
                site.manage(*command)
            assert counted(site) == before
            site.start_web()
            status, _, _, body = site.ask(f"/t/{site.slug}/members/")
            assert status == 200
            assert "new@example.com" in body
            # New rows get keys above those that were moved.
            assert site.ask("/teams/new/", "POST", "name=Later")[0] in (302, 303)
            assert re.search("later", site.ask("/")[3])
    finally:
        site.end()
