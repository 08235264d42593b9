"""Each check of an ID token, with tokens that are signed here."""

import json
import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from apps.users.oidc import discovery, identity
from apps.users.oidc.errors import OidcError, Reason
from apps.users.oidc.tokens import LEEWAY_SECONDS, verify

ISSUER, CLIENT, NONCE = "https://login.example.com", "firstlight", "n-0S6_WzA2Mj"
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SHORT_RSA = rsa.generate_private_key(public_exponent=65537, key_size=1024)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()


class Seconds(int):
    """So many seconds from now, when the token is made."""


def in_time(value):
    return int(time.time()) + value if isinstance(value, Seconds) else value


def published(private, algorithm, **more):
    """The public key as a key set lists it."""
    to_jwk = jwt.get_algorithm_by_name(algorithm).to_jwk
    return {**json.loads(to_jwk(private.public_key())), "kid": "k1", **more}


def claims(**changes):
    now = int(time.time())
    base = {
        "iss": ISSUER,
        "aud": CLIENT,
        "sub": "ada",
        "iat": now,
        "exp": now + 300,
        "nonce": NONCE,
    }
    return base | {name: in_time(value) for name, value in changes.items()}


def signed(body, private=RSA, algorithm="RS256", **headers):
    return jwt.encode(body, private, algorithm=algorithm, headers={"kid": "k1", **headers})


def check(token, *keys, nonce=NONCE, access_token=""):
    listed = list(keys) or [published(RSA, "RS256")]
    return verify(
        token,
        issuer=ISSUER,
        client_id=CLIENT,
        fetch_keys=lambda: {"keys": listed},
        nonce=nonce,
        access_token=access_token,
    )


def assert_refused(*args, **options):
    with pytest.raises(OidcError) as refused:
        check(*args, **options)
    assert refused.value.reason is Reason.INVALID


@pytest.mark.parametrize(
    ("key", "algorithm"), [(RSA, "RS256"), (RSA, "PS512"), (EC, "ES256"), (ED, "EdDSA")]
)
def test_good_token_is_accepted(key, algorithm):
    assert check(signed(claims(), key, algorithm), published(key, algorithm))["sub"] == "ada"


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": [CLIENT]},
        {"aud": [CLIENT, "other"], "azp": CLIENT},
        {"exp": Seconds(-LEEWAY_SECONDS + 30)},
        {"iat": Seconds(30), "nbf": Seconds(30)},
    ],
)
def test_allowed_variation_is_accepted(changes):
    assert check(signed(claims(**changes)))


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": None},
        {"iss": ISSUER + "/"},
        {"iss": [ISSUER]},
        {"aud": None},
        {"aud": []},
        {"aud": "firstlight "},
        {"aud": [CLIENT, "other"]},
        {"aud": [CLIENT, "other"], "azp": "other"},
        {"azp": "other"},
        {"sub": None},
        {"sub": ""},
        {"sub": 1},
        {"sub": "x" * 192},
        {"exp": None},
        {"exp": "soon"},
        {"exp": Seconds(-LEEWAY_SECONDS - 30)},
        {"iat": None},
        {"iat": Seconds(LEEWAY_SECONDS + 60)},
        {"nbf": Seconds(LEEWAY_SECONDS + 60)},
        {"nonce": None},
        {"nonce": ""},
        {"nonce": NONCE + "x"},
        {"nonce": [NONCE]},
        {"at_hash": "AAAA"},
        {"at_hash": 1},
    ],
)
def test_wrong_claim_is_refused(changes):
    base = claims()
    for name, value in changes.items():
        if value is None:
            base.pop(name)
        else:
            base[name] = in_time(value)
    token = jwt.api_jws.encode(
        json.dumps(base).encode(), RSA, algorithm="RS256", headers={"kid": "k1"}
    )
    assert_refused(token)


@pytest.mark.parametrize(
    "token",
    [None, "", "a.b.c", "....", 1, {"a": 1}, "eyJhbGciOiJSUzI1NiJ9.e30.", "é.é.é", "\x00"],
)
def test_text_that_is_no_token_is_refused(token):
    assert_refused(token)


@pytest.mark.parametrize(
    "change",
    [
        {"kid": "k2"},
        {"use": "enc"},
        {"kty": "oct"},
        {"alg": "RS512"},
        {"n": "AA"},
        {"n": 5},
    ],
)
def test_unusable_published_key_is_refused(change):
    assert_refused(signed(claims()), published(RSA, "RS256") | change)


def test_published_private_key_is_refused():
    private = json.loads(jwt.get_algorithm_by_name("RS256").to_jwk(RSA)) | {"kid": "k1"}
    assert_refused(signed(claims()), private)


@pytest.mark.filterwarnings("ignore")  # PyJWT warns of the key, too
def test_short_key_is_refused():
    assert_refused(
        jwt.encode(claims(), SHORT_RSA, "RS256", {"kid": "k1"}), published(SHORT_RSA, "RS256")
    )


def test_two_keys_of_one_id_are_refused():
    assert_refused(signed(claims()), published(RSA, "RS256"), published(RSA, "RS256"))


def test_token_without_a_key_id_needs_a_single_key():
    token = jwt.encode(claims(), RSA, algorithm="RS256")
    assert check(token, published(RSA, "RS256"), published(EC, "ES256"))
    assert_refused(token, published(RSA, "RS256"), published(RSA, "RS256", kid="k2"))


def test_unknown_extension_is_refused():
    assert_refused(signed(claims(), crit=["exp"]))


@pytest.mark.parametrize(
    "keys", [{}, {"keys": None}, {"keys": "k1"}, {"keys": [1, None, "k1"]}]
)
def test_strange_key_set_is_refused(keys):
    with pytest.raises(OidcError):
        verify(
            signed(claims()),
            issuer=ISSUER,
            client_id=CLIENT,
            fetch_keys=lambda: keys,
            nonce=NONCE,
        )


def test_keys_are_asked_once_more_for_an_unknown_id():
    answers = [
        {"keys": [published(RSA, "RS256", kid="old")]},
        {"keys": [published(RSA, "RS256")]},
    ]
    found = verify(
        signed(claims()),
        issuer=ISSUER,
        client_id=CLIENT,
        fetch_keys=lambda: answers.pop(0),
        nonce=NONCE,
    )
    assert (found["sub"], answers) == ("ada", [])


@pytest.mark.parametrize(
    ("userinfo", "expected"),
    [
        ({}, ("ada@example.com", True)),
        ({"email": "ada@example.com"}, ("ada@example.com", True)),
        ({"email": "ada@example.com", "email_verified": False}, ("ada@example.com", False)),
        ({"email": "eve@example.com"}, ("eve@example.com", False)),
        ({"email": "eve@example.com", "email_verified": "true"}, ("eve@example.com", True)),
        ({"email": "eve@example.com", "email_verified": "false"}, ("eve@example.com", False)),
        ({"email": "eve@example.com", "email_verified": None}, ("eve@example.com", False)),
        ({"email": ["eve@example.com"], "email_verified": True}, ("ada@example.com", True)),
        (
            {"email": "Eve@FAẞ.example", "email_verified": True},
            ("eve@xn--fa-hia.example", True),
        ),
        ({"email": "e\u212ae@example.com", "email_verified": True}, ("", True)),
    ],
)
def test_address_and_its_confirmation_are_of_one_source(userinfo, expected):
    """An address of one source is not confirmed by what another source says about
    another address.
    """
    id_claims = {"sub": "ada", "email": "ada@example.com", "email_verified": True}
    found = identity.read(id_claims, {"sub": "ada", **userinfo}, "ada")
    assert (found.email, found.is_verified) == expected


@pytest.mark.parametrize(
    ("claim", "source", "expected"),
    [
        ("groups", {"groups": ["a", "b", 1, None, {}]}, {"a"}),
        ("groups", {"groups": "a"}, {"a"}),
        ("groups", {"groups": {"a": 1}}, set()),
        ("realm_access.roles", {"realm_access": {"roles": ["a"]}}, {"a"}),
        ("realm_access.roles", {"realm_access.roles": ["a"]}, {"a"}),
        ("realm_access.roles", {"realm_access": ["a"]}, None),
        ("groups", {}, None),
    ],
)
def test_groups_are_read_by_name_or_path(settings, claim, source, expected):
    settings.OIDC_GROUPS, settings.OIDC_GROUPS_CLAIM = {"a": [("acme", "member")]}, claim
    found = identity.read({"sub": "ada"}, {"sub": "ada", **source}, "ada").groups
    assert (None if found is None else set(found)) == expected


@pytest.mark.parametrize(
    "address",
    [
        None,
        5,
        "",
        "http://login.example.com/token",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "https://",
        "https://[::1",
    ],
)
def test_https_issuer_can_not_name_another_kind_of_address(settings, address):
    settings.OIDC_ISSUER = ISSUER
    with pytest.raises(OidcError):
        discovery._address({"token_endpoint": address}, "token_endpoint")
