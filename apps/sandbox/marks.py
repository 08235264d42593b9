"""The marks that AI assistants leave in reality, and similar text that is none."""

import random

CLAUDE_TRAILER = "Co-Authored-By: Claude <noreply@anthropic.com>"
CLAUDE_FOOTER = "🤖 Generated with [Claude Code](https://claude.com/claude-code)"
COPILOT_TRAILER = "Co-authored-by: Copilot <175728472+Copilot@users.noreply.github.com>"
CURSOR_TRAILER = "Co-authored-by: Cursor <cursoragent@cursor.com>"
# An accepted suggestion of a scanner does not make a pull request AI-assisted.
AUTOFIX_TRAILER = (
    "Co-authored-by: Copilot Autofix powered by AI "
    "<62310815+github-advanced-security[bot]@users.noreply.github.com>"
)
# A colleague whose name is that of an assistant.
NAMESAKE_TRAILER = "Co-authored-by: Claude Moreau <claude.moreau@acme.example>"

_TRAILERS = {"claude": CLAUDE_TRAILER, "copilot": COPILOT_TRAILER, "cursor": CURSOR_TRAILER}


def of_tool(tool: str, rng: random.Random) -> tuple[str, str]:
    """Return the trailer of a commit and the footer of the description that an
    assistant leaves; either may be empty.
    """
    if tool == "claude":
        kind = rng.random()
        return ("" if kind < 0.15 else CLAUDE_TRAILER), ("" if kind > 0.7 else CLAUDE_FOOTER)
    return _TRAILERS[tool], ""


def look_alike(rng: random.Random) -> str:
    """Return a trailer that looks like a mark and is none; empty in most cases."""
    kind = rng.random()
    if kind < 0.004:
        return AUTOFIX_TRAILER
    return NAMESAKE_TRAILER if kind < 0.012 else ""


def devin_footer(rng: random.Random) -> str:
    return f"Link to Devin run: https://app.devin.ai/sessions/{rng.getrandbits(128):032x}\nRequested by: Mara Lindqvist"
