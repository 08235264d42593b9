"""How each figure is measured, in words that a page shows.

The formulas themselves are in `apps.metrics.figures.definitions`.
"""

from apps.metrics.figures.definitions import Measure

_PEOPLE = "Merged pull requests by people whose commits and reviews have been read, by the week of the merge."
_SPREAD = "Median, p75 and p90 are interpolated between the closest ranks; n says of how many."

MEASURES: dict[str, Measure] = {
    "opened": Measure("Opened", "", "Pull requests created in the week, bots' too."),
    "merged": Measure(
        "Merged", "", "Pull requests merged in the week, bots' too. A week without any is 0."
    ),
    "direct_commits": Measure(
        "Direct commits",
        "",
        "Commits of a clone that reached the trunk in the week without a pull request, bots' too. They are in no other"
        " figure. Of a repository on GitHub only pull requests are read, so it has none.",
    ),
    "closed": Measure(
        "Closed unmerged", "", "Pull requests closed in the week without a merge, bots' too."
    ),
    "time_to_merge": Measure(
        "Time to merge",
        "hours",
        "Merge minus creation, over all pull requests merged in the week. Merges of one long-lived branch into another"
        " (releases) are left out. In a clone the opening is that of the first commit, but not before the branch left the"
        f" trunk; if it isn't known, as for a squash, there is no time to merge. {_SPREAD}",
    ),
    "coding": Measure(
        "Coding time",
        "hours",
        f"Opening minus first commit; none where the first commit is younger. {_PEOPLE} {_SPREAD}",
    ),
    "pickup": Measure(
        "Pickup time",
        "hours",
        f"First review by a person other than the author, minus opening; none without a review. {_PEOPLE} {_SPREAD}",
    ),
    "review": Measure(
        "Review time",
        "hours",
        f"First approval minus first review; up to the merge where nobody approved. {_PEOPLE} {_SPREAD}",
    ),
    "merge": Measure(
        "Merge time",
        "hours",
        f"Merge minus first approval; from opening on where nobody reviewed. {_PEOPLE} {_SPREAD}",
    ),
    "cycle": Measure(
        "Cycle time",
        "hours",
        f"Merge minus first commit. Coding, pickup, review and merge time sum to it. {_PEOPLE} {_SPREAD}",
    ),
    "in_progress": Measure(
        "Work in progress",
        "",
        "Pull requests open at the end of the week: drafts, waiting for a review, changes requested, or approved and"
        " waiting for the merge. Each reviewer's last word before that moment counts. Whether something was a draft"
        " earlier is not recorded: the last known state is taken.",
    ),
    "size": Measure(
        "Size",
        "lines",
        "Lines added plus lines deleted, over all merged in the week but releases. In a clone generated and vendored files"
        f" are left out (.gitattributes, lock files, folders of dependencies). {_SPREAD}",
    ),
    "reviews": Measure(
        "Reviews",
        "",
        "Submitted reviews that the pull requests merged in the week received, of any kind.",
    ),
    "review_depth": Measure(
        "Review depth",
        "reviews per 100 lines",
        "Reviews by people other than the author, per 100 changed lines, over all merged in the week but releases.",
    ),
    "without_approval": Measure(
        "Merged without approval",
        "share",
        f"Those without an approval by a person other than the author before the merge, among these: {_PEOPLE}",
    ),
    "rework_cycles": Measure(
        "Rework cycles",
        "",
        "How often a request for changes was answered by commits before the first approval. "
        + _PEOPLE,
    ),
    "reverts": Measure(
        "Reverts",
        "",
        "Merged pull requests titled Revert “…”, or from a branch revert-<number>-…. A revert of a revert (also Reapply “…”)"
        " brings a change back and is none.",
    ),
    "reviewed": Measure(
        "Review load",
        "",
        "Pull requests, merged in the week, that somebody else than the author reviewed; several rounds count once for"
        " each reviewer.",
    ),
    "review_gini": Measure(
        "Review concentration",
        "Gini",
        "How unequally the review load is spread over those who reviewed: 0 for equal shares, towards 1 the more one does.",
    ),
    "ai_assisted": Measure(
        "AI-assisted",
        "share",
        "Merged pull requests with an explicit marker that AI wrote some of it; authored by an agent, or named in a trailer"
        " or footer. Hints alone (a branch name) are counted apart. All others are unknown, not “without AI”. What a"
        " person has corrected counts as they say.",
    ),
}
