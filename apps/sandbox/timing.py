"""How long GitHub takes for an answer, and its secondary limit: a number of seconds of
its own work in any minute.

The times are a model: 150 ms for an answer, 2 ms for a pull request with scalars, 20 ms
for one with nested lists. `share` scales all times and the limit, so that a test of
minutes takes seconds.
"""

import time
from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import Any

from .faults import outermost_nodes

WINDOW = 60.0
LIMIT = 60.0
ANSWER, SCALARS, NESTED = 0.150, 0.002, 0.020
LISTS = ("commits", "reviews")


def work(data: Any) -> float:
    """Return the seconds that GitHub would work for an answer with this data."""
    found = outermost_nodes(data)
    nodes = [node for node in found[0] if isinstance(node, dict)] if found else []
    return ANSWER + sum(
        NESTED if any(name in node for name in LISTS) else SCALARS for node in nodes
    )


@dataclass
class Timing:
    """Delays answers, and limits a token's answers of any minute to `LIMIT` seconds of
    work.
    """

    share: float = 1.0
    spent: dict[str, deque[tuple[float, float]]] = field(
        default_factory=lambda: defaultdict(deque)
    )
    refused: int = 0
    seconds: float = 0.0

    def take(self, token: str, data: Any) -> float | None:
        """Return the seconds that an answer has to wait; None if the limit refuses it."""
        now, seconds, spent = time.monotonic(), work(data) * self.share, self.spent[token]
        while spent and spent[0][0] <= now - WINDOW * self.share:
            spent.popleft()
        if sum(each for _, each in spent) + seconds > LIMIT * self.share:
            self.refused += 1
            return None
        spent.append((now + seconds, seconds))
        self.seconds += seconds
        return seconds

    @property
    def retry_after(self) -> int:
        return max(1, round(WINDOW * self.share))
