"""Define the AI markers: what proves or suggests that AI had a part in a pull request.

Tier A is explicit: something that the tool itself leaves, matched on an address, an id,
a reserved login, or a line of a fixed form. Tier B hints: a branch prefix, a footer in
words alone. Only tier A on the axis `wrote` makes a pull request AI-assisted;
everything else is kept as evidence. A bare first name proves nothing: people are called
Claude, Devin, Jules, and Cody, and a cursor is also a thing in a database.

Increase `MARKERS_VERSION` with every change: stored pull requests are then read again.
"""

from dataclasses import dataclass
from enum import StrEnum
from re import IGNORECASE, Pattern
from re import compile as pattern

MARKERS_VERSION = 1


class Tier(StrEnum):
    EXPLICIT = "A"
    HINT = "B"


class Axis(StrEnum):
    """The part of the work that the AI did. A suggestion that a person applied, a
    review, or a description is not the work itself.
    """

    WROTE = "wrote"
    SUGGESTED = "suggested"
    REVIEWED = "reviewed"
    DESCRIBED = "described"


@dataclass(frozen=True, slots=True)
class Agent:
    """Describe how an AI tool appears as an author or in a trailer, in lower case.

    `logins` belong to the tool alone. `bot_logins` are also names of people and
    companies, so they count only if GitHub marks the account as a bot (`[bot]`).
    `names` are matched as a whole in trailers and commits. `products` are matched in
    `Assisted-by:` lines without an address.
    """

    tool: str
    emails: frozenset[str] = frozenset()
    logins: frozenset[str] = frozenset()
    bot_logins: frozenset[str] = frozenset()
    ids: frozenset[int] = frozenset()
    names: Pattern[str] | None = None
    products: Pattern[str] | None = None
    axis: Axis = Axis.WROTE


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a fixed form in a body or a commit message.

    `needle` is in every such line, in lower case.
    """

    rule: str
    tool: str
    needle: str
    form: Pattern[str]
    tier: Tier = Tier.EXPLICIT
    axis: Axis = Axis.WROTE


def _agent(
    tool: str,
    emails: str = "",
    logins: str = "",
    bot_logins: str = "",
    ids: tuple[int, ...] = (),
    names: str = "",
    products: str = "",
    axis: Axis = Axis.WROTE,
) -> Agent:
    return Agent(
        tool=tool,
        emails=frozenset(emails.split()),
        logins=frozenset(logins.split()),
        bot_logins=frozenset(bot_logins.split()),
        ids=frozenset(ids),
        names=pattern(names) if names else None,
        products=pattern(products) if products else None,
        axis=axis,
    )


# The first match wins, so suggestion bots come before the tools whose name they carry.
# Numeric ids are those of public lists; addresses and logins are the tools' own.
AGENTS: tuple[Agent, ...] = (
    _agent(
        "copilot-autofix",
        ids=(62310815,),
        logins="github-advanced-security",
        names=r"(github )?copilot autofix\b.*",
        axis=Axis.SUGGESTED,
    ),
    _agent(
        "gemini-code-assist",
        ids=(176961590,),
        logins="gemini-code-assist",
        names=r"gemini[ -]code[ -]assist(\[bot\])?",
        axis=Axis.SUGGESTED,
    ),
    _agent("coderabbit", ids=(136622811,), logins="coderabbitai", axis=Axis.SUGGESTED),
    _agent(
        "qodo",
        ids=(185363710,),
        logins="qodo-merge qodo-merge-pro codiumai-pr-agent",
        axis=Axis.SUGGESTED,
    ),
    _agent("greptile", logins="greptile-apps greptileai", axis=Axis.SUGGESTED),
    _agent("sourcery", logins="sourcery-ai", axis=Axis.SUGGESTED),
    _agent("ellipsis", logins="ellipsis-dev", axis=Axis.SUGGESTED),
    _agent("graphite", logins="graphite-app", axis=Axis.SUGGESTED),
    _agent("copilot-review", logins="copilot-pull-request-reviewer", axis=Axis.REVIEWED),
    _agent(
        "claude",
        emails="noreply@anthropic.com claude@anthropic.ai",
        logins="claude-code-action anthropic-claude",
        bot_logins="claude claude-code",
        ids=(209825114, 208546643, 215619710),
        names=r"claude (code|opus|sonnet|haiku|fable|\d)\b.*",
        products=r"(anthropic )?claude\b.*",
    ),
    _agent(
        "copilot",
        emails="copilot@github.com",
        logins="copilot copilot-swe-agent",
        ids=(198982749, 175728472, 223556219, 167198135),
        names=r"(github )?copilot( agent| coding agent)?",
        products=r"(github )?copilot\b.*",
    ),
    _agent(
        "cursor",
        emails="cursoragent@cursor.com agent@cursor.com",
        logins="cursoragent cursor-agent",
        bot_logins="cursor",
        ids=(206951365,),
        names=r"cursor( agent| ai)?",
        products=r"cursor( agent| ai|:.*)?",
    ),
    _agent(
        "codex",
        emails="codex@openai.com noreply@openai.com",
        logins="chatgpt-codex-connector openai-codex",
        bot_logins="codex",
        ids=(199175422, 215057067),
        # `(?>…)`: from the first word boundary on, the rest is read once.
        names=r"(openai |chatgpt )?codex( cli)?|(openai )?(chatgpt\b|(?>gpt-[\d.]+?\b)).*",
        products=r"(openai[ -])?(codex|chatgpt|gpt-?\d)\b.*",
    ),
    _agent(
        "devin",
        emails="bot@devin.ai devin-ai-integration@users.noreply.github.com",
        logins="devin-ai-integration",
        ids=(158243242,),
        names=r"devin ai",
        products=r"devin( ai|:.*)?",
    ),
    _agent(
        "openhands",
        emails="openhands@all-hands.dev",
        logins="openhands openhands-agent openhands-bot",
        names=r"openhands( agent)?",
        products=r"openhands\b.*",
    ),
    _agent(
        "gemini",
        emails="gemini-cli-agent@google.com",
        bot_logins="google-gemini",
        names=r"google gemini|(google )?gemini( cli| code|[ -]\d.*| (pro|flash)\b.*)?",
        products=r"(google )?gemini\b(?![ -](cli[ -]robot|code[ -]assist)).*",
    ),
    _agent(
        "jules",
        emails="noreply@jules.google",
        logins="google-labs-jules",
        bot_logins="jules",
        ids=(161369871,),
        names=r"google labs jules|google jules",
        products=r"(google )?jules",
    ),
    _agent(
        "aider",
        emails="noreply@aider.chat aider@aider.chat",
        names=r"aider( \(.+\))?|.+ \(aider\)",
        products=r"aider\b.*",
    ),
    _agent("amp", emails="amp@ampcode.com", bot_logins="amp ampcode", products=r"amp"),
    _agent(
        "opencode",
        emails="noreply@opencode.ai opencode@sst.dev clio-agent@sisyphuslabs.ai",
        logins="opencode-agent",
        names=r"opencode",
        products=r"opencode\b.*",
    ),
    _agent(
        "cline",
        emails="noreply@cline.bot",
        bot_logins="cline",
        ids=(205137888,),
        products=r"cline",
    ),
    _agent(
        "droid", emails="droid@factory.ai", logins="factory-droid", names=r"factory[ -]droid"
    ),
    _agent("crush", emails="crush@charm.land", products=r"crush"),
    _agent("antigravity", emails="antigravity@google.com", products=r"(google )?antigravity"),
    _agent("grok", emails="grok@x.ai", names=r"grok( build|[ -]\d.*)?", products=r"grok\b.*"),
    _agent(
        "amazon-q",
        logins="amazon-q-developer",
        ids=(208079219,),
        names=r"amazon q( developer)?",
    ),
    _agent("continue", logins="continue-agent", bot_logins="continue", ids=(230936708,)),
    _agent("cody", logins="sourcegraph-cody", ids=(201248094,)),
    _agent("jetbrains", logins="jetbrains-ai", ids=(220155983,)),
    _agent("windsurf", names=r"windsurf( ai| cascade)?", products=r"windsurf\b.*"),
    _agent("lovable", logins="lovable-dev gpt-engineer-app"),
    _agent("v0", bot_logins="v0 vercel-v0"),
    _agent("codegen", logins="codegen-sh"),
    _agent("sweep", logins="sweep-ai"),
    # The agent of one project's own, which signs pull requests that it wrote.
    _agent(
        "marvin",
        logins="marvin-context-protocol",
        ids=(225465937,),
        names=r"marvin[ -]context[ -]protocol",
    ),
)

# The patterns below meet text that anyone may write, so each takes time in proportion
# to the length of that text: every repetition is possessive (`*+`), or is followed by
# something that it can't match itself. tests/project/test_patterns.py measures it.
#
# Emoji and other symbols beyond ASCII, with spaces between them.
_SYMBOLS = r"(?:[^\w\s\x00-\x7f]\s*+)*+"
# What may precede a footer: spaces, emphasis, an emoji; not a quotation, a table or a
# check box.
_LEAD = rf"\s{{0,3}}(?:[*_~-]{{1,3}}\s?|<sub>|<small>)?{_SYMBOLS}(?:[*_]{{1,3}})?"
# What may follow the name: a link, a means, closing marks; no more words, so that prose
# is no footer.
_TAIL = (
    r"(?:\s++cli\b)?(?:\s++v?\d[\w.]*+)?\]?(?:\s*+\([^)\s]*+\))?(?:\s++(?:via|with|using)\s++[\[(]?[\w .:/()\[\]-]{1,80}+)?"
    rf"[\s.*_~]*+(?:</sub>|</small>)?\s*+{_SYMBOLS}"
)
_MADE = (
    r"(?:co-authored|generated|created|written|built|made|implemented)\s++(?:with|by|using)\s++"
)


def _footer(name: str) -> Pattern[str]:
    return pattern(rf"{_LEAD}{_MADE}\[?(?:{name}){_TAIL}", IGNORECASE)


def _starts(form: str) -> Pattern[str]:
    return pattern(rf"\s{{0,3}}[*_-]{{0,2}}\s?(?:{form}).*", IGNORECASE)


def _comment(form: str) -> Pattern[str]:
    return pattern(rf"\s*<!--\s*(?:{form}).*", IGNORECASE)


_CODERABBIT = pattern(
    r"\s*(?:<!--(?>.*?release notes by coderabbit\.ai).*|#+\s*summary by coderabbit\s*)",
    IGNORECASE,
)
_CUBIC = pattern(r"\s*(?:#+\s*|<!--\s*)summary by cubic\b.*", IGNORECASE)

LINES: tuple[Line, ...] = (
    Line("claude-footer", "claude", " claude", _footer("claude code|claude(?=\\]\\()")),
    Line("claude-footer", "claude", "[claude", _footer("claude code|claude(?=\\]\\()")),
    Line(
        "claude-session",
        "claude",
        "claude.ai/code/session",
        _starts(r"(?:claude-session:\s*)?https://claude\.ai/code/session"),
    ),
    Line(
        "opencode-footer",
        "opencode",
        "opencode.ai",
        _footer(r"opencode(?=\]\(https://opencode\.ai)"),
    ),
    Line(
        "devin-footer",
        "devin",
        "devin.ai",
        _footer(r"devin(?=\]\(https://(?:cli\.)?devin\.ai)"),
    ),
    Line(
        "devin-session",
        "devin",
        "devin.ai/sessions/",
        _starts(
            r"(?:link to )?devin (?:run|session)\b[^.\w]{0,5}https://app\.devin\.ai/sessions/"
        ),
    ),
    Line(
        "cursor-agent-body",
        "cursor",
        "cursor_agent_pr_body_begin",
        _comment(r"cursor_agent_pr_body_begin\s*-->"),
    ),
    Line(
        "copilot-agent-body",
        "copilot",
        "start copilot ",
        _comment(r"start copilot (?:coding agent|original prompt)"),
    ),
    Line(
        "codex-task",
        "codex",
        "chatgpt.com/codex/tasks/",
        _starts(r"(?:\[codex task\]\()?https://chatgpt\.com/codex/tasks/"),
    ),
    Line(
        "jules-task",
        "jules",
        "jules.google.com/",
        _starts(r"pr created automatically by jules for task\b"),
    ),
    Line(
        "amp-thread",
        "amp",
        "ampcode.com/threads/",
        _starts(r"amp-thread(?:-id)?:\s*https://ampcode\.com/threads/"),
    ),
    Line("crush-footer", "crush", "crush", _footer(r"crush")),
    Line(
        "replit-trailer",
        "replit",
        "replit-commit-author:",
        _starts(r"replit-commit-author:\s*(?:agent|assistant)\b"),
    ),
    Line(
        "droid-footer",
        "droid",
        "factory.ai",
        _footer(r"(?:factory )?droid(?=\]\(https://(?:www\.|app\.)?factory\.ai)"),
    ),
    Line(
        "footer-in-words",
        "codex",
        "codex",
        _footer(r"(?:openai |gpt-[\d.]++-)?codex"),
        tier=Tier.HINT,
    ),
    Line(
        "footer-in-words", "codex", " gpt-", _footer(r"gpt-[\d.]++(?:-\w++)?"), tier=Tier.HINT
    ),
    Line("footer-in-words", "cursor", " cursor", _footer(r"cursor"), tier=Tier.HINT),
    Line(
        "footer-in-words", "copilot", "copilot", _footer(r"(?:github )?copilot"), tier=Tier.HINT
    ),
    Line(
        "footer-in-words",
        "gemini",
        "gemini",
        _footer(r"(?:google )?gemini(?: cli)?"),
        tier=Tier.HINT,
    ),
    Line("aider-prefix", "aider", "aider:", _starts(r"aider: \S"), tier=Tier.HINT),
    Line(
        "cursor-summary",
        "cursor",
        "cursor_summary",
        _comment(r"cursor_summary\s*-->"),
        axis=Axis.DESCRIBED,
    ),
    Line("coderabbit-summary", "coderabbit", "coderabbit", _CODERABBIT, axis=Axis.DESCRIBED),
    Line("cubic-summary", "cubic", "summary by cubic", _CUBIC, axis=Axis.DESCRIBED),
)

# Branches: GitHub fixes `copilot/`; the others are habits that people's own names can
# collide with.
BRANCH_PREFIXES: tuple[tuple[str, str], ...] = (
    ("copilot/", "copilot"),
    ("codex/", "codex"),
    ("cursor/", "cursor"),
    ("claude/", "claude"),
    ("devin/", "devin"),
    ("jules/", "jules"),
    ("jules-", "jules"),
    ("aider/", "aider"),
    ("windsurf/", "windsurf"),
    ("codegen-bot/", "codegen"),
    ("openhands/", "openhands"),
    ("sweep/", "sweep"),
)
