"""The repositories that a token may read, page by page, newest push first."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apps.integrations.sources.base import Listed
from apps.integrations.sources.github.client import GitHubClient
from apps.integrations.sources.github.errors import BadResponse

PAGE = 100
_PAGE_NUMBER = re.compile(r"[?&]page=(\d{1,6})(?!\d)")


@dataclass(frozen=True, slots=True)
class Page:
    """`last` is the number of the last page as GitHub's answer gives it, and `headers`
    are those of the answer.
    """

    repositories: list[Listed]
    number: int
    last: int
    headers: Mapping[str, str]

    @property
    def next(self) -> int | None:
        return self.number + 1 if self.number < self.last else None


def read_page(client: GitHubClient, number: int, *, of_app: bool = False) -> Page:
    """Return one page of a user's token, or (with `of_app`) of an app installation's
    token.

    Raises GitHubError.
    """
    path = "/installation/repositories" if of_app else "/user/repos"
    params = {"per_page": str(PAGE), "page": str(number)}
    if not of_app:
        params |= {"sort": "pushed", "direction": "desc"}
    answer = client.answer(path, params, what="list of repositories")
    rows = (
        answer.data.get("repositories")
        if of_app and isinstance(answer.data, dict)
        else answer.data
    )
    if not isinstance(rows, list):
        raise BadResponse("it is no list of repositories")
    listed = [
        _listed(row)
        for row in rows
        if isinstance(row, dict) and isinstance(row.get("full_name"), str)
    ]
    return Page(
        listed, number, max(number, _last(answer.headers.get("link", ""))), answer.headers
    )


def _listed(row: Mapping[str, Any]) -> Listed:
    pushed = row.get("pushed_at")
    return Listed(
        name=row["full_name"],
        private=row.get("private") is True,
        archived=row.get("archived") is True,
        fork=row.get("fork") is True,
        pushed_at=pushed if isinstance(pushed, str) else None,
        language=str(row.get("language") or "")[:40],
    )


def _last(link: str) -> int:
    """Return the number of the last page from a Link header, 0 if it names none."""
    for part in link.split(","):
        address, _, parameters = part.partition(">")
        if 'rel="last"' in parameters and (found := _PAGE_NUMBER.search(address)):
            return int(found[1])
    return 0
