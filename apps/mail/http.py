"""Requests to a mail service that another thread can end, and that record whether the
whole request was sent.

    watched = watch(backend.session)        # of a django-anymail backend
    watched.has_sent_all                    # the service may have taken the message
    watched.abort()                         # ends the connection at once

The timeout of `requests` applies to each single read. A service that answers byte by
byte could therefore hold a worker without end.
"""

import socket
from contextlib import suppress
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool


class WatchedAdapter(HTTPAdapter):
    """Remembers the socket of the newest connection, and whether the last request went
    out as a whole.
    """

    def __init__(self) -> None:
        self.has_sent_all = False
        self._socket: socket.socket | None = None
        super().__init__()

    def init_poolmanager(self, *args: Any, **more: Any) -> None:
        super().init_poolmanager(*args, **more)
        self.poolmanager.pool_classes_by_scheme = {
            "http": self._watched(HTTPConnectionPool),
            "https": self._watched(HTTPSConnectionPool),
        }

    def abort(self) -> None:
        """End the connection at once, from another thread."""
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def _watched(self, pool: type[HTTPConnectionPool]) -> type[HTTPConnectionPool]:
        """Return the class of pools whose connections report to this adapter."""
        adapter = self

        class Connection(pool.ConnectionCls):  # type: ignore[name-defined, misc]
            def connect(self) -> None:
                # The TLS handshake comes first, so the request itself may never begin.
                adapter.has_sent_all = False
                super().connect()
                # Keep the socket, because http.client forgets it as soon as it reads an
                # answer that ends the connection.
                adapter._socket = self.sock

            def request(self, *args: Any, **more: Any) -> None:
                adapter.has_sent_all = False
                super().request(*args, **more)
                adapter.has_sent_all = True

        return type("WatchedPool", (pool,), {"ConnectionCls": Connection})


def watch(session: requests.Session) -> WatchedAdapter:
    """Make a session send its requests through a watched adapter, and return the
    adapter.
    """
    adapter = WatchedAdapter()
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return adapter
