"""Read a folder of pull request files as a world: `OWNER__REPO.jsonl`, one pull request
a line.

    {"number": 12, "title": "Add search", "state": "MERGED", "createdAt": "2026-02-03T10:20:30Z"}

Field names are those of GitHub's GraphQL `PullRequest`, with connections flattened to
lists. `number`, `title`, `state`, and `createdAt` are required; all other fields have
neutral defaults. What files lack is made up, and is the same in every run: node ids,
database ids, URLs, cursors, and `headRefName` as `pr-<number>`.

A Bot keeps its name without `[bot]`. As on GitHub, the author of its commits has no
`user`, only a name and an email.
"""

import json
import logging
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from . import identity
from .records import Actor, Commit, GitActor, Label, PullRequest, Review, TimelineEvent
from .world import Repository, World

VIEWER = Actor("firstlight-demo", name="Firstlight Demo", email="demo@example.com")
BOT = "[bot]"
logger = logging.getLogger(__name__)

_FILE_NAME = re.compile(r"(?P<owner>[\w.-]+?)__(?P<name>[\w.-]+)\.jsonl")
_STATES = ("OPEN", "CLOSED", "MERGED")
_REVIEW_STATES = ("APPROVED", "CHANGES_REQUESTED", "COMMENTED", "DISMISSED", "PENDING")


class BadData(Exception):
    """The data cannot be served; the text names file, line and reason."""


class Accounts:
    """Actors by login as the files write it.

    A bot is known by `isBot` or by the ending `[bot]`.
    """

    def __init__(self) -> None:
        self.actors: dict[str, Actor] = {}

    def learn(self, record: dict[str, Any]) -> None:
        """Record which accounts are bots and what their names are, before any actor is
        made.
        """
        author = record.get("author")
        if isinstance(author, dict) and isinstance(author.get("login"), str):
            login = author["login"]
            if author.get("isBot") and not login.endswith(BOT):
                name = author.get("name") or login
                # GitHub's GraphQL names an app by its slug, which is in the git name of
                # its account: copilot-swe-agent.
                self.actors[login] = Actor(name.removesuffix(BOT), "Bot", name)
            elif not login.endswith(BOT):
                name = author.get("name") or _usual_name(login)
                self.actors.setdefault(
                    login, Actor(login, name=name, email=f"{login}@users.noreply.example")
                )

    def actor(self, raw: dict[str, Any] | None) -> Actor | None:
        """Return the account that a record names; None for a deleted one."""
        login = _text(raw, "login", "") if raw else ""
        if not login:
            return None
        if login not in self.actors:
            if login.endswith(BOT):
                self.actors[login] = Actor(login.removesuffix(BOT), "Bot", login)
            else:
                email = f"{login}@users.noreply.example"
                self.actors[login] = Actor(login, name=_usual_name(login), email=email)
        return self.actors[login]

    def git_actor(self, raw: dict[str, Any] | None, date: str) -> GitActor:
        actor = self.actor(raw)
        if actor is None or raw is None:
            return GitActor("Unknown", "unknown@users.noreply.example", date)
        if actor.typename == "Bot":
            login = raw["login"]
            return GitActor(
                login, f"{actor.database_id}+{login}@users.noreply.github.com", date
            )
        return GitActor(actor.name or actor.login, actor.email, date, actor)


def _usual_name(login: str) -> str:
    """Return the name of an account for which the files have none; always the same one."""
    return login.replace("-", " ").title()


def load(folder: Path) -> World:
    """Read the pull request files of a folder.

    Files with other names are left out, with a warning. Raises BadData.
    """
    found = sorted(folder.glob("*.jsonl"))
    if not found:
        raise BadData(f"{folder} has no file named OWNER__REPO.jsonl.")
    paths = [path for path in found if _FILE_NAME.fullmatch(path.name)]
    if not paths:
        raise BadData(f"{found[0].name}: the name must be OWNER__REPO.jsonl.")
    for path in found:
        if path not in paths:
            logger.warning("%s is left out: its name is not OWNER__REPO.jsonl.", path.name)
    accounts = Accounts()
    raw = {path: list(_records(path)) for path in paths}
    for records in raw.values():
        for _, record in records:
            accounts.learn(record)
    repositories = [_repository(path, records, accounts) for path, records in raw.items()]
    return World(VIEWER, repositories, accounts.actors.values())


def _records(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if not line.strip():
                    continue
                record = json.loads(line)
                if not isinstance(record, dict):
                    raise ValueError("a pull request must be a JSON object")
                yield number, record
    except OSError as error:
        raise BadData(f"{path.name} cannot be read: {error.strerror}.") from error
    except json.JSONDecodeError as error:
        raise BadData(
            f"{path.name} line {number}: not valid JSON ({error.msg}, column {error.colno})."
        ) from error
    except ValueError as error:
        raise BadData(f"{path.name} line {number}: {error}.") from error


def _repository(
    path: Path, records: list[tuple[int, dict[str, Any]]], accounts: Accounts
) -> Repository:
    owner, _, name = path.stem.partition("__")
    full_name = f"{owner}/{name}"
    pull_requests: dict[int, PullRequest] = {}
    for line, record in records:
        try:
            if record.get("repository", full_name) != full_name:
                raise ValueError(
                    f"repository is {record['repository']!r}, the file is of {full_name}"
                )
            pull_request = parse(full_name, record, accounts)
            if pull_request.number in pull_requests:
                raise ValueError(f"number {pull_request.number} is there already")
        except (ValueError, TypeError, KeyError) as error:
            reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise BadData(f"{path.name} line {line}: {reason}.") from error
        pull_requests[pull_request.number] = pull_request
    branches = [pr.base_ref_name for pr in pull_requests.values()]
    return Repository(
        full_name,
        Actor(owner, "Organization", owner),
        pull_requests,
        created_at=min(
            (pr.created_at for pr in pull_requests.values()), default="2020-01-15T09:00:00Z"
        ),
        default_branch=max(set(branches), key=branches.count, default="main"),
    )


def parse(repository: str, record: dict[str, Any], accounts: Accounts) -> PullRequest:
    """Return one record as a pull request.

    Raises ValueError, TypeError or KeyError with the field's name.
    """
    number, created_at = _integer(record, "number", None), _moment(record, "createdAt")
    if number < 1:
        raise ValueError(f"number must be positive, not {number}")
    merged_at, closed_at = (
        _moment_or_none(record, "mergedAt"),
        _moment_or_none(record, "closedAt"),
    )
    author = accounts.actor(_object(record, "author"))
    merge_oid = (_object(record, "mergeCommit") or {}).get("oid")
    commits = tuple(_commit(repository, raw, accounts) for raw in _objects(record, "commits"))
    merged_by = accounts.actor(_object(record, "mergedBy"))
    merge_commit = next((commit for commit in commits if commit.oid == merge_oid), None)
    title, base = _text(record, "title", None), _text(record, "baseRefName", "main")
    if merge_commit is None and merge_oid and merged_at:
        merge_commit = Commit(
            merge_oid, title, merged_at, merged_at, None, repository_name=repository
        )
    return PullRequest(
        repository_name=repository,
        number=number,
        title=title,
        state=_one_of(record, "state", _STATES),
        created_at=created_at,
        updated_at=_moment_or_none(record, "updatedAt") or merged_at or closed_at or created_at,
        body=_text(record, "body", ""),
        is_draft=bool(record.get("isDraft")),
        merged_at=merged_at,
        closed_at=closed_at or merged_at,
        additions=_integer(record, "additions", 0),
        deletions=_integer(record, "deletions", 0),
        changed_files=_integer(record, "changedFiles", 0),
        author=author,
        merged_by=merged_by,
        merge_commit=merge_commit,
        base_ref_name=base,
        head_ref_name=_text(record, "headRefName", f"pr-{number}"),
        is_cross_repository=bool(record.get("isCrossRepository")),
        labels=tuple(
            Label(raw["name"] if isinstance(raw, dict) else str(raw))
            for raw in _list(record, "labels")
        ),
        commits=commits,
        reviews=tuple(
            _review(f"{repository}#{number}:{index}", raw, accounts)
            for index, raw in enumerate(_objects(record, "reviews"))
        ),
        timeline=_timeline(f"{repository}#{number}", merged_at, closed_at, merged_by),
    )


def _timeline(
    key: str, merged_at: str | None, closed_at: str | None, actor: Actor | None
) -> tuple[TimelineEvent, ...]:
    moments = (("MergedEvent", merged_at), ("ClosedEvent", closed_at or merged_at))
    return tuple(
        TimelineEvent(kind, moment, actor, identity.node_id("EV", f"{key}:{kind}"))
        for kind, moment in moments
        if moment
    )


def _commit(repository: str, raw: dict[str, Any], accounts: Accounts) -> Commit:
    authored = _moment(raw, "authoredDate")
    return Commit(
        oid=_text(raw, "oid", None),
        message=_text(raw, "message", ""),
        authored_date=authored,
        committed_date=_moment_or_none(raw, "committedDate") or authored,
        author=accounts.git_actor(_object(raw, "author"), authored),
        additions=_integer(raw, "additions", 0),
        deletions=_integer(raw, "deletions", 0),
        changed_files=_integer(raw, "changedFiles", 0),
        repository_name=repository,
    )


def _review(key: str, raw: dict[str, Any], accounts: Accounts) -> Review:
    return Review(
        id=identity.node_id("PRR", key),
        author=accounts.actor(_object(raw, "author")),
        state=_one_of(raw, "state", _REVIEW_STATES),
        submitted_at=_moment_or_none(raw, "submittedAt"),
        body=_text(raw, "body", ""),
    )


def _text(record: dict[str, Any], name: str, default: str | None) -> str:
    value = record[name] if default is None else record.get(name)
    if value is None and default is not None:
        return default
    if not isinstance(value, str):
        raise TypeError(f"{name} must be text, not {value!r}")
    return value


def _integer(record: dict[str, Any], name: str, default: int | None) -> int:
    value = record[name] if default is None else record.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} must be a whole number, not {value!r}")
    return value


def _list(record: dict[str, Any], name: str) -> list[Any]:
    value = record.get(name) or []
    if not isinstance(value, list):
        raise TypeError(f"{name} must be a list, not {value!r}")
    return value


def _object(record: dict[str, Any], name: str) -> dict[str, Any] | None:
    value = record.get(name)
    if value is not None and not isinstance(value, dict):
        raise TypeError(f"{name} must be an object, not {value!r}")
    return value


def _objects(record: dict[str, Any], name: str) -> list[dict[str, Any]]:
    for value in (values := _list(record, name)):
        if not isinstance(value, dict):
            raise TypeError(f"{name} must hold objects, not {value!r}")
    return values


def _one_of(record: dict[str, Any], name: str, allowed: tuple[str, ...]) -> str:
    value = _text(record, name, None)
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}, not {value!r}")
    return value


def _moment(record: dict[str, Any], name: str) -> str:
    value = record[name]
    wrong = f"{name} must be a moment like 2026-02-03T10:20:30Z, not {value!r}"
    if not isinstance(value, str) or not value.endswith("Z"):
        raise ValueError(wrong)
    try:
        datetime.fromisoformat(value)
    except ValueError as error:
        raise ValueError(wrong) from error
    return value


def _moment_or_none(record: dict[str, Any], name: str) -> str | None:
    return None if record.get(name) is None else _moment(record, name)
