"""`make eval`: precision and recall of the markers on the labeled set, with 95 %
Wilson intervals; and, where a language model is set up, the same table for what it says
of the authors' own words. Ends with 1 where an aim is missed.
"""

import math
import os
import sys
import tempfile
from collections.abc import Callable, Sequence

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
os.environ.setdefault("DEBUG", "1")
os.environ.setdefault("STATE_DIR", tempfile.mkdtemp(prefix="firstlight-eval-"))

import django

django.setup()

from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from apps.metrics.ai.marker_table import Axis, Tier  # noqa: E402
from apps.metrics.ai.markers import CommitText, Verdict, read_markers  # noqa: E402
from apps.metrics.llm import client, prompt  # noqa: E402
from apps.metrics.llm.answers import check  # noqa: E402
from apps.metrics.llm.batches import packed  # noqa: E402
from apps.metrics.llm.outcomes import Answer, Outcome  # noqa: E402
from apps.metrics.records import PersonData  # noqa: E402
from evals.cases import Case, cases  # noqa: E402

AUTHOR = PersonData("ada", "Ada", 101)
PRECISION_EXPLICIT, PRECISION, RECALL = 0.98, 0.95, 0.97
console = Console(width=118)


def wilson(good: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a share."""
    if not of:
        return 0.0, 1.0
    z, share = 1.959964, good / of
    middle = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    return middle - half, middle + half


def verdict(case: Case) -> Verdict:
    commits = [
        CommitText(f"{number:040x}", message, AUTHOR)
        for number, message in enumerate(case.commits)
    ]
    return read_markers(case.title, case.body, "topic", AUTHOR, commits)


def explicit(case: Case) -> bool:
    """An explicit mark that AI wrote: what figures count."""
    return verdict(case).ai_assisted


def any_tier(case: Case) -> bool:
    """Hints as well."""
    tiers = {one.tier for one in verdict(case).evidence if one.axis == Axis.WROTE}
    return bool(tiers & {Tier.EXPLICIT, Tier.HINT})


def score(
    table: Table,
    name: str,
    every: Sequence[Case],
    says: Callable[[Case], bool],
    aims: tuple[float, float | None],
) -> bool:
    """Add the rows of one reader; whether its aims are met."""
    found = [case for case in every if says(case)]
    right, wrong = (
        [case for case in found if case.wrote],
        [case for case in found if not case.wrote],
    )
    missed = [case for case in every if case.wrote and case not in found]
    met = True
    for what, good, of, aim in (
        ("precision", len(right), len(found), aims[0]),
        ("recall", len(right), len(right) + len(missed), aims[1]),
    ):
        low, high = wilson(good, of)
        share = good / of if of else 0.0
        fits = aim is None or share >= aim
        met &= fits
        aim_words = "" if aim is None else f"{aim:.2f}"
        table.add_row(
            name,
            what,
            f"{good} of {of}",
            f"{share:.3f}",
            f"{low:.3f} to {high:.3f}",
            aim_words,
            "" if fits else "missed",
        )
    for case in [*wrong, *missed]:
        console.print(
            f"{'wrongly found' if case in wrong else 'missed'} by {name}: {case.name} ({case.why})",
            style="dim",
        )
    return met


def _texts(outcome: Outcome) -> Sequence[str]:
    """Return the texts of an answer; without one, print why."""
    if isinstance(outcome, Answer):
        return outcome.texts
    console.print(f"{outcome.reason} {outcome.detail}", style="dim")
    return ()


def said_by_model(every: Sequence[Case]) -> Callable[[Case], bool]:
    """What the model says of each, asked as the product asks."""
    documents = [
        prompt.document(
            number,
            title=case.title,
            body=case.body,
            branch="topic",
            labels=[],
            size=(10, 2, 1),
            messages=case.commits,
            reviews={},
        )
        for number, case in enumerate(every)
    ]
    asker, said = client.LlmClient(), set()
    for batch in packed(documents):
        messages, refs = prompt.messages(batch)
        good, bad = check(_texts(asker.ask(messages, len(batch))), refs)
        said |= {every[refs[ref].pk].name for ref, item in good.items() if item.ai_disclosed}
        for why in bad.values():
            console.print(f"no answer: {why}", style="dim")
    return lambda case: case.name in said


def main() -> int:
    every = cases()
    hard, seen = (
        [case for case in every if not case.wrote],
        [case for case in every if case.seen],
    )
    console.print(
        f"{len(every)} cases: {len(hard)} hard negatives; {len(seen)} re-enact real commits."
    )
    table = Table(title="AI wrote some of it")
    for heading in ("read by", "", "cases", "share", "95 % interval", "aim", ""):
        table.add_column(heading)
    met = score(table, "explicit marks (tier A)", every, explicit, (PRECISION_EXPLICIT, RECALL))
    met &= score(table, "marks of all tiers", every, any_tier, (PRECISION, RECALL))
    if client.is_configured():
        score(table, "the language model", every, said_by_model(every), (PRECISION, None))
    console.print(table)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
