"""Pages of a real Chromium, in contexts of their own.

Whatever one complains of fails the test.
"""

import re
from contextlib import contextmanager

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from playwright.sync_api import expect, sync_playwright

from tests import services

TIMEOUT = 20_000  # ms that a condition may take; the machine may be busy
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
# What a browser logs when a page navigates away from what it was loading.
HARMLESS = re.compile(r"net::ERR_ABORTED")


@contextmanager
def chromium():
    """A headless browser. Skips, or with CI set fails, where there is none."""
    program = services.require("chromium", "the tests of the pages look at them in it")
    expect.set_options(timeout=TIMEOUT)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


def session_of(user):
    """The key of a new session in which this person is signed in."""
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return session.session_key


class Visits:
    """Opens pages, and gathers what their consoles complain of."""

    def __init__(self, browser, url):
        self._browser = browser
        self._contexts = []
        self._forgiven = [HARMLESS]
        self.url = url
        self.complaints = []

    def context(self, user=None, *, scheme="light", width=1280, height=900, **options):
        context = self._browser.new_context(
            base_url=self.url,
            color_scheme=scheme,
            viewport={"width": width, "height": height},
            reduced_motion="reduce",
            **options,
        )
        context.set_default_timeout(TIMEOUT)
        context.on("page", self._listen)
        if user is not None:
            context.add_cookies(
                [{"name": "sessionid", "value": session_of(user), "url": self.url}]
            )
        self._contexts.append(context)
        return context

    def __call__(self, user=None, path=None, **options):
        """A page in a context of its own, signed in as `user`; at `path`, where one is
        given.
        """
        page = self.context(user, **options).new_page()
        if path is not None:
            page.goto(path)
        return page

    def _listen(self, page):
        page.on("pageerror", lambda error: self._complain(f"{page.url}: {error}"))
        page.on(
            "console",
            lambda message: (
                message.type == "error"
                and self._complain(
                    f"{page.url}: {message.text} {message.location.get('url', '')}"
                )
            ),
        )

    def _complain(self, text):
        self.complaints.append(text)

    def forgive(self, pattern):
        """Expect complaints like this one."""
        self._forgiven.append(re.compile(pattern))

    @property
    def unforgiven(self):
        return [
            text
            for text in self.complaints
            if not any(known.search(text) for known in self._forgiven)
        ]

    def close(self):
        for context in self._contexts:
            context.close()
        self._contexts.clear()
