"""`manage.py grant_source SLUG git`: let a team read the clones on this server, or end
that.
"""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings

from apps.commands import UsageCommand, UsageError
from apps.integrations.connections.grants import grant, revoke_grant
from apps.integrations.models import ConnectionSource
from apps.teams.models import Team


class Command(UsageCommand):
    help = (
        "Let a team read a source of this installation: git, the clones below GIT_SOURCE_ROOT."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("team", help="the team's slug, as in its URLs")
        parser.add_argument("source", choices=[ConnectionSource.GIT])
        parser.add_argument(
            "--folder", default="", help="a folder below GIT_SOURCE_ROOT (default: all of it)"
        )
        parser.add_argument("--revoke", action="store_true", help="end the grant")

    def handle(self, *args: Any, **options: Any) -> None:
        team = Team.objects.filter(slug=options["team"]).first()
        if team is None:
            raise UsageError(f"There is no team with the slug {options['team']!r}.")
        if options["revoke"]:
            if not revoke_grant(team, options["source"]):
                raise UsageError(f"{team.slug} has no grant of {options['source']}.")
            self.stdout.write(f"{team.slug} may no longer read {options['source']}.")
            return
        if settings.GIT_SOURCE_ROOT is None:
            raise UsageError("Set GIT_SOURCE_ROOT to the folder with the clones first.")
        try:
            granted = grant(team, options["source"], folder=options["folder"])
        except ValueError as error:
            raise UsageError(str(error)) from None
        folder = settings.GIT_SOURCE_ROOT / granted.folder
        self.stdout.write(f"{team.slug} may read the clones below {folder}.")
        if not folder.is_dir():
            self.stderr.write("This folder does not exist yet.")
