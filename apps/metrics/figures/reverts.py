"""Recognize pull requests and commits that revert another one."""

import re

_REVERT_BRANCH = re.compile(r"revert-\d{1,10}-")
_REVERT_TITLE = re.compile(r"(?:Revert(?:\^(?P<times>\d{1,3}))?|Re-?apply|Re-?land) [\"“]")


def is_revert(title: str, head_ref: str) -> bool:
    """Return whether a pull request or commit reverts another one, by the names that
    tools give; `head_ref` may be empty.

    A revert of a revert brings the first change back, so it is none. The title decides
    if it has such a form, because a clone does not know every branch:

        Revert "Add a page"                     a revert
        Revert "Revert "Add a page""            none, as Revert^2 "Add a page"
        Reapply "Add a page"                    none
        Revert "Reapply "Add a page""           a revert
        revert-12-topic                         a branch of GitHub: a revert
        revert-13-revert-12-topic               none
    """
    times, place = 0, 0
    while match := _REVERT_TITLE.match(title, place):
        if match[0].startswith("Revert"):
            times += int(match["times"] or 1)
        place = match.end()
    if place:
        return times % 2 == 1
    while match := _REVERT_BRANCH.match(head_ref, place):
        times, place = times + 1, match.end()
    return times % 2 == 1
