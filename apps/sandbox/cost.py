"""The cost of a GraphQL request by GitHub's published rule.

Every connection is fetched once for each of its parents. Parents are counted from the
arguments `first` and `last` alone, whatever the data contains. With `requests` as the
sum over all connections of a query:

    points = round(requests / 100), at least 1

The node count is the sum, over all connections, of parents x (`first` or `last`).
`nodes(ids:)` is no connection: it counts as many nodes as it has ids, and each of them
is a parent.

GitHub's own examples: 100 repositories x 50 issues x 60 labels are 1 + 100 + 5,000 =
5,101 requests and 51 points; 50 repositories x 10 issues are 550 nodes. GitHub refuses
a query of more than 500,000 nodes.

A field selected through several fragments is one connection; the branches of a union
each count.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_named_type,
)

NODE_LIMIT = 500_000
_BOUNDS = ("first", "last")


@dataclass(frozen=True)
class Cost:
    requests: int
    nodes: int

    @property
    def points(self) -> int:
        # GitHub rounds half up; Python's round() would go to even.
        return max(1, int(self.requests / 100 + 0.5))


def cost_of(
    schema: GraphQLSchema,
    document: DocumentNode,
    operation: OperationDefinitionNode,
    variables: dict[str, Any],
) -> Cost:
    """Return the cost of one valid operation.

    `variables` are the raw values; defaults of the operation fill the gaps.
    """
    query_type = schema.query_type
    if query_type is None or operation.operation.value != "query":
        return Cost(0, 0)
    return _Walk(schema, document, operation, variables).cost(query_type)


class _Walk:
    def __init__(
        self,
        schema: GraphQLSchema,
        document: DocumentNode,
        operation: OperationDefinitionNode,
        variables: dict[str, Any],
    ) -> None:
        self.schema = schema
        self.operation = operation
        self.fragments = {
            node.name.value: node
            for node in document.definitions
            if isinstance(node, FragmentDefinitionNode)
        }
        self.variables = {
            definition.variable.name.value: self.literal(definition.default_value)
            for definition in operation.variable_definitions or ()
            if definition.default_value is not None
        } | variables
        self.requests = self.nodes = 0

    def cost(self, root: GraphQLObjectType) -> Cost:
        self.descend(root, [self.operation.selection_set], 1)
        return Cost(self.requests, self.nodes)

    def descend(
        self, parent: GraphQLNamedType, selections: list[SelectionSetNode], parents: int
    ) -> None:
        merged: dict[tuple[str, str], tuple[GraphQLNamedType, list[FieldNode]]] = {}
        for selection_set in selections:
            for holder, node in self.fields(parent, selection_set):
                key = (holder.name, (node.alias or node.name).value)
                merged.setdefault(key, (holder, []))[1].append(node)
        for holder, nodes in merged.values():
            self.visit(holder, nodes, parents)

    def visit(self, holder: GraphQLNamedType, nodes: list[FieldNode], parents: int) -> None:
        node = nodes[0]
        if not isinstance(holder, GraphQLObjectType | GraphQLInterfaceType):
            return
        definition = holder.fields.get(node.name.value)
        children = [each.selection_set for each in nodes if each.selection_set is not None]
        if definition is None or not children:
            return
        returned = get_named_type(definition.type)
        arguments = {
            argument.name.value: self.literal(argument.value)
            for argument in node.arguments or ()
        }
        if returned.name.endswith("Connection"):
            self.requests += parents
            parents *= next(
                (
                    arguments[bound]
                    for bound in _BOUNDS
                    if isinstance(arguments.get(bound), int)
                ),
                0,
            )
            self.nodes += parents
        elif holder.name == "Query" and node.name.value == "nodes":
            ids = arguments.get("ids")
            parents *= len(ids) if isinstance(ids, list) else 1
            self.nodes += parents
        self.descend(returned, children, parents)

    def fields(
        self, parent: GraphQLNamedType, selected: SelectionSetNode
    ) -> Iterator[tuple[GraphQLNamedType, FieldNode]]:
        for selection in selected.selections:
            if not self.included(selection.directives or ()):
                continue
            if isinstance(selection, FieldNode):
                yield parent, selection
            elif isinstance(selection, InlineFragmentNode):
                condition = (
                    selection.type_condition.name.value if selection.type_condition else None
                )
                yield from self.fields(
                    self.narrowed(parent, condition), selection.selection_set
                )
            elif isinstance(selection, FragmentSpreadNode):
                fragment = self.fragments[selection.name.value]
                yield from self.fields(
                    self.narrowed(parent, fragment.type_condition.name.value),
                    fragment.selection_set,
                )

    def narrowed(self, parent: GraphQLNamedType, condition: str | None) -> GraphQLNamedType:
        return self.schema.type_map.get(condition, parent) if condition else parent

    def included(self, directives: Any) -> bool:
        """Return whether `@skip` and `@include` keep a selection."""
        for directive in directives:
            wanted = {"include": True, "skip": False}.get(directive.name.value)
            if (
                wanted is not None
                and bool(self.literal(directive.arguments[0].value)) is not wanted
            ):
                return False
        return True

    def literal(self, value: ValueNode | None) -> Any:
        """Return integers, booleans, lists, and variables as Python values; other
        values do not affect the cost.
        """
        match value:
            case VariableNode():
                return self.variables.get(value.name.value)
            case IntValueNode():
                return int(value.value)
            case ListValueNode():
                return [self.literal(each) for each in value.values]
        return getattr(value, "value", None)
