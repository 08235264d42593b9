"""GitHub's public schema from its npm package, with the fields that the sandbox serves
connected to records and resolvers.

A field that is in the schema but not served is answered with an error that names it,
never with a silent null.
"""

import os
import re
from operator import attrgetter
from pathlib import Path
from typing import Any, NoReturn

from graphql import (
    GraphQLError,
    GraphQLField,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLSchema,
    build_schema,
)

from . import paging, records, world
from .resolvers import RESOLVERS, Resolver

_CAPITAL = re.compile(r"(?<=[a-z])([A-Z])")

PACKAGE = "node_modules/@octokit/graphql-schema/schema.graphql"

# GraphQL types and the classes whose attributes answer their fields.
SERVED: dict[str, type] = {
    "Query": object,
    "User": records.Actor,
    "Bot": records.Actor,
    "Mannequin": records.Actor,
    "Organization": records.Actor,
    "GitActor": records.GitActor,
    "Commit": records.Commit,
    "Label": records.Label,
    "PullRequest": records.PullRequest,
    "PullRequestCommit": records.PullRequestCommit,
    "PullRequestChangedFile": records.ChangedFile,
    "PullRequestReview": records.Review,
    "PullRequestReviewThread": records.ReviewThread,
    "IssueComment": object,
    "ReadyForReviewEvent": records.TimelineEvent,
    "ConvertToDraftEvent": records.TimelineEvent,
    "ClosedEvent": records.TimelineEvent,
    "ReopenedEvent": records.TimelineEvent,
    "MergedEvent": records.TimelineEvent,
    "Ref": records.Ref,
    "RateLimit": records.RateLimit,
    "Repository": world.Repository,
    "PageInfo": paging.Page,
}


class SchemaMissing(Exception):
    """GitHub's schema is not installed."""


def schema_path() -> Path:
    """Return the schema file: `SANDBOX_SCHEMA`, else the one in the project's
    node_modules.
    """
    configured = os.environ.get("SANDBOX_SCHEMA")
    return Path(configured) if configured else Path(__file__).resolve().parents[2] / PACKAGE


def load_schema(path: Path | None = None) -> GraphQLSchema:
    """Parse the schema and bind every served field; about a second.

    Raises SchemaMissing.
    """
    path = path or schema_path()
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SchemaMissing(
            f"GitHub's schema is not at {path}. `make setup` installs it."
        ) from error
    schema = build_schema(text, assume_valid=True, no_location=True)
    for name, served in SERVED.items():
        bind(schema, name, served)
    for name in schema.type_map:
        if name.endswith("Connection"):
            bind(schema, name, paging.Connection)
        elif name.endswith("Edge"):
            bind(schema, name, paging.Edge)
    return schema


def bind(schema: GraphQLSchema, name: str, served: type) -> None:
    kind = schema.type_map[name]
    if not isinstance(kind, GraphQLObjectType):
        return
    computed = RESOLVERS.get(name, {})
    for field_name, field in kind.fields.items():
        field.resolve = computed.get(field_name) or _by_attribute(
            name, field_name, field, served
        )


def _by_attribute(
    type_name: str, field_name: str, field: GraphQLField, served: type
) -> Resolver:
    attribute = _CAPITAL.sub(r"_\1", field_name).lower()
    if not _has(served, attribute):
        return _unserved(f"{type_name}.{field_name}")
    read = attrgetter(attribute)
    return lambda source, info, **arguments: read(source)


def _has(served: type, attribute: str) -> bool:
    """Return whether instances have the attribute: a dataclass field, a property, or a
    class attribute.
    """
    return attribute in getattr(served, "__dataclass_fields__", ()) or hasattr(
        served, attribute
    )


def _unserved(field: str) -> Resolver:
    def resolve(source: Any, info: GraphQLResolveInfo[Any], **arguments: Any) -> NoReturn:
        raise GraphQLError(f"The sandbox does not serve {field}.")

    return resolve
