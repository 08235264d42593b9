"""Titles, descriptions and commit messages for generated pull requests."""

import random

from . import texts

KINDS = {"feat": 32, "fix": 28, "refactor": 11, "docs": 7, "test": 8, "chore": 9, "perf": 5}


def kind(repository: str, rng: random.Random) -> str:
    if repository == "handbook":
        return "docs"
    return rng.choices(list(KINDS), list(KINDS.values()))[0]


def title(kind: str, subject: str, rng: random.Random) -> str:
    if rng.random() < 0.004:
        return rng.choice(texts.ODD_TITLES)
    token = subject.split()[0].lower()
    words = rng.choice(texts.TITLES[kind]).format(
        s=subject, d=rng.choice(texts.DETAILS), t=token
    )
    return (
        f"{words[0].upper()}{words[1:]}"
        if not words.startswith(("feat", "fix", "docs", "test", "ci", "perf"))
        else words
    )


def description(repository: str, subject: str, rng: random.Random) -> str:
    """Return a description as people write them: empty, a line, or paragraphs with a
    heading.
    """
    style = rng.random()
    if style < 0.14:
        return ""
    blanks = {
        "s": subject,
        "d": rng.choice(texts.DETAILS),
        "r": repository,
        "n": rng.randint(3, 40),
        "m": rng.randint(2, 4),
        "f": f"{subject.split()[0].lower()}_v2",
    }
    why, how, tests = (
        rng.choice(table).format(**blanks) for table in (texts.WHY, texts.HOW, texts.TESTING)
    )
    if style < 0.4:
        return why
    parts = (
        [f"## Why\n{why}", f"## What\n{how}", f"## Testing\n{tests}"]
        if style > 0.8
        else [why, how, tests]
    )
    if rng.random() < 0.25:
        parts.append(f"Closes #{rng.randint(10, 4000)}")
    if rng.random() < 0.01:
        parts.append(rng.choice(texts.DISCLAIMERS))
    return "\n\n".join(parts)


def commit_message(position: int, title: str, subject: str, rng: random.Random) -> str:
    if position == 0:
        return title
    if rng.random() < 0.35:
        return rng.choice(texts.FOLLOW_UPS)
    return f"{rng.choice(texts.COMMIT_VERBS)} {subject} {rng.choice(texts.DETAILS)}"


def dependency_bump(rng: random.Random) -> tuple[str, str]:
    """Return the title and description of a dependency update."""
    name = rng.choice(texts.DEPENDENCIES)
    major, minor, patch = rng.randint(0, 9), rng.randint(0, 30), rng.randint(0, 9)
    old, new = f"{major}.{minor}.{patch}", f"{major}.{minor + rng.randint(0, 2)}.{patch + 1}"
    return (
        f"Bump {name} from {old} to {new}",
        f"Bumps [{name}](https://example.com/{name}) from {old} to {new}.\n\n"
        "You can trigger a rebase of this PR by commenting `@dependabot rebase`.",
    )
