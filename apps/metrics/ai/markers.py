"""Read the AI markers of a pull request. Pure: text in, verdict with its evidence out;
`marker_table` has the table.

    body = "Co-Authored-By: Claude <noreply@anthropic.com>"
    verdict = read_markers("Fix the parser", body, "fix-parser", None)
    verdict.ai_assisted  # True
    verdict.tools        # ("claude",)

Quotations, code blocks, and HTML comments are skipped. Trailers count only as lines of
their own, never inside prose. "Not AI-assisted" means that no marker was found, not
that no AI was used.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import NamedTuple, Protocol

from apps.metrics.ai.marker_table import (
    AGENTS,
    BRANCH_PREFIXES,
    LINES,
    MARKERS_VERSION,
    Agent,
    Axis,
    Tier,
)
from apps.metrics.records import PersonData

__all__ = ["MARKERS_VERSION", "CommitText", "Evidence", "Verdict", "read_markers"]


class CommitLike(Protocol):
    """What the markers need of a commit. `CommitData` and `CommitText` have it."""

    @property
    def oid(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def author(self) -> PersonData | None: ...
    @property
    def author_name(self) -> str: ...
    @property
    def author_email(self) -> str: ...


class CommitText(NamedTuple):
    oid: str
    message: str
    author: PersonData | None = None
    author_name: str = ""
    author_email: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Hold one marker: the rule that matched, the tool, the certainty (`tier`), what
    the AI did (`axis`), the place of the match, and the line itself.
    """

    rule: str
    tool: str
    tier: str
    axis: str
    where: str
    line: str

    def as_json(self) -> dict[str, str]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Hold what the markers of one pull request add up to.

    `ai_assisted` is True if an explicit marker states that AI wrote some of it. `tools`
    are the names of the tools, sorted.
    """

    ai_assisted: bool
    tools: tuple[str, ...]
    evidence: tuple[Evidence, ...]


_MOST_EVIDENCE = 20
_LINE_LENGTH = 200

_TRAILER = re.compile(
    r"\s{0,3}(?:[*-]\s)?(?:[^\w\s\x00-\x7f]+\s*)?(?P<key>co-authored-by|(?:ai-)?(?:assisted|generated|authored)-by)\s*:"
    r"\s*(?P<value>\S.*)",
    re.IGNORECASE,
)
_TRAILER_NEEDLES = ("authored-by", "assisted-by", "generated-by")
_ADDRESS = re.compile(r"(?P<name>[^<]*)<\s*(?P<address>[^>]*)>?")
_NOREPLY = re.compile(r"(?:(?P<id>\d+)\+)?(?P<login>[^@+]+)@users\.noreply\.github\.com")
_NOBODY = re.compile(r"(?:none|no|n/?a|nobody|human|-)\b.*", re.IGNORECASE)
# Lines that may follow a trailer directly: another one, a footer, a link, the next
# commit of a squash, a rule.
_MAY_FOLLOW = re.compile(
    r"\s*$|\s|[A-Za-z][\w-]*:\s|[*#\-_=<(\[|>~`]|https?://|[^\w\s\x00-\x7f]|(?:co-authored|generated|created) (?:with|by)",
    re.IGNORECASE,
)
_QUOTING = re.compile(r"\s*(?:original|reverted)\b[^\n]{0,40}:\s*", re.IGNORECASE)

_BY_EMAIL = {email: agent for agent in AGENTS for email in agent.emails}
_BY_ID = {number: agent for agent in AGENTS for number in agent.ids}
_BY_LOGIN = {login: agent for agent in AGENTS for login in agent.logins}
_BY_BOT_LOGIN = {login: agent for agent in AGENTS for login in agent.bot_logins}


def read_markers(
    title: str,
    body: str,
    head_ref: str,
    author: PersonData | None,
    commits: Sequence[CommitLike] = (),
) -> Verdict:
    """Return the verdict on one pull request, with at most 20 pieces of evidence.

    Explicit markers come first.
    """
    found: dict[tuple[str, str, str], Evidence] = {}
    for evidence in _all(title, body, head_ref, author, commits):
        found.setdefault((evidence.rule, evidence.tool, evidence.line), evidence)
    ordered = sorted(found.values(), key=lambda evidence: evidence.tier)
    tools = {
        one.tool for one in ordered if one.tier == Tier.EXPLICIT and one.axis == Axis.WROTE
    }
    return Verdict(bool(tools), tuple(sorted(tools)), tuple(ordered[:_MOST_EVIDENCE]))


def _all(
    title: str,
    body: str,
    head_ref: str,
    author: PersonData | None,
    commits: Sequence[CommitLike],
) -> Iterator[Evidence]:
    agent = _actor(author)
    if agent and author:
        yield _evidence("author", agent, "author", author.login)
    yield from _text(body, "body", is_revert=title.startswith("Revert"))
    for commit in commits:
        where = f"commit {commit.oid[:12]}"
        agent = _actor(commit.author) or _signature(commit.author_name, commit.author_email)
        if agent:
            shown = (
                commit.author.login
                if commit.author
                else f"{commit.author_name} <{commit.author_email}>"
            )
            yield _evidence("commit-author", agent, where, shown)
        yield from _text(commit.message, where, is_revert=commit.message.startswith("Revert"))
    for prefix, tool in BRANCH_PREFIXES:
        if head_ref.lower().startswith(prefix):
            yield Evidence(
                "branch", tool, Tier.HINT, Axis.WROTE, "branch", head_ref[:_LINE_LENGTH]
            )


def _evidence(rule: str, agent: Agent, where: str, line: str) -> Evidence:
    return Evidence(
        rule, agent.tool, Tier.EXPLICIT, agent.axis, where, line.strip()[:_LINE_LENGTH]
    )


# The accounts and signatures that are read


def _actor(person: PersonData | None) -> Agent | None:
    """Return the agent that an account belongs to, by its id or login; None for
    others.
    """
    if person is None:
        return None
    if person.github_id in _BY_ID:
        return _BY_ID[person.github_id]
    return _login(person.login, is_bot=person.is_bot)


def _login(login: str, *, is_bot: bool = False) -> Agent | None:
    name = login.lower()
    bare = name.removesuffix("[bot]")
    return _BY_LOGIN.get(bare) or (_BY_BOT_LOGIN.get(bare) if is_bot or bare != name else None)


# The same few people sign most commits, so the results are cached.
@lru_cache(maxsize=4096)
def _signature(name: str, email: str) -> Agent | None:
    """Return the agent that a name and an email address belong to; None if it is a
    person.

    The address decides first. The name decides only if it cannot be a person's.
    """
    name, email = name.strip().strip("\"'").lower(), email.strip().lower()
    if email in _BY_EMAIL:
        return _BY_EMAIL[email]
    by_name = next(
        (agent for agent in AGENTS if agent.names and agent.names.fullmatch(name)), None
    )
    # A suggestion is not the work itself, so the name of a suggestion bot decides
    # before the address, which may be that of a tool that writes code.
    if by_name and by_name.axis == Axis.SUGGESTED:
        return by_name
    noreply = _NOREPLY.fullmatch(email)
    if noreply:
        number = noreply["id"]
        agent = (_BY_ID.get(int(number)) if number and len(number) < 12 else None) or _login(
            noreply["login"]
        )
        if agent:
            return agent
    return by_name or (_login(name) if name.endswith("[bot]") else None)


def _trailer(key: str, value: str) -> Agent | None:
    """Return the agent that a trailer names; None for others."""
    address = _ADDRESS.match(value)
    agent = (
        _signature(address["name"], address["address"]) if address else _signature(value, "")
    )
    if agent or address or key.lower() == "co-authored-by":
        return agent
    product = value.strip().lower().rstrip(".")
    if _NOBODY.fullmatch(product):
        return None
    return next(
        (one for one in AGENTS if one.products and one.products.fullmatch(product)), None
    )


# The places that are read


def _text(text: str, where: str, *, is_revert: bool) -> Iterator[Evidence]:
    low = text.lower()
    rules = [rule for rule in LINES if rule.needle in low]
    trailers = any(needle in low for needle in _TRAILER_NEEDLES)
    # Most texts have no marker, and this is cheaper than splitting them into lines.
    if not rules and not trailers:
        return
    lines = text.replace("\r\n", "\n").split("\n")
    for index in _own_lines(lines, is_revert=is_revert):
        line = lines[index]
        # A marker is short, and a long line of a log or a data file would cost time.
        if len(line) > 1000:
            continue
        low = line.lower()
        for rule in rules:
            if rule.needle in low and rule.form.fullmatch(line):
                yield Evidence(
                    rule.rule,
                    rule.tool,
                    rule.tier,
                    rule.axis,
                    where,
                    line.strip()[:_LINE_LENGTH],
                )
        if trailers and any(needle in low for needle in _TRAILER_NEEDLES):
            match = _TRAILER.fullmatch(line)
            agent = (
                _trailer(match["key"], match["value"])
                if match and _stands_alone(lines, index)
                else None
            )
            if agent:
                yield _evidence("trailer", agent, where, line)


def _own_lines(lines: Sequence[str], *, is_revert: bool) -> Iterator[int]:
    """Yield the indexes of the lines that the author wrote: no code block, no
    quotation, and nothing inside a comment.

    In a revert, what follows "Original message:" counts as quoted, too.
    """
    fences = [index for index, line in enumerate(lines) if line.lstrip()[:3] in ("```", "~~~")]
    fenced = {
        index
        for start, end in zip(fences[::2], fences[1::2], strict=False)
        for index in range(start, end + 1)
    }
    in_comment = False
    for index, line in enumerate(lines):
        if index in fenced:
            continue
        if is_revert and _QUOTING.fullmatch(line):
            return
        opens, closes = line.rfind("<!--"), line.rfind("-->")
        was_in_comment, in_comment = in_comment, opens > closes or (in_comment and closes < 0)
        if not was_in_comment and not line.startswith(("    ", "\t", ">")):
            yield index


def _stands_alone(lines: Sequence[str], index: int) -> bool:
    """Return whether a line can be a trailer.

    A trailer ends a message: the text before does not announce it with a colon, and the
    text does not continue below it.
    """
    if index + 1 < len(lines) and not _MAY_FOLLOW.match(lines[index + 1]):
        return False
    before = next(
        (lines[above].strip() for above in range(index - 1, -1, -1) if lines[above].strip()), ""
    )
    return not before.endswith(":") or before.startswith("* ")
