"""The person behind a name and an email address in a commit.

GitHub's private addresses (`12345+login@users.noreply.github.com`) give the account.
From any other address the login is the part before the `@` with eight digits of the
address's SHA-256. Two people who share that part therefore stay two, and neither is
taken for the GitHub account of that name. One person with two addresses counts as two
people unless `.mailmap` joins them.
"""

import re
from functools import lru_cache
from hashlib import sha256

from apps.integrations.sources.git.messages import one_line
from apps.metrics.ingest.bots import is_bot_account
from apps.metrics.records import PersonData

WEB_FLOW = "noreply@github.com"  # the committer of commits made on GitHub's pages; no person

_GITHUB = re.compile(
    r"(?:(?P<id>[0-9]{1,18})\+)?(?P<login>[a-z0-9][a-z0-9_-]{0,99}(?:\[bot\])?)@users\.noreply\.github\.com",
    re.IGNORECASE,
)
_NAME_LENGTH = 200


# Cached, because the same few people sign most commits.
@lru_cache(maxsize=4096)
def person(name: str, email: str) -> PersonData | None:
    """Return the person behind a signature; None if the signature is empty."""
    name = "" if name == "%aN" else one_line(name, _NAME_LENGTH)
    email = "" if email == "%aE" else one_line(email, 320)
    noreply = _GITHUB.fullmatch(email)
    if noreply:
        login = noreply["login"]
        number = int(noreply["id"]) if noreply["id"] else None
        return PersonData(
            login, name, number or None, is_bot_account(login, name), from_commits=True
        )
    if not name and not email:
        return None
    email = email.lower()
    stem = (email.partition("@")[0] or name)[:_NAME_LENGTH]
    mark = sha256((email or name).encode(errors="replace")).hexdigest()[:8]
    return PersonData(
        f"{stem}~{mark}", name, None, is_bot_account(stem, name), from_commits=True
    )
