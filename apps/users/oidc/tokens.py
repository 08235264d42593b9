"""Check an ID token as OpenID Connect Core 3.1.3.7 requires.

allauth decodes the token without its signature, which the specification allows for an
answer that came straight from the provider over TLS, and does not check a nonce. Here
each token is verified completely, so that a provider behind a faulty proxy or with a
mixed-up client can't sign in the wrong person.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from apps.users.oidc.errors import invalid

# Signatures by key pairs, and the type of key that each needs. Neither "none" nor HS256
# is among them: a token signed with a shared secret, or with a public key taken for
# one, fails.
KEY_TYPES = {
    "RS256": "RSA",
    "RS384": "RSA",
    "RS512": "RSA",
    "PS256": "RSA",
    "PS384": "RSA",
    "PS512": "RSA",
    "ES256": "EC",
    "ES384": "EC",
    "ES512": "EC",
    "EdDSA": "OKP",
}
LEEWAY_SECONDS = 60
MIN_RSA_BITS = 2048
# SocialAccount.uid holds as many characters.
MAX_SUBJECT = 191

KeySet = dict[str, Any]


def verify(
    token: object,
    *,
    issuer: str,
    client_id: str,
    fetch_keys: Callable[[], KeySet],
    nonce: str | None,
    access_token: str = "",
) -> dict[str, Any]:
    """Return the claims of an ID token that passes every check.

    `fetch_keys` returns the provider's key set; it is called a second time if no key
    has the token's key ID, because the provider may just have changed keys. `nonce` is
    the one of the authorization request, or None for a token that came by a refresh.
    Raises OidcError.
    """
    if not isinstance(token, str):
        raise invalid("there is no ID token")
    header = _header(token)
    algorithm = str(header.get("alg"))
    if algorithm not in KEY_TYPES:
        raise invalid(f"the algorithm {algorithm[:20]!r} is not accepted")
    key = _find_key(header, algorithm, fetch_keys())
    if key is None:
        key = _find_key(header, algorithm, fetch_keys())
    if key is None:
        raise invalid("the ID token is signed with a key that the provider does not publish")
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            # Naming the algorithm keeps the library from choosing another one that the
            # key allows.
            algorithms=[algorithm],
            issuer=issuer,
            audience=client_id,
            leeway=LEEWAY_SECONDS,
            options={"require": ["iss", "sub", "aud", "exp", "iat"]},
        )
    except jwt.PyJWTError as error:
        raise invalid(f"the ID token is refused: {type(error).__name__}") from None
    _check_party(claims, client_id)
    _check_nonce(claims, nonce)
    _check_access_token(claims, algorithm, access_token)
    subject = claims["sub"]
    if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT:
        raise invalid("the subject is no text of a usable length")
    return claims


def _header(token: str) -> dict[str, Any]:
    try:
        header: dict[str, Any] = jwt.get_unverified_header(token)
    except jwt.PyJWTError as error:
        raise invalid(f"the ID token has no header: {type(error).__name__}") from None
    return header


def _find_key(header: dict[str, Any], algorithm: str, keys: KeySet) -> Any:
    """Return the public key for a token, or None.

    Without a key ID in the token, the key set has to hold exactly one key that fits.
    """
    listed = keys.get("keys")
    fitting = []
    for each in listed if isinstance(listed, list) else []:
        if isinstance(each, dict) and _fits(each, header.get("kid"), algorithm):
            fitting.append(each)
    # With several keys that fit, a guess could accept the wrong one.
    if len(fitting) != 1:
        return None
    try:
        key = jwt.PyJWK(fitting[0], algorithm=algorithm).key
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise invalid(f"the provider's key is unusable: {type(error).__name__}") from None
    if isinstance(key, RSAPublicKey) and key.key_size < MIN_RSA_BITS:
        raise invalid("the provider's key is too short")
    return key


def _fits(key: dict[str, Any], key_id: object, algorithm: str) -> bool:
    if key_id is not None and key.get("kid") != key_id:
        return False
    if key.get("kty") != KEY_TYPES[algorithm] or key.get("alg", algorithm) != algorithm:
        return False
    # A private key in a published set is a leak, and no key to trust.
    return key.get("use", "sig") == "sig" and "d" not in key


def _check_party(claims: dict[str, Any], client_id: str) -> None:
    """Refuse a token that was issued for another client, even if it names this one,
    too.
    """
    audience = claims["aud"]
    several = isinstance(audience, list) and len(audience) > 1
    party = claims.get("azp")
    if (several and party is None) or (party is not None and party != client_id):
        raise invalid("the ID token is for another client")


def _check_nonce(claims: dict[str, Any], nonce: str | None) -> None:
    if nonce is None:
        return
    given = claims.get("nonce")
    if not isinstance(given, str) or not hmac.compare_digest(given.encode(), nonce.encode()):
        raise invalid("the nonce is not the one of this sign-in")


def _check_access_token(claims: dict[str, Any], algorithm: str, access_token: str) -> None:
    """Compare `at_hash`, if the token has one, with the access token that came with
    it.
    """
    expected = claims.get("at_hash")
    # The hash function for EdDSA depends on the curve, and providers disagree about it.
    if expected is None or algorithm == "EdDSA":
        return
    digest = hashlib.new(f"sha{algorithm[2:]}", access_token.encode()).digest()
    half = base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=")
    if not isinstance(expected, str) or not hmac.compare_digest(expected.encode(), half):
        raise invalid("the access token is not the one of the ID token")
