"""What can go wrong with a local repository. Each message is for users: what happened,
why, and what to do next.

    SourceDisabled                       no repository can be read until the setting is put right
    NotGranted                           the operator has not let this team read clones
    OutsideRoot, NoSuchPath, NotARepository, EmptyRepository      this path cannot be read as it is
    CannotRead, PartialClone             git gave up on this repository
    GitMissing                           there is no git program
    LandingGone                          the trunk was rewritten; reading it anew helps
    TimedOut                             git took too long; a smaller unit, or a later attempt, may succeed

Paths are shown as the user gave them, because users must not learn where the root is on
the server.
"""

from apps.integrations.sources.errors import SourceError
from apps.pipelines.remedy import Remedy


class GitError(SourceError):
    """Base class. `str()` is shown to users.

    The clones are on the server, so in most cases only its operator can repair them.
    """

    cause = "clone"
    remedy = Remedy.OPERATOR


class SourceDisabled(GitError):
    """There is no root below which repositories may be read."""

    cause = "clones_disabled"

    def __init__(self, why: str = "no folder for them is set up") -> None:
        super().__init__(
            f"Local repositories cannot be read: {why}. The operator of this installation can set one up "
            "(docs/operations.md)."
        )


class NotGranted(GitError):
    """The operator has not granted the server's clones to this team, or has revoked the
    grant.
    """

    cause = "not_granted"

    def __init__(self) -> None:
        super().__init__(
            "This team may not read the clones on this server. Ask the operator of the installation to grant them: "
            "manage.py grant_source."
        )


class OutsideRoot(GitError):
    """The path, or a part of the repository, is outside the root."""

    cause = "outside_root"

    def __init__(self, path: str, what: str = "") -> None:
        subject = f"{what} of '{path}' leads" if what else f"'{path}' leads"
        super().__init__(
            f"{subject} out of the folder that local repositories are read from. "
            "Name a repository inside that folder, or clone this one into it."
        )


class NoSuchPath(GitError):
    cause = "not_found"

    def __init__(self, path: str) -> None:
        super().__init__(
            f"There is no '{path}' in the folder that local repositories are read from. "
            "Check the path; relative ones start at that folder."
        )


class NotARepository(GitError):
    cause = "not_a_repository"

    def __init__(self, path: str) -> None:
        super().__init__(
            f"'{path}' is not a git repository. Name the folder that contains .git, or a bare repository."
        )


class EmptyRepository(GitError):
    cause = "empty_repository"

    def __init__(self, path: str) -> None:
        super().__init__(
            f"The repository '{path}' has no commits yet. Push or fetch something into it, then retry."
        )


class CannotRead(GitError):
    """git ended with an error, or the file system refused access. `why` is one line."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(
            f"The repository '{path}' could not be read: {why}. Run 'git fsck' in it, or clone it "
            "again, then retry."
        )


class PartialClone(GitError):
    cause = "partial_clone"

    def __init__(self, path: str) -> None:
        super().__init__(
            f"The repository '{path}' is a partial clone: files that are needed to count lines are missing, and "
            "nothing is downloaded here. Run 'git fetch --refetch --no-filter' in it, or clone it in full, then retry."
        )


class GitMissing(GitError):
    cause = "git_missing"

    def __init__(self, why: str = "was not found on the server") -> None:
        super().__init__(f"The program 'git' {why}. Install git 2.32 or later, then retry.")


class LandingGone(GitError):
    """A commit that was on the trunk is no longer there."""

    cause = "history_rewritten"
    remedy = Remedy.RETRY

    def __init__(self, path: str, oid: str) -> None:
        super().__init__(
            f"Commit {oid[:12]} is not on the trunk of '{path}' any more: its history was rewritten. "
            "Retry to read it as it is now."
        )


class TimedOut(GitError):
    cause = "too_slow"
    remedy = Remedy.RETRY

    def __init__(self, path: str, seconds: float) -> None:
        super().__init__(
            f"git did not finish reading '{path}' within {seconds:g} seconds. Nothing is lost; retry later."
        )
