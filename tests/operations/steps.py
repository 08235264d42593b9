"""What is done, in order.

Each step is a method of `Trial`; its docstring is what the output has.
"""

import contextlib
import json
import secrets
import subprocess
import time

import psycopg

from tests.acceptance.conftest import Mailbox, pull_request
from tests.operations import python, servers, systemd
from tests.operations.documents import block
from tests.operations.image import Composition, Image, commands_for, end, fill_in
from tests.operations.place import ROOT, Failed
from tests.operations.systemd import Systemd, wait_for
from tests.operations.visitors import Load, client, watch
from tests.sandbox.server import start_sandbox

DOCUMENT = "docs/operations.md"
TEAMS = 3
LAST = TEAMS - 1  # the team that starts just before the upgrade
EACH_PULLS = 40
# The last team has more to read, so that the restart comes in the middle of its run.
REPOSITORIES = {
    0: ["api-0", "web-0"],
    1: ["api-1", "web-1"],
    LAST: ["api-2", "web-2", "docs-2", "tools-2"],
}
SANDBOX_SECONDS = 1.5  # between two answers, of whatever team
START_SECONDS = 90
RUN_SECONDS = 150
# What a busy machine takes to start a web process; nginx would wait for 60 s.
LONGEST_WAIT = 50
COMPLETE = "X-Firstlight-State: done"
SESSION = """
import json
from django.test import Client
from apps.users.models import User
client = Client()
client.force_login(User.objects.get(email="owner-0@acme.example"))
print(json.dumps(client.cookies["sessionid"].value))
"""
RUNS = """
SELECT team.slug, run.id::text, run.state FROM pipelines_run AS run
JOIN teams_team AS team ON run.subject = 'team:' || team.id WHERE run.pipeline = 'onboarding'
"""
LOSE = "UPDATE teams_team SET slug = 'lost' WHERE slug = 'team-0'"


class Trial:
    """The state of the machine between the steps."""

    def __init__(self, place, *, install):
        self.place, self.install = place, install
        self.clone = place.path("/opt/firstlight")
        self.systemd = Systemd(place)
        self.stack = contextlib.ExitStack()
        self.session = ""

    def steps(self):
        return [
            self.clone_the_project,
            self.start_the_servers,
            self.build_the_image,
            self.serve_by_compose,
            self.serve_by_the_image_alone,
            self.install_the_units,
            self.serve_by_units,
            self.follow_a_run,
            self.upgrade_under_load,
            self.back_up_and_restore,
            self.reload_one_unit_under_load,
        ]

    def close(self):
        self.systemd.close()
        self.stack.close()

    def clone_the_project(self):
        """clone the project, with what requirements/base.txt lists and no more"""
        git = ["git", "-c", "safe.directory=*", "clone", "--quiet", "--no-hardlinks"]
        self.place.run([*git, str(ROOT), str(self.clone)])
        if not self.install:
            python.provide(self.place, self.clone)

    def start_the_servers(self):
        """start PostgreSQL and Redis with the documents' passwords, nginx, a mail
        server, and a sandbox of GitHub
        """
        enter = self.stack.enter_context
        for line in block(DOCUMENT, "With containers", "docker compose up"):
            if not line.startswith("docker"):
                self.place.shell(line, cwd=self.clone)
        env = self.clone / ".env"
        self.passwords = {
            name: setting(env, name) for name in ("POSTGRES_PASSWORD", "REDIS_PASSWORD")
        }
        self.ports = {
            "postgres": enter(
                servers.postgres(self.place, self.passwords["POSTGRES_PASSWORD"])
            ),
            "valkey": enter(servers.valkey(self.place, self.passwords["REDIS_PASSWORD"])),
        }
        self.place.names["localhost:5432"] = f"127.0.0.1:{self.ports['postgres']}"
        self.place.names["localhost:6379"] = f"127.0.0.1:{self.ports['valkey']}"
        enter(servers.nginx(self.place))
        self.mailbox = enter(Mailbox())
        data = self.place.folder / "pulls"
        data.mkdir()
        for names in REPOSITORIES.values():
            for name in names:
                lines = [
                    json.dumps(pull_request(f"acme/{name}", number))
                    for number in range(1, EACH_PULLS)
                ]
                (data / f"acme__{name}.jsonl").write_text("\n".join(lines) + "\n")
        # It answers slowly, so that runs go on during a restart.
        self.github = enter(start_sandbox(data=data, every=SANDBOX_SECONDS))

    def settings(self):
        """Return what an operator fills in; keys are made by the commands of
        .env.example.
        """
        made = {}
        for name in ("SECRET_KEY", "CREDENTIAL_KEYS"):
            path = {"PATH": f"{self.clone}/.venv/bin:{self.place.base_env['PATH']}"}
            made[name] = self.place.shell(commands_for(name), env=path).strip()
        return made | {
            "ALLOWED_HOSTS": servers.host(),
            "EMAIL_URL": f"smtp://127.0.0.1:{self.mailbox.port}",
            "GITHUB_API_URL": self.github,
            "GITHUB_TOKEN": "token",
        }

    def build_the_image(self):
        """build the image: the Dockerfile's files, settings, and commands"""
        if self.install:
            self.place.shell("make install", cwd=self.clone)
        self.filled = self.settings()
        fill_in(self.clone / ".env", **self.filled)
        self.image = Image(self.place, self.clone)
        self.image.build()

    def serve_by_compose(self):
        """serve by the services of compose.yaml, behind nginx; end them within their
        time
        """
        composition = Composition(self.image, self.ports)
        try:
            composition.up()
            self.wait_until_healthy()
            self.check_pages()
            composition.down()
        finally:
            composition.close()

    def serve_by_the_image_alone(self):
        """serve by the image's own command, with SQLite"""
        env = self.filled | {"DEBUG": "0"}
        process = self.image.start("alone", self.image.command, env)
        try:
            self.wait_until_healthy()
            process.terminate()
            end("the image", process, 10)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()

    def install_the_units(self):
        """install as the document says, with settings in /etc/firstlight.env"""
        systemd.install(self.place)
        for line in block(DOCUMENT, "With systemd", "/etc/firstlight.env"):
            self.place.shell(line, cwd=self.clone)
        env = self.place.path("/etc/firstlight.env")
        assert env.stat().st_mode & 0o777 == 0o600
        fill_in(
            env,
            **self.filled,
            DATABASE_URL=self.place.here("postgresql://firstlight@localhost:5432/firstlight"),
            REDIS_URL=self.place.here("redis://localhost:6379/0"),
            REDIS_PASSWORD=self.passwords["REDIS_PASSWORD"],
        )
        with env.open("a") as file:
            file.write(f"PGPASSWORD={self.passwords['POSTGRES_PASSWORD']}\n")
        # The development file of the clone is no part of the installation.
        (self.clone / ".env").unlink()
        for line in block(DOCUMENT, "With systemd", "collectstatic"):
            self.systemd.run(line, self.clone)

    def serve_by_units(self):
        """start the units; serve behind nginx"""
        for line in block(DOCUMENT, "With systemd", "--now firstlight-web"):
            self.systemd.run(line, self.clone)
        self.wait_until_healthy()
        self.check_pages()

    def follow_a_run(self):
        """set up teams from the command line; follow a live page through nginx"""
        self.onboarding = []
        for team in range(LAST):
            self.onboard(team)
        runs = self.wait_for_runs(LAST)
        self.session = json.loads(self.manage("shell", "-v", "0", "-c", SESSION))
        run, _state = runs["team-0"]
        path = f"/t/team-0/onboarding/runs/{run}/events/"
        delay = watch(self.place, self.session, path, lambda: self.manage("run", "pause", run))
        self.manage("run", "resume", run)
        print(f"   an event came {delay:.2f} s after its change")

    def upgrade_under_load(self):
        """upgrade in the documented order, under load: no request fails, runs go on,
        each email is sent once
        """
        with Load(
            self.place, self.session, ["/account/emails/", "/t/team-0/sources/", "/readyz"]
        ) as load:
            wait_for(lambda: load.served > 10, 30, "the first answers")
            self.onboard(LAST)
            runs = self.wait_for_runs(TEAMS)
            assert runs[f"team-{LAST}"][1] == "running"
            for line in block(DOCUMENT, "Upgrade", "systemctl restart firstlight-worker"):
                began = time.monotonic()
                self.systemd.run(line, self.clone)
                print(f"   {time.monotonic() - began:.0f} s: {line}", flush=True)
            self.wait_until_healthy()
        self.report(load)
        for number, process in enumerate(self.onboarding):
            if status := process.wait(RUN_SECONDS):
                log = self.place.log(f"onboard-{number}").read_text()
                raise Failed(f"onboard ended with {status}:\n{log[-3000:]}")
        owners = sorted(f"owner-{team}@acme.example" for team in range(TEAMS))
        wait_for(lambda: len(self.mailbox.subjects(COMPLETE)) >= TEAMS, 30, "the emails")
        assert sorted(self.mailbox.subjects(COMPLETE)) == owners

    def back_up_and_restore(self):
        """back up, lose a team, restore: the team's page is back"""
        password = {"PGPASSWORD": self.passwords["POSTGRES_PASSWORD"]}
        for line in block(DOCUMENT, "Back up", "pg_dump --"):
            self.place.shell(line, cwd=self.clone, env=password)
        before = self.team_page()
        with self.database() as connection:
            connection.execute(LOSE)
        assert before == 200
        assert self.team_page() == 404
        for line in block(DOCUMENT, "Restore", "pg_restore"):
            if line.startswith(("systemctl", "deploy/manage")):
                self.systemd.run(line, self.clone)
            else:
                self.place.shell(line, cwd=self.clone, env=password)
        self.wait_until_healthy()
        assert self.team_page() == 200

    def reload_one_unit_under_load(self):
        """replace firstlight-web and the workers by the unit firstlight, and reload it
        under load
        """
        queues = ["sync", "llm", "compute", "email"]
        names = ["firstlight-web", *(f"firstlight-worker@{queue}" for queue in queues)]
        self.systemd.systemctl(["stop", *names])
        self.systemd.close()
        for line in block(DOCUMENT, "With systemd", "--now firstlight$"):
            self.systemd.run(line, self.clone)
        self.wait_until_healthy()
        with Load(self.place, self.session, ["/account/emails/", "/t/team-0/"]) as load:
            wait_for(lambda: load.served > 10, 30, "the first answers")
            for line in block(DOCUMENT, "Upgrade", "systemctl reload"):
                self.systemd.run(line, self.clone)
            served = load.served
            time.sleep(8)
            wait_for(lambda: load.served > served + 20, 30, "answers of the new process")
        self.report(load)
        self.systemd.systemctl(["stop", "firstlight"])

    # What steps share

    def onboard(self, team):
        """Start the command that onboards a team."""
        repositories = ",".join(f"acme/{name}" for name in REPOSITORIES[team])
        words = [
            "deploy/manage",
            "onboard",
            "--team",
            f"Team {team}",
            "--email",
            f"owner-{team}@acme.example",
        ]
        self.onboarding.append(
            self.background(f"onboard-{team}", [*words, "--repos", repositories, "--json"])
        )

    def wait_for_runs(self, count):
        """Return the runs as soon as there are so many."""
        return wait_for(
            lambda: len(found := self.runs()) == count and found,
            START_SECONDS,
            "the runs to start",
        )

    def manage(self, *words):
        return self.place.run(["deploy/manage", *words], cwd=self.clone)

    def background(self, name, words):
        with self.place.log(name).open("wb") as log:
            process = subprocess.Popen(
                words,
                cwd=self.clone,
                env=self.place.base_env,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        self.stack.callback(_end, process)
        return process

    def runs(self):
        """Return the runs as {slug of the team: (id, state)}, read without the product."""
        with self.database() as connection:
            rows = connection.execute(RUNS).fetchall()
        return {slug: (run, state) for slug, run, state in rows}

    def database(self):
        """Return a connection to the product's database, whose block is a transaction."""
        facts = {
            "port": self.ports["postgres"],
            "password": self.passwords["POSTGRES_PASSWORD"],
        }
        return psycopg.connect(
            host="127.0.0.1", user="firstlight", dbname="firstlight", **facts
        )

    def team_page(self):
        with client(self.place, self.session) as visitor:
            return visitor.get("/t/team-0/").status_code

    def wait_until_healthy(self):
        """Wait until /healthz finds web, database, queue, workers, and mail well,
        through nginx.
        """
        last = []

        def is_healthy():
            with client(self.place) as visitor:
                answer = visitor.get("/healthz")
                last[:] = [answer.status_code, answer.text[:500]]
                return answer.status_code == 200

        try:
            wait_for(is_healthy, START_SECONDS, "/healthz")
        except Failed as error:
            raise Failed(f"{error}: {last}") from None

    def check_pages(self):
        """Load a page, compressed, and a file that it links to."""
        with client(self.place) as visitor:
            page = visitor.get("/accounts/login/")
            assert page.status_code == 200
            assert page.headers.get("Content-Encoding") == "gzip"
            assert "Secure" in page.headers["Set-Cookie"], "X-Forwarded-Proto does not arrive"
            _, _, rest = page.text.partition('rel="stylesheet" href="')
            style = visitor.get(rest.partition('"')[0])
            assert style.status_code == 200
            assert "immutable" in style.headers["Cache-Control"]
            assert visitor.get("/metrics").status_code == 404

    def report(self, load):
        print(
            f"   {load.served} answers, {len(load.failed)} failed, the slowest took {load.slowest:.1f} s"
        )
        if load.failed:
            raise Failed(f"requests failed during the restart: {load.failed[:5]}")
        if load.slowest > LONGEST_WAIT:
            raise Failed(f"a request waited for more than {LONGEST_WAIT} s")


def setting(path, name):
    """Return the last value of a setting in a file."""
    values = [
        line.partition("=")[2]
        for line in path.read_text().splitlines()
        if line.startswith(f"{name}=")
    ]
    assert len(values[-1]) >= len(secrets.token_hex(16))
    return values[-1]


def _end(process):
    if process.poll() is None:
        process.kill()
        process.wait()
