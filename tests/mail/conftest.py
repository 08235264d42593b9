import asyncio
import time
from types import SimpleNamespace

import pytest
from aiosmtpd.controller import Controller
from huey.contrib.djhuey import HUEY

from tests.services import free_port


class MailServer:
    """A real SMTP server on loopback.

    `refuse` answers RCPT by address, `on_data` is called before DATA is answered.
    """

    def __init__(self, port):
        self.port = port
        self.received = []
        self.refuse = {}
        self.answer = "250 OK"
        self.on_data = lambda envelope: None
        self._controller = None

    def start(self):
        # A host name of its own spares a look-up of this machine's.
        self._controller = Controller(
            self, hostname="127.0.0.1", port=self.port, server_hostname="mail.test"
        )
        self._controller.start()

    def stop(self):
        if self._controller:
            self._controller.stop()
            self._controller = None

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802 - aiosmtpd's name
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        self.received.append(
            SimpleNamespace(
                sender=envelope.mail_from,
                recipients=envelope.rcpt_tos,
                content=envelope.content,
            )
        )
        await asyncio.to_thread(self.on_data, envelope)
        return self.answer

    def wait_for(self, count, seconds=10.0):
        until = time.monotonic() + seconds
        while len(self.received) < count and time.monotonic() < until:
            time.sleep(0.01)
        return len(self.received)


@pytest.fixture
def server(settings):
    """The product's mail server; tests start it themselves."""
    server = MailServer(free_port())
    settings.EMAIL_CONFIGURED = True
    settings.MAILERS = {
        "default": {"OPTIONS": {"host": "127.0.0.1", "port": server.port, "timeout": 5}}
    }
    yield server
    server.stop()


@pytest.fixture
def queue(transactional_db):
    """The message queue, empty before and after."""
    HUEY.flush()
    yield HUEY
    HUEY.flush()
