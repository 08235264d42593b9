"""What a commit message on the trunk contains about the pull request that it merged.

The parser knows the messages of GitHub, GitLab, Bitbucket, Azure DevOps, Gitea, Gerrit,
Phabricator, bors, bitcoin-core's script, and `git merge`. A number in the message makes
it a pull request, whether merged or squashed:

    Title (#12)                                                     GitHub, Gitea
    Title (org/repo#12)                                             GitHub, of another repository
    Title (!12)                                                     GitLab
    See merge request https://host/group/project/-/merge_requests/12
    Reviewed-on: https://host/c/project/+/12                        Gerrit; a Change-Id alone gives no number
    Differential Revision: https://host/D12                         Phabricator

`Title (#12)` on a commit with one parent counts as a squash. An author may have named
an issue there by hand; the message does not show the difference.

A merge commit without a number is a pull request without one, except for a back-merge:
the trunk merged into itself (`Merge branch 'main' of …`, `Merge remote-tracking branch
'origin/main'`), which is what `git pull` leaves behind. Merges of other branches are
pull requests, remote-tracking or not.
"""

import re
from dataclasses import dataclass

# The largest value of an integer column. A larger number is not a pull request's.
_MOST = 2_147_483_647
_TITLE_LENGTH = 500

_NUMBERED = tuple(
    re.compile(form)
    for form in (
        r"Merge pull request '(?P<title>.*)' \(#(?P<number>\d+)\) from (?P<ref>\S+)(?: into \S+)?",  # Gitea, Forgejo
        r"Merge pull request #(?P<number>\d+) in \S+ from (?P<ref>\S+)(?: to \S+)?",  # Bitbucket Server
        r"Merge pull request #(?P<number>\d+) from [^/\s]+/(?P<ref>\S+)",  # GitHub
        r"Merge pull request #(?P<number>\d+) from (?P<ref>\S+)",
        r"Merge pull request #(?P<number>\d+)\b.*",
        r"Merge pull request (?P<number>\d+) from (?P<ref>\S+)(?: into \S+)?",  # Azure DevOps, not squashed
        r"Merged in (?P<ref>\S+) \(pull request #(?P<number>\d+)\)",  # Bitbucket
        r"Pull request #(?P<number>\d+): (?P<title>.+)",  # Bitbucket Server
        r"Merged PR (?P<number>\d+): (?P<title>.+)",  # Azure DevOps
        r"Merge (?:[\w.-]+/[\w.-]+)?#(?P<number>\d+): (?P<title>.+)",  # bitcoin-core
        r"(?:Auto|Rollup) merge of #(?P<number>\d+) - (?P<ref>[^,\s]++).*",  # homu
        r"Merge #(?P<number>\d+)(?: #\d+)*",  # bors
        r"(?P<title>.*\S)\s*\(pull request #(?P<number>\d+)\)",  # Bitbucket, squashed
        r"(?P<title>.*\S)\s*\(#(?P<number>\d+)\)",  # a squash; of several numbers (a revert) the last one is its own
        r"(?P<title>.*\S)\s*\(!(?P<number>\d+)\)",  # GitLab, squashed
        r"(?P<title>.*\S)\s*\((?P<project>[\w.-]{1,100}/[\w.-]{1,100})#(?P<number>\d+)\)",
    )
)
_GITLAB = re.compile(
    r"See merge request (?:(?P<page>https?://\S+/merge_requests/)|(?P<project>[^\s!]*)!)(?P<number>\d+)\s*"
)
_CHANGE_ID = re.compile(r"Change-Id: I[0-9a-f]{40}\s*")
# The address of a review, in a line of its own.
_REVIEWS = (
    re.compile(
        r"(?P<page>Reviewed-on: https?://[^\s/]++\S*?/(?:\+/|pulls/|c/|#/c/)?)(?P<number>\d+)/?\s*"
    ),
    re.compile(r"(?P<page>Differential Revision: (?:https?://[^\s/]++/)?D)(?P<number>\d+)\s*"),
)
_BITBUCKET_COMMITS = re.compile(r"\* commit '[0-9a-f]+':?\s*")
_GERRIT_MERGE = re.compile(r"Merge \"(?P<title>[^\"]*)\"(?: into \S+)?")
# Names with a quote in them are not split. If names could contain anything, the pattern
# would have too many ways to match.
_BRANCHES = re.compile(
    r"Merge (?P<remote>remote-tracking )?(?P<what>branch|tag)(?:es|s)? (?P<names>'[^']+'(?:(?:, | and )'[^']+')*)"
    r"(?P<of> of \S+)?(?P<into> into '[^']*')?(?: into [^'].*)?"
)
_GITHUB_MERGE = re.compile(r"Merge pull request #\d+ from (?P<owner>[^/\s]+)/(?P<ref>\S+)")
_OWN_REMOTES = frozenset({"origin", "upstream"})
_BETWEEN_NAMES = re.compile(r"'(?:, | and )'")
# No tool writes longer first lines, and patterns must not be tried on megabytes.
_MOST_TRIED = 1000
_TRUNK_NAMES = frozenset({"main", "master", "trunk"})
_TELLING = ("See merge request ", "Change-Id: ", "Reviewed-on: ", "Differential Revision: ")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


@dataclass(frozen=True, slots=True)
class Told:
    """A parsed message. `is_pull_request` is False for a change and for a back-merge."""

    title: str
    body: str
    is_pull_request: bool
    number: int | None = None
    head_ref: str = ""
    # The address of its page, if the message contains it, and the repository that the
    # number belongs to, if it is named.
    page: str = ""
    project: str = ""


def one_line(text: str, limit: int = _TITLE_LENGTH) -> str:
    """Return text for a title or a name: without control characters and surrounding
    white space, cut with an ellipsis.
    """
    text = _CONTROL.sub(" ", text).strip()
    return text if len(text) <= limit else text[: limit - 1] + "…"


def is_back_merge(subject: str, trunk: str) -> bool:
    """Return whether a merge commit with this first line merges the trunk into itself.

    A quoted target is GitLab's, and means that a user asked for a merge of a fork's
    trunk.
    """
    match = _branches(subject)
    if match is None or match["what"] == "tag":
        return False
    trunks = {trunk, *_TRUNK_NAMES}
    if match["into"] and match["into"].removeprefix(" into ").strip("'") in trunks:
        return False
    return trunks.issuperset(_short_names(match))


def merged_names(subject: str) -> list[str]:
    """Return the names of the branches that a merge's first line names as merged into
    the trunk; none if it has none.
    """
    subject = subject.partition("\n")[0].strip()
    match = _branches(subject)
    if match is not None:
        return _short_names(match)
    told = _numbered(subject, "")
    return [told.head_ref.rpartition(":")[2]] if told is not None and told.head_ref else []


def merges_trunk(subject: str, trunk: str) -> bool:
    """Return whether a back-merge names the trunk that is read, and not another branch
    for example `master` next to `develop`.

    `main` and `master` count as the new and the old name of one trunk.
    """
    match = _branches(subject)
    trunks = {trunk} if trunk not in _TRUNK_NAMES else _TRUNK_NAMES
    return match is not None and trunks.issuperset(_short_names(match))


def own_branches(subject: str, owner: str) -> list[str]:
    """Return the names of the branches that a merge names, if they are the repository's
    own and not a fork's.

    `owner` is the repository's owner, "" if it isn't known.
    """
    subject = subject.partition("\n")[0].strip()
    match = _branches(subject)
    if match is None:
        github = _GITHUB_MERGE.fullmatch(subject) if len(subject) <= _MOST_TRIED else None
        if github is not None and github["owner"].lower() != owner.lower():
            return []
        told = _numbered(subject, "")
        return [told.head_ref] if told is not None and told.head_ref else []
    names = match["names"][1:-1]
    remotes = (
        {name.partition("/")[0] for name in _BETWEEN_NAMES.split(names)}
        if match["remote"]
        else set()
    )
    if match["of"] or match["what"] == "tag" or ":" in names or not remotes <= _OWN_REMOTES:
        return []
    short = _short_names(match)
    into = (match["into"] or "").removeprefix(" into ").strip("'")
    return [] if into in short else short


def telling(message: str) -> str:
    """Return the parts of a message that may identify a pull request: its subject, and
    some lines of the body.
    """
    subject, _, body = message.strip("\n").partition("\n")
    if not any(word in body for word in _TELLING):
        return subject
    lines = [line for line in body.splitlines() if line.startswith(_TELLING)]
    return "\n".join([subject, "", *lines])


def _short_names(match: re.Match[str]) -> list[str]:
    """Return the branch names without that of the remote."""
    names = _names(match)
    return [name.partition("/")[2] or name for name in names] if match["remote"] else names


def read_message(message: str, *, is_merge: bool, trunk: str) -> Told:
    """Read the whole message of a commit on the trunk."""
    subject, _, rest = message.strip("\n").partition("\n")
    subject, body = subject.strip(), rest.strip("\n")
    told = _numbered(subject, body) or _gitlab(subject, body) or _reviewed(subject, body)
    if told is not None:
        return told
    title = one_line(subject) or "(no message)"
    if not is_merge or is_back_merge(subject, trunk):
        return Told(title, body, is_pull_request=False)
    gerrit = _GERRIT_MERGE.fullmatch(subject) if len(subject) <= _MOST_TRIED else None
    if gerrit:
        title = one_line(gerrit["title"]) or title
    return Told(title, body, is_pull_request=True, head_ref=_head_ref(subject))


def _reviewed(subject: str, body: str) -> Told | None:
    """Read the review of Gerrit, Phabricator, or Forgejo, which name it in a line of
    its own below the text.
    """
    if not any(word in body for word in _TELLING):
        return None
    is_change = False
    for line in reversed(body.splitlines()):
        if not line.startswith(_TELLING) or len(line) > _MOST_TRIED:
            continue
        is_change = is_change or _CHANGE_ID.fullmatch(line) is not None
        for form in _REVIEWS:
            match = form.fullmatch(line)
            number = _number(match["number"]) if match else None
            if match is not None and number is not None:
                page = f"{match['page'].partition(': ')[2]}{number}"
                page = page if page.startswith("http") else ""
                return Told(
                    one_line(subject) or "(no message)",
                    body,
                    is_pull_request=True,
                    number=number,
                    page=page,
                )
    if is_change:
        return Told(one_line(subject) or "(no message)", body, is_pull_request=True)
    return None


def _numbered(subject: str, body: str) -> Told | None:
    if len(subject) > _MOST_TRIED:
        return None
    for form in _NUMBERED:
        match = form.fullmatch(subject)
        number = _number(match["number"]) if match else None
        if match is None or number is None:
            continue
        found = match.groupdict()
        ref = (found.get("ref") or _head_ref(subject)).rpartition(":")[2]
        title = found.get("title") or ""
        if not title:
            title, body = _first_line(body)
            if _BITBUCKET_COMMITS.fullmatch(title[:_MOST_TRIED]):
                # Bitbucket Server lists the commits, each below its id.
                title, body = _first_line(body)
            # bors repeats the number.
            title = title.removeprefix(f"#{number}: ").removeprefix(f"{number}: ")
        return Told(
            one_line(title) or one_line(subject),
            body,
            is_pull_request=True,
            number=number,
            head_ref=ref,
            project=found.get("project") or "",
        )
    return None


def _gitlab(subject: str, body: str) -> Told | None:
    """Read the number of GitLab, which is in the last lines: of a merge below the
    title, of a squash below everything.
    """
    if "See merge request " not in body:
        return None
    for line in reversed(body.splitlines()):
        match = _GITLAB.fullmatch(line[:_MOST_TRIED])
        number = _number(match["number"]) if match else None
        if number is None:
            continue
        title, rest = subject, body
        if _branches(subject):
            first, after = _first_line(body)
            if not _GITLAB.fullmatch(first[:_MOST_TRIED]):
                title, rest = first, after
        page = f"{match['page']}{number}" if match and match["page"] else ""
        project = (match["project"] or "") if match else ""
        return Told(
            one_line(title) or "(no message)",
            rest,
            is_pull_request=True,
            number=number,
            head_ref=_head_ref(subject),
            page=page,
            project=project,
        )
    return None


def _number(digits: str) -> int | None:
    number = int(digits) if digits.isascii() and len(digits) < 11 else 0
    return number if 0 < number <= _MOST else None


def _first_line(body: str) -> tuple[str, str]:
    first, _, rest = body.lstrip().partition("\n")
    return first.strip(), rest.strip("\n")


def _branches(subject: str) -> re.Match[str] | None:
    return _BRANCHES.fullmatch(subject) if len(subject) <= _MOST_TRIED else None


def _names(match: re.Match[str]) -> list[str]:
    """Return the branch names of a merge's first line, without the owner that GitHub
    puts before a colon.
    """
    names = _BETWEEN_NAMES.split(match["names"][1:-1])
    return [name.rpartition(":")[2] for name in names]


def _head_ref(subject: str) -> str:
    match = _branches(subject)
    if match is None:
        return ""
    return one_line(", ".join(_short_names(match)), 250)
