"""GitHub's connections: opaque cursors, `first` and `last` of at most 100, one of them
required for nodes.

A cursor contains the sort value of its item, not its position. Under an order that
never changes (CREATED_AT) it stays correct while items are added. Under UPDATED_AT an
item that changes meanwhile moves, as on GitHub.
"""

import base64
import binascii
import json
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from graphql import FieldNode, GraphQLResolveInfo, SelectionSetNode

from .errors import GitHubError

LIMIT = 100
_CURSOR = "cursor:v2:"
# `totalCount` alone needs no bounds.
_NEEDS_BOUNDS = {"nodes", "edges", "pageInfo"}


def encode_cursor(key: Any) -> str:
    return base64.b64encode(
        f"{_CURSOR}{json.dumps(key, separators=(',', ':'))}".encode()
    ).decode()


def decode_cursor(cursor: str) -> Any:
    try:
        text = base64.b64decode(cursor, validate=True).decode()
        if not text.startswith(_CURSOR):
            raise ValueError(cursor)
        key = json.loads(text.removeprefix(_CURSOR))
    except (binascii.Error, ValueError) as error:
        message = f"`{cursor}` does not appear to be a valid cursor."
        raise GitHubError("INVALID_CURSOR_ARGUMENTS", message) from error
    return tuple(key) if isinstance(key, list) else key


@dataclass(frozen=True)
class Page:
    """GraphQL's PageInfo."""

    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


@dataclass(frozen=True)
class Edge:
    cursor: str
    node: Any


@dataclass(frozen=True)
class Listing:
    """Items in ascending order of `keys`, which are unique; by default of their
    positions.
    """

    items: Sequence[Any]
    keys: Sequence[Any] = ()
    descending: bool = False

    def window(self, after: str | None, before: str | None) -> tuple[int, int]:
        """Return the bounds of the items between two cursors, counted in ascending
        order.
        """
        keys = self.keys or range(len(self.items))
        low, high = 0, len(self.items)
        lower, upper = (before, after) if self.descending else (after, before)
        try:
            if lower is not None:
                low = bisect_right(keys, decode_cursor(lower))
            if upper is not None:
                high = bisect_left(keys, decode_cursor(upper))
        except TypeError as error:  # a cursor of a connection with other keys
            message = f"`{lower or upper}` does not appear to be a valid cursor."
            raise GitHubError("INVALID_CURSOR_ARGUMENTS", message) from error
        return low, max(low, high)

    def key(self, index: int) -> Any:
        return self.keys[index] if self.keys else index


class Connection:
    """One page of a listing.

    Attributes are those of GitHub's connection types, in snake case.
    """

    def __init__(self, listing: Listing, arguments: dict[str, Any]) -> None:
        self._listing = listing
        low, high = listing.window(arguments.get("after"), arguments.get("before"))
        positions: Sequence[int] = range(low, high)
        if listing.descending:
            positions = positions[::-1]
        window = len(positions)
        first, last = arguments.get("first"), arguments.get("last")
        if first is not None:
            positions = positions[:first]
        elif last is not None:
            positions = positions[max(0, window - last) :]
        self._positions = positions
        before_window = len(listing.items) - high if listing.descending else low
        after_window = low if listing.descending else len(listing.items) - high
        cut = window - len(positions)
        self._has_next = after_window > 0 or (first is not None and cut > 0)
        self._has_previous = before_window > 0 or (first is None and cut > 0)

    @property
    def total_count(self) -> int:
        return len(self._listing.items)

    @cached_property
    def nodes(self) -> list[Any]:
        return [self._listing.items[index] for index in self._positions]

    @property
    def filtered_count(self) -> int:
        return self.total_count

    @property
    def page_count(self) -> int:
        return len(self._positions)

    @property
    def edges(self) -> list[Edge]:
        return [
            Edge(encode_cursor(self._listing.key(index)), node)
            for index, node in zip(self._positions, self.nodes, strict=True)
        ]

    @property
    def page_info(self) -> Page:
        if not self._positions:
            return Page(self._has_next, self._has_previous, None, None)
        start, end = (encode_cursor(self._listing.key(self._positions[at])) for at in (0, -1))
        return Page(self._has_next, self._has_previous, start, end)


def check_bounds(info: GraphQLResolveInfo[Any], arguments: dict[str, Any]) -> None:
    """Raise GitHub's errors for a missing or excessive `first` or `last`."""
    name = info.field_name
    for bound in ("first", "last"):
        value = arguments.get(bound)
        if value is None:
            continue
        if value > LIMIT:
            message = f"Requesting {value} records on the `{name}` connection exceeds the `{bound}` limit of {LIMIT} records."
            raise GitHubError("EXCESSIVE_PAGINATION", message)
        if value < 0:
            message = f"`{bound}` on the `{name}` connection cannot be less than zero."
            raise GitHubError("INVALID_PAGINATION", message)
    if (
        arguments.get("first") is None
        and arguments.get("last") is None
        and _selects_items(info)
    ):
        message = f"You must provide a `first` or `last` value to properly paginate the `{name}` connection."
        raise GitHubError("MISSING_PAGINATION_BOUNDARIES", message)


def _selects_items(info: GraphQLResolveInfo[Any]) -> bool:
    pending: list[SelectionSetNode | None] = [node.selection_set for node in info.field_nodes]
    while pending:
        selected = pending.pop()
        for selection in selected.selections if selected else ():
            if isinstance(selection, FieldNode):
                if selection.name.value in _NEEDS_BOUNDS:
                    return True
            elif (name := getattr(selection, "name", None)) is not None:
                pending.append(info.fragments[name.value].selection_set)
            else:
                pending.append(getattr(selection, "selection_set", None))
    return False
