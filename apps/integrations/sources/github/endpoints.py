"""Where GitHub's two interfaces are, from one base address; and which addresses a user may type."""

import ipaddress
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

Resolve = Callable[[str], Iterable[str]]


class ForbiddenAddress(ValueError):
    """The address may not be asked; the message says why."""


@dataclass(frozen=True, slots=True)
class Endpoints:
    """`graphql` is posted to; REST paths stand below `rest`, without a slash between."""

    graphql: str
    rest: str

    @classmethod
    def of(cls, base: str) -> "Endpoints":
        """From `https://api.github.com` or an Enterprise Server's `https://host/api/v3` (GraphQL: `/api/graphql`)."""
        base = base.rstrip("/")
        enterprise = base.removesuffix("/api/v3")
        return cls(graphql=f"{enterprise}/api/graphql" if enterprise != base else f"{base}/graphql", rest=base)

    @property
    def host(self) -> str:
        return urlsplit(self.rest).netloc.rpartition("@")[2]


def _resolve(host: str) -> list[str]:
    return [str(entry[4][0]) for entry in socket.getaddrinfo(host, None)]


def check_typed_address(url: str, resolve: Resolve = _resolve) -> str:
    """The address as typed by a user, without a trailing slash, if it is https and leads to public hosts only.

    Addresses from the environment are the operator's own and need no check. Raises ForbiddenAddress.
    """
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ForbiddenAddress("This is no web address.") from None
    if parts.scheme != "https" or not host:
        raise ForbiddenAddress("The address has to start with https:// and name a host.")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ForbiddenAddress("The address may not contain a user name, a password, ? or #.")
    try:
        addresses = [ipaddress.ip_address(text.partition("%")[0]) for text in resolve(host)]
    except (OSError, UnicodeError, ValueError):
        addresses = []
    if not addresses:
        raise ForbiddenAddress(f"There is no host named {host}.")
    for address in addresses:
        mapped = getattr(address, "ipv4_mapped", None)
        # Multicast counts as global for ipaddress.
        if not (mapped or address).is_global or address.is_multicast:
            raise ForbiddenAddress(f"{host} is an address of a private network, which may not be asked.")
    return f"https://{parts.netloc if port else host}{parts.path}".rstrip("/")
