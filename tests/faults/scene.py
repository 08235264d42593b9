"""What the tables of all neighbors share: a row's measurements, and what no page and no
email may hold.
"""

import re
import time

from django.urls import reverse

# What no page and no email may hold.
OURS = re.compile(
    r"Traceback|\w(?:Error|Exception):|GROQ_API_KEY|LLM_BASE_URL|check_model|httpx|gsk_|psycopg|smtplib"
)
PAGE_BYTES = 400_000


class Scene:
    """One row, a worker's log, and the neighbor. A neighbor's table adds how its fault
    begins and ends.

    `tried` is called with each situation that was tried.
    """

    def __init__(self, row, log, tried):
        self.row, self.log, self._tried = row, log, tried
        self.lines = 0

    def requests(self):
        """Return how many requests reached the neighbor since its fault began."""
        return 0

    def log_lines(self):
        return self.log.read_text(errors="replace").count("\n") if self.log.exists() else 0

    def tail(self):
        """Return the end of the log, for a message."""
        return self.log.read_text(errors="replace")[-4000:]

    def mark(self):
        """Count lines of the log from here on."""
        self.lines = self.log_lines()

    def measured(self, situation, work):
        """Do the work, and compare what it took with the most that it may take.

        Returns what the work returns.
        """
        most = getattr(self.row, situation)
        began = time.monotonic()
        result = work()
        seconds = time.monotonic() - began
        requests, lines = self.requests(), self.log_lines() - self.lines
        text = (
            f"{self.row.name}, {situation}: {seconds:.1f} s, {requests} requests, {lines} lines"
        )
        print(text)
        assert seconds <= most.seconds, text
        assert requests <= most.requests, text
        assert lines <= most.lines, self.tail()
        self._tried(situation)
        return result


def look(client, team, user, run):
    """Return the pages that a user sees of the team and of a run."""
    client.force_login(user)
    names = (
        "metrics:ai_reading",
        "metrics:dashboard",
        "metrics:pull_requests",
        "onboarding:sources",
    )
    addresses = [reverse(name, args=[team.slug]) for name in names]
    addresses.append(reverse("onboarding:run_detail", args=[team.slug, run.pk]))
    return [client.get(address) for address in addresses]


def assert_fit_for_people(pages):
    """Check that pages answer, and hold nothing that is for operators."""
    for page in pages:
        text = page.content.decode()
        assert page.status_code == 200, page.request["PATH_INFO"]
        found = OURS.search(text)
        assert not found, (page.request["PATH_INFO"], found)
        assert len(text) < PAGE_BYTES
