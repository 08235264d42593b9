"""The clones that a team may read: those below GIT_SOURCE_ROOT, and of these the ones in
the folder of its grant.

    clones_for(team)              # (["acme/api", "acme/web"], False)
    open_clone(team, "acme/api")  # a GitRepository; NotGranted once the grant was revoked
"""

from pathlib import Path, PurePosixPath

from django.conf import settings

from apps.integrations.models import SourceGrant
from apps.integrations.sources.git import KEY
from apps.integrations.sources.git.clones import find_clones
from apps.integrations.sources.git.errors import NotGranted, OutsideRoot, SourceDisabled
from apps.integrations.sources.git.repository import GitRepository
from apps.teams.models import Team


def is_granted(team: Team | int) -> bool:
    """Return whether the team may read clones."""
    return SourceGrant.objects.for_team(team).filter(source=KEY).exists()


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
    granted = SourceGrant.objects.for_team(team).filter(source=KEY).first()
    if granted is None:
        raise NotGranted
    return granted


def _root() -> Path:
    root: Path | None = settings.GIT_SOURCE_ROOT
    if root is None:
        raise SourceDisabled
    return root
