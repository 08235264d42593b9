"""The figures: each is declared once, with its name, its measure, how it is aggregated,
and from which column of the measures.

    FIGURES     what a week of a team, repository, or member has, in the order of the export
    MEASURES    the title, the unit, and the formula in words of each measure

The columns of `WeeklyMetrics`, the headers of the exports, the answers of the API and
its document, and the page "How is this measured?" follow from these declarations, or a
test compares them.
"""

from enum import StrEnum
from typing import NamedTuple


class Aggregate(StrEnum):
    """How a figure is made from its column, over the pull requests merged in a week."""

    # Counts the pull requests of which the column's moment is in the week.
    EVENTS = "events"
    # Adds the values up; true is 1.
    SUM = "sum"
    # Counts the values that are known, those above zero, and those that differ.
    KNOWN = "known"
    POSITIVE = "positive"
    DISTINCT = "distinct"
    # Of the values that are known; None without any.
    MEDIAN = "median"
    P75 = "p75"
    P90 = "p90"
    # Reviews that count per 100 changed lines.
    DEPTH = "depth"
    # Of the reviewers: how many pull requests they reviewed, how many they are, and the
    # Gini coefficient of their loads.
    LOAD = "load"
    REVIEWERS = "reviewers"
    GINI = "gini"
    # Counts the tools by name, like "claude=3 codex=1".
    TOOLS = "tools"


class Measure(NamedTuple):
    """How something is measured, for pages: its name, unit ("" for counts) and formula
    in a sentence or two.
    """

    title: str
    unit: str
    formula: str


class Figure(NamedTuple):
    """One figure of a week: a column of `WeeklyMetrics` and of the export.

    `measure` is the key of its explanation in `MEASURES`, and `column` the column of
    `Measures` from which it is made.
    """

    name: str
    measure: str
    aggregate: Aggregate
    column: str = ""


def _quantiles(column: str, measure: str) -> list[Figure]:
    return [
        Figure(f"{column}_median", measure, Aggregate.MEDIAN, column),
        Figure(f"{column}_p75", measure, Aggregate.P75, column),
        Figure(f"{column}_p90", measure, Aggregate.P90, column),
    ]


def _known(column: str, measure: str) -> Figure:
    return Figure(f"{column}_n", measure, Aggregate.KNOWN, column)


# Programs rely on the order: new figures come last.
FIGURES: tuple[Figure, ...] = (
    Figure("opened", "opened", Aggregate.EVENTS, "opened_at"),
    Figure("merged", "merged", Aggregate.EVENTS, "merged_at"),
    *_quantiles("time_to_merge_hours", "time_to_merge"),
    Figure("authors", "authors", Aggregate.DISTINCT, "author"),
    Figure("ai_assisted", "ai_assisted", Aggregate.SUM, "ai_assisted"),
    Figure("additions", "size", Aggregate.SUM, "additions"),
    Figure("deletions", "size", Aggregate.SUM, "deletions"),
    Figure("reviews", "reviews", Aggregate.SUM, "reviews"),
    Figure("closed", "closed", Aggregate.EVENTS, "closed_at"),
    _known("time_to_merge_hours", "time_to_merge"),
    *_quantiles("coding_hours", "coding"),
    _known("coding_hours", "coding"),
    *_quantiles("pickup_hours", "pickup"),
    _known("pickup_hours", "pickup"),
    *_quantiles("review_hours", "review"),
    _known("review_hours", "review"),
    *_quantiles("merge_hours", "merge"),
    _known("merge_hours", "merge"),
    *_quantiles("cycle_hours", "cycle"),
    _known("cycle_hours", "cycle"),
    *_quantiles("size_lines", "size"),
    Figure("review_depth", "review_depth", Aggregate.DEPTH),
    Figure("reviewable", "without_approval", Aggregate.KNOWN, "without_approval"),
    Figure("without_approval", "without_approval", Aggregate.SUM, "without_approval"),
    Figure("reworked", "rework_cycles", Aggregate.POSITIVE, "rework_cycles"),
    Figure("rework_cycles", "rework_cycles", Aggregate.SUM, "rework_cycles"),
    Figure("reverts", "reverts", Aggregate.SUM, "is_revert"),
    Figure("reviewed", "reviewed", Aggregate.LOAD),
    Figure("reviewers", "review_gini", Aggregate.REVIEWERS),
    Figure("review_gini", "review_gini", Aggregate.GINI),
    Figure("ai_agent_authored", "ai_assisted", Aggregate.SUM, "ai_agent_authored"),
    Figure("ai_hinted", "ai_assisted", Aggregate.SUM, "ai_hinted"),
    Figure("ai_tools", "ai_assisted", Aggregate.TOOLS, "ai_tools"),
    Figure("direct_commits", "direct_commits", Aggregate.EVENTS, "pushed_at"),
)
NAMES = tuple(figure.name for figure in FIGURES)

_PEOPLE = "Covers pull requests by people (no bots) merged in the week, once their commits and reviews have been read."
_SPREAD = "Median, p75, and p90 are interpolated between the closest ranks; n is the number of values."

MEASURES: dict[str, Measure] = {
    "opened": Measure("Opened", "", "Pull requests created in the week, including bots'."),
    "merged": Measure(
        "Merged",
        "",
        "Pull requests merged in the week, including bots'. A week without any is 0.",
    ),
    "direct_commits": Measure(
        "Direct commits",
        "",
        "Commits in a git clone that reached the main branch in the week without a pull request, including bots'. No other"
        " figure counts them. From GitHub only pull requests are read, so GitHub repositories have none.",
    ),
    "authors": Measure(
        "Authors",
        "",
        "People and bots who wrote the pull requests merged in the week. Deleted accounts count as one.",
    ),
    "closed": Measure(
        "Closed unmerged",
        "",
        "Pull requests closed in the week without a merge, including bots'.",
    ),
    "time_to_merge": Measure(
        "Time to merge",
        "hours",
        "From creation to merge, for all pull requests merged in the week. Merges of one long-lived branch into another"
        " (releases) are left out. In a git clone, a change opens with its first commit after the branch left the main"
        f" branch; if that is unknown, as for a squash, there is no time to merge. {_SPREAD}",
    ),
    "coding": Measure(
        "Coding time",
        "hours",
        f"From first commit to opening; none if the first commit is later. {_PEOPLE} {_SPREAD}",
    ),
    "pickup": Measure(
        "Time to first review",
        "hours",
        f"From opening to the first review by another person; none without a review. {_PEOPLE} {_SPREAD}",
    ),
    "review": Measure(
        "Review time",
        "hours",
        f"From first review to first approval, or to the merge without an approval. {_PEOPLE} {_SPREAD}",
    ),
    "merge": Measure(
        "Merge time",
        "hours",
        f"From first approval to merge, or from opening without a review. {_PEOPLE} {_SPREAD}",
    ),
    "cycle": Measure(
        "Cycle time",
        "hours",
        "From first commit to merge: the sum of coding time, time to first review, review time, and merge time."
        f" {_PEOPLE} {_SPREAD}",
    ),
    "size": Measure(
        "Size",
        "lines",
        "Lines added plus lines deleted, for all pull requests merged in the week except releases. In a git clone, generated"
        f" and vendored files are left out (.gitattributes, lock files, dependency folders). {_SPREAD}",
    ),
    "reviews": Measure(
        "Reviews",
        "",
        "All reviews of pull requests merged in the week, of any kind.",
    ),
    "review_depth": Measure(
        "Review depth",
        "reviews per 100 lines",
        "Reviews by other people per 100 changed lines, for all pull requests merged in the week except releases.",
    ),
    "without_approval": Measure(
        "Merged without approval",
        "share",
        f"The share of pull requests without an approval by another person before the merge. {_PEOPLE}",
    ),
    "rework_cycles": Measure(
        "Rework cycles",
        "",
        "How often a request for changes was followed by commits before the first approval. "
        + _PEOPLE,
    ),
    "reverts": Measure(
        "Reverts",
        "",
        "Merged pull requests titled Revert “…”, or from a branch revert-<number>-…. A revert of a revert (also Reapply “…”)"
        " restores a change and doesn't count.",
    ),
    "reviewed": Measure(
        "Review load",
        "",
        "Pull requests merged in the week that a person other than the author reviewed. Several rounds count once per"
        " reviewer.",
    ),
    "review_gini": Measure(
        "Review concentration",
        "Gini",
        "How unequally reviews are spread over reviewers: 0 if all do the same, close to 1 if one person does most.",
    ),
    "ai_assisted": Measure(
        "AI-assisted",
        "share",
        "Merged pull requests with an explicit marker that AI wrote part of them: authored by an agent, or named in a trailer"
        " or footer. Hints alone, such as a branch name, don't count. All others are unknown, not “without AI”."
        " Corrections by people take precedence.",
    ),
}
