"""One GraphQL request: it is parsed and validated (once per text), its cost is charged,
and it is executed on GitHub's schema.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    execute_sync,
    get_operation_ast,
    parse,
    validate,
)

from .cost import NODE_LIMIT, Cost, cost_of
from .errors import formatted
from .limits import Budget
from .records import PullRequest
from .resolvers import Request
from .tokens import Token
from .world import World

Answer = dict[str, Any]


@dataclass(frozen=True)
class Prepared:
    """A parsed document, or the reason why it cannot be run."""

    document: DocumentNode | None
    errors: tuple[GraphQLError, ...] = ()


@dataclass(frozen=True)
class Operation:
    """One request: an operation of a document with its variables."""

    document: DocumentNode
    definition: OperationDefinitionNode
    variables: dict[str, Any]

    @property
    def name(self) -> str:
        return self.definition.name.value if self.definition.name else ""


class Executor:
    def __init__(self, schema: GraphQLSchema, world: World) -> None:
        self.schema = schema
        self.world = world
        self.prepare = lru_cache(maxsize=256)(self._prepare)

    def _prepare(self, query: str) -> Prepared:
        try:
            document = parse(query)
        except GraphQLSyntaxError as error:
            return Prepared(None, (error,))
        errors = validate(self.schema, document)
        return Prepared(None, tuple(errors)) if errors else Prepared(document)

    def read(self, body: Any) -> Operation | Answer:
        """Return the operation of a request's JSON body, or GitHub's answer to one that
        cannot be run.
        """
        query = body.get("query") if isinstance(body, dict) else None
        if not isinstance(query, str):
            return {
                "errors": [
                    {"message": "A query attribute must be specified and must be a string."}
                ]
            }
        variables = body.get("variables") or {}
        if not isinstance(variables, dict):
            return {"errors": [{"message": "Variables must be an object."}]}
        prepared = self.prepare(query)
        if prepared.document is None:
            return {"errors": [formatted(error) for error in prepared.errors]}
        definition = get_operation_ast(prepared.document, body.get("operationName"))
        if definition is None:
            return {"errors": [{"message": "An operation name is required"}]}
        return Operation(prepared.document, definition, variables)

    def cost(self, operation: Operation) -> Cost:
        return cost_of(
            self.schema, operation.document, operation.definition, operation.variables
        )

    def run(self, operation: Operation, token: Token, budget: Budget, cost: Cost) -> Answer:
        """Execute a request whose points are already charged."""
        if cost.nodes > NODE_LIMIT:
            message = (
                f"This query requests up to {cost.nodes:,} possible nodes "
                f"which exceeds the maximum limit of {NODE_LIMIT:,}."
            )
            return {"errors": [{"type": "MAX_NODE_LIMIT_EXCEEDED", "message": message}]}
        result = execute_sync(
            self.schema,
            operation.document,
            context_value=Request(self.world, token, budget, cost),
            variable_values=operation.variables,
            operation_name=operation.name or None,
            type_resolver=lambda value, info, abstract: value.typename,
        )
        answer: Answer = {}
        # Errors of the request itself (a missing variable) come without data.
        if result.data is not None or any(error.path for error in result.errors or ()):
            answer["data"] = result.data
        if result.errors:
            answer["errors"] = [formatted(error) for error in result.errors]
        return answer

    def repositories(self, operation: Operation) -> set[str]:
        """Return the names of the repositories in the top-level fields, in lower case.
        Faults are matched with them.
        """
        names: set[str] = set()
        for node in operation.definition.selection_set.selections:
            if not isinstance(node, FieldNode):
                continue
            arguments = {
                argument.name.value: argument.value for argument in node.arguments or ()
            }
            given = {
                name: _value(value, operation.variables) for name, value in arguments.items()
            }
            if node.name.value == "repository":
                names.add(f"{given.get('owner')}/{given.get('name')}".lower())
            for node_id in given.get("ids") or [given.get("id")]:
                found = self.world.node(str(node_id))
                if isinstance(found, PullRequest):
                    names.add(found.repository_name.lower())
        return names


def _value(node: Any, variables: dict[str, Any]) -> Any:
    """Return a literal string, list of strings, or variable as a Python value."""
    match node.kind:
        case "variable":
            return variables.get(node.name.value)
        case "list_value":
            return [_value(each, variables) for each in node.values]
    return getattr(node, "value", None)
