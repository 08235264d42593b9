"""Stable invented identities: numeric database ids, node ids and object ids, derived
from what they name.

The same name gives the same id in every run, so that a client may sync twice, or after
a restart of the sandbox.
"""

import base64
import hashlib

# Accounts whose numeric id is public; some rules for AI markers recognize them by it.
KNOWN_ACCOUNT_IDS = {
    "dependabot": 49699333,
    "renovate": 29139614,
    "github-actions": 41898282,
    "copilot-swe-agent": 198982749,
    "devin-ai-integration": 158243242,
    "coderabbitai": 136622811,
    "claude": 209825114,
    "cursor": 206951365,
}

# GitHub's `databaseId` is a signed 32-bit Int.
_INT = 2**31 - 1


def number(text: str, below: int = _INT) -> int:
    """Return a number from 1 to `below` - 1, always the same for the same text."""
    digest = hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest) % (below - 1) + 1


def account_id(login: str, *, is_bot: bool = False) -> int:
    if is_bot and login.lower() in KNOWN_ACCOUNT_IDS:
        return KNOWN_ACCOUNT_IDS[login.lower()]
    return number(f"account:{login.lower()}", 200_000_000)


def node_id(prefix: str, text: str) -> str:
    """Return a node id in GitHub's format, like `PR_kwDO…`: opaque, unique by `text`."""
    digest = hashlib.blake2b(
        f"{prefix}:{text}".encode(errors="surrogatepass"), digest_size=12
    ).digest()
    return f"{prefix}_kwDO{base64.urlsafe_b64encode(digest).decode()}"


def legacy_id(kind: str, number: int) -> str:
    """Return a node id in GitHub's former format, like MDExOlB1bGxSZXF1ZXN0OQ==."""
    return base64.b64encode(f"{len(kind):03}:{kind}{number}".encode()).decode()


def oid(text: str) -> str:
    """Return a git object id: 40 hex digits."""
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=20).hexdigest()
