"""People who sign up all the time, through a proxy that knows two web processes."""

import re
import threading
import time
from collections import Counter

import httpx

from tests.upgrade.release import wait_until

PASSWORD = "a-long-sentence-of-words-7"
TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')
GIVE_UP_AFTER = 30.0  # seconds in which no web process can be reached


class SignUps:
    """A thread that signs up one new address after the other until it is left: `with
    SignUps(ports) as people`.

    `accepted` are the addresses, `refused` the answers that were no success.
    """

    def __init__(self, ports):
        self.ports = list(ports)
        self.accepted, self.refused = [], []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join(GIVE_UP_AFTER * 2)

    def go_on(self, count):
        """Wait until so many more have signed up, or one was refused."""
        enough = len(self.accepted) + count
        wait_until(lambda: len(self.accepted) >= enough or self.refused)

    def _run(self):
        number = 0
        while not self._over.wait(0.2):
            number += 1
            address = f"person-{number}@example.com"
            try:
                self._sign_up(address, f"10.1.{number // 250}.{number % 250 + 1}")
            except Exception as error:
                self.refused.append((address, repr(error)))

    def _sign_up(self, address, ip):
        # A proxy in front of both processes has one host name.
        headers = {"X-Forwarded-For": ip, "Host": "localhost"}
        with httpx.Client(headers=headers, timeout=60) as client:
            page = self._send(client, "GET", {})
            [token] = set(TOKEN.findall(page.text))
            fields = {
                "email": address,
                "password1": PASSWORD,
                "password2": PASSWORD,
                "csrfmiddlewaretoken": token,
            }
            answer = self._send(
                client, "POST", fields, {"Cookie": f"csrftoken={page.cookies['csrftoken']}"}
            )
        if answer.status_code == 302:
            self.accepted.append(address)
        else:
            self.refused.append((address, answer.status_code))

    def _send(self, client, method, fields, headers=None):
        """Ask the processes in turn, as a proxy does, until one can be reached."""
        until = time.monotonic() + GIVE_UP_AFTER
        while True:
            for port in self.ports:
                try:
                    return client.request(
                        method,
                        f"http://127.0.0.1:{port}/accounts/signup/",
                        data=fields,
                        headers=headers,
                    )
                except httpx.ConnectError:
                    continue
            if time.monotonic() > until:
                raise TimeoutError("No web process can be reached.")
            time.sleep(0.1)


def doubled(addresses):
    """Return what is in the list more than once."""
    return [address for address, times in Counter(addresses).items() if times > 1]
