"""See `tests.day`."""

import argparse
import contextlib
import email
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import psycopg
from aiosmtpd.controller import Controller

from tests.chaos.servers import Postgres, Redis, Server
from tests.day.clock import Clock
from tests.services import free_port, wait_until

ROOT = Path(__file__).resolve().parents[2]
# A Sunday, so that the weekly email is due within the day.
START = datetime(2026, 12, 6, 12, tzinfo=UTC)
DAY = timedelta(hours=24)
NEIGHBORS = ("github", "model", "smtp", "redis", "postgres")
# Between these the nights are due, and from this hour on the weekly email is.
NIGHT = (START + timedelta(hours=15), START + timedelta(hours=16))
WEEKLY = START + timedelta(hours=19)
LATE = timedelta(minutes=15)
# How fast the clock runs while something is being done, and at most. It slows down when
# the worker can't keep up.
BUSY, FASTEST = 4.0, 900.0
# Seconds of the clock that the worker's last sign of life may be old.
BEHIND = 20.0
LOG_BYTES = 10_000_000
TEAMS = {"Acme": "acme/api", "Beta": "acme/web"}
# Seconds of real time for the parts before and after the day.
SETUP_SECONDS, END_SECONDS = 120, 60


class Sandbox(Server):
    """GitHub, or the language model, on a port that stays."""

    url = property(lambda self: f"http://127.0.0.1:{self.port}")

    def __init__(self, folder, data):
        super().__init__(folder)
        self.data = data

    def command(self):
        words = [
            "manage.py",
            "sandbox",
            f"--port={self.port}",
            f"--data={self.data}",
            "--points=1000000",
        ]
        return [sys.executable, str(ROOT / words[0]), *words[1:]]

    def wait(self):
        wait_until(
            lambda: httpx.get(f"{self.url}/_sandbox/requests"),
            httpx.TransportError,
            self.process,
        )


class Mail:
    """A mail server that keeps to whom it accepted what, on a port that stays."""

    def __init__(self):
        self.accepted = []
        self.port = free_port()
        self._controller = None

    url = property(lambda self: f"smtp://127.0.0.1:{self.port}")

    def start(self):
        self._controller = Controller(
            self, hostname="127.0.0.1", port=self.port, server_hostname="mail.test"
        )
        self._controller.start()

    def stop(self):
        if self._controller is not None:
            self._controller.stop()
        self._controller = None

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 - aiosmtpd's name
        message = email.message_from_bytes(envelope.content)
        self.accepted += [
            (recipient, message["Message-ID"], message["Subject"])
            for recipient in envelope.rcpt_tos
        ]
        return "250 OK"


class Day:
    """The installation, its neighbors, and the clock by which they live."""

    def __init__(self, folder, neighbor, seed):
        self.folder, self.neighbor = folder, neighbor
        self.clock = Clock(folder, START)
        # From here on each process that this one starts lives by the clock.
        os.environ.update(self.clock.env)
        self.processes = []
        data = folder / "data"
        data.mkdir()
        for name in TEAMS.values():
            write_pull_requests(data, name)
        self.servers = {
            "github": Sandbox(self._folder("github"), data),
            "model": Sandbox(self._folder("model"), data),
        }
        self.servers["smtp"] = Mail()
        if neighbor == "redis":
            self.servers["redis"] = Redis(self._folder("redis"))
        if neighbor == "postgres":
            self.servers["postgres"] = Postgres(self._folder("postgres"))
        self.away = outages(random.Random(seed))

    def _folder(self, name):
        folder = self.folder / name
        folder.mkdir()
        folder.chmod(0o755)
        return folder

    def environment(self):
        env = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("FIRSTLIGHT_", "SERVERS"))
        }
        servers = self.servers
        return env | {
            "FIRSTLIGHT_DOTENV": "0",
            "DJANGO_SETTINGS_MODULE": "project.settings",
            "DEBUG": "1",
            "UNIT_LIMIT": "0",
            "STATE_DIR": str(self.folder / "state"),
            "EMAIL_URL": servers["smtp"].url,
            "GITHUB_TOKEN": "token",
            "GITHUB_API_URL": servers["github"].url,
            "LLM_BASE_URL": f"{servers['model'].url}/v1",
            "LLM_REQUESTS_A_MINUTE": "100000",
            "DEFAULT_FROM_EMAIL": "firstlight@example.com",
            "REDIS_URL": servers["redis"].url if "redis" in servers else "",
            "DATABASE_URL": servers["postgres"].url if "postgres" in servers else "",
        }

    def start(self):
        """Set up both teams, with everything there."""
        for server in self.servers.values():
            server.start()
        self._manage("migrate", "-v", "0")
        with (self.folder / "worker.log").open("ab") as log:
            command = [sys.executable, "manage.py", "run_worker"]
            self.processes.append(
                subprocess.Popen(
                    command,
                    cwd=ROOT,
                    env=self.environment(),
                    stdout=log,
                    stderr=log,
                    stdin=subprocess.DEVNULL,
                )
            )
        for team, repository in TEAMS.items():
            self._manage(
                "onboard",
                "--team",
                team,
                "--email",
                f"{team.lower()}@example.com",
                "--repos",
                repository,
            )

    def _manage(self, *words):
        command = [sys.executable, "-W", "ignore", "manage.py", *words]
        subprocess.run(
            command,
            cwd=ROOT,
            env=self.environment(),
            check=True,
            timeout=SETUP_SECONDS,
            capture_output=True,
        )

    def live(self):
        """Let a day pass, with the neighbor away twice."""
        end = self.clock.now() + DAY
        is_away, shown = False, self.clock.now()
        while self.clock.now() < end:
            now = self.clock.now()
            wanted = any(start <= now < stop for start, stop in self.away)
            if wanted != is_away:
                # A server takes a second of real time to start: none of the clock's
                # hours.
                self.clock.rate = 1
                self._toggle(away=wanted)
                is_away = wanted
            self._adjust(now)
            if now >= shown:
                print(f"{now:%a %H:%M} at {self.clock.rate:.0f} times the speed", flush=True)
                shown = now + timedelta(hours=2)
            assert self.processes[0].poll() is None, "the worker ended"
            time.sleep(0.02)

    def _toggle(self, *, away):
        server = self.servers[self.neighbor]
        print(
            f"{self.clock.now():%a %H:%M} {self.neighbor} is {'away' if away else 'back'}",
            flush=True,
        )
        server.stop() if away else server.start()

    def _adjust(self, now):
        """Let the clock run as fast as what is being done allows."""
        try:
            seen_at, work = self.query(SEEN)[0][0], self.query(WORK, now, now, now)[0][0]
        except (psycopg.Error, sqlite3.Error):
            # The database is away: nothing is being done.
            seen_at, work = now, 0
        behind = (now - moment(seen_at)).total_seconds()
        if work:
            self.clock.rate = BUSY
        elif self.clock.rate < 50:
            self.clock.rate = 50
        elif behind > BEHIND:
            self.clock.rate = max(BUSY, self.clock.rate * 0.7)
        else:
            self.clock.rate = min(FASTEST, self.clock.rate * 1.2)

    def settle(self):
        """Wait until nothing is left to do."""
        self.clock.rate = BUSY
        until = time.monotonic() + END_SECONDS
        while self.query(LEFT)[0][0]:
            assert time.monotonic() < until, "something is left to do"
            self.clock.rate = BUSY * 5
            time.sleep(0.1)

    def query(self, sql, *values):
        if "postgres" in self.servers:
            address = (
                f"postgresql://firstlight@127.0.0.1:{self.servers['postgres'].port}/postgres"
            )
            with psycopg.connect(address, connect_timeout=1) as connection:
                return connection.execute(sql.replace("?", "%s"), values).fetchall()
        texts = [
            f"{value:%Y-%m-%d %H:%M:%S.%f}" if isinstance(value, datetime) else value
            for value in values
        ]
        with closing(
            sqlite3.connect(self.folder / "state" / "db.sqlite3", timeout=5)
        ) as connection:
            return connection.execute(sql, texts).fetchall()

    def end(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for server in self.servers.values():
            with contextlib.suppress(Exception):
                server.stop()

    # What has to be true at the end

    def check(self):
        nights = self.query(
            "SELECT subject, state, created_at, cause FROM pipelines_run WHERE kind = 'nightly'"
        )
        print(f"nights: {[(subject, state, str(at)[:16]) for subject, state, at, _ in nights]}")
        assert len({subject for subject, *_ in nights}) == len(nights) == len(TEAMS), (
            "each team has one night"
        )
        # Without its queue or its database nothing can begin; then it is made good at
        # once.
        last = max(NIGHT[1], self.away[0][1]) + LATE
        for subject, state, at, cause in nights:
            assert state in ("done", "partial"), (subject, state, cause)
            assert NIGHT[0] <= moment(at) <= last, (subject, at)
        sent = self.query(
            "SELECT recipient, message_id, state, subject FROM mail_outboxmessage"
        )
        assert {state for _, _, state, _ in sent} == {"sent"}, sent
        accepted = Counter(
            (recipient, identity) for recipient, identity, _ in self.servers["smtp"].accepted
        )
        assert accepted == Counter(
            (recipient, identity) for recipient, identity, _, _ in sent
        ), "each email arrives once"
        print(f"emails: {sorted(subject for *_, subject in sent)}")
        weekly = self.query(
            "SELECT recipient, created_at FROM mail_outboxmessage WHERE dedupe_key LIKE ?",
            "%digest%",
        )
        assert sorted(recipient for recipient, _ in weekly) == sorted(
            f"{team.lower()}@example.com" for team in TEAMS
        )
        # It is tried each hour.
        last = max(WEEKLY, self.away[1][1]) + timedelta(hours=2)
        assert all(WEEKLY <= moment(at) <= last for _, at in weekly), weekly
        size = (self.folder / "worker.log").stat().st_size
        print(f"log: {size:,} bytes")
        assert size < LOG_BYTES


# When a worker was heard of last.
SEEN = "SELECT max(seen_at) FROM pipelines_worker"
# Steps that are under way or due, and emails that are due.
WORK = """
    SELECT (SELECT count(*) FROM pipelines_steprun s JOIN pipelines_run r ON r.id = s.run_id
             WHERE r.state = 'running' AND (s.state IN ('ready', 'running')
                OR s.state = 'parked' AND s.parked_until <= ?))
         + (SELECT count(*) FROM mail_outboxmessage WHERE state IN ('pending', 'sending') AND next_attempt_at <= ?
               AND NOT EXISTS (SELECT 1 FROM mail_mailoutage WHERE ended_at IS NULL AND next_try_at > ?))
"""
LEFT = """
    SELECT (SELECT count(*) FROM pipelines_run WHERE state = 'running')
         + (SELECT count(*) FROM mail_outboxmessage WHERE state IN ('pending', 'sending'))
"""


def moment(value):
    """Return a time of the database; SQLite keeps text."""
    return (
        value
        if isinstance(value, datetime)
        else datetime.fromisoformat(value).replace(tzinfo=UTC)
    )


def iso(at):
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def outages(chance):
    """Return when the neighbor is away: over the beginning of the night, and over the
    hour of the weekly email.
    """
    midnight = START + timedelta(hours=12)
    found = []
    for hour in (2, 6):
        start = midnight + timedelta(hours=hour, minutes=chance.randint(30, 58))
        found.append((start, start + timedelta(minutes=chance.randint(70, 150))))
    return found


def write_pull_requests(folder, name, count=12):
    """Write a repository's pull requests, two a week, the newest of the week before the
    day.
    """
    with (folder / f"{name.replace('/', '__')}.jsonl").open("w") as file:
        for number in range(1, count + 1):
            opened = START - timedelta(days=3 * number, hours=number)
            merged = opened + timedelta(hours=5)
            author = {"login": f"dev-{number % 3}", "name": f"Dev {number % 3}", "isBot": False}
            commit = {
                "oid": f"{number:040x}",
                "message": f"Change {number}",
                "authoredDate": iso(opened),
                "committedDate": iso(opened),
                "author": author,
                "additions": 5,
                "deletions": 2,
                "changedFiles": 1,
            }
            record = {
                "repository": name,
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
                "reviews": [],
            }
            file.write(json.dumps(record) + "\n")


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.day")
    parser.add_argument(
        "--neighbor", choices=NEIGHBORS, help="who is away (default: chosen by the seed)"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--keep", action="store_true", help="leave the folder with the logs behind"
    )
    options = parser.parse_args()
    neighbor = options.neighbor or NEIGHBORS[options.seed % len(NEIGHBORS)]
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="firstlight-day-"))
    folder.chmod(0o755)
    print(f"neighbor {neighbor}, seed {options.seed}, folder {folder}", flush=True)
    day = Day(folder, neighbor, options.seed)
    try:
        day.start()
        print(
            f"set up after {time.monotonic() - began:.0f} s, at {day.clock.now():%a %H:%M}",
            flush=True,
        )
        day.live()
        day.settle()
        day.check()
    except BaseException:
        print(
            (folder / "worker.log").read_text()[-4000:]
            if (folder / "worker.log").exists()
            else ""
        )
        raise
    finally:
        day.end()
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)
    print(
        f"cases: {len(TEAMS)}\nA day with {neighbor} away took {time.monotonic() - began:.0f} s."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
