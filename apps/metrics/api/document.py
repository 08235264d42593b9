"""The OpenAPI document of the interface, made from the same names that the answers are."""

from typing import Any

from apps.metrics.export import columns
from apps.metrics.models import Scope

VERSION = "1.0"
PAGE, MOST = 100, 1000

NUMBER = {"type": ["number", "null"]}
TEXT = {"type": "string"}
MOMENT = {"type": ["string", "null"], "format": "date-time"}

PULL: dict[str, Any] = {
    "id": {"type": "integer"}, "repository": TEXT, "number": {"type": ["integer", "null"]}, "title": TEXT,
    "author": {"type": ["string", "null"]}, "state": {"type": "string", "enum": ["open", "closed", "merged"]},
    "created_at": MOMENT, "updated_at": MOMENT, "merged_at": MOMENT, "closed_at": MOMENT,
    "additions": {"type": "integer"}, "deletions": {"type": "integer"},
    "ai_assisted": {"type": ["boolean", "null"], "description": "null until its markers are read; false is no proof of no AI"},
    "ai_tools": {"type": "array", "items": TEXT}, "summary": {"type": ["string", "null"]}, "url": TEXT,
}  # fmt: skip
INSIGHT: dict[str, Any] = {
    "date": {"type": "string", "format": "date"}, "rule": TEXT, "subject": TEXT, "title": TEXT, "body": TEXT, "advice": TEXT,
    "effect": {"type": "number"}, "pull_requests": {"type": "array", "items": {"type": "integer"}},
}  # fmt: skip
WEEK: dict[str, Any] = {
    **dict.fromkeys(columns(Scope.TEAM, everything=True), NUMBER),
    "week": {"type": "string", "examples": ["2026-W07"]},
    "repository": TEXT,
    "member": TEXT,
    "ai_tools": TEXT,
    "ai_by_tool": TEXT,
}


def document(address: str) -> dict[str, Any]:
    """The whole document; `address` is where the interface is served."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Firstlight", "version": VERSION,
            "description": "Read-only figures of one team: the one whose token is sent. Every figure is measured as the "
            "team's page “How it is measured” says.",
        },
        "servers": [{"url": address}],
        "security": [{"token": []}],
        "paths": {
            "/weekly": _path("The weekly table", "Week", [
                _query("by", {"type": "string", "enum": list(Scope.values), "default": "team"}, "Whose weeks"),
                _query("from", {"type": "string", "format": "date"}, "No week before this day's"),
                _query("to", {"type": "string", "format": "date"}, "No week after this day's"),
            ]),
            "/pull-requests": _path("Pull requests, the newest first", "PullRequest", [
                _query("state", {"type": "string", "enum": ["open", "closed", "merged"]}, "Only these"),
                _query("repository", TEXT, "Only this repository's: owner/name"),
                _query("limit", {"type": "integer", "minimum": 1, "maximum": MOST, "default": PAGE}, "How many"),
                _query("before", {"type": "integer"}, "The `next` of the answer before"),
            ]),
            "/insights": _path("The newest day's findings, the strongest first", "Insight", []),
        },
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {"Week": _object(WEEK), "PullRequest": _object(PULL), "Insight": _object(INSIGHT),
                        "Error": _object({"error": TEXT})},
        },
    }  # fmt: skip


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def _query(name: str, schema: dict[str, Any], words: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": words}


def _path(summary: str, item: str, parameters: list[dict[str, Any]]) -> dict[str, Any]:
    items = {"type": "array", "items": {"$ref": f"#/components/schemas/{item}"}}
    answer = _object({"items": items, "next": {"type": ["integer", "null"]}})
    error = {
        "description": "Why not",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    }
    good = {"description": summary, "content": {"application/json": {"schema": answer}}}
    responses = {"200": good, "400": error, "401": error}
    return {"get": {"summary": summary, "parameters": parameters, "responses": responses}}
