"""Which process sends a message, and whether that process is gone.

The product provides both functions by `use`. Without them mail cannot detect a dead
process, and waits until its lease is over.
"""

from collections.abc import Callable


def _nobody() -> str:
    return ""


def _never(owner: str) -> bool:
    return False


me: Callable[[], str] = _nobody
is_dead: Callable[[str], bool] = _never


def use(*, identity: Callable[[], str], proof_of_death: Callable[[str], bool]) -> None:
    """Identify processes by `identity`. `proof_of_death` must return True only if it is
    certain that the process is gone.
    """
    global me, is_dead
    me, is_dead = identity, proof_of_death
