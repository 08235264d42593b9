"""What tests do in an installation besides asking its pages: a process of its own, told
on stdin what to do.

with Hand(installation.env) as hand:
    made = hand.do("team", number=1)         # {"slug": "team-1", "session": "…", "team": 3, "email": "…"}
    hand.do("state", team=made["team"])      # {"state": "done", "cause": "", "pulls": 33, …}
"""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "Correct-Horse-9-Battery"


class Hand:
    """The running process, as tests speak to it. It ends with its stdin."""

    def __init__(self, env):
        self._env = env

    def __enter__(self):
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "tests.faults.hand"],
            cwd=ROOT,
            env=self._env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.terminate()
        self._process.wait()

    def do(self, name, **arguments):
        """Call the function of this name below and return what it returns."""
        self._process.stdin.write(json.dumps([name, arguments]) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


def team(number):
    """Make a team that is connected to GitHub, and its owner."""
    from django.test import Client

    from apps.integrations.connections import service
    from apps.onboarding.services import journey
    from apps.teams.services import create_team
    from apps.users.models import User

    user = User.objects.create_user(f"owner{number}@acme.example", PASSWORD)
    made = create_team(f"Team {number}", user)
    found = service.check(made, "github", "a token of any shape")
    journey.connect(made, user, "github", token="a token of any shape", found=found)
    client = Client()
    client.force_login(user)
    session = client.cookies["sessionid"].value
    return {"slug": made.slug, "session": session, "team": made.pk, "email": user.email}


def state(team):
    """Return what has become of a team's newest run, of its pull requests, and of its
    emails.
    """
    from apps.mail.models import OutboxMessage
    from apps.metrics.models import PullRequest, WeeklyMetrics
    from apps.pipelines.models import Run
    from apps.teams.models import Membership

    run = Run.objects.filter(subject=f"team:{team}").order_by("created_at").last()
    owner = Membership.objects.get(team=team, role="owner").user
    emails = OutboxMessage.objects.filter(recipient=owner.email)
    return {
        "runs": Run.objects.filter(subject=f"team:{team}").count(),
        "run": str(run.pk) if run else "",
        "state": run.state if run else "",
        "error": run.error if run else "",
        "missing": run.missing if run else [],
        "pulls": PullRequest.objects.for_team(team).count(),
        "figures": WeeklyMetrics.objects.for_team(team).exists(),
        "emails": sorted(
            [email.state, email.dedupe_key.rpartition(":")[2]] for email in emails
        ),
    }


def webhook(team):
    """Make the team's webhook, and return its address, its secret, and the node id of a
    repository, if one is read.
    """
    from apps.integrations.models import TrackedRepository
    from apps.integrations.webhooks import handling
    from apps.teams.models import Team

    hook, secret = handling.make(Team.objects.get(pk=team), None)
    tracked = (
        TrackedRepository.objects.for_team(team)
        .filter(repository__full_name="octo/hello")
        .first()
    )
    node_id = tracked.repository.external_id if tracked else ""
    return {"path": f"/hooks/github/{hook.key}/", "secret": secret, "node_id": node_id}


def main():
    import django

    django.setup()
    from django.db import connection

    for line in sys.stdin:
        name, arguments = json.loads(line)
        # The fault may have ended the connection of the last command.
        connection.close()
        print(
            json.dumps({"team": team, "state": state, "webhook": webhook}[name](**arguments)),
            flush=True,
        )


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    main()
