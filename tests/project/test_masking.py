"""Masking: what opens a door is hidden whatever surrounds it, and ordinary text stays
readable.
"""

import base64
import os
import secrets
import time

import pytest
from cryptography.fernet import Fernet
from django.contrib.sessions.backends.db import SessionStore
from django.core import signing
from hypothesis import given, settings
from hypothesis import strategies as st

from apps import masking
from apps.masking import MASK, mask, storable

FERNET = Fernet.generate_key().decode()
INVITATION = secrets.token_urlsafe(32)
SESSION = "k3v9x0q2m8c7z1w5y6t4r3p2n1b0h9g8"
SIGNED = signing.dumps([17, 1790000000], salt="any")

SECRETS = [
    "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "ghs_16C7e42F292c6912E7710c838347Ae178B4a",
    "github_pat_11ABCDEFG0abcdefghij_KLMNOPQRSTUVWXYZ0123456789abcdefghij",
    "sk-proj-abcDEF123456abcDEF123456",
    "sk-ant-api03-AbCdEf0123456789AbCdEf",
    "gsk_AbCdEf0123456789AbCdEf0123",
    "fl_" + secrets.token_urlsafe(24),
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N",
    "xoxb-123456789012-abcdefABCDEF",
    "AKIAIOSFODNN7EXAMPLE",
    FERNET,
    SESSION,
]
FRAMES = [
    "{}",
    "Could not use {} to sign in.",
    "headers={{'X-Key': '{}'}}",
    '{{"message": "{}", "level": "info"}}',
    "GET /?next=/t/acme/&x={} HTTP/1.1",
    "a\n{}\nb",
    "key:{},",
]


@pytest.mark.parametrize("secret", SECRETS, ids=[str(number) for number in range(len(SECRETS))])
@pytest.mark.parametrize("frame", FRAMES)
def test_secret_is_masked_in_any_surrounding(frame, secret):
    masked = mask(frame.format(secret))
    assert secret not in masked
    assert secret[4:-4] not in masked
    assert MASK in masked


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("redis://:REDIS-PASSWORD@redis:6379/0", "REDIS-PASSWORD"),
        ("redis://:a/b@redis:6379/0", "a/b"),
        ("rediss://user:hunter2@redis:6379/0?ssl_cert_reqs=none", "hunter2"),
        ("DATABASE_URL=postgresql://app:hunter2@db.internal:5432/app", "hunter2"),
        ("'postgres://app:p@ss:word@db/app'", "p@ss:word"),
        ("smtp://mailer%40example.com:hunter2@mail:587/?tls=1", "hunter2"),
        ("postmark://0b1c2d3e@", "0b1c2d3e"),
        ("https://0b1c2d3e@sentry.example/4", "0b1c2d3e"),
        ("cloning https://x-access-token:short@github.example/a/b.git", "short"),
        ("http://localhost:5561/?iss=name&key=changeme", "changeme"),
        ("Authorization: Bearer abcdef0123456789abcdef", "abcdef0123456789abcdef"),
        ("authorization: Basic dTpwdw==", "dTpwdw"),
        ("sent Bearer abcdef0123456789", "abcdef0123456789"),
        ("Cookie: sessionid=abc123; csrftoken=def456; theme=dark", "def456"),
        ("{'HTTP_COOKIE': 'sessionid=abc123; csrftoken=def456'}", "def456"),
        ("(b'cookie', b'sessionid=abc123')", "abc123"),
        ("(b'authorization', b'Bearer xyz')", "xyz"),
        ("sessionid=abc123", "abc123"),
        ("csrfmiddlewaretoken=abc123&email=a%40example.com", "abc123"),
        ("password1=hunter2&password2=hunter2", "hunter2"),
        ("{'password': 'correct horse battery staple', 'x': 1}", "horse"),
        ("<QueryDict: {'password1': ['correct horse'], 'email': ['a@example.com']}>", "horse"),
        ('{\\"api_key\\": \\"correct-horse\\"}', "correct-horse"),
        ("GROQ_API_KEY=hunter22", "hunter22"),
        ("SECRET_KEY = 'aaaa bbbb'", "bbbb"),
        ("CREDENTIAL_KEYS: [one-key-of-it]", "one-key-of-it"),
        ("client_secret => hunter22", "hunter22"),
        ("access_token=hunter22&x=1", "hunter22"),
        ("/accounts/github/login/callback/?code=1a2b3c&state=4d5e6f", "1a2b3c"),
        ("/accounts/github/login/callback/?code=1a2b3c&state=4d5e6f", "4d5e6f"),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nAAAA\n-----END RSA PRIVATE KEY-----",
            "MIIEow",
        ),
        ("'-----BEGIN PRIVATE KEY-----\\nMIIEow and then it stops", "MIIEow"),
        ("-----BEGIN PGP PRIVATE KEY BLOCK-----\nlQOYBF", "lQOYBF"),
    ],
)
def test_value_in_a_secret_place_is_masked(text, secret):
    assert secret not in mask(text)
    assert MASK in mask(text)


@pytest.mark.parametrize(
    ("path", "secret"),
    [
        (
            "/accounts/password/reset/key/1-d4h9ui-0a1b2c3d4e5f67890a1b2c3d4e5f6789/",
            "0a1b2c3d4e5f67890a1b2c3d4e5f6789",
        ),
        (
            f"/accounts/confirm-email/{signing.dumps(3, salt='x')}/",
            signing.dumps(3, salt="x").rpartition(":")[2],
        ),
        ("/accounts/confirm-email/abcdefgh/", "abcdefgh"),
        (f"/invitations/{INVITATION}/", INVITATION),
        (f"/accounts/login/?next=%2Finvitations%2F{INVITATION}%2F", INVITATION),
        (f"/sign-in/{SIGNED}/?next=/t/acme/", SIGNED.rpartition(":")[2]),
        (f"/recovery/{SIGNED}/", SIGNED.rpartition(":")[2]),
        (f"/weekly-mail/{SIGNED}/", SIGNED.rpartition(":")[2]),
        (
            "/hooks/github/0b0f5c9e-9d0c-4a7e-8a49-1f0a6f2d7c11/",
            "0b0f5c9e-9d0c-4a7e-8a49-1f0a6f2d7c11",
        ),
        ("/hooks/gitlab0123/", "gitlab0123"),
    ],
    # Some are random, and pytest-xdist's workers have to agree on the names.
    ids=[str(number) for number in range(10)],
)
@pytest.mark.parametrize(
    "frame", ["{}", '127.0.0.1:5124 - "GET {} HTTP/1.1" 200', "https://app.example.com{}"]
)
def test_link_that_opens_a_door_is_masked(frame, path, secret):
    assert secret not in mask(frame.format(path))


@pytest.mark.parametrize(
    "text",
    [
        "Rotate the API key of the billing job",
        "token bucket, secret santa, password reset",
        "Enter a new token: the old one has expired, or lacks a right.",
        "fixes 4f2a9c1e8b7d6a5c4f3e2d1c0b9a8f7e6d5c4b3a",
        "run 0b0f5c9e-9d0c-4a7e-8a49-1f0a6f2d7c11, step sync, attempt 3",
        "md5 d41d8cd98f00b204e9800998ecf8427e",
        "GET /t/acme/pull-requests/?week=2026-01-05&page=2 200",
        "GET /hooks/github/app/ 204",
        "POST /t/acme/invitations/12/resend/ 302",
        "https://example.com:8443/a/b?page=2 from a@example.com",
        "monthly_tokens=2000000 tokens_in=17",
        "a-long-branch-name-with-many-words-and-no-secret-in-it-at-all",
        "psycopg.OperationalError: connection to server at 127.0.0.1, port 5432 failed: Connection refused",
    ],
)
def test_ordinary_text_stays(text):
    if text.startswith("Enter"):  # a sentence may lose a word, but not its sense
        assert mask(text).startswith("Enter a new token:")
    else:
        assert mask(text) == text


def test_session_key_of_django_is_masked(db):
    for _ in range(20):
        key = SessionStore()._get_new_session_key()
        assert key not in mask(f"session {key} ended")


def test_long_text_is_cut():
    masked = mask("x " * 100_000)
    assert len(masked) <= masking.LONGEST + len(masking.CUT)
    assert masked.endswith(masking.CUT)


def test_storable_masks_before_it_cuts():
    text = storable("x" * 490 + " ghp_16C7e42F292c6912E7710c838347Ae178B4a", 500)
    assert "ghp_" not in text
    assert len(text) <= 500


@settings(deadline=None)
@given(st.text(st.characters()), st.integers(10, 600))
def test_storable_fits_every_database(text, limit):
    stored = storable(text, limit)
    assert len(stored) <= limit
    assert "\0" not in stored
    stored.encode()


def test_storable_keeps_a_short_reason():
    assert storable(" The disk is full.\n") == "The disk is full."


@settings(deadline=None)
@given(st.binary(min_size=12, max_size=48))
def test_random_secret_is_masked_after_its_name(raw):
    secret = base64.urlsafe_b64encode(raw).decode()
    assert secret.rstrip("=") not in mask(f"client_secret={secret}")


HOSTILE = [
    "-----BEGIN ",
    "-----BEGIN PRIVATE KEY-----",
    "a://",
    "a://b:c",
    "://a:b@",
    "/key/",
    "/hooks/github",
    "ghp_",
    "eyJ",
    "eyJaaaaaaaa.",
    ":abcdef:",
    "bearer ",
    "cookie: ",
    "token",
    "token=",
    "token:'",
    "csrf",
    "&code=",
    "a",
    "A1",
    "_",
    "─",
    '"',
    " ",
    "=",
    "aaa=",
    "token     ",
]


@pytest.mark.parametrize("piece", HOSTILE)
def test_hostile_text_costs_linear_time(piece):
    def cost(size):
        text = (piece * (size // len(piece) + 1))[:size]
        times = []
        for _ in range(5):
            start = time.process_time()
            for pattern, replacement in masking.SHAPES:
                pattern.sub(replacement, text)
            masking._mask_named(text)
            times.append(time.process_time() - start)
        return min(times)

    small, large = cost(25_000), cost(100_000)
    assert large < 1.5
    assert large < 12 * max(small, 0.002)


def test_environment_of_a_process_holds_no_known_secret_after_masking():
    environment = {
        "SECRET_KEY": secrets.token_urlsafe(50),
        "CREDENTIAL_KEYS": f"{FERNET},{Fernet.generate_key().decode()}",
        "REDIS_URL": "redis://:hunter2@redis/0",
        "EMAIL_URL": "mailgun://key-0123@mg.example.com",
        "METRICS_TOKEN": "short-one",
    }
    masked = mask(
        repr(environment)
        + os.linesep
        + "\n".join(f"{name}={value}" for name, value in environment.items())
    )
    for value in [
        environment["SECRET_KEY"],
        *environment["CREDENTIAL_KEYS"].split(","),
        "hunter2",
        "key-0123",
        "short-one",
    ]:
        assert value not in masked
