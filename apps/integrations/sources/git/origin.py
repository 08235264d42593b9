"""Read the repository's name and the address of its pages from a remote's address.

Passwords in the remote's address stay out of both.
"""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

_SCP = re.compile(r"(?:[^@/\s]+@)?(?P<host>[^:/\s]{2,}):(?!//|:)(?P<path>.+)")
# Longer texts are no address. The time that `urlsplit` takes to check a host grows with
# the square of its length.
_LONGEST = 2_000
_ODD = re.compile(r"[^\w.~-]+")
_ODD_PATH = re.compile(r"[^\w./~-]+")
# The paths at which a host shows a pull request by number, and a commit.
_PAGES = {
    "github.com": ("/pull/{}", "/commit/{}"),
    "gitlab.com": ("/-/merge_requests/{}", "/-/commit/{}"),
    "bitbucket.org": ("/pull-requests/{}", "/commits/{}"),
}


@dataclass(frozen=True, slots=True)
class Origin:
    """`name` is like `owner/repo`; `url` is that of its pages, "" if the host is
    unknown.
    """

    name: str
    url: str = ""
    host: str = ""

    @property
    def owner(self) -> str:
        """Return the first part of the name, "" for a repository that has no origin."""
        return self.name.partition("/")[0] if self.host else ""

    def page(self, oid: str, number: int | None, project: str = "") -> str:
        """Return the page of a pull request or a commit; with `project`, that of
        another repository.
        """
        if not self.url:
            return ""
        pull, commit = _PAGES[self.host]
        if number is None:
            return self.url + commit.format(oid)
        url = (
            f"https://{self.host}/{_ODD_PATH.sub('-', project)}" if "/" in project else self.url
        )
        return url + pull.format(number)


def read_origin(address: str) -> Origin | None:
    """Return the origin; None for a folder on this machine, and for a text that is no
    address or over 2,000 characters.
    """
    if len(address) > _LONGEST:
        return None
    if "://" in address:
        try:
            parts = urlsplit(address)
            host, path = (parts.hostname or "").lower(), parts.path
        except ValueError:
            return None
        if parts.scheme == "file":
            return None
    else:
        match = _SCP.fullmatch(address.strip())
        if match is None:
            return None
        host, path = match["host"].lower(), match["path"]
    names = [_ODD.sub("-", name) for name in path.strip("/").removesuffix(".git").split("/")]
    names = [name for name in names if name.strip(".")]
    if not host or not names:
        return None
    name = "/".join(names if len(names) > 1 else [_ODD.sub("-", host), *names])[:250]
    return Origin(name, f"https://{host}/{name}" if host in _PAGES else "", host)
