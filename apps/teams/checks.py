"""Check that each team in OIDC_GROUPS exists: a group of a missing team gives no
account a role.
"""

from typing import Any

from django.core.checks import CheckMessage, Tags, register
from django.core.checks import Warning as CheckWarning
from django.db import DatabaseError

from apps.teams.oidc_roles import unknown_teams


@register(Tags.database)
def check_oidc_groups(
    app_configs: Any, databases: Any = None, **kwargs: Any
) -> list[CheckMessage]:
    """Warn by teams.W001 if OIDC_GROUPS names a team that does not exist.

    Django runs the check at `migrate` and `check --database`.
    """
    if not databases:
        return []
    try:
        slugs = unknown_teams()
    except DatabaseError:
        # A new database has no tables before its first migration.
        return []
    return [
        CheckWarning(
            f"OIDC_GROUPS names the team {slug!r}, which does not exist: its groups give no role.",
            hint="Correct the slug, or create the team.",
            id="teams.W001",
        )
        for slug in slugs
    ]
