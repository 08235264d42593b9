"""Read fields of GitHub's JSON strictly: return the right type, or raise an error with
the field's name and its value.

    count({"number": 12}, "number")      # 12
    count({"number": "12"}, "number")    # raises Malformed
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

# The largest number that an integer column can store.
LARGEST = 2**31 - 1


class Malformed(ValueError):
    """A field is missing, or of another type than in GitHub's schema.

    `field` is its name, if the error is about one field.
    """

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


def _wrong(name: str, expected: str, value: object) -> Malformed:
    found = "nothing" if value is None else f"{type(value).__name__} {str(value)[:40]!r}"
    return Malformed(f"{name} should be {expected}, found {found}", name)


def text(node: Mapping[str, Any], name: str, *, required: bool = True) -> str:
    """Return a text, not empty if `required`. A missing optional text is returned as
    ''.
    """
    value = node.get(name)
    if value is None and not required:
        return ""
    if not isinstance(value, str) or (required and not value):
        raise _wrong(name, "a text", value)
    return value


def moment(node: Mapping[str, Any], name: str) -> datetime:
    value = optional_moment(node, name)
    if value is None:
        raise _wrong(name, "a time", None)
    return value


def optional_moment(node: Mapping[str, Any], name: str) -> datetime | None:
    """Return an aware datetime, or None if the field is missing."""
    value = node.get(name)
    if value is None:
        return None
    try:
        parsed = datetime.fromisoformat(value)
        # This also raises for times outside of the years that UTC can express.
        parsed.timestamp()
    except (TypeError, ValueError, OverflowError, OSError):
        raise _wrong(name, "a time", value) from None
    if parsed.tzinfo is None:
        raise _wrong(name, "a time with its zone", value)
    return parsed


def count(node: Mapping[str, Any], name: str) -> int:
    value = node.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LARGEST:
        raise _wrong(name, "a number that is not negative", value)
    return value


def big_number(node: Mapping[str, Any], name: str) -> int | None:
    """Return a number from GitHub's BigInt (digits in a text) or Int; both may be null."""
    value = node.get(name)
    if value is None:
        return None
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 19:
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        raise _wrong(name, "a number", value)
    return value


def flag(node: Mapping[str, Any], name: str) -> bool:
    value = node.get(name)
    if not isinstance(value, bool):
        raise _wrong(name, "true or false", value)
    return value


def mapping(node: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = optional_mapping(node, name)
    if value is None:
        raise _wrong(name, "an object", None)
    return value


def optional_mapping(node: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    value = node.get(name)
    if value is not None and not isinstance(value, dict):
        raise _wrong(name, "an object", value)
    return value


def items(node: Mapping[str, Any], name: str) -> Sequence[Any]:
    value = node.get(name)
    if not isinstance(value, list):
        raise _wrong(name, "a list", value)
    return value


def objects(node: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """Return a list of objects. Raises Malformed if one of them is null."""
    found: list[Mapping[str, Any]] = []
    for index, item in enumerate(items(node, name)):
        if not isinstance(item, dict):
            raise _wrong(f"{name}[{index}]", "an object", item)
        found.append(item)
    return found
