"""Read settings from the environment and from `.env`, strictly.

A value that cannot be used is never replaced by a guess. Each reader records the
mistake and returns a harmless value, so that one start reports every mistake.
`Env.finish` then raises `ConfigurationError` with one line for each: the variable, its
value (never that of a secret), and what is expected.
"""

import base64
import binascii
import email.utils
import os
import re
from collections.abc import Callable, Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

import idna
import psycopg
from django.core.exceptions import ImproperlyConfigured
from dotenv import dotenv_values
from psycopg.conninfo import make_conninfo

from apps.mail.addresses import address_or_none
from project.secrets import kept_secret

TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off"}
IDLE_IN_TRANSACTION = "60s"
SSL_MODES = {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}
HOST = re.compile(r"\*|\.?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?|\[[0-9A-Fa-f:.]+\]")


class ConfigurationError(ImproperlyConfigured):
    """The values of the environment are not a working configuration."""


def read(dotenv: Path) -> dict[str, str]:
    """Return the process's environment over the assignments in `dotenv`, which may be
    missing.

    FIRSTLIGHT_DOTENV=0 in the environment leaves the file out, as the tests do.
    """
    from_file: Mapping[str, str | None] = {}
    if os.environ.get("FIRSTLIGHT_DOTENV", "1").lower() not in FALSE:
        from_file = dotenv_values(dotenv)
    return {
        name: value for name, value in (from_file | os.environ).items() if value is not None
    }


class Env:
    """Typed reads of one mapping. An empty value counts as unset."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self._problems: list[str] = []

    def finish(self) -> None:
        """Raise if any reader found a mistake."""
        if self._problems:
            raise ConfigurationError("\n".join(self._problems))

    def reject(self, name: str, expected: str, *, secret: bool = False) -> None:
        """Record that the value of `name` is not the expected one."""
        value = self.text(name)
        shown = (
            "is not set"
            if not value
            else "has an unusable value"
            if secret
            else f"is {value!r}"
        )
        self._problems.append(f"{name} {shown}; expected {expected}.")

    def text(self, name: str, default: str = "") -> str:
        return self._values.get(name, "").strip() or default

    def token(self, name: str) -> str:
        """Return a value that is sent in a header, so it may only contain printable
        ASCII characters without blanks.
        """
        value = self.text(name)
        if is_header(value):
            return value
        self.reject(
            name,
            "the value as its service shows it: letters, digits, and signs of ASCII",
            secret=True,
        )
        return ""

    def required(self, name: str, expected: str, default: str = "") -> str:
        """Return the text of `name`. If both it and the default are empty, that is a
        mistake.
        """
        value = self.text(name, default)
        if not value:
            self.reject(name, expected)
        return value

    def boolean(self, name: str, default: bool = False) -> bool:
        value = self.text(name).lower()
        if value in TRUE:
            return True
        if value and value not in FALSE:
            self.reject(name, "1 or 0 (true, false, yes, no, on and off work too)")
        return default if not value else False

    def port(self, name: str, default: int) -> int:
        value = self.text(name, str(default))
        if value.isascii() and value.isdecimal() and 1 <= int(value) <= 65535:
            return int(value)
        self.reject(name, "a port number from 1 to 65535")
        return default

    def number(self, name: str, default: int, least: int, most: int) -> int:
        value = self.text(name, str(default))
        if value.isascii() and value.isdecimal() and least <= int(value) <= most:
            return int(value)
        self.reject(name, f"a whole number from {least} to {most}")
        return default

    def all_or_none(self, *names: str) -> None:
        """If some of these are set, record each one that is missing."""
        if any(self.text(name) for name in names):
            for name in names:
                if not self.text(name):
                    self.reject(
                        name,
                        f"a value, as {names[0]} and the others of the same group have",
                        secret=True,
                    )

    def private_key(self, name: str, base: Path) -> str:
        """Return a key in PEM. The value is the key itself (line breaks may be written
        \\n) or the path of its file.
        """
        value = self.text(name).replace("\\n", "\n")
        if value and "PRIVATE KEY-----" not in value:
            try:
                value = (base / value).read_text()
            except OSError:
                value = ""
            if "PRIVATE KEY-----" not in value:
                self.reject(
                    name, "a private key in PEM, or the path of a file with one", secret=True
                )
        return value

    def words(self, name: str) -> list[str]:
        """Return the parts between commas, without the space around them."""
        return [part.strip() for part in self.text(name).split(",") if part.strip()]

    def hosts(self, name: str, default: list[str]) -> list[str]:
        hosts = self.words(name) or default
        if not all(HOST.fullmatch(host) for host in hosts):
            self.reject(
                name,
                "host names between commas, without scheme, port or path, like app.example.com",
            )
        return hosts

    def choice(self, name: str, default: str, choices: tuple[str, ...]) -> str:
        """Return one of `choices`; the value may be in upper or lower case."""
        value = self.text(name, default).lower()
        if value in choices:
            return value
        self.reject(name, f"one of {', '.join(choices)}")
        return default

    def domains(self, name: str) -> list[str]:
        """Return the domains of email addresses between commas, in IDNA 2008's ASCII
        form.
        """
        domains = []
        for word in self.words(name):
            try:
                domains.append(idna.encode(word.lower(), strict=True).decode())
            except idna.IDNAError:
                self.reject(
                    name,
                    "domains of email addresses between commas, like example.com, example.org",
                )
                return []
        return domains

    def people(self, name: str) -> list[str]:
        """Return email addresses, plain or like `Ada Lovelace <ada@example.com>`."""
        people = self.words(name)
        if not all(_is_address(person) for person in people):
            self.reject(
                name,
                "mail addresses between commas, like ada@example.com, Alan Turing <alan@example.com>",
            )
            return []
        return [_normalized(person) for person in people]

    def address(self, name: str, default: str) -> str:
        value = self.text(name, default)
        if not _is_address(value):
            self.reject(name, "one mail address, like Firstlight <hello@example.com>")
            return value
        return _normalized(value)

    def web_url(self, name: str, default: str, *, bare: bool = False) -> str:
        """Return an http or https address without a trailing slash; with `bare`, also
        without a path.
        """
        value = self.text(name, default)
        url = _split(value)
        good = (
            url is not None
            and url.scheme in {"http", "https"}
            and url.hostname
            and not url.query + url.fragment
        )
        if value and (not good or (bare and url and url.path.strip("/"))):
            path = "" if bare else "/path"
            self.reject(name, f"an address like https://app.example.com{path}, without ? or #")
        return value.rstrip("/")

    def redis_url(self, name: str, password: str = "") -> str:
        """Return a Redis address, with `password` if it has none itself."""
        value = self.text(name)
        url = _split(value)
        if value and (
            url is None
            or url.scheme not in {"redis", "rediss", "unix"}
            or not _is_redis(value, url)
        ):
            self.reject(
                name,
                "an address like redis://localhost:6379/0, rediss://… or unix:///path",
                secret=True,
            )
            return value
        if not url or not password or url.password or url.scheme == "unix":
            return value
        user, _, place = url.netloc.rpartition("@")
        user = user.rstrip(":")
        return url._replace(netloc=f"{user}:{quote(password, safe='')}@{place}").geturl()

    def proxies(self, name: str, default: list[str], *, all_allowed: bool) -> list[str]:
        """Return IP addresses and networks whose X-Forwarded-* headers are believed.

        `*` and a network of all addresses are refused unless `all_allowed`: with them
        any visitor chooses the address that rate limits and logs see.
        """
        proxies = self.words(name) or default
        expected = "IP addresses or networks of your proxies between commas, like 127.0.0.1, 10.0.5.0/24"
        for proxy in proxies:
            if proxy == "*" and all_allowed:
                continue
            try:
                network = ip_network(proxy)
            except ValueError:
                self.reject(name, expected)
                break
            if network.prefixlen == 0 and not all_allowed:
                self.reject(name, expected)
                break
        return proxies

    def folder(self, name: str, base: Path, default: str) -> Path | None:
        """Return a folder's path; a relative one starts at `base`.

        Returns None if neither a value nor a default is given.
        """
        value = self.text(name, default)
        return (base / Path(value).expanduser()).resolve() if value else None

    def kept_secret(self, path: Path, make: Callable[[], str]) -> str:
        """Return a secret of this installation's own, see `project.secrets`."""
        try:
            return kept_secret(path, make)
        except OSError as error:
            if path.parent.is_dir():
                self.reject(
                    "STATE_DIR",
                    f"a folder in which {path.name} can be made and read ({error.strerror})",
                )
            return make()

    def fernet_keys(self, name: str, default: list[str]) -> list[str]:
        """Return keys for `cryptography.fernet`, the one that encrypts first."""
        keys = self.words(name) or default
        if not keys or not all(_is_fernet_key(key) for key in keys):
            self.reject(
                name,
                "keys between commas, each 32 bytes as url-safe base64; .env.example says how to make one",
                secret=True,
            )
        return keys

    def database(self, name: str, default: Path) -> dict[str, Any]:
        """Return Django's settings of one database, for a postgresql:// or sqlite:///
        address.
        """
        value = self.text(name)
        if not value:
            return sqlite(default)
        url = _split(value)
        if url and url.scheme == "sqlite" and not url.netloc and len(url.path) > 1:
            path = Path(unquote(url.path))
            if not path.parent.is_dir() or path.is_dir():
                self.reject(
                    name,
                    "the path of a file in a folder that exists, like sqlite:////path/to/file",
                    secret=True,
                )
            return sqlite(path)
        if (
            url
            and url.scheme in {"postgres", "postgresql"}
            and len(url.path) > 1
            and _has_good_options(url)
        ):
            return postgresql(url)
        self.reject(
            name,
            "postgresql://user:password@host:5432/name or sqlite:////path/to/file",
            secret=True,
        )
        return sqlite(default)

    def mailer(self, name: str, *, required: bool) -> dict[str, Any] | None:
        """Return Django's settings of one mailer, None if the variable is unset."""
        value = self.text(name)
        if not value and not required:
            return None
        url = _split(value)
        mailer = mailer_settings(url) if url else None
        if mailer is None:
            self.reject(
                name,
                "smtp://user:password@host:587/?tls=1, smtps://…, mailgun://key@domain, postmark://token@ or another "
                "service's, console: or filebased:///path",
                secret=True,
            )
        return mailer


def sqlite(path: Path) -> dict[str, Any]:
    """Return the settings of SQLite: one file for web and worker.

    Transactions are IMMEDIATE, so that each waits for the lock at its start and does
    not fail in the middle.
    """
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": path,
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            # Seconds that a statement waits for another process's lock. A worker waits
            # longer.
            "timeout": 4,
            # The log of up to 16 MB is merged into the file four times less often than
            # by default, which saves as many flushes of both to the disk.
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=4000;",
        },
    }


def postgresql(url: SplitResult) -> dict[str, Any]:
    """Return the settings of PostgreSQL, with a pool in place of persistent
    connections: these belong to a thread, and under ASGI each request has its own.

    In the address's query, pool_size is the maximum size of a process's pool. All other
    options are passed to libpq, like sslmode=require.
    """
    # A process that freezes during a transaction must not hold its rows until it wakes,
    # because the sweeper would wait for them.
    options: dict[str, Any] = {
        "options": f"-c idle_in_transaction_session_timeout={IDLE_IN_TRANSACTION}"
    }
    # A server that hangs accepts connections and never answers. After so many seconds a
    # new connection counts as failed.
    options["connect_timeout"] = 3
    # A server may leave the network without closing its connections. They count as lost
    # after 60 seconds.
    options |= {
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": 60_000,
    }
    options |= parse_qsl(url.query)
    size = int(options.pop("pool_size", 20))
    # Only the hand-written statements are prepared, after so many executions; the ORM's
    # are never prepared.
    options["prepare_threshold"] = 5
    # A request waits `timeout` seconds for a connection. A failed attempt gives up
    # after `reconnect_timeout` seconds and the next request makes another: psycopg's
    # own growing pauses would outlast an outage by half a minute.
    options["pool"] = {
        "min_size": 0,
        "max_size": size,
        "timeout": 2,
        "max_idle": 60,
        "reconnect_timeout": 1,
    }
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(url.path[1:]),
        "USER": unquote(url.username or ""),
        "PASSWORD": unquote(url.password or ""),
        "HOST": unquote(url.hostname or ""),
        "PORT": str(url.port or ""),
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": options,
    }


# Mail services, and django-anymail's names for their secrets.
PROVIDERS = {
    "brevo": "api_key",
    "mailersend": "api_token",
    "mailgun": "api_key",
    "postmark": "server_token",
    "resend": "api_key",
    "sendgrid": "api_key",
}


def mailer_settings(url: SplitResult) -> dict[str, Any] | None:
    """Return an entry of MAILERS for an address, None if its kind is unknown."""
    backends = "django.core.mail.backends"
    match url.scheme:
        case "console":
            return {"BACKEND": f"{backends}.console.EmailBackend"}
        case "filebased" if url.path:
            return {
                "BACKEND": f"{backends}.filebased.EmailBackend",
                "OPTIONS": {"file_path": unquote(url.path)},
            }
        case "smtp" | "smtps" if url.hostname:
            if not _can_be_spoken_to(url):
                return None
            query = dict(parse_qsl(url.query))
            if query.keys() - {"tls"} or query.get("tls", "0").lower() not in TRUE | FALSE:
                return None
            tls = query.get("tls", "0").lower() in TRUE
            options = {
                "host": url.hostname,
                "port": url.port or (465 if url.scheme == "smtps" else 587 if tls else 25),
                "username": unquote(url.username or ""),
                "password": unquote(url.password or ""),
                "use_ssl": url.scheme == "smtps",
                "use_tls": tls,
                "timeout": 20,
            }
            return {"BACKEND": "apps.mail.server.SmtpBackend", "OPTIONS": options}
        case provider if provider in PROVIDERS and url.username:
            return _provider(provider, url)
    return None


def _can_be_spoken_to(url: SplitResult) -> bool:
    """Return whether SMTP can carry a host, a user name, and a password: a name that
    resolves to one, and ASCII.
    """
    log_in = unquote(url.username or "") + unquote(url.password or "")
    try:
        return (
            log_in.isascii() and url.hostname is not None and bool(url.hostname.encode("idna"))
        )
    except UnicodeError:
        return False


def _provider(name: str, url: SplitResult) -> dict[str, Any] | None:
    """Return a mailer that uses a mail service's HTTP interface, by django-anymail:

    mailgun://KEY@mg.example.com
    postmark://TOKEN@
    """
    options: dict[str, Any] = dict(parse_qsl(url.query)) | {
        PROVIDERS[name]: unquote(url.username or ""),
        "timeout": 20,
    }
    if name == "mailgun":
        if not url.hostname:
            return None
        options["sender_domain"] = url.hostname
    return {"BACKEND": f"anymail.backends.{name}.EmailBackend", "OPTIONS": options}


def _split(value: str) -> SplitResult | None:
    try:
        url = urlsplit(value)
        _ = url.port
    except ValueError:
        return None
    return url


def _has_good_options(url: SplitResult) -> bool:
    """Return whether the address's query has only a size of the pool and options of
    libpq.
    """
    options = dict(parse_qsl(url.query))
    size = options.pop("pool_size", "1")
    if not (size.isascii() and size.isdecimal() and int(size) > 0):
        return False
    try:
        make_conninfo("", **options)
    except psycopg.Error:
        return False
    return options.get("sslmode", "prefer") in SSL_MODES


def _is_redis(value: str, url: SplitResult) -> bool:
    """Return whether redis-py can use the address.

    It would replace an invalid database number by 0.
    """
    number = url.path.strip("/")
    if url.scheme != "unix" and number and not (number.isascii() and number.isdecimal()):
        return False
    from redis import (
        ConnectionPool,
        RedisError,
    )  # a tenth of a second that others need not wait for

    try:
        # Creating the connection object opens no connection.
        ConnectionPool.from_url(value).make_connection()
    except (RedisError, ValueError, TypeError):
        return False
    return True


def is_header(value: str) -> bool:
    """Return whether the value can be sent in a header."""
    return value.isascii() and value.isprintable() and " " not in value


def _is_address(text: str) -> bool:
    return address_or_none(email.utils.parseaddr(text)[1]) is not None


def _normalized(person: str) -> str:
    """Return `Name <address>` with the address as the outbox stores it."""
    address = email.utils.parseaddr(person)[1]
    return person.replace(address, address_or_none(address) or address)


def _is_fernet_key(key: str) -> bool:
    try:
        return len(base64.b64decode(key, altchars=b"-_", validate=True)) == 32
    except (ValueError, binascii.Error):
        return False
