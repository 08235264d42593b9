"""Sends attempts, keeps sessions, and judges answers."""

import http.client
import time
from dataclasses import dataclass

from tests.fuzz import world

SLOW = 2.0
# Seconds before a slow request is tried once more.
REPEAT_AFTER = (0.0, 0.5, 1.0, 3.0, 6.0)
CSRF = "f" * 32


@dataclass(frozen=True)
class Answer:
    """`status` is 0 for a request that can't be put on the wire, and -1 for a broken
    connection.
    """

    status: int
    seconds: float
    location: str = ""
    reason: str = ""

    @property
    def is_failure(self):
        return self.status >= 500 or self.status == -1


class Sender:
    def __init__(self, port):
        self.port = port
        self._sessions = {}

    def forget_sessions(self):
        self._sessions.clear()

    def send(self, attempt):
        answer = self._once(attempt)
        if attempt.person != "anonymous" and answer.location.startswith("/accounts/login"):
            # An earlier request has ended the session.
            self._sessions.pop(attempt.person, None)
            answer = self._once(attempt)
        return answer

    def _once(self, attempt):
        headers = {
            "Host": f"127.0.0.1:{self.port}",
            "Cookie": self._cookie(attempt.person),
            "X-CSRFToken": CSRF,
        }
        if attempt.content_type:
            headers["Content-Type"] = attempt.content_type
        headers |= dict(attempt.headers)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=40)
        began = time.monotonic()
        try:
            connection.request(attempt.method, attempt.target, attempt.body or None, headers)
            answer = connection.getresponse()
            if "event-stream" not in answer.headers.get("Content-Type", ""):
                answer.read()
            return Answer(
                answer.status, time.monotonic() - began, answer.headers.get("Location", "")
            )
        except (http.client.InvalidURL, UnicodeError, ValueError):
            return Answer(0, 0.0)
        except (OSError, http.client.HTTPException) as error:
            return Answer(
                -1, time.monotonic() - began, reason=f"{type(error).__name__}: {error}"
            )
        finally:
            connection.close()

    def _cookie(self, person):
        if person == "anonymous":
            return f"csrftoken={CSRF}"
        if person not in self._sessions:
            world.repair()
            self._sessions[person] = world.session_of(person)
        return f"csrftoken={CSRF}; sessionid={self._sessions[person]}"

    def is_fast_again(self, attempt):
        """Whether a slow request is fast when it is repeated: then the machine was busy
        with something else.
        """
        for pause in REPEAT_AFTER:
            time.sleep(pause)
            if self.send(attempt).seconds <= SLOW:
                return True
        return False

    def minimized(self, attempt, fails):
        """The smallest request that still fails, leaving out one part after the other."""
        for smaller in attempt.smaller():
            if fails(self.send(smaller)):
                return self.minimized(smaller, fails)
        return attempt
