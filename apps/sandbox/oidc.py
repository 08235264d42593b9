"""An OpenID Connect provider below `/oidc`, for tests and development.

    GET  /oidc/.well-known/openid-configuration      discovery
    GET  /oidc/authorize                             signs in `signed_in`, or asks who it is
    POST /oidc/token                                 authorization_code (PKCE) and refresh_token
    GET  /oidc/userinfo                              the claims again
    GET  /oidc/keys                                  the key set

`POST /_sandbox/oidc` changes it: `{"people": {"ada": {"email": …}}, "signed_in":
"ada"}` adds people and signs one in at the provider (null: nobody, so that it asks).
`{"rotate": true}` changes the key. `GET /_sandbox/oidc` returns how often each address
was asked.

A fault (see `faults`) with `oidc: "…"` and the operation `oidc token`, `oidc userinfo`,
`oidc discovery`, `oidc keys`, or `oidc authorize` makes an answer wrong:

| fault             | what is wrong                                                              |
|-------------------|----------------------------------------------------------------------------|
| issuer            | `iss` of the token, or the issuer of the discovery document                |
| audience, party   | `aud` is another client; or several, and `azp` another one                 |
| nonce, no_nonce   | another nonce; none                                                        |
| expired, future   | `exp` an hour ago; `iat` and `nbf` in an hour                              |
| alg_none          | no signature                                                               |
| hmac_public       | HS256 with the public key as its secret                                    |
| hmac_secret       | HS256 with the client's secret                                             |
| signature         | signed with another key under the same key ID                              |
| old_key           | signed with the key that `rotate` has withdrawn                            |
| access_token      | `at_hash` of another access token                                          |
| no_id_token       | none                                                                       |
| subject           | userinfo is about another person                                           |
| unverified        | `email_verified` is false; `not_verified`: it is missing                   |
| no_email          | no address                                                                 |
| overage           | the groups are elsewhere, as Entra ID does it for many                     |
| huge              | an answer of 5 MB                                                          |
| refuse            | `invalid_grant`                                                            |
"""

import base64
import hashlib
import hmac
import html
import json
import secrets
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from .faults import Fault
from .replies import Reply

PREFIX = "/oidc"
CLIENT_ID = "firstlight"
CLIENT_SECRET = "sandbox-secret-of-the-client-0001"  # noqa: S105 - nothing but this sandbox takes it
LASTS = 300
Claims = dict[str, Any]

PEOPLE: dict[str, Claims] = {
    "ada": {
        "email": "ada@example.com",
        "email_verified": True,
        "name": "Ada Lovelace",
        "groups": ["engineers"],
    },
    "grace": {
        "email": "grace@example.com",
        "email_verified": True,
        "name": "Grace Hopper",
        "groups": ["leads"],
    },
}


class Key:
    """A key pair with its ID."""

    def __init__(self) -> None:
        self.id = secrets.token_hex(4)
        self.private = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def published(self) -> Claims:
        numbers: Claims = json.loads(
            jwt.algorithms.RSAAlgorithm.to_jwk(self.private.public_key())
        )
        return {**numbers, "kid": self.id, "use": "sig", "alg": "RS256"}

    def pem(self) -> bytes:
        return self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )


@dataclass
class Code:
    """The data of an authorization code."""

    person: str
    nonce: str
    challenge: str
    redirect_uri: str


@dataclass
class Provider:
    """The provider's state."""

    people: dict[str, Claims] = field(
        default_factory=lambda: {name: dict(claims) for name, claims in PEOPLE.items()}
    )
    signed_in: str | None = None
    gives_refresh_tokens: bool = True
    key: Key | None = None
    old_key: Key | None = None
    codes: dict[str, Code] = field(default_factory=dict)
    # Access and refresh tokens, with the person that each belongs to.
    access: dict[str, str] = field(default_factory=dict)
    refresh: dict[str, str] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)

    def signing_key(self) -> Key:
        if self.key is None:
            self.key = Key()
        return self.key

    def rotate(self) -> None:
        self.old_key, self.key = self.signing_key(), Key()

    def change(self, order: dict[str, Any]) -> None:
        """Change the provider as a test demands."""
        for name, claims in order.get("people", {}).items():
            self.people[name] = claims
        if "signed_in" in order:
            self.signed_in = order["signed_in"]
        if "gives_refresh_tokens" in order:
            self.gives_refresh_tokens = order["gives_refresh_tokens"]
        if order.get("rotate"):
            self.rotate()

    def answer(
        self,
        method: str,
        path: str,
        query: dict[str, str],
        headers: dict[str, str],
        body: bytes,
        fault: Fault | None,
    ) -> Reply:
        """Answer a call below PREFIX."""
        issuer = f"http://{headers.get('host', 'localhost')}{PREFIX}"
        form = dict(parse_qsl(body.decode("latin-1")))
        wrong = (fault.oidc if fault else None) or ""
        name = operation(path)
        self.calls[name.removeprefix("oidc ")] += 1
        if wrong == "huge":
            return Reply(200, {"padding": "x" * 5_000_000})
        match method, name:
            case "GET", "oidc discovery":
                return Reply(
                    200, discovery(f"{issuer}/other" if wrong == "issuer" else issuer, issuer)
                )
            case "GET", "oidc keys":
                return Reply(200, {"keys": [self.signing_key().published()]})
            case "GET" | "POST", "oidc authorize":
                return self.authorize(query | form, wrong, issuer)
            case "POST", "oidc token":
                return self.token(form, headers, wrong, issuer)
            case "GET", "oidc userinfo":
                return self.userinfo(headers, wrong)
        return Reply(404, {"error": "not_found"})

    def authorize(self, asked: dict[str, str], wrong: str, issuer: str) -> Reply:
        """Redirect the browser back with a code. If no person is signed in, ask who it
        is.
        """
        target, state = asked.get("redirect_uri", ""), asked.get("state", "")
        # An unknown client gets a page and no redirect, so that it cannot send the
        # browser anywhere.
        if asked.get("client_id") != CLIENT_ID or not target.startswith("http"):
            return Reply(400, "<h1>Unknown client</h1>")
        person = asked.get("person") or self.signed_in
        if wrong == "refuse":
            return _redirect(target, {"error": "access_denied", "state": state})
        if person not in self.people:
            # With this parameter the provider must not show a form (OpenID Connect
            # Core, 3.1.2.1).
            if asked.get("prompt") == "none":
                return _redirect(target, {"error": "login_required", "state": state})
            return Reply(200, self.form(asked))
        code = secrets.token_urlsafe(16)
        self.codes[code] = Code(
            person, asked.get("nonce", ""), asked.get("code_challenge", ""), target
        )
        answer = {"code": code, "state": state}
        if wrong == "issuer":
            answer["iss"] = f"{issuer}/other"
        return _redirect(target, answer)

    def form(self, asked: dict[str, str]) -> str:
        kept = "".join(
            f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">'
            for name, value in asked.items()
        )
        buttons = "".join(
            f'<button name="person" value="{html.escape(name)}">{html.escape(name)}</button> '
            for name in self.people
        )
        return f"<h1>Sandbox sign-in</h1><form method=post action={PREFIX}/authorize>{kept}{buttons}</form>"

    def token(
        self, form: dict[str, str], headers: dict[str, str], wrong: str, issuer: str
    ) -> Reply:
        if not _is_client(form, headers):
            return Reply(401, {"error": "invalid_client"})
        nonce: str | None = None
        if form.get("grant_type") == "authorization_code":
            # Removed, because a code is valid once.
            code = self.codes.pop(form.get("code", ""), None)
            if (
                code is None
                or not _is_verifier(form.get("code_verifier", ""), code)
                or wrong == "refuse"
            ):
                return Reply(400, {"error": "invalid_grant"})
            person, nonce = code.person, code.nonce
        else:
            # Each refresh token is valid once, as with providers that rotate them.
            given = self.refresh.pop(form.get("refresh_token", ""), "")
            if given not in self.people or wrong == "refuse":
                return Reply(400, {"error": "invalid_grant"})
            person = given
        access = secrets.token_urlsafe(16)
        self.access[access] = person
        answer: Claims = {"access_token": access, "token_type": "Bearer", "expires_in": LASTS}
        if self.gives_refresh_tokens:
            refresh = secrets.token_urlsafe(16)
            self.refresh[refresh] = person
            answer["refresh_token"] = refresh
        if wrong != "no_id_token":
            answer["id_token"] = self.id_token(person, nonce, access, wrong, issuer)
        return Reply(200, answer)

    def id_token(
        self, person: str, nonce: str | None, access: str, wrong: str, issuer: str
    ) -> str:
        claims = _of_person(self.people[person], wrong) | _times(wrong)
        claims |= {
            "sub": person,
            "iss": issuer,
            "aud": CLIENT_ID,
            "at_hash": _half_hash(access),
        }
        if nonce is not None and wrong != "no_nonce":
            claims["nonce"] = "another" if wrong == "nonce" else nonce
        match wrong:
            case "issuer":
                claims["iss"] = f"{issuer}/other"
            case "audience":
                claims["aud"] = "another-client"
            case "party":
                claims |= {"aud": [CLIENT_ID, "another-client"], "azp": "another-client"}
            case "access_token":
                claims["at_hash"] = _half_hash("another")
        return self.sign(claims, wrong)

    def sign(self, claims: Claims, wrong: str) -> str:
        key = self.signing_key()
        headers = {"kid": key.id}
        if wrong == "alg_none":
            return jwt.encode(claims, "", algorithm="none", headers=headers)
        if wrong in ("hmac_public", "hmac_secret"):
            return _hmac_token(
                claims, key.pem() if wrong == "hmac_public" else CLIENT_SECRET.encode(), key.id
            )
        private = key.private
        if wrong == "signature":
            private = Key().private
        if wrong == "old_key" and self.old_key:
            private, headers = self.old_key.private, {"kid": self.old_key.id}
        return jwt.encode(claims, private, algorithm="RS256", headers=headers)

    def userinfo(self, headers: dict[str, str], wrong: str) -> Reply:
        person = self.access.get(headers.get("authorization", "").removeprefix("Bearer "))
        if person is None or wrong == "refuse":
            return Reply(401, {"error": "invalid_token"})
        claims = _of_person(self.people[person], wrong) | {
            "sub": "another" if wrong == "subject" else person
        }
        return Reply(200, claims)


def operation(path: str) -> str:
    """Return the name of a call that faults match: `oidc token`."""
    last = path.removeprefix(PREFIX).strip("/")
    return "oidc discovery" if last == ".well-known/openid-configuration" else f"oidc {last}"


def discovery(issuer: str, base: str) -> Claims:
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{base}/authorize",
        "token_endpoint": f"{base}/token",
        "userinfo_endpoint": f"{base}/userinfo",
        "jwks_uri": f"{base}/keys",
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
    }


def _redirect(target: str, query: dict[str, str]) -> Reply:
    return Reply(302, "", {"location": f"{target}?{urlencode(query)}"})


def _of_person(person: Claims, wrong: str) -> Claims:
    claims = dict(person)
    match wrong:
        case "unverified":
            claims["email_verified"] = False
        case "not_verified":
            claims.pop("email_verified", None)
        case "no_email":
            claims.pop("email", None)
        case "overage":
            claims.pop("groups", None)
            claims["_claim_names"] = {"groups": "src1"}
    return claims


def _times(wrong: str) -> Claims:
    now = int(time.time())
    if wrong == "expired":
        return {"iat": now - 3600 - LASTS, "exp": now - 3600}
    if wrong == "future":
        return {"iat": now + 3600, "nbf": now + 3600, "exp": now + 3600 + LASTS}
    return {"iat": now, "exp": now + LASTS}


def _is_client(form: dict[str, str], headers: dict[str, str]) -> bool:
    expected = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
    if headers.get("authorization") == f"Basic {expected}":
        return True
    return form.get("client_id") == CLIENT_ID and form.get("client_secret") == CLIENT_SECRET


def _is_verifier(verifier: str, code: Code) -> bool:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == code.challenge


def _half_hash(token: str) -> str:
    digest = hashlib.sha256(token.encode()).digest()
    return base64.urlsafe_b64encode(digest[:16]).rstrip(b"=").decode()


def _hmac_token(claims: Claims, secret: bytes, key_id: str) -> str:
    """Return an HS256 token. It is built by hand, because PyJWT refuses to sign with a
    public key.
    """

    def part(value: bytes) -> str:
        return base64.urlsafe_b64encode(value).rstrip(b"=").decode()

    header = part(json.dumps({"alg": "HS256", "typ": "JWT", "kid": key_id}).encode())
    signed = f"{header}.{part(json.dumps(claims).encode())}"
    return f"{signed}.{part(hmac.digest(secret, signed.encode(), 'sha256'))}"
