"""The labeled set: 300 cases and more, half of them hard negatives; half of each kind
re-enacts real commits.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import cycle

from evals import negatives, positives

# Titles and sentences around the marks: what such a change might be about. None speaks
# of AI.
AROUND = (
    (
        "Carry totals over between pages",
        "The cursor of the last page was lost when the next one was asked for.",
    ),
    (
        "fix: retry on 502",
        "A gateway's error is tried again after a second; anything else is told to the caller.",
    ),
    (
        "feat(export): CSV with a header",
        "Spreadsheets took the first row for the header. It is one now.",
    ),
    ("Drop support for Python 3.9", "It has had no security fixes for a year."),
    ("refactor: one place for rounding", "Three modules rounded money in three ways."),
    ("Show the last sync in the footer", "People asked whether what they see is of today."),
    ("docs: how to restore a backup", "Tried on an empty machine, twice."),
    ("test: cover the empty repository", "It divided by the number of pull requests."),
    ("perf: read weeks in one query", "Fifty-two small queries took most of the page's time."),
    ("chore: sort imports", "No change in behaviour."),
    (
        "Let admins invite by link",
        "The mail often ends in a filter. The link is good for a day.",
    ),
    ("fix(auth): sessions end with the password", "They lived on in other browsers."),
    ("Use the team's time zone for weeks", "A merge on Sunday evening counted for Monday."),
)


@dataclass(frozen=True)
class Case:
    """One pull request with its label.

    `wrote` is whether AI wrote some of it, as far as anything says so.
    """

    name: str
    wrote: bool
    why: str
    seen: bool
    title: str
    body: str
    commits: tuple[str, ...] = ()
    in_words: bool = field(default=False)


def cases() -> list[Case]:
    """All of them, in a fixed order."""
    return [
        *_of(positives.SEEN, wrote=True, seen=True),
        *_of(positives.MADE, wrote=True, seen=False),
        *_of(negatives.SEEN, wrote=False, seen=True),
        *_of(negatives.MADE, wrote=False, seen=False),
        *_in_words(),
    ]


def _of(lines: tuple[tuple[str, str], ...], *, wrote: bool, seen: bool) -> Iterator[Case]:
    """Each line at the end of a body and at the end of a commit's message, where these
    may stand.
    """
    around, kind = cycle(AROUND), f"{'wrote' if wrote else 'not'}-{'seen' if seen else 'made'}"
    for number, (line, why) in enumerate(lines):
        (title, text), (other, more) = next(around), next(around)
        yield Case(f"{kind}-{number}-body", wrote, why, seen, title, f"{text}\n\n{line}\n")
        # Marks that only bodies have are not in commits.
        if not line.startswith(("<!--", "PR created")):
            message = f"{other}\n\n{more}\n\n{line}\n"
            yield Case(
                f"{kind}-{number}-commit", wrote, why, seen, other, more, ("Start", message)
            )


def _in_words() -> Iterator[Case]:
    around = cycle(AROUND)
    for number, (line, why) in enumerate(positives.WORDS):
        title, text = next(around)
        yield Case(
            f"words-{number}", True, why, True, title, f"{text}\n\n{line}\n", in_words=True
        )
