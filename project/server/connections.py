"""Count the connections of a process, and make room for the next one.

A process has as many connections as its limit of open files allows, less what database,
queue, and files need. When all are in use, the connection that has been idle for
longest is closed: one between two requests, or one whose request is not complete. A new
connection is refused only if every other one is being answered. Half-open and idle
connections, however many, therefore do not keep other visitors out.
"""

import logging
import resource
import time
from collections import Counter, OrderedDict
from ipaddress import IPv6Address, ip_address
from typing import Protocol

from uvicorn.middleware.proxy_headers import _TrustedHosts

from project.server import limits

logger = logging.getLogger(__name__)

LOG_EVERY = 60.0  # seconds
RESERVED = 256


class Connection(Protocol):
    """The counter's view of a connection."""

    client_key: str

    def drop(self) -> None:
        """Close the connection at once."""


class Connections:
    """The open connections of this process. `most` is the limit of all,
    `most_per_client` that of one address.

    The addresses of `trusted` are proxies. Many visitors come through one, so a proxy
    has no limit of its own.
    """

    def __init__(self, most: int, trusted: str, files: int) -> None:
        self.most = most
        # One address may not use up all connections.
        self.most_per_client = max(limits.LEAST_PER_CLIENT, most // 4)
        self._files = files
        self._trusted = _TrustedHosts(trusted)
        self._idle: OrderedDict[Connection, None] = OrderedDict()
        self._open: set[Connection] = set()
        self._per_client: Counter[str] = Counter()
        self._logged_at = float("-inf")
        self._closed = self._refused = 0
        self.webhooks = 0

    def key_of(self, address: str) -> str:
        """Return the key of one client: an IPv4 address, or 64 bits of an IPv6 one; ""
        for a trusted proxy.
        """
        if not address or address in self._trusted:
            return ""
        try:
            parsed = ip_address(address)
        except ValueError:
            return ""
        if isinstance(parsed, IPv6Address):
            # A visitor with IPv6 usually has a whole /64 network of addresses.
            return str(int(parsed) >> 64)
        return address

    def admit(self, connection: Connection) -> bool:
        """Count a new connection.

        Returns False, without counting it, if there is no room.
        """
        key = connection.client_key
        if key and self._per_client[key] >= self.most_per_client and not self._make_room(key):
            return self._refuse()
        if len(self._open) >= self.most and not self._make_room(""):
            return self._refuse()
        self._open.add(connection)
        self._per_client[key] += 1
        self._idle[connection] = None
        return True

    def busy(self, connection: Connection) -> None:
        """Record that a connection's request is complete and being answered, so that it
        is not closed for other connections.
        """
        self._idle.pop(connection, None)

    def idle(self, connection: Connection) -> None:
        """Record that a connection waits for a request."""
        if connection in self._open:
            self._idle[connection] = None
            # The dictionary is ordered by idle time, so its first key is the one to
            # close.
            self._idle.move_to_end(connection)

    def leave(self, connection: Connection) -> None:
        """Stop counting a connection."""
        self._idle.pop(connection, None)
        if connection in self._open:
            self._open.remove(connection)
            self._per_client[connection.client_key] -= 1
            if self._per_client[connection.client_key] <= 0:
                # Otherwise the counter would keep every address that ever connected.
                del self._per_client[connection.client_key]

    def _make_room(self, key: str) -> bool:
        oldest = next((each for each in self._idle if not key or each.client_key == key), None)
        if oldest is None:
            return False
        self.leave(oldest)
        oldest.drop()
        self._closed += 1
        self._log()
        return True

    def _refuse(self) -> bool:
        self._refused += 1
        self._log()
        return False

    def _log(self) -> None:
        """Log why connections are closed or refused: the first time, then once a minute
        with how many there were.
        """
        now = time.monotonic()
        if now - self._logged_at < LOG_EVERY:
            return
        self._logged_at = now
        logger.warning(
            "Connections are full: %s of %s in use, of one address %s at most (open files: %s). "
            "Idle ones closed: %s, refused: %s. To allow more, raise the limit of open files (LimitNOFILE).",
            len(self._open),
            self.most,
            self.most_per_client,
            self._files,
            self._closed,
            self._refused,
        )
        self._closed = self._refused = 0


def raise_file_limit() -> int:
    """Raise this process's limit of open files as far as allowed, 65,536 at most.

    Returns the limit.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = limits.MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, limits.MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        return most
    return most if soft == resource.RLIM_INFINITY else soft


def most_connections(files: int) -> int:
    """Return how many of a process's open files may be connections.

    A quarter of them, 256 at most, is kept for other files.
    """
    return max(16, files - min(RESERVED, files // 4))
