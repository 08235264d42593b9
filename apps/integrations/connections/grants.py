"""Which sources of the installation a team may read: those that the operator granted to
it.

The clones below GIT_SOURCE_ROOT belong to the operator, and on an open installation any
visitor can create a team. A team therefore lists and reads them only after a grant
(`manage.py grant_source`, the admin, or `manage.py onboard --source git`). Each read
checks the grant again, so a revoked one ends reading at the next sync.
"""

from pathlib import Path, PurePosixPath

from django.conf import settings
from django.db import transaction

from apps.integrations.models import Connection, ConnectionSource, SourceGrant
from apps.integrations.sources.git.clones import find_clones
from apps.integrations.sources.git.errors import GitError, OutsideRoot, SourceDisabled
from apps.integrations.sources.git.source import GitRepository
from apps.teams.models import Team
from apps.users.models import User


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


def grant(team: Team, source: str, *, folder: str = "", by: User | None = None) -> SourceGrant:
    """Let a team read a source of the installation. An earlier grant of the source is
    replaced.

    Args:
        folder: for clones, the folder below GIT_SOURCE_ROOT that the team may read; ""
            for all of them.

    Raises:
        ValueError: if the folder leads out of GIT_SOURCE_ROOT.
    """
    path = PurePosixPath(folder)
    # Checked at the grant, so that the operator sees the mistake and not a member
    # later.
    if path.is_absolute() or ".." in path.parts or not folder.isprintable():
        raise ValueError("Give the folder relative to GIT_SOURCE_ROOT, without “..”.")
    narrowed = "" if str(path) == "." else str(path)
    granted, _ = SourceGrant.objects.across_teams().update_or_create(
        team=team, source=source, defaults={"folder": narrowed, "granted_by": by}
    )
    return granted


def revoke_grant(team: Team, source: str) -> bool:
    """End a grant, and delete the connection that it allowed, because that lists
    clones.

    Returns False if there was none.
    """
    with transaction.atomic():
        deleted, _ = SourceGrant.objects.for_team(team).filter(source=source).delete()
        Connection.objects.for_team(team).filter(source=source).delete()
    return bool(deleted)


def is_granted(team: Team | int, source: str) -> bool:
    """Return whether the team may read the source."""
    return SourceGrant.objects.for_team(team).filter(source=source).exists()


def clones_for(team: Team | int) -> tuple[list[str], bool]:
    """Return the paths of the clones that a team may read, relative to GIT_SOURCE_ROOT,
    and whether there may be more.

    Raises:
        NotGranted, SourceDisabled: if the team may read none.
    """
    granted = _granted(team)
    root = _root()
    if not granted.folder:
        return find_clones(root)
    # Resolved, because the folder may have become a symbolic link since the grant.
    below = (root / granted.folder).resolve()
    if not below.is_relative_to(root.resolve()):
        raise OutsideRoot(granted.folder)
    found, more = find_clones(below)
    return [str(PurePosixPath(granted.folder) / path) for path in found], more


def open_clone(team: Team | int, path: str) -> GitRepository:
    """Open a clone for a team. `path` is relative to GIT_SOURCE_ROOT, or absolute and
    below it.

    Raises:
        NotGranted: if the team may read no clones.
        GitError: as `GitRepository.open`; OutsideRoot also if the clone is not in the
            granted folder.
    """
    granted = _granted(team)
    root = _root()
    if not granted.folder:
        return GitRepository.open(path, root)
    if not Path(path).is_absolute():
        parts = PurePosixPath(path).parts
        folder = PurePosixPath(granted.folder).parts
        # Compared by parts, because `teams/acme-old` is not below `teams/acme`.
        if parts[: len(folder)] != folder:
            raise OutsideRoot(path)
        path = str(PurePosixPath(*parts[len(folder) :]))
    return GitRepository.open(path, root / granted.folder)


def _granted(team: Team | int) -> SourceGrant:
    granted = SourceGrant.objects.for_team(team).filter(source=ConnectionSource.GIT).first()
    if granted is None:
        raise NotGranted
    return granted


def _root() -> Path:
    root: Path | None = settings.GIT_SOURCE_ROOT
    if root is None:
        raise SourceDisabled
    return root
