"""Why a pull request could not be read, as a message for users, and the link to its
page.

    reason_of(Malformed("createdAt should be a time, found …", "createdAt"))
    # "GitHub sent a date of its creation that can’t be used"
    link_of("https://github.com/acme/api", 12)
    # "https://github.com/acme/api/pull/12"
"""

from apps.integrations.sources.github.fields import Malformed

# The names of fields on GitHub's pages.
_NAMES = {
    "id": "identifier",
    "fullDatabaseId": "identifier",
    "databaseId": "identifier",
    "number": "number",
    "title": "title",
    "body": "description",
    "state": "state",
    "isDraft": "draft state",
    "createdAt": "date of its creation",
    "updatedAt": "date of its last change",
    "mergedAt": "date of its merge",
    "closedAt": "date of its closing",
    "additions": "number of added lines",
    "deletions": "number of deleted lines",
    "changedFiles": "number of changed files",
    "baseRefName": "name of its base branch",
    "headRefName": "name of its branch",
    "author": "author",
    "mergedBy": "name of who merged it",
    "login": "account name",
    "labels": "list of labels",
    "commits": "list of commits",
    "commit": "commit",
    "oid": "commit identifier",
    "reviews": "list of reviews",
    "submittedAt": "date of a review",
}


def reason_of(error: Exception) -> str:
    """Return the reason without the names of GitHub's interface, which belong in the
    log.
    """
    if not isinstance(error, Malformed) or not error.field:
        return str(error)
    name = _NAMES.get(error.field.partition("[")[0], "value")
    article = "an" if name[0] in "aeiou" else "a"
    return f"GitHub sent {article} {name} that can’t be used"


def link_of(repository_url: str, number: object) -> str:
    """Return the address of a pull request; that of the repository's list if its number
    is unknown.
    """
    if not repository_url:
        return ""
    is_number = isinstance(number, int) and not isinstance(number, bool) and number > 0
    return (
        f"{repository_url}/pull/{number}" if is_number else f"{repository_url}/pulls?q=is%3Apr"
    )
