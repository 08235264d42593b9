r"""The commits of a repository as branches: each commit belongs to the first branch
that brought it to the trunk.

    A---B-------M---N      trunk (first parents)
         \     /
          X---Y            the side of M; X left the trunk at B

    grow(nodes, "N") == Branch(["A", "B", "M", "N"], sides={"M": [Branch(["X", "Y"])]})

Branches are walked from the oldest commit to the newest, so the commits of a merge's
sides are exactly those that are reachable from its other parents and not from its first
one. Every commit is visited once.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from apps.integrations.sources.git.command import LOG_OPTIONS, Git
from apps.integrations.sources.git.commits import moment
from apps.integrations.sources.git.messages import telling
from apps.integrations.sources.git.people import WEB_FLOW

_FIELDS = ("%m", "%H", "%P", "%at", "%ct", "%ce", "%B")


class Node(NamedTuple):
    """One commit. `message` is the subject, or the whole message if it may contain the
    number of a pull request.
    """

    place: int  # children come before their parents
    parents: tuple[str, ...]
    authored_at: datetime | None
    committed_at: datetime | None
    by_forge: bool  # GitHub's pages made the commit
    message: str


@dataclass(slots=True)
class Branch:
    """Commits that are first parents of one another, oldest first. `sides` are the
    branches that its merges brought.
    """

    commits: list[str]
    sides: dict[str, list["Branch"]] = field(default_factory=dict)

    def everything(self) -> Iterator["Branch"]:
        """Yield this branch and all branches below it."""
        todo = [self]
        while todo:
            branch = todo.pop()
            yield branch
            for sides in branch.sides.values():
                todo += sides


def read_nodes(
    git: Git, tip: str, left_out: str | None
) -> tuple[dict[str, Node], dict[str, Node]]:
    """Return the commits that are reachable from `tip` and not from `left_out`, and the
    left-out parents of those.
    """
    range_ = [tip] if left_out is None else [tip, f"^{left_out}"]
    form = "--format=tformat:" + "%x00".join(_FIELDS)
    fields = git.fields(
        "log", "-z", "--date-order", "--boundary", form, *LOG_OPTIONS, *range_, "--"
    )
    inside: dict[str, Node] = {}
    outside: dict[str, Node] = {}
    rows = zip(*[fields] * len(_FIELDS), strict=False)
    for place, (mark, oid, parents, authored, committed, email, message) in enumerate(rows):
        nodes = outside if mark == "-" else inside
        by_forge = email.lower() == WEB_FLOW
        split = tuple(parents.split())
        nodes[oid] = Node(
            place, split, moment(authored), moment(committed), by_forge, telling(message)
        )
    return inside, outside


def grow(nodes: Mapping[str, Node], tip: str, turned: Collection[str] = ()) -> Branch:
    """Return the trunk that ends with `tip`, with everything that its merges brought.

    `turned` are back-merges: there the trunk continues at the second parent, and the
    first parent is the side.
    """
    taken: set[str] = set()

    def parents_of(oid: str) -> tuple[str, ...]:
        parents = nodes[oid].parents
        return (parents[1], parents[0], *parents[2:]) if oid in turned else parents

    def branch_from(oid: str) -> Branch:
        commits: list[str] = []
        while oid in nodes and oid not in taken:
            commits.append(oid)
            parents = parents_of(oid)
            oid = parents[0] if parents else ""
        return Branch(commits[::-1])

    def other_parents(branch: Branch) -> Iterator[tuple[str, str]]:
        for oid in branch.commits:
            taken.add(oid)
            for parent in parents_of(oid)[1:]:
                yield oid, parent

    trunk = branch_from(tip)
    todo = [(trunk, other_parents(trunk))]
    while todo:
        branch, parents = todo[-1]
        found = next(parents, None)
        if found is None:
            todo.pop()
            continue
        merge, parent = found
        side = branch_from(parent)
        if side.commits:
            branch.sides.setdefault(merge, []).append(side)
            todo.append((side, other_parents(side)))
    return trunk


def foreign(
    git: Git, tip: str, nodes: Mapping[str, Node], boundary: frozenset[str]
) -> frozenset[str]:
    """Return the commits that do not descend from the trunk's own first commit: another
    project's history.

    Call it only for repositories with several root commits, because it reads the ids of
    all commits.
    """
    parents: dict[str, list[str]] = {}
    order: list[str] = []
    for line in git.fields(
        "log", "-z", "--topo-order", "--format=tformat:%H %P", *LOG_OPTIONS, tip, "--"
    ):
        oid, *known = line.split(" ")
        parents[oid] = [parent for parent in known if parent]
        order.append(oid)
    root = tip
    while parents.get(root):
        root = parents[root][0]
    own = {root}
    for oid in reversed(order):
        if oid in boundary or not own.isdisjoint(parents[oid]):
            own.add(oid)
    return frozenset(oid for oid in nodes if oid not in own)


def roots_of(git: Git, tip: str) -> int:
    """Return how many commits without parents lead to `tip`."""
    return sum(
        1
        for _ in git.fields(
            "log", "-z", "--max-parents=0", "--format=tformat:%H", *LOG_OPTIONS, tip, "--"
        )
    )
