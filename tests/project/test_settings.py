"""Each of these loads the settings as a process of its own does."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRODUCTION = {
    "SECRET_KEY": "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "CREDENTIAL_KEYS": "kLmSgP1tLxQw5mEJ6ZpO0Yq3dC2bVnAhR7uTfXyGz8I=",
    "ALLOWED_HOSTS": "app.example.com",
    "EMAIL_URL": "smtp://mail.example.com:587/?tls=1",
}
SHOW = "import json, sys; from project import settings; print(json.dumps({n: getattr(settings, n) for n in sys.argv[1:]}))"


@pytest.fixture
def load(start):
    def load(*names, **variables):
        done = start("-c", SHOW, *names, **variables)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return load


def test_with_debug_off_nothing_starts_without_what_protects_people(start):
    done = start("manage.py", "check")
    assert done.returncode == 78
    named = [line.split()[0] for line in done.stderr.splitlines()]
    assert named == ["SECRET_KEY", "CREDENTIAL_KEYS", "ALLOWED_HOSTS", "EMAIL_URL"]


def test_a_bad_value_ends_the_web_process_with_one_line(start):
    done = start("-c", "import project.asgi", DEBUG="perhaps", **PRODUCTION)
    assert done.returncode == 78
    assert (
        done.stderr
        == "DEBUG is 'perhaps'; expected 1 or 0 (true, false, yes, no, on and off work too).\n"
    )


@pytest.mark.parametrize(
    ("variable", "value", "shown"),
    [
        (
            "FORWARDED_ALLOW_IPS",
            "*",
            "FORWARDED_ALLOW_IPS is '*'; expected IP addresses or networks",
        ),
        (
            "FORWARDED_ALLOW_IPS",
            "10.0.0.1, 0.0.0.0/0",
            "FORWARDED_ALLOW_IPS is '10.0.0.1, 0.0.0.0/0'; expected IP",
        ),
        (
            "FORWARDED_ALLOW_IPS",
            "::/0",
            "FORWARDED_ALLOW_IPS is '::/0'; expected IP addresses or networks",
        ),
        (
            "FORWARDED_ALLOW_IPS",
            "proxy",
            "FORWARDED_ALLOW_IPS is 'proxy'; expected IP addresses or networks",
        ),
        ("STATE_DIR", "/dev/null/state", "STATE_DIR is '/dev/null/state'; expected a folder"),
        (
            "GIT_SOURCE_ROOT",
            "/nowhere/at/all",
            "GIT_SOURCE_ROOT is '/nowhere/at/all'; expected an existing folder",
        ),
        (
            "SECRET_KEY",
            "short",
            "SECRET_KEY has an unusable value; expected at least 50 characters",
        ),
        (
            "ALLOWED_HOSTS",
            "*",
            "SITE_URL is not set; expected the address that links in mails start with",
        ),
        (
            "GITHUB_CLIENT_ID",
            "Ov23li",
            "GITHUB_CLIENT_SECRET is not set; expected the secret that belongs to",
        ),
        (
            "GITHUB_CLIENT_SECRET",
            "s3cret",
            "GITHUB_CLIENT_ID is not set; expected the client ID that belongs to",
        ),
    ],
)
def test_what_cannot_work_is_refused(start, variable, value, shown):
    done = start("-c", "import project.asgi", **PRODUCTION | {variable: value})
    assert done.returncode == 78
    assert done.stderr.startswith(shown)
    assert done.stderr.count("\n") == 1


def test_with_debug_off_browsers_are_held_to_tls(load):
    names = (
        "DEBUG",
        "SITE_URL",
        "SECURE_SSL_REDIRECT",
        "SESSION_COOKIE_SECURE",
        "CSRF_COOKIE_SECURE",
        "EMAIL_CONFIGURED",
    )
    assert load(*names, **PRODUCTION) == {
        "DEBUG": False,
        "SITE_URL": "https://app.example.com",
        "SECURE_SSL_REDIRECT": True,
        "SESSION_COOKIE_SECURE": True,
        "CSRF_COOKIE_SECURE": True,
        "EMAIL_CONFIGURED": True,
    }
    assert "apps.sandbox" not in load("INSTALLED_APPS", **PRODUCTION)["INSTALLED_APPS"]


def test_redis_password_beside_the_address_may_have_any_character(load):
    given = {"REDIS_URL": "redis://valkey:6379/0", "REDIS_PASSWORD": "p@ss/w:rd%"}
    assert load("REDIS_URL", **PRODUCTION, **given) == {
        "REDIS_URL": "redis://:p%40ss%2Fw%3Ard%25@valkey:6379/0"
    }


def test_redis_password_in_the_address_wins(load):
    given = {"REDIS_URL": "rediss://user:own@valkey:6379/0", "REDIS_PASSWORD": "other"}
    assert load("REDIS_URL", **PRODUCTION, **given) == {"REDIS_URL": given["REDIS_URL"]}


def test_signing_in_with_github_goes_where_its_api_is(load):
    app = {"GITHUB_CLIENT_ID": "Ov23li", "GITHUB_CLIENT_SECRET": "s3cret"}
    public = load("SOCIALACCOUNT_PROVIDERS", "SECURE_CSP", **PRODUCTION, **app)
    assert public["SOCIALACCOUNT_PROVIDERS"]["github"]["APPS"][0]["client_id"] == "Ov23li"
    assert "https://github.com" in public["SECURE_CSP"]["form-action"]
    own = load(
        "SOCIALACCOUNT_PROVIDERS",
        "SECURE_CSP",
        GITHUB_API_URL="https://git.example.com/api/v3",
        **PRODUCTION,
    )
    own["SOCIALACCOUNT_PROVIDERS"].pop("openid_connect")
    assert own["SOCIALACCOUNT_PROVIDERS"] == {
        "github": {"GITHUB_URL": "https://git.example.com"}
    }
    assert "https://git.example.com" in own["SECURE_CSP"]["form-action"]


def test_with_debug_on_nothing_has_to_be_given_and_keys_stay(load, tmp_path):
    names = ("SECRET_KEY", "CREDENTIAL_KEYS", "SITE_URL", "EMAIL_CONFIGURED")
    first, second = load(*names, DEBUG="1"), load(*names, DEBUG="1", PORT="8123")
    assert first["SECRET_KEY"] == second["SECRET_KEY"]
    assert first["CREDENTIAL_KEYS"] == second["CREDENTIAL_KEYS"]
    assert (first["SITE_URL"], second["SITE_URL"]) == (
        "http://localhost:8000",
        "http://localhost:8123",
    )
    assert first["EMAIL_CONFIGURED"] is False
    for name in ("secret_key", "credential_key"):
        assert (tmp_path / "state" / name).stat().st_mode & 0o077 == 0


def test_with_debug_off_no_key_is_made_up(start, tmp_path):
    start("manage.py", "check")
    assert list((tmp_path / "state").iterdir()) == []


def test_the_example_explains_every_variable_and_no_other():
    modules = [
        ROOT / "project" / name
        for name in ("settings.py", "oidc_settings.py", "llm_settings.py")
    ]
    source = "".join(module.read_text() for module in modules)
    read = set(re.findall(r"env\.\w+\(\s*\"([A-Z_]+)\"", source))
    explained = re.findall(r"^#?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert sorted(explained) == sorted(read)


@pytest.fixture
def example():
    """Return what a copy of .env.example sets."""
    lines = (ROOT / ".env.example").read_text().splitlines()
    return dict(
        line.split("=", 1) for line in lines if "=" in line and not line.startswith("#")
    )


def test_a_copy_of_the_example_works_in_development(load, tmp_path, example):
    shown = load("DEBUG", "PORT", **example | {"DEBUG": "1", "STATE_DIR": str(tmp_path)})
    assert shown == {"DEBUG": True, "PORT": 8000}


def test_the_example_sets_nothing_that_image_and_units_decide(example):
    assert not {"DEBUG", "STATE_DIR", "RELEASE", "FORWARDED_ALLOW_IPS"} & set(example)
