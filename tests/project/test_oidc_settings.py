"""The variables of sign-in through OpenID Connect: what they become, and which starts
are refused.
"""

import pytest

from project import oidc_settings
from project.env import ConfigurationError, Env

CLIENT = {"OIDC_CLIENT_ID": "firstlight", "OIDC_CLIENT_SECRET": "s3cret"}
GOOD = {"OIDC_ISSUER": "https://login.example.com/acme", **CLIENT}


def read(values):
    """Read all variables as settings.py does. Raises ConfigurationError."""
    env = Env(values)
    found = {name: getattr(oidc_settings, name)(env) for name in ("issuer", "only", "groups")}
    env.finish()
    return found


def test_nothing_has_to_be_set():
    assert read({}) == {"issuer": "", "only": False, "groups": {}}


@pytest.mark.parametrize(
    "issuer",
    [
        "https://login.example.com",
        "https://login.example.com/realms/acme/",
        "http://127.0.0.1:8010/oidc",
        "http://localhost:8080/realms/acme",
        "http://[::1]:8080",
    ],
)
def test_issuer_is_kept_as_it_is_written(issuer):
    assert read({**GOOD, "OIDC_ISSUER": issuer})["issuer"] == issuer


@pytest.mark.parametrize(
    "issuer",
    [
        "http://login.example.com",
        "http://10.0.0.1/realms/acme",
        "http://localhost.example.com",
        "ftp://login.example.com",
        "login.example.com",
        "https://",
        "https://login.example.com/?a=b",
        "https://login.example.com/#a",
        "https://user:secret@login.example.com",
        "https://login.example.com:port",
        "https://[::1",
    ],
)
def test_unusable_issuer_is_refused(issuer):
    with pytest.raises(ConfigurationError, match="OIDC_ISSUER"):
        read({**GOOD, "OIDC_ISSUER": issuer})


@pytest.mark.parametrize("missing", GOOD)
def test_part_of_the_client_is_refused(missing):
    with pytest.raises(ConfigurationError, match=missing):
        read({name: value for name, value in GOOD.items() if name != missing})


def test_only_needs_a_provider_and_domains():
    with pytest.raises(ConfigurationError) as error:
        read({"OIDC_ONLY": "1"})
    assert "OIDC_ISSUER" in str(error.value)
    assert "OIDC_DOMAINS" in str(error.value)
    assert read({**GOOD, "OIDC_ONLY": "1", "OIDC_DOMAINS": "example.com"})["only"]


def test_groups_become_roles():
    groups = "engineers=acme:member, all=of=it:x=acme:admin, engineers=globex:owner"
    assert read({**GOOD, "OIDC_GROUPS": groups})["groups"] == {
        "engineers": [("acme", "member"), ("globex", "owner")],
        "all=of=it:x": [("acme", "admin")],
    }


@pytest.mark.parametrize(
    "groups",
    ["engineers", "engineers=acme", "engineers=acme:boss", "=acme:member", "a=b c:owner"],
)
def test_unusable_group_is_refused(groups):
    with pytest.raises(ConfigurationError, match="OIDC_GROUPS"):
        read({**GOOD, "OIDC_GROUPS": groups})
