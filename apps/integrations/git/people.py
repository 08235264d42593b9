"""Who a name and an e-mail address in a commit are.

GitHub's private addresses (`12345+login@users.noreply.github.com`) give the account. From any other address the login
is the part before the `@` with eight digits of the address's SHA-256, so that two people who share that part stay two,
and neither is taken for the GitHub account of that name. One person with two addresses is two people unless
`.mailmap` says otherwise.
"""

import re
from functools import lru_cache
from hashlib import sha256

from apps.integrations.git.messages import one_line
from apps.metrics.records import PersonData

WEB_FLOW = "noreply@github.com"  # commits made on GitHub's pages; it is nobody

_GITHUB = re.compile(
    r"(?:(?P<id>[0-9]{1,18})\+)?(?P<login>[a-z0-9][a-z0-9_-]{0,99}(?:\[bot\])?)@users\.noreply\.github\.com",
    re.IGNORECASE,
)
# A word of its own: "abbot" and "robotics" are people. With spaces around it, it is a family name.
_BOT_WORD = re.compile(r"(?:^|[._+-])bot(?:[._+-]|$)", re.IGNORECASE)
_KNOWN_BOTS = frozenset({
    "allcontributors", "codecov", "copilot", "dependabot", "dependabot-preview", "github-actions", "greenkeeper",
    "imgbot", "mergify", "pre-commit-ci", "release-please", "renovate", "web-flow",
})  # fmt: skip
_NAME_LENGTH = 200


# The same few people sign most commits.
@lru_cache(maxsize=4096)
def person(name: str, email: str) -> PersonData | None:
    """The person behind a signature; None where it is empty."""
    name = "" if name == "%aN" else one_line(name, _NAME_LENGTH)
    email = "" if email == "%aE" else one_line(email, 320)
    noreply = _GITHUB.fullmatch(email)
    if noreply:
        login = noreply["login"]
        number = int(noreply["id"]) if noreply["id"] else None
        return PersonData(login, name, number or None, _is_bot(name, login))
    if not name and not email:
        return None
    email = email.lower()
    stem = (email.partition("@")[0] or name)[:_NAME_LENGTH]
    mark = sha256((email or name).encode(errors="replace")).hexdigest()[:8]
    return PersonData(f"{stem}~{mark}", name, None, _is_bot(name, stem))


def _is_bot(name: str, login: str) -> bool:
    return (
        name.endswith("[bot]")
        or login.endswith("[bot]")
        or login.lower() in _KNOWN_BOTS
        or _BOT_WORD.search(login) is not None
        or (" " not in name and _BOT_WORD.search(name) is not None)
    )
