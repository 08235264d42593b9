"""Which sources of the installation a team may read: those that the operator granted to
it.

Some sources, like the clones below GIT_SOURCE_ROOT, belong to the operator, and on an
open installation any visitor can create a team. A team therefore lists and reads them
only after a grant (`manage.py grant_source`, the admin, or `manage.py onboard`). Each
read checks the grant again, so a revoked one ends reading at the next sync.
"""

from pathlib import PurePosixPath

from django.db import transaction

from apps.integrations.models import Connection, SourceGrant
from apps.teams.models import Team
from apps.users.models import User


def grant(team: Team, source: str, *, folder: str = "", by: User | None = None) -> SourceGrant:
    """Let a team read a source of the installation. An earlier grant of the source is
    replaced.

    Args:
        folder: the folder below the source's root that the team may read; "" for all
            of it.

    Raises:
        ValueError: if the folder leads out of the root.
    """
    path = PurePosixPath(folder)
    # Checked at the grant, so that the operator sees the mistake and not a member
    # later.
    if path.is_absolute() or ".." in path.parts or not folder.isprintable():
        raise ValueError("Give the folder relative to the root of the source, without “..”.")
    narrowed = "" if str(path) == "." else str(path)
    granted, _ = SourceGrant.objects.across_teams().update_or_create(
        team=team, source=source, defaults={"folder": narrowed, "granted_by": by}
    )
    return granted


def revoke_grant(team: Team, source: str) -> bool:
    """End a grant, and delete the connection that it allowed, because that has
    the list of repositories.

    Returns False if there was none.
    """
    with transaction.atomic():
        deleted, _ = SourceGrant.objects.for_team(team).filter(source=source).delete()
        Connection.objects.for_team(team).filter(source=source).delete()
    return bool(deleted)
