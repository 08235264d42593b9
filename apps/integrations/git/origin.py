"""What a remote's address says: the repository's name, and where its pages are. Passwords in it stay out of both."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

_SCP = re.compile(r"(?:[^@/\s]+@)?(?P<host>[^:/\s]{2,}):(?!//|:)(?P<path>.+)")
_ODD = re.compile(r"[^\w.~-]+")
# Where a host shows pull requests by number, and commits.
_PAGES = {
    "github.com": ("/pull/{}", "/commit/{}"),
    "gitlab.com": ("/-/merge_requests/{}", "/-/commit/{}"),
    "bitbucket.org": ("/pull-requests/{}", "/commits/{}"),
}


@dataclass(frozen=True, slots=True)
class Origin:
    """`name` like `owner/repo`; `url` of its pages, "" where the host is not known."""

    name: str
    url: str = ""
    host: str = ""

    def page(self, oid: str, number: int | None) -> str:
        """The page of a pull request, or of a commit without one."""
        if not self.url:
            return ""
        pull, commit = _PAGES[self.host]
        return self.url + (commit.format(oid) if number is None else pull.format(number))


def read_origin(address: str) -> Origin | None:
    """None for a folder on this machine, and for what is no address."""
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
