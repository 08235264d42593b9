"""`make check` finds a secret that somebody is about to commit."""

import secrets
import string
import subprocess
import sys

import pytest

from tests.fixtures.workers import ROOT

LETTERS = string.ascii_letters + string.digits


def made_up(prefix, length):
    """Return a token that looks real; made at random, so that it is in no file."""
    return prefix + "".join(secrets.choice(LETTERS) for _ in range(length))


@pytest.fixture
def checkout(tmp_path):
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    return tmp_path


def scan(checkout, *options):
    """Scan what is in the checkout; return the exit status and the output."""
    subprocess.run(["git", "add", "-A"], cwd=checkout, check=True)
    command = [sys.executable, "scripts/scan_secrets.py", "--root", str(checkout), *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("apps/a.py", f'TOKEN = "{made_up("ghp_", 36)}"'),
        ("tests/a.py", f'TOKEN = "{made_up("ghp_", 36)}"'),
        (
            "tests/a.py",
            f'KEY = "{"AKIA" + "".join(secrets.choice(string.ascii_uppercase) for _ in range(16))}"',
        ),
        ("apps/a.py", f'SECRET_KEY = "{made_up("", 50)}"'),
        (
            ".env.example",
            f"DATABASE_URL=postgresql://admin:{made_up('', 20)}@db.example.com/app",
        ),
        ("deploy/key.pem", "-----BEGIN " + "RSA PRIVATE KEY-----"),
    ],
    ids=[
        "token",
        "token in a test",
        "cloud key in a test",
        "secret key",
        "password in an address",
        "private key",
    ],
)
def test_planted_secret_fails_until_it_is_accepted(checkout, name, line):
    (checkout / name).parent.mkdir(exist_ok=True)
    (checkout / name).write_text("a = 1\n")
    assert scan(checkout)[0] == 0
    (checkout / name).write_text(f"a = 1\n{line}\n")
    status, output = scan(checkout)
    assert status == 1
    assert f"{name}:2:" in output
    scan(checkout, "--accept")
    assert scan(checkout)[0] == 0
    assert str(checkout) not in (checkout / ".secrets.json").read_text()


def test_accepted_secret_may_move_but_not_change(checkout):
    line = f'TOKEN = "{made_up("ghp_", 36)}"\n'
    (checkout / "a.py").write_text(line)
    scan(checkout, "--accept")
    (checkout / "a.py").write_text("a = 1\n" + line)
    assert scan(checkout)[0] == 0
    (checkout / "a.py").write_text(line + f'OTHER = "{made_up("ghp_", 36)}"\n')
    assert scan(checkout)[0] == 1
