"""An installation of its own for tests of outages: a real web process and workers over
servers that a test stops.
"""

import http.client
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from tests.services import free_port

ROOT = Path(__file__).resolve().parents[2]
SETUP = """
import json
from django.test import Client
from apps.teams.services import create_team
from apps.users.models import User
user = User.objects.create_user("owner@acme.example", "Correct-Horse-9-Battery")
team = create_team("Acme", user)
client = Client()
client.force_login(user)
print(json.dumps({"session": client.cookies["sessionid"].value, "slug": team.slug, "user": user.pk}))
"""


class Installation:
    """Processes with DEBUG off, whose logs are in one folder.

    Ends those that it started.
    """

    def __init__(self, folder, **env):
        self.folder, self.port = Path(folder), free_port()
        self.processes = []
        self.env = {
            **{
                name: value
                for name, value in os.environ.items()
                if not name.startswith(("FIRSTLIGHT_", "SERVERS"))
            },
            "FIRSTLIGHT_DOTENV": "0",
            "DJANGO_SETTINGS_MODULE": "project.settings",
            "DEBUG": "0",
            "STATE_DIR": str(self.folder / "state"),
            "ALLOWED_HOSTS": "127.0.0.1,localhost,testserver",
            "SECRET_KEY": "k8" * 13 + "abcdefghijklmnopqrstuvwxyz",
            "EMAIL_URL": "console:",
            "DEFAULT_FROM_EMAIL": "firstlight@example.com",
            "CREDENTIAL_KEYS": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
            "SITE_URL": f"http://127.0.0.1:{self.port}",
            **env,
        }
        manifest = ROOT / "staticfiles" / "staticfiles.json"
        if not manifest.exists():
            self.manage("collectstatic", "--noinput", "-v", "0")
        self.manage("migrate", "-v", "0")
        made = json.loads(self.manage("shell", "-v", "0", "-c", SETUP).splitlines()[-1])
        self.session, self.slug = made["session"], made["slug"]

    def manage(self, *words):
        command = [sys.executable, "-W", "ignore", "manage.py", *words]
        done = subprocess.run(
            command, cwd=ROOT, env=self.env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, name, *words, under=()):
        """Start a process that logs to a file of that name; `under` is a program that
        starts it, with its arguments.
        """
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [*under, sys.executable, "-W", "ignore", *words],
                cwd=ROOT,
                env=self.env,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        self.processes.append(process)
        return process

    def start_web(self):
        self.start("web", "-m", "project.server", "--port", str(self.port))
        self.wait(lambda: self.status("/readyz") == 200, 60)

    def start_worker(self, number=1):
        return self.start(f"worker{number}", "manage.py", "run_worker")

    def wait(self, condition, seconds):
        until = time.monotonic() + seconds
        while True:
            try:
                if condition():
                    return
            except OSError:
                pass
            assert time.monotonic() < until, "waited in vain"
            time.sleep(0.05)

    def ask(self, path, method="GET", body=None, timeout=30, **headers):
        """Return status, seconds, headers, and body of one request as the team's owner."""
        start = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        headers = {"Cookie": f"sessionid={self.session}; csrftoken={'c' * 32}"} | headers
        if body is not None:
            headers |= {
                "Content-Type": "application/x-www-form-urlencoded",
                "X-CSRFToken": "c" * 32,
                "Origin": f"http://127.0.0.1:{self.port}",
            }
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return (
                response.status,
                time.monotonic() - start,
                response.headers,
                response.read().decode(),
            )
        finally:
            connection.close()

    def status(self, path):
        return self.ask(path)[0]

    def log_bytes(self):
        return sum(path.stat().st_size for path in self.folder.glob("*.log"))

    def pages(self):
        """The paths of reading pages that need no other row than the team."""
        team = f"/t/{self.slug}/"
        of_team = [
            "",
            "compare/",
            "pull-requests/",
            "api/",
            "measures/",
            "ai/",
            "repositories/",
            "people/",
            "members/",
            "settings/",
            "onboarding/",
            "onboarding/indicator/",
            "onboarding/sync-status/",
            "weekly.csv",
        ]
        others = [
            "/",
            "/home/",
            "/teams/new/",
            "/accounts/login/",
            "/accounts/signup/",
            "/accounts/password/reset/",
            "/accounts/email/",
            "/accounts/2fa/",
            "/accounts/password/change/",
            "/api/v1/openapi.json",
        ]
        return [team + path for path in of_team] + others

    def end(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
