"""What the runs are to do, and what must come of them."""

import random
from dataclasses import dataclass, field
from pathlib import Path

STEPS = ("one", "two", "three", "four", "five")


@dataclass
class Plan:
    """One run: its parameters for the lab, and the states in which it may end."""

    number: int
    kind: str
    params: dict
    ends: tuple[str, ...]
    mended: Path | None = None
    run: object = None
    # The driver's own doings.
    cancelled: bool = False
    retried: bool = False
    problems: list[str] = field(default_factory=list)

    @property
    def subject(self):
        return f"lab:{self.number}"


def make(count: int, chance: random.Random, folder: Path) -> list[Plan]:
    """Half of them plain, the others fail once, park, stay partial, fail until mended,
    or are to be cancelled.
    """
    kinds = (
        ["plain"] * 10
        + ["flaky"] * 3
        + ["parks"] * 2
        + ["partial"] * 2
        + ["mends"] * 3
        + ["cancelled"] * 2
    )
    return [_plan(number, chance.choice(kinds), chance, folder) for number in range(count)]


def _plan(number: int, kind: str, chance: random.Random, folder: Path) -> Plan:
    step = chance.choice(STEPS)
    params = {"items": chance.randint(2, 5), "pace": chance.choice([0.0, 0.03, 0.1])}
    match kind:
        case "flaky":
            return Plan(
                number, kind, params | {"fail": {step: "A server answered 502."}}, ("done",)
            )
        case "parks":
            return Plan(number, kind, params | {"park": {step: 0.5}}, ("done",))
        case "partial":
            return Plan(
                number, kind, params | {"partial": {step: "It was not there."}}, ("partial",)
            )
        case "mends":
            mended = folder / f"mended-{number}"
            broken = {"permanent": {step: "The key was refused."}, "mended": str(mended)}
            return Plan(number, kind, params | broken, ("done",), mended)
        case "cancelled":
            return Plan(number, kind, params | {"pace": 0.1}, ("cancelled", "done"))
        case _:
            return Plan(number, kind, params, ("done",))
