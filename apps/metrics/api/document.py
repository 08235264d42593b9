"""The OpenAPI document of the API.

The schemas are exact: every field is required, no other field is sent, and a figure has
the type of its column. Generated clients therefore know every field that an answer has.
"""

from typing import Any

from django.db import models

from apps.metrics.figures.export import LABELS, columns
from apps.metrics.models import Scope, WeeklyMetrics
from apps.metrics.records import ChangeKind, PullRequestState

VERSION = "1.2"
PAGE, MOST = 100, 1000
# Microseconds since 1970, number, and key of a pull request: see
# `apps.metrics.api.cursor`.
CURSOR_PATTERN = r"^-?[0-9]{1,18}\.[0-9]{1,10}\.[0-9]{1,18}$"
WEEK_PATTERN = r"^[0-9]{4}-W[0-9]{2}$"

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
OPTIONAL_TEXT: Schema = {"type": ["string", "null"]}
COUNT: Schema = {"type": "integer", "minimum": 0}
KEY: Schema = {"type": "integer", "minimum": 1}
NUMBER: Schema = {"type": ["number", "null"]}
DAY: Schema = {"type": "string", "format": "date"}
MOMENT: Schema = {"type": "string", "format": "date-time"}
OPTIONAL_MOMENT: Schema = {"type": ["string", "null"], "format": "date-time"}
STATE: Schema = {"type": "string", "enum": [state.value for state in PullRequestState]}
# What the API calls the kinds of landings, by what is stored.
KINDS = {
    ChangeKind.PULL_REQUEST: "pull_request",
    ChangeKind.RELEASE: "release",
    ChangeKind.CHANGE: "direct_commit",
}
KIND: Schema = {
    "type": "string",
    "enum": list(KINDS.values()),
    "description": "release: a merge of one long-lived branch into another. direct_commit: a commit of a clone that reached "
    "the trunk without a pull request; no figure of pull requests counts it",
}
# A request with the character NUL is refused, wherever it has it.
NAME: Schema = {"type": "string", "minLength": 1, "pattern": r"^[^\u0000]+$"}
CURSOR: Schema = {"type": "string", "pattern": CURSOR_PATTERN, "maxLength": 50}

PULL: Schema = {
    "id": KEY,
    "repository": TEXT,
    "kind": KIND,
    "number": {"type": ["integer", "null"], "minimum": 0},
    "title": TEXT,
    "author": OPTIONAL_TEXT,
    "state": STATE,
    "created_at": MOMENT,
    "updated_at": MOMENT,
    "merged_at": OPTIONAL_MOMENT,
    "closed_at": OPTIONAL_MOMENT,
    "additions": COUNT,
    "deletions": COUNT,
    "ai_assisted": {
        "type": ["boolean", "null"],
        "description": "null until its markers are read; false does not prove that no AI was used",
    },
    "ai_tools": {"type": "array", "items": TEXT},
    "summary": OPTIONAL_TEXT,
    "url": TEXT,
    "impossible_times": {
        "type": "boolean",
        "description": "true if it ends before it begins, or at a time that no right clock shows; "
        "it counts as merged and has no duration",
    },
}
INSIGHT: Schema = {
    "date": DAY,
    "rule": TEXT,
    "subject": TEXT,
    "title": TEXT,
    "body": TEXT,
    "advice": TEXT,
    "effect": {"type": "number"},
    "pull_requests": {
        "type": "array",
        "items": KEY,
        "description": "Ids of the pull requests behind it",
    },
}
# The schema of a week by scope. Clients try them in this order, and a team's week has
# the fewest fields.
WEEKS = {Scope.REPOSITORY: "RepositoryWeek", Scope.MEMBER: "MemberWeek", Scope.TEAM: "TeamWeek"}


def document(address: str) -> Schema:
    """Return the document of an API that is served at an address, like
    `https://host/api/v1`.
    """
    weeks = {"oneOf": [_reference(name) for name in WEEKS.values()]}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Firstlight",
            "version": VERSION,
            "description": (
                "Read-only figures of one team: the one that the token belongs to. "
                "The team's page “How it is measured” explains every figure."
            ),
        },
        "servers": [{"url": address}],
        "security": [{"token": []}],
        "paths": {
            "/weekly": _path(
                "listWeeks", "The weekly table", weeks, {"type": "null"}, _weekly_parameters()
            ),
            "/pull-requests": _path(
                "listPullRequests",
                "Pull requests, the newest first: by created_at, then number",
                _reference("PullRequest"),
                {"type": ["string", "null"], "pattern": CURSOR_PATTERN},
                _pull_parameters(),
            ),
            "/insights": _path(
                "listInsights",
                "The newest day's insights, the strongest first",
                _reference("Insight"),
                {"type": "null"},
                [],
            ),
        },
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {
                **{name: _object(_week(scope)) for scope, name in WEEKS.items()},
                "PullRequest": _object(PULL),
                "Insight": _object(INSIGHT),
                "Error": _object({"error": TEXT}),
            },
        },
    }


def _week(scope: Scope) -> Schema:
    """Return the fields of a week, each with the type of its column."""
    found: Schema = {}
    for name in columns(scope, everything=True):
        if name in LABELS:
            found[name] = {
                "week": {"type": "string", "pattern": WEEK_PATTERN},
                "week_start": DAY,
            }.get(name, TEXT)
        else:
            found[name] = _of_column(WeeklyMetrics._meta.get_field(name))
    return found


def _of_column(field: Any) -> Schema:
    match field:
        case models.FloatField():
            return NUMBER
        case models.IntegerField():
            return COUNT
        case models.TextField():
            return TEXT
    raise TypeError(f"The API has no type for the column {field}.")


def _weekly_parameters() -> list[Schema]:
    by = {"type": "string", "enum": list(Scope.values), "default": Scope.TEAM.value}
    return [
        _query("by", by, "Rows of the team, its repositories, or its members"),
        _query("from", DAY, "First week: the one with this day"),
        _query("to", DAY, "Last week: the one with this day"),
    ]


def _pull_parameters() -> list[Schema]:
    limit = {"type": "integer", "minimum": 1, "maximum": MOST, "default": PAGE}
    return [
        _query("state", STATE, "Only pull requests in this state"),
        _query("kind", KIND, "Only this kind; by default all but direct commits"),
        _query("repository", NAME, "Only this repository: owner/name"),
        _query("limit", limit, "Number of results"),
        _query("before", CURSOR, "`next` of the previous response"),
    ]


def _object(properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _query(name: str, schema: Schema, description: str) -> Schema:
    return {
        "name": name,
        "in": "query",
        "required": False,
        "schema": schema,
        "description": description,
    }


def _path(
    operation: str, summary: str, item: Schema, following: Schema, parameters: list[Schema]
) -> Schema:
    answer = _object({"items": {"type": "array", "items": item}, "next": following})
    responses = {
        "200": _response(summary, answer),
        "400": _response("Invalid parameter", _reference("Error")),
        "401": _response("Token missing or invalid", _reference("Error")),
        "503": _response("The database can't be reached; try again", _reference("Error")),
    }
    return {
        "get": {
            "operationId": operation,
            "summary": summary,
            "parameters": parameters,
            "responses": responses,
        }
    }


def _response(description: str, schema: Schema) -> Schema:
    return {"description": description, "content": {"application/json": {"schema": schema}}}
