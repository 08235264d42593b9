"""The addresses of GitHub's two interfaces, from one base address."""

from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Endpoints:
    """`graphql` is the address for POST; REST paths begin with `/` and are appended to
    `rest`.
    """

    graphql: str
    rest: str

    @classmethod
    def of(cls, base: str) -> "Endpoints":
        """Return the endpoints of `https://api.github.com`, or of an Enterprise
        Server's `https://host/api/v3` (GraphQL: `/api/graphql`).
        """
        base = base.rstrip("/")
        enterprise = base.removesuffix("/api/v3")
        return cls(
            graphql=f"{enterprise}/api/graphql" if enterprise != base else f"{base}/graphql",
            rest=base,
        )

    @property
    def host(self) -> str:
        return urlsplit(self.rest).netloc.rpartition("@")[2]
