"""The sandbox over HTTP: one raw ASGI application, and the uvicorn server that runs it.

`POST /graphql` (also `/api/graphql`), REST below `/` (also below `/api/v3`), and the
sandbox's own control calls, which need no token:

- `POST /_sandbox/faults`         a JSON list of faults (see `faults`); replaces those in force
- `POST /_sandbox/pull_requests`  a JSON list of pull requests in the form of the files (see `files`), each with
                                  its `repository`: added, or put in place of the one with its number
- `POST /_sandbox/delete`, `create`, `rename`, `account`, `ids`  changes of identities at GitHub (see `changes`)
- `GET  /_sandbox/requests`       how many requests came: in all, by operation, by token (hashed), by status; with timing
                                  also the seconds of its work, and how many answers the limit on them refused
- `GET  /_sandbox/llm`            what the language model answered (see `llm`): requests, tokens, how often by title
- `POST /_sandbox/oidc`           people and keys of the OpenID Connect provider below `/oidc` (see `oidc`)
- `POST /_sandbox/reset`          no faults, an empty log, full budgets, pull requests as at the start

Requests are executed one at a time in the event loop. A request that waits (pace,
delays) does not block the others.
"""

import asyncio
import json
import socket
import time
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import uvicorn
from graphql import FieldNode

from . import app, changes, files, oidc, refusals, replies, rest, tokens
from .execution import Executor, Operation
from .faults import BadFault, Call, Fault, Faults, spoil
from .limits import Budgets
from .llm import Model
from .replies import Reply
from .timing import Timing
from .tokens import Behavior, Token

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


@dataclass(frozen=True)
class Incoming:
    """One HTTP request, read to its end."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def base(self) -> str:
        prefix = "/api/v3" if self.path.startswith("/api/v3") else ""
        return f"http://{self.headers.get('host', 'localhost')}{prefix}"


class Sandbox:
    """The application. `pace` is the delay of every answer in seconds, `points` the
    hourly budget of a token.

    `every` limits how fast answers follow each other: one in this many seconds, however
    long the caller waits in between.
    """

    def __init__(
        self,
        executor: Executor,
        *,
        pace: float = 0.0,
        every: float = 0.0,
        points: int = 5000,
        timing: Timing | None = None,
        model: Model | None = None,
    ) -> None:
        self.executor = executor
        self.world = executor.world
        self.pace = pace
        self.every = every
        self.timing = timing
        self.model = model or Model()
        self.next_at = 0.0
        self.faults = Faults()
        self.budgets = Budgets(points)
        self.oidc = oidc.Provider()
        self.log: dict[str, Counter[str]] = {}
        self.clear_log()

    def clear_log(self) -> None:
        self.log = {name: Counter() for name in ("operations", "tokens", "statuses")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        incoming = await _read(scope, receive)
        if incoming.path.startswith("/_sandbox/"):
            reply = self.control(incoming)
        elif incoming.path == "/v1/chat/completions" and incoming.method == "POST":
            reply = await self.chat(incoming)
        elif incoming.path.startswith(f"{oidc.PREFIX}/"):
            reply = await self.identify(incoming)
        else:
            reply = await self.serve(incoming)
        await _write(send, reply)

    async def serve(self, incoming: Incoming) -> Reply:
        token = tokens.read(incoming.headers.get("authorization", ""))
        is_graphql = incoming.path in ("/graphql", "/api/graphql")
        operation = (
            self.operation(incoming) if is_graphql and incoming.method == "POST" else None
        )
        path = incoming.path.removeprefix("/api/v3") or "/"
        authorization = incoming.headers.get("authorization", "")
        # Calls of apps have no token of the sandbox's table, so they are answered
        # before tokens are checked.
        if (
            reply := app.answer(self.world, incoming.method, path, authorization, incoming.body)
        ) is not None:
            self.log["operations"][f"{incoming.method} {path}"] += 1
            return reply
        repositories: set[str] = set()
        name = f"{incoming.method} {path}"
        if isinstance(operation, Operation):
            name, repositories = (
                operation.name or "anonymous",
                self.executor.repositories(operation),
            )
        elif path.startswith("/repos/"):
            repositories = {path.removeprefix("/repos/").lower()}
        call = Call(
            name,
            token.value if token else "",
            frozenset(repositories),
            incoming.body.decode(errors="replace"),
        )
        fault = self.faults.take(call)
        for change, body in fault.change.items() if fault else ():
            # The change happens before the answer, as if a user at GitHub were faster
            # than the request.
            changes.CALLS[change](self.world, body)
        if (delay := self.pace + self.turn() + (fault.delay if fault else 0.0)) > 0:
            await asyncio.sleep(delay)
        reply = self.answer(incoming, path, token, operation, fault)
        if (
            self.timing
            and token
            and isinstance(operation, Operation)
            and isinstance(reply.payload, dict)
        ):
            # GitHub's time depends on the data of the answer, so it is known only after
            # the execution.
            seconds = self.timing.take(token.value, reply.payload.get("data"))
            if seconds is None:
                reply = replies.secondary_limit(self.timing.retry_after)
            else:
                await asyncio.sleep(seconds)
        self.log["operations"][name] += 1
        self.log["tokens"][token.digest if token else "none"] += 1
        self.log["statuses"][str(reply.status)] += 1
        return reply

    async def chat(self, incoming: Incoming) -> Reply:
        """Return an answer of the language model, with the fault that it meets."""
        fault = self.faults.take(
            Call("chat", "", frozenset(), incoming.body.decode(errors="replace"))
        )
        self.log["operations"]["chat"] += 1
        if fault is not None and fault.delay:
            await asyncio.sleep(fault.delay)
        if fault is not None and fault.status is not None:
            reply = replies.of_status(fault.status or 500, fault.body, fault.headers)
            # Clients read the pause from this header.
            if fault.status == 429:
                reply.headers.setdefault("retry-after", str(fault.reset_in))
            return reply
        try:
            body = json.loads(incoming.body)
        except ValueError:
            return replies.message(400, "Problems parsing JSON")
        authorization = incoming.headers.get("authorization", "")
        reply, seconds = self.model.answer(body, fault.llm if fault else None, authorization)
        if seconds:
            await asyncio.sleep(seconds)
        if fault is not None:
            reply.cut, reply.drop = fault.malformed, fault.disconnect
        return reply

    async def identify(self, incoming: Incoming) -> Reply:
        """Return an answer of the OpenID Connect provider, with the fault that it
        meets.
        """
        fault = self.faults.take(
            Call(oidc.operation(incoming.path), "", body=incoming.body.decode(errors="replace"))
        )
        if fault is not None and fault.delay:
            await asyncio.sleep(fault.delay)
        if fault is not None and fault.status is not None:
            return replies.of_status(fault.status or 500, fault.body, fault.headers)
        reply = self.oidc.answer(
            incoming.method,
            incoming.path,
            incoming.query,
            incoming.headers,
            incoming.body,
            fault,
        )
        if fault is not None:
            reply.cut, reply.drop = fault.malformed, fault.disconnect
        return reply

    def turn(self) -> float:
        """Reserve the next turn, and return in how many seconds it comes."""
        now = time.monotonic()
        # Turns are reserved in advance, so that requests at the same time are spaced as
        # well.
        self.next_at = max(self.next_at + self.every, now)
        return self.next_at - now

    def operation(self, incoming: Incoming) -> Operation | Reply:
        try:
            body = json.loads(incoming.body)
        except ValueError:
            return replies.message(400, "Problems parsing JSON")
        read = self.executor.read(body)
        return read if isinstance(read, Operation) else Reply(200, read)

    def answer(
        self,
        incoming: Incoming,
        path: str,
        token: Token | None,
        operation: Operation | Reply | None,
        fault: Fault | None,
    ) -> Reply:
        if fault is not None and fault.status is not None:
            return replies.of_status(fault.status or 500, fault.body, fault.headers)
        if token is None:
            return replies.unauthenticated()
        if token.behavior is Behavior.REFUSED:
            return replies.unauthorized()
        if fault is not None and fault.rate_limit == "secondary":
            return replies.secondary_limit(fault.reset_in)
        if fault is not None and fault.refusal is not None:
            return self.refuse(fault.refusal, operation)
        if operation is None and incoming.method != "GET":
            return replies.not_found()
        reply = self.spend(incoming, path, token, operation, fault)
        if token.scopes is not None:
            reply.headers["x-oauth-scopes"] = token.scopes
        if token.expires is not None:
            reply.headers["github-authentication-token-expiration"] = token.expires
        if token.behavior is Behavior.SSO:
            required = (
                "required; url=https://github.com/orgs/acme/sso?authorization_request=sandbox"
            )
            reply.headers.setdefault("x-github-sso", required)
        if fault is not None:
            reply.cut, reply.drop = fault.malformed, fault.disconnect
        return reply

    def refuse(self, refusal: str, operation: Operation | Reply | None) -> Reply:
        """Return GitHub's refusal of every field that is asked for."""
        if not isinstance(operation, Operation):
            return Reply(*refusals.answer_of(refusal))
        names: list[str] = []
        for node in operation.definition.selection_set.selections:
            # `rateLimit` is about the token and not the repository, so it is not
            # refused.
            if isinstance(node, FieldNode) and node.name.value != "rateLimit":
                names.append(node.alias.value if node.alias else node.name.value)
        return Reply(*refusals.answer_of(refusal, names))

    def spend(
        self,
        incoming: Incoming,
        path: str,
        token: Token,
        operation: Operation | Reply | None,
        fault: Fault | None,
    ) -> Reply:
        """Return the answer, if the token's budget has the points for it."""
        budget = self.budgets.of(token.value, "core" if operation is None else "graphql")
        if fault is not None and fault.rate_limit == "primary":
            return replies.primary_limit(
                budget, rest=operation is None, resets_in=fault.reset_in
            )
        if operation is None:
            # GitHub does not charge the request for the limit itself.
            if path != "/rate_limit" and not budget.charge(1):
                return replies.primary_limit(budget, rest=True)
            open_budgets = {
                name: self.budgets.of(token.value, name) for name in ("core", "graphql")
            }
            reply = rest.answer(
                self.world, path, incoming.query, incoming.base, open_budgets, token
            )
        elif isinstance(operation, Reply):
            reply = operation
        else:
            cost = self.executor.cost(operation)
            if not budget.charge(cost.points):
                return replies.primary_limit(budget)
            payload = self.executor.run(operation, token, budget, cost)
            reply = Reply(200, spoil(payload, fault) if fault else payload)
        reply.headers.update(budget.headers())
        return reply

    def control(self, incoming: Incoming) -> Reply:
        """Handle the sandbox's own control calls."""
        try:
            body = json.loads(incoming.body or b"[]")
            match incoming.method, incoming.path.removeprefix("/_sandbox/"):
                case "GET", "requests":
                    counts = {name: dict(counter) for name, counter in self.log.items()}
                    times = (
                        {"seconds": self.timing.seconds, "refused": self.timing.refused}
                        if self.timing
                        else {}
                    )
                    return Reply(
                        200, {"total": sum(self.log["operations"].values()), **counts, **times}
                    )
                case "GET", "llm":
                    return Reply(200, self.model.report())
                case "GET", "oidc":
                    return Reply(200, {"calls": dict(self.oidc.calls)})
                case "POST", "oidc":
                    self.oidc.change(body)
                    return Reply(200, {})
                case "POST", "faults":
                    self.faults.replace([Fault.read(raw) for raw in body])
                    return Reply(200, {"faults": len(body)})
                case "POST", name if name in changes.CALLS:
                    return Reply(200, changes.CALLS[name](self.world, body))
                case "POST", "pull_requests":
                    return self.put(body)
                case "POST", "reset":
                    self.faults.replace([])
                    self.budgets.reset()
                    self.oidc = oidc.Provider(key=self.oidc.signing_key())
                    self.clear_log()
                    self.model = Model(self.model.share, self.model.requests, self.model.tokens)
                    self.world.restore()
                    return Reply(200, {})
        except (ValueError, TypeError, KeyError) as error:
            return replies.message(
                422,
                str(error)
                if isinstance(error, BadFault)
                else f"{type(error).__name__}: {error}",
            )
        return replies.not_found()

    def put(self, records: list[dict[str, Any]]) -> Reply:
        accounts = files.Accounts()
        # A login that was renamed must lead to the account with the same ids.
        accounts.actors.update({actor.login: actor for actor in self.world.renamed.values()})
        for record in records:
            accounts.learn(record)
        added = [
            files.parse(self.world.named(r["repository"]).name_with_owner, r, accounts)
            for r in records
        ]
        for pull_request in added:
            self.world.put(pull_request)
        return Reply(200, {"pull_requests": [pull_request.id for pull_request in added]})


async def _read(scope: Scope, receive: Receive) -> Incoming:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    headers = {
        name.decode("latin-1").lower(): value.decode("latin-1")
        for name, value in scope["headers"]
    }
    query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
    return Incoming(scope["method"], scope["path"], query, headers, body)


async def _write(send: Send, reply: Reply) -> None:
    body = reply.body
    sent = body[: len(body) // 2] if reply.cut or reply.drop else body
    kind = "text/html" if isinstance(reply.payload, str) else "application/json; charset=utf-8"
    # A dropped body announces its full length, so that the client notices that the rest
    # is missing.
    length = len(body) if reply.drop else len(sent)
    headers = {
        "content-type": kind,
        "content-length": str(length),
        "server": "github.com",
        **reply.headers,
    }
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": reply.status, "headers": raw})
    # uvicorn closes the connection when a body is shorter than its announced length.
    await send({"type": "http.response.body", "body": sent, "more_body": reply.drop})


def run(application: Sandbox, listener: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT, then stop at once.

    Prints its URL on stdout when it is ready.
    """
    config = uvicorn.Config(
        application,
        lifespan="off",
        access_log=False,
        log_level="critical",
        timeout_graceful_shutdown=0,
        ws="none",
        server_header=False,
    )
    host, port = listener.getsockname()[:2]
    print(f"sandbox: http://{host}:{port}", flush=True)
    uvicorn.Server(config).run(sockets=[listener])
