"""The primary rate limit: points in an hour, for each token and resource (`graphql`,
`core`).
"""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

WINDOW = 3600


@dataclass
class Budget:
    """Points of one token in its present window."""

    resource: str
    limit: int
    used: int = 0
    resets_at: int = field(default_factory=lambda: int(time.time()) + WINDOW)

    @property
    def remaining(self) -> int:
        return max(0, self.limit - self.used)

    @property
    def reset_moment(self) -> str:
        return datetime.fromtimestamp(self.resets_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def charge(self, points: int) -> bool:
        """Spend points. Return False, and spend none, if the window has too few left."""
        if points > self.remaining:
            return False
        self.used += points
        return True

    def headers(self) -> dict[str, str]:
        return {
            "x-ratelimit-limit": str(self.limit),
            "x-ratelimit-remaining": str(self.remaining),
            "x-ratelimit-used": str(self.used),
            "x-ratelimit-reset": str(self.resets_at),
            "x-ratelimit-resource": self.resource,
        }


class Budgets:
    """A budget of `limit` points for every token and resource, opened at its first use
    and again after its hour.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._open: dict[tuple[str, str], Budget] = {}

    def of(self, token: str, resource: str) -> Budget:
        budget = self._open.get((token, resource))
        if budget is None or time.time() >= budget.resets_at:
            budget = self._open[token, resource] = Budget(resource, self.limit)
        return budget

    def reset(self) -> None:
        self._open.clear()
