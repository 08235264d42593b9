"""Faults that a test sets at run time: what goes wrong, for which requests, how often.

A fault is a JSON object: an optional `match`, `times` (how many requests it hits;
always without it), `after` (how many matching requests pass first), `share` (of the
matching requests it hits only so many, at random), and what happens:

| key                      | what the client sees                                                                |
|--------------------------|-------------------------------------------------------------------------------------|
| `delay: S`               | the answer comes S seconds late; goes together with any other key                   |
| `status: N`              | that HTTP status with GitHub's body for it, or with `body` (JSON or text), `headers` |
| `errors: […]`            | HTTP 200, these errors, data null; beside the real data with `partial: true`        |
| `malformed: true`        | JSON that stops in the middle                                                       |
| `disconnect: true`       | the connection is closed in the middle of the body                                  |
| `null_nodes: true`       | every second node of the outermost connection is null, with an error for each       |
| `gone_nodes: "silent"`   | every second node is null without an error; `"not_found"`: with that error           |
| `set: {field: value}`    | the outermost nodes carry these values, whatever the schema says                    |
| `rate_limit: "primary"`  | HTTP 200 and RATE_LIMITED, nothing remaining; reset in `reset_in` seconds (60)      |
| `rate_limit: "secondary"`| HTTP 403 with `retry-after: reset_in`                                               |
| `refusal: "dmca"`, …      | GitHub refuses the repository, in its own sentence: see `refusals`                  |
| `change: {call: {…}}`    | what a control call changes at GitHub just before the answer (see `changes`)        |
| `llm: "empty"`, …        | what the language model answers (`operation: "chat"`): see `llm`                    |
| `oidc: "nonce"`, …        | what the OpenID Connect provider answers (`operation: "oidc token"`): see `oidc`    |

`match` holds any of `repository` (`acme/ledger`), `operation` (the GraphQL operation's
name, or like `GET /user`), `contains` (text within the request body), `token` (its
beginning). All given ones must agree.
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any

from .changes import CALLS
from .llm_shapes import DEMANDS, SHAPES
from .refusals import REFUSALS

# Faults of the language model: see `llm`.
LLM_FAULTS = (
    "empty",
    "truncated",
    "malformed",
    "invalid",
    "few",
    "many",
    "strangers",
    "invented",
    "huge_key",
    "key_echo",
    "thinks",
    *SHAPES,
    *DEMANDS,
)
# Faults of the OpenID Connect provider: see `oidc`.
OIDC_FAULTS = (
    "issuer",
    "audience",
    "party",
    "nonce",
    "no_nonce",
    "expired",
    "future",
    "alg_none",
    "hmac_public",
    "hmac_secret",
    "signature",
    "old_key",
    "access_token",
    "no_id_token",
    "subject",
    "unverified",
    "not_verified",
    "no_email",
    "overage",
    "huge",
    "refuse",
)
_MATCHES = ("repository", "operation", "contains", "token")
_EFFECTS = (
    "delay",
    "status",
    "errors",
    "malformed",
    "disconnect",
    "null_nodes",
    "gone_nodes",
    "set",
    "rate_limit",
    "refusal",
    "change",
    "llm",
    "oidc",
)


class BadFault(ValueError):
    """The JSON is not a fault; the text has the reason."""


@dataclass(frozen=True)
class Call:
    """The parts of a request that faults match and the log counts."""

    operation: str
    token: str
    repositories: frozenset[str] = frozenset()
    body: str = ""


@dataclass
class Fault:
    match: dict[str, str] = field(default_factory=dict)
    times: int | None = None
    after: int = 0
    share: float = 1.0
    delay: float = 0.0
    status: int | None = None
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    errors: list[dict[str, Any]] | None = None
    partial: bool = False
    malformed: bool = False
    disconnect: bool = False
    null_nodes: bool = False
    gone_nodes: str | None = None
    set: dict[str, Any] = field(default_factory=dict)
    rate_limit: str | None = None
    reset_in: int = 60
    refusal: str | None = None
    change: dict[str, dict[str, Any]] = field(default_factory=dict)
    llm: str | None = None
    oidc: str | None = None

    @classmethod
    def read(cls, raw: Any) -> "Fault":
        """Return the fault of a JSON object. Raises BadFault."""
        if not isinstance(raw, dict):
            raise BadFault("A fault is a JSON object.")
        known = {each.name for each in fields(cls)}
        if unknown := sorted(raw.keys() - known):
            raise BadFault(
                f"Unknown keys in a fault: {', '.join(unknown)}. Known: {', '.join(sorted(known))}."
            )
        match = raw.get("match") or {}
        if not isinstance(match, dict) or (match.keys() - set(_MATCHES)):
            raise BadFault(f"match takes {', '.join(_MATCHES)}.")
        if raw.get("rate_limit") not in (None, "primary", "secondary"):
            raise BadFault("rate_limit is primary or secondary.")
        if raw.get("gone_nodes") not in (None, "silent", "not_found"):
            raise BadFault("gone_nodes is silent or not_found.")
        if raw.get("refusal") not in (None, *REFUSALS):
            raise BadFault(f"refusal is one of {', '.join(REFUSALS)}.")
        if unknown := sorted(set(raw.get("change") or {}) - set(CALLS)):
            raise BadFault(f"change takes {', '.join(CALLS)}, not {', '.join(unknown)}.")
        if raw.get("llm") not in (None, *LLM_FAULTS):
            raise BadFault(f"llm is one of {', '.join(LLM_FAULTS)}.")
        if raw.get("oidc") not in (None, *OIDC_FAULTS):
            raise BadFault(f"oidc is one of {', '.join(OIDC_FAULTS)}.")
        if not any(raw.get(effect) for effect in _EFFECTS):
            raise BadFault(f"A fault needs one of {', '.join(_EFFECTS)}.")
        return cls(**{**raw, "match": match})

    def matches(self, call: Call) -> bool:
        match = self.match
        return (
            ("repository" not in match or match["repository"].lower() in call.repositories)
            and ("operation" not in match or match["operation"] == call.operation)
            and ("contains" not in match or match["contains"] in call.body)
            and ("token" not in match or call.token.startswith(match["token"]))
        )

    @property
    def spent(self) -> bool:
        return self.times is not None and self.times <= 0


class Faults:
    """The faults in force, in the order in which they were set.

    A request meets the first that matches.
    """

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        # The seed is fixed, so that requests in the same order meet the same faults.
        self._random = random.Random(1)

    def replace(self, faults: Iterable[Fault]) -> None:
        self._faults = list(faults)

    def take(self, call: Call) -> Fault | None:
        """Return the fault that this request meets, and count it down."""
        for fault in self._faults:
            if fault.spent or not fault.matches(call):
                continue
            if fault.after > 0:
                fault.after -= 1
                continue
            if fault.share < 1.0 and self._random.random() >= fault.share:
                continue
            if fault.times is not None:
                fault.times -= 1
            return fault
        return None


def outermost_nodes(
    data: Any, path: tuple[str | int, ...] = ()
) -> tuple[list[Any], tuple[str | int, ...]] | None:
    """Return the first non-empty list called `nodes` in an answer, with its path."""
    if not isinstance(data, dict):
        return None
    for name, value in data.items():
        if name == "nodes" and isinstance(value, list) and value:
            return value, (*path, name)
        if (found := outermost_nodes(value, (*path, name))) is not None:
            return found
    return None


def spoil(answer: dict[str, Any], fault: Fault) -> dict[str, Any]:
    """Return the answer of an executed request, with the fault's errors, nulls, or
    values in it.
    """
    if fault.errors is not None:
        return {"data": answer.get("data") if fault.partial else None, "errors": fault.errors}
    found = outermost_nodes(answer.get("data"))
    if found is None:
        return answer
    nodes, path = found
    if fault.set:
        for node in nodes:
            if isinstance(node, dict):
                node.update(fault.set)
    if fault.null_nodes:
        broken = range(1, len(nodes), 2) if len(nodes) > 1 else range(1)
        for index in broken:
            nodes[index] = None
        message = "Something went wrong while executing your query. Please include the request id when reporting this issue."
        errors = [{"path": [*path, index], "message": message} for index in broken]
        answer["errors"] = [*answer.get("errors", []), *errors]
    if fault.gone_nodes:
        for index in range(1, len(nodes), 2):
            nodes[index] = None
            if fault.gone_nodes == "not_found":
                message = "Could not resolve to a node."
                answer.setdefault("errors", []).append(
                    {"type": "NOT_FOUND", "path": [*path, index], "message": message}
                )
    return answer
