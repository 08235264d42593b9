"""Who hands a message over, and whether that process is gone. The product says how to
know; by itself mail does not, and waits for the lease.
"""

from collections.abc import Callable


def _nobody() -> str:
    return ""


def _never(owner: str) -> bool:
    return False


me: Callable[[], str] = _nobody
is_dead: Callable[[str], bool] = _never


def use(*, identity: Callable[[], str], proof_of_death: Callable[[str], bool]) -> None:
    """Tell processes by `identity`; `proof_of_death` is True only where it is certain
    that a process is gone.
    """
    global me, is_dead
    me, is_dead = identity, proof_of_death
