"""A site whose server fails: the pages and the worker of an installation, over a
database and a Redis with faults.

    with site_over(folder, octo_server, REDIS_URL=url) as site:
        made = site.new_team()
        site.post(made, "onboarding/start/", "pick=github%3Aocto%2Fhello")
        site.state(made)

The web process and the worker outlive all rows of a table, as they do in the world.
"""

import contextlib
import itertools
import tempfile
import time
from pathlib import Path

from tests.faults.hand import PASSWORD, Hand
from tests.faults.scene import OURS, PAGE_BYTES, Scene
from tests.project.installation import Installation

REPOSITORIES = ("octo/hello", "octo/world")
PICKS = "&".join(
    f"{field}=github%3A{name.replace('/', '%2F')}"
    for name in REPOSITORIES
    for field in ("shown", "pick")
)
# What a visitor may wait for an answer during a fault.
PAGE_SECONDS = 8.0


class Site:
    """The running installation, and teams in it."""

    def __init__(self, installation, hand, worker):
        self.installation, self._hand, self.worker = installation, hand, worker
        self._numbers = itertools.count(1)

    def new_team(self):
        return self._hand.do("team", number=next(self._numbers))

    def state(self, team):
        return self._hand.do("state", team=team["team"])

    def webhook(self, team):
        return self._hand.do("webhook", team=team["team"])

    def ask(self, team, path, method="GET", body=None, **headers):
        """Return status, headers, and body of a request as the team's owner; check how
        long it took and what is shown.
        """
        cookie = f"sessionid={team['session']}; csrftoken={'c' * 32}"
        status, seconds, answered, text = self.installation.ask(
            path, method, body, Cookie=cookie, **headers
        )
        assert seconds < PAGE_SECONDS, (path, seconds)
        assert not OURS.search(text), (path, OURS.search(text))
        assert len(text) < PAGE_BYTES
        return status, answered, text

    def start(self, team):
        return self.ask(
            team, f"/t/{team['slug']}/onboarding/start/", "POST", f"{PICKS}&months=12"
        )[0]

    def refresh(self, team):
        return self.ask(team, f"/t/{team['slug']}/onboarding/refresh/", "POST", "")[0]

    def sign_in(self, team):
        """Sign in by the form, in another browser, and return the status."""
        body = f"login={team['email'].replace('@', '%40')}&password={PASSWORD}"
        return self.ask({"session": "none"}, "/accounts/login/", "POST", body)[0]

    def pages(self, team):
        """Return the statuses of the pages that people open most, by path."""
        below = f"/t/{team['slug']}/"
        paths = [
            f"{below}{path}"
            for path in ("", "pull-requests/", "sources/", "onboarding/indicator/")
        ]
        return {
            path: self.ask(team, path)[0] for path in [*paths, "/home/", "/accounts/login/"]
        }

    def wait_until_pages_work(self, team, seconds=30.0):
        """Wait until the team's page and the probe of the site answer as usual."""
        until = time.monotonic() + seconds
        while (
            self.ask(team, f"/t/{team['slug']}/sources/")[0] != 200
            or self.installation.status("/readyz") != 200
        ):
            assert time.monotonic() < until
            time.sleep(0.2)

    def probe(self, path):
        """Return the status and the text of a probe whose last answer is not given
        again.
        """
        time.sleep(1.1)
        status, seconds, _, text = self.installation.ask(path)
        assert seconds < PAGE_SECONDS, (path, seconds)
        assert "127.0.0.1" not in text
        return status, text

    def log_lines(self):
        return sum(
            path.read_bytes().count(b"\n") for path in self.installation.folder.glob("*.log")
        )

    def log(self):
        return "".join(
            path.read_text(errors="replace") for path in self.installation.folder.glob("*.log")
        )

    def eventually(self, team, condition, seconds=60.0):
        """Wait until the team's state is as wanted, and return it."""
        until = time.monotonic() + seconds
        while True:
            found = self.state(team)
            if condition(found):
                return found
            assert time.monotonic() < until, (found, self.log()[-3000:])
            time.sleep(0.2)


@contextlib.contextmanager
def site_over(folder, sandbox, **env):
    """Yield a site with one worker and one web process, ended on the way out."""
    emails = f"filebased://{folder}/emails"
    installation = Installation(folder, GITHUB_API_URL=sandbox.url, EMAIL_URL=emails, **env)
    try:
        worker = installation.start_worker()
        installation.start_web()
        with Hand(installation.env) as hand:
            yield Site(installation, hand, worker)
    finally:
        installation.end()


class SiteScene(Scene):
    """A site, and a server behind it with one fault: of a real server, or of the wire
    in front of it.

    `faults` has, by name, what begins and what ends a fault of the real server. `wire`
    is None for a file.
    """

    def __init__(self, row, tried, site, server, wire, faults):
        super().__init__(row, None, tried)
        self.site, self.server, self.wire, self.faults = site, server, wire, faults
        self.is_on = False

    def requests(self):
        return self.wire.connections if self.wire else 0

    def log_lines(self):
        return self.site.log_lines()

    def tail(self):
        return self.site.log()[-4000:]

    def begin(self):
        self.mark()
        self.is_on = True
        if self.wire:
            self.wire.connections = 0
        if self.row.fault:
            self.faults[self.row.fault][0](self.server)
        else:
            self.play()

    def play(self):
        """Let the wire do what the row states.

        A server with a protocol of its own adds to it.
        """
        how = self.row.how
        if how.get("refuse"):
            self.wire.refuses()
        elif how.get("silence"):
            self.wire.plays(None)
        else:
            self.wire.plays(self.row.content, **how)

    @contextlib.contextmanager
    def fault(self):
        """Let the fault begin, and pass at the latest on the way out."""
        try:
            self.begin()
            yield
        finally:
            self.end()

    def end(self):
        """Let the fault pass, if it is there.

        The connections that the wire had count on.
        """
        if not self.is_on:
            return
        self.is_on = False
        before = self.requests()
        if self.row.fault:
            self.faults[self.row.fault][1](self.server)
        else:
            self.wire.passes_on()
        if self.wire:
            self.wire.connections = before


def has_completion(found):
    """Return whether a team's completion email is in the outbox, whatever became of it."""
    return "complete" in [kind for _, kind in found["emails"]]


def assert_whole(found, runs):
    """Check that a team has everything, once."""
    assert (found["pulls"], found["figures"], found["missing"], found["runs"]) == (
        33,
        True,
        [],
        runs,
    )
    assert [kind for _, kind in found["emails"]].count("complete") == 1


@contextlib.contextmanager
def new_folder():
    """Yield a folder that the servers' own user can reach, which pytest's can't be."""
    with tempfile.TemporaryDirectory(prefix="firstlight-faults-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
