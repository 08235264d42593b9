"""`manage.py grant_source SLUG SOURCE`: let a team read a source of this installation,
such as the clones on its server, or end that.
"""

from argparse import ArgumentParser
from typing import Any

from apps.commands import UsageCommand, UsageError
from apps.integrations.connections.grants import grant, revoke_grant
from apps.integrations.sources import base
from apps.integrations.sources.errors import CannotConnect
from apps.teams.models import Team


class Command(UsageCommand):
    help = (
        "Let a team read a source of this installation: git, the clones below GIT_SOURCE_ROOT."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("team", help="the team's slug, as in its URLs")
        keys = [source.key for source in base.registered() if source.needs_grant]
        parser.add_argument("source", choices=keys)
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
        source = base.get(options["source"])
        try:
            source.granted_folder("")
            granted = grant(team, source.key, folder=options["folder"])
        except (CannotConnect, ValueError) as error:
            raise UsageError(str(error)) from None
        folder = source.granted_folder(granted.folder)
        self.stdout.write(f"{team.slug} may read the {source.nouns} below {folder}.")
        if not folder.is_dir():
            self.stderr.write("This folder does not exist yet.")
