"""Start uvicorn with the limits of this package.

The caller passes listening sockets, or an address.
"""

import logging
import socket
from typing import Any

import uvicorn
from django.conf import settings
from uvicorn.config import Config

from project.server import connections
from project.server.protocol import BoundedProtocol
from project.startup import prepare

APPLICATION = "project.asgi:application"
logger = logging.getLogger(__name__)

# Seconds that open answers get when the process ends. A stream of events is open as
# long as its page is.
GRACE = 5
# Connections that wait until the process accepts them. The kernel delays further ones.
BACKLOG = 1024


def configuration(**changes: Any) -> Config:
    """Return uvicorn's configuration. `changes` are more of its own settings.

    X-Forwarded-For and X-Forwarded-Proto are used only if the request comes from a
    proxy in FORWARDED_ALLOW_IPS.
    """
    prepare()  # it refuses a value that trusts every host
    trusted = ",".join(settings.FORWARDED_ALLOW_IPS)
    files = connections.raise_file_limit()
    of_process = connections.Connections(connections.most_connections(files), trusted, files)
    protocol = type("Protocol", (BoundedProtocol,), {"connections_of_process": of_process})
    options: dict[str, Any] = {
        "http": protocol,
        "ws": "none",
        "backlog": BACKLOG,
        "timeout_graceful_shutdown": GRACE,
        "timeout_keep_alive": 5,
        "forwarded_allow_ips": trusted,
        "server_header": False,
        "log_config": None,
    }
    return Config(APPLICATION, **(options | changes))


class Server(uvicorn.Server):
    """uvicorn's server, which announces this process while it serves
    (`apps.pipelines.worker.presence`).
    """

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        # Imported here, because models need a loaded application.
        from apps.pipelines.worker.presence import Beat

        await super().startup(sockets)
        logger.info("The web process has started, release %s.", settings.RELEASE)
        self._beat = Beat("web")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        # uvicorn ends the process by the signal that it got, so no code runs after
        # this.
        self._beat.end()


def serve(sockets: list[socket.socket] | None = None, **changes: Any) -> None:
    """Serve until a signal ends the process.

    `sockets` are listening sockets; without them, `changes` contain `host` and `port`.
    """
    Server(configuration(**changes)).run(sockets=sockets)
