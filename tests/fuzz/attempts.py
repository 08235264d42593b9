"""Random requests: an address, its arguments, query, form, and header fields, each
sound or odd.
"""

import importlib
from dataclasses import dataclass, field, replace
from urllib.parse import quote, quote_from_bytes, quote_plus

from django import forms
from django.apps import apps

from tests.fuzz.world import PEOPLE
from tests.project.addresses import walk

METHODS = ("GET", "POST", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS")
# What ends the people's own sessions, or the team, is tried by other tests.
LEFT_OUT = {"account_logout", "admin:logout"}
FORM, JSON, MULTIPART = (
    "application/x-www-form-urlencoded",
    "application/json",
    "multipart/form-data; boundary=cut",
)

KINDS = (FORM, JSON, MULTIPART, f"{FORM}; charset=utf-7", "text/plain; charset=\xff")

NUMBERS = [
    "0",
    "1",
    "-1",
    "007",
    "2147483647",
    "2147483648",
    "9223372036854775807",
    "9223372036854775808",
    "9" * 23,
]
NUMBERS += [
    "9" * 5000,
    "0" * 12 + "9" * 30,
    "1e400",
    "NaN",
    "-Infinity",
    "1_0",
    "٤٢",
    "½",
    "²",
    "0x1F",
    "+3",
    " 3 ",
    "3.5",
]
DAYS = [
    "2026-02-09",
    "0001-01-01",
    "9999-12-31",
    "9999-12-27",
    "2026-02-30",
    "20260209",
    "2026-W07",
    "2026-W53-7",
]
DAYS += ["1969-12-31", "2026-02-09T10:00:00Z", "-2026-01-01", "today"]
TEXTS = [
    "",
    " ",
    "\x00",
    "x\x00y",
    "\ufeff",
    "\u202e",
    "\ud800",
    "é" * 900,
    "w" * 5000,
    "𐍈" * 80,
    "a\r\nSet-Cookie: b=c",
]
TEXTS += [
    "'",
    '"',
    "<svg/onload=1>",
    "{{ a }}",
    "%",
    "%s",
    "%00",
    "%ff",
    "../../x",
    "..\\x",
    "//other.example",
    "http://[::1",
]
TEXTS += [
    "javascript:1",
    "=1+1",
    "\uff1d1",
    "\t=1",
    "[]",
    "{}",
    "[" * 300,
    "null",
    "true",
    "a,b",
    ";",
    "*",
    "(?:a+)+",
    "\x1b[2J",
]
TEXTS += [
    "on",
    "all",
    "none",
    "people",
    "team",
    "repository",
    "member",
    "owner",
    "admin",
    "merged",
    "open",
    "closed",
    "csv",
]
TEXTS += [
    "json",
    "assisted",
    "no-marker",
    "unread",
    "oldest",
    "largest",
    "github",
    "git",
    "sample",
    "page-9",
    "view-picked",
]
TEXTS += [
    "Europe/Berlin",
    "Mars/North",
    "a@b.example",
    '"a\\ b"@c.example',
    "a@ß.example",
    "x" * 400 + "@c.example",
    "@",
]
EXTRA_NAMES = [
    "next",
    "page",
    "p",
    "o",
    "q",
    "all",
    "e",
    "_popup",
    "_to_field",
    "action",
    "_selected_action",
    "days",
    "as",
]
EXTRA_NAMES += [
    "login",
    "password",
    "password1",
    "password2",
    "oldpassword",
    "email",
    "code",
    "action_add",
    "action_send",
]
EXTRA_NAMES += [
    "action_remove",
    "action_primary",
    "process",
    "credential",
    "from",
    "to",
    "before",
    "limit",
    "by",
    "again",
]
EXTRA_NAMES += [
    "further",
    "sizes",
    "part",
    "more",
    "link",
    "seq",
    "_changelist_filters",
    "field_name",
    "model_name",
    "term",
]
HEADERS = [
    ("HX-Request", "true"),
    ("HX-Current-URL", "http://[::1"),
    ("HX-Current-URL", "//"),
    ("HX-Target", "\xff"),
    ("HX-Boosted", "true"),
    ("HX-Prompt", "%00"),
    ("HX-Prompt-URI-AutoEncoded", "true"),
    ("Accept", "text/event-stream"),
    ("Accept", "*/*;q=nan"),
    ("Accept-Language", "de;q=9," * 300),
    ("Accept-Language", "\xff"),
    ("Accept-Encoding", "x"),
    ("Last-Event-ID", "9" * 40),
    ("Last-Event-ID", "²"),
    ("Authorization", "Bearer fl_\xff"),
    ("Authorization", "Basic =="),
    ("X-Forwarded-For", "\xff, 1"),
    ("X-Forwarded-Proto", "gopher"),
    ("X-Forwarded-Host", "other.example"),
    ("Forwarded", 'for="["'),
    ("Host", "other.example"),
    ("Host", "[::1"),
    ("Host", "127.0.0.1:99999"),
    ("Range", "bytes=9-1"),
    ("If-Modified-Since", "31 Feb"),
    ("If-None-Match", "W/"),
    ("Origin", "null"),
    ("Origin", "http://["),
    ("Referer", "http://["),
    ("X-HTTP-Method-Override", "DELETE"),
    ("Cookie", 'sessionid="\\000\\777"'),
    ("Cookie", "messages=x; csrftoken=\xff"),
    ("Cookie", "=;;;=" * 50),
    ("Content-Encoding", "gzip"),
    ("Expect", "nothing"),
    ("Grip-Sig", "x.y.z"),
    ("User-Agent", "\x7f"),
    ("X-GitHub-Event", "push"),
    ("X-GitHub-Delivery", "x" * 70),
    ("X-Hub-Signature-256", "sha256=" + "0" * 64),
]
JSON_BODIES = [
    b"",
    b"{}",
    b"[" * 60_000,
    b'{"a":' * 20_000,
    b'{"a": 1e999}',
    b'"\xff"',
    b'{"installation": []}',
    b"\x00",
]
PARTS = [
    b"",
    b"--cut",
    b"--cut\r\n\r\n--cut--",
    b"--cut\r\nContent-Disposition: form-data\r\n\r\nx\r\n--cut--\r\n",
    b'--cut\r\nContent-Disposition: form-data; name="role"\r\n\r\n\x00\r\n--cut--\r\n',
    b'--cut\r\nContent-Disposition: form-data; name="email"; filename="../a"\r\n\r\nx\r\n--cut--\r\n',
    b'--cut\r\nContent-Disposition: form-data; name="name"\r\nContent-Transfer-Encoding: base64\r\n\r\n*\r\n--cut--\r\n',
]


def names_of_fields():
    """Every field of every form of ours, so that a new one is tried without a change
    here.
    """
    found = set(EXTRA_NAMES)
    for config in apps.get_app_configs():
        if config.name.startswith("apps."):
            try:
                module = importlib.import_module(f"{config.name}.forms")
            except ImportError:
                continue
            for item in vars(module).values():
                if isinstance(item, type) and issubclass(item, forms.BaseForm):
                    found |= set(item.base_fields)
    return sorted(found)


@dataclass(frozen=True)
class Attempt:
    name: str
    person: str
    method: str
    path: str
    query: tuple = ()
    fields: tuple = ()
    headers: tuple = ()
    content_type: str = ""
    raw: bytes | None = None

    @property
    def target(self):
        return f"{self.path}?{encoded(self.query)}" if self.query else self.path

    @property
    def body(self):
        return encoded(self.fields).encode() if self.raw is None else self.raw

    def smaller(self):
        """The same with one part less, for each part."""
        for part in ("headers", "query", "fields"):
            items = getattr(self, part)
            for place in range(len(items)):
                yield replace(self, **{part: items[:place] + items[place + 1 :]})


def encoded(pairs):
    return "&".join(
        f"{quote_plus(name)}={quote_from_bytes(text.encode('utf-8', 'surrogatepass'))}"
        for name, text in pairs
    )


@dataclass
class Attempts:
    dice: object
    known: dict
    words: list
    token: str
    addresses: list = field(
        default_factory=lambda: [each for each in walk() if each.name not in LEFT_OUT]
    )
    names: list = field(default_factory=names_of_fields)

    def text(self):
        kind = self.dice.random()
        if kind < 0.25:
            return self.dice.choice(self.words)
        if kind < 0.45:
            return self.dice.choice(NUMBERS)
        if kind < 0.6:
            return self.dice.choice(DAYS)
        if kind < 0.95:
            return self.dice.choice(TEXTS)
        return "".join(
            chr(self.dice.randrange(0x3000)) for _ in range(self.dice.randrange(1, 30))
        )

    def pairs(self, most):
        return tuple(
            (self.dice.choice(self.names), self.text())
            for _ in range(self.dice.randrange(most + 1))
        )

    def next(self, number):
        """The next request. Each address has its turn, so that none is left to chance."""
        address = self.addresses[number % len(self.addresses)]
        known = dict(self.known)
        if address.arguments and self.dice.random() < 0.2:
            odd = quote(self.text().encode("utf-8", "surrogatepass")[:300], safe="") or "x"
            known[f"{address.name}:{self.dice.choice(address.arguments)}"] = odd
        person = (
            "superuser"
            if address.path.startswith("/admin/") and self.dice.random() < 0.8
            else self.dice.choice(PEOPLE)
        )
        method = self.dice.choices(METHODS, (9, 9, 1, 1, 1, 1, 1))[0]
        headers = tuple(
            self.dice.choice(HEADERS) for _ in range(self.dice.choice((0, 0, 0, 1, 2)))
        )
        if address.path.startswith("/api/") and self.dice.random() < 0.8:
            headers = (*headers, ("Authorization", f"Bearer {self.token}"))
        attempt = Attempt(
            address.name, person, method, address.filled(known), self.pairs(4), headers=headers
        )
        if method in ("POST", "PUT", "PATCH"):
            kind = self.dice.choices(
                (FORM, JSON, MULTIPART, f"{FORM}; charset=utf-7", "text/plain; charset=\xff"),
                (12, 2, 2, 1, 1),
            )[0]
            raw = {JSON: JSON_BODIES, MULTIPART: PARTS}.get(kind)
            chosen = self.dice.choice(raw) if raw else None
            attempt = replace(attempt, fields=self.pairs(6), content_type=kind, raw=chosen)
        return attempt
