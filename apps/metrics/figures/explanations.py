"""How each figure is measured, in words that a page shows.

The formulas themselves are in `apps.metrics.figures.definitions`.
"""

from apps.metrics.figures.definitions import Measure

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
    "in_progress": Measure(
        "Work in progress",
        "",
        "Pull requests open at the end of the week: drafts, waiting for a review, changes requested, or approved and"
        " waiting to be merged. Each reviewer's latest review at that time counts. Earlier draft states are not recorded,"
        " so the last known one is used.",
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
