"""The addresses of GitHub's two interfaces, from one base address."""

from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Endpoints:
    """`graphql` is posted to; REST paths stand below `rest`, without a slash between."""

    graphql: str
    rest: str

    @classmethod
    def of(cls, base: str) -> "Endpoints":
        """From `https://api.github.com` or an Enterprise Server's `https://host/api/v3`
        (GraphQL: `/api/graphql`).
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
