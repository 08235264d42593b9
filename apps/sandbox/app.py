"""A GitHub App in the sandbox: one installation, in the account of its repositories.

A code that begins with `stranger` gives the token of a person who may not use the
installation. A code that begins with `stale` is refused.
"""

import base64
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

from .replies import Reply, message, not_found
from .world import World

INSTALLATION = 4242


def answer(
    world: World, method: str, path: str, authorization: str, body: bytes
) -> Reply | None:
    """Return the answer to a call that only apps make; None for every other call."""
    match method, path.strip("/").split("/"):
        case "POST", ["login", "oauth", "access_token"]:
            code = dict(parse_qsl(body.decode())).get("code", "")
            if not code or code.startswith("stale"):
                return Reply(
                    200,
                    {
                        "error": "bad_verification_code",
                        "error_description": "The code is incorrect.",
                    },
                )
            return Reply(
                200, {"access_token": f"ghu_{code}", "token_type": "bearer", "scope": ""}
            )
        case "GET", ["user", "installations"]:
            return Reply(200, _installations(world, authorization))
        case "DELETE", ["installation", "token"]:
            return Reply(204, "")
        case "POST", ["app", "installations", number, "access_tokens"]:
            if not _is_app(authorization):
                return message(401, "A JSON web token could not be decoded")
            if number != str(INSTALLATION):
                return not_found()
            ends = datetime.now(UTC) + timedelta(hours=1)
            return Reply(
                201,
                {
                    "token": f"ghs_{time.time_ns()}",
                    "expires_at": ends.strftime("%Y-%m-%dT%H:%M:%SZ"),
                },
            )
    return None


def _installations(world: World, authorization: str) -> dict[str, Any]:
    if "ghu_stranger" in authorization:
        return {"total_count": 0, "installations": []}
    owners = [repository.owner.login for repository in world.repositories.values()]
    account = {"login": owners[0] if owners else "nobody"}
    return {"total_count": 1, "installations": [{"id": INSTALLATION, "account": account}]}


def _is_app(authorization: str) -> bool:
    """Return whether this is a signed JSON web token that is valid now. The key of the
    signature is not checked.
    """
    parts = authorization.removeprefix("Bearer ").split(".")
    try:
        head, claims = (
            json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
            for part in parts[:2]
        )
    except ValueError:
        return False
    now = time.time()
    return (
        head.get("alg") == "RS256"
        and claims["iat"] <= now <= claims["exp"] <= now + 600
        and bool(claims["iss"])
    )
