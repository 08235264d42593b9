"""Read from its title what a pull request is for.

change_type("fix(api): Retry")    # ChangeType.FIX
change_type("Fix the parser")     # ChangeType.FIX
change_type("Hello")              # ChangeType.OTHER
"""

import re
from enum import StrEnum


class ChangeType(StrEnum):
    """What a pull request is for."""

    FEATURE = "feature"
    FIX = "fix"
    DOCS = "docs"
    UPKEEP = "upkeep"
    OTHER = "other"


_TYPES = {
    "feat": ChangeType.FEATURE,
    "feature": ChangeType.FEATURE,
    "fix": ChangeType.FIX,
    "bugfix": ChangeType.FIX,
    "hotfix": ChangeType.FIX,
    "perf": ChangeType.FEATURE,
    "docs": ChangeType.DOCS,
    "doc": ChangeType.DOCS,
    "chore": ChangeType.UPKEEP,
    "build": ChangeType.UPKEEP,
    "ci": ChangeType.UPKEEP,
    "test": ChangeType.UPKEEP,
    "tests": ChangeType.UPKEEP,
    "refactor": ChangeType.UPKEEP,
    "style": ChangeType.UPKEEP,
}
_PREFIX = re.compile(r"^([a-z]+)(?:\([^)]*\))?!?:", re.IGNORECASE)
_FIRST_WORD = {
    "add": ChangeType.FEATURE,
    "fix": ChangeType.FIX,
    "fixes": ChangeType.FIX,
    "document": ChangeType.DOCS,
}


def change_type(title: str) -> ChangeType:
    """Return the type of a change by its title: by a conventional prefix ("fix(api):
    …"), otherwise by the first word if that is clear ("Fix …").
    """
    prefix = _PREFIX.match(title)
    if prefix:
        return _TYPES.get(prefix[1].lower(), ChangeType.OTHER)
    return _FIRST_WORD.get(title.split(" ", 1)[0].lower(), ChangeType.OTHER)
