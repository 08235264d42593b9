"""`manage.py export_weekly --team SLUG --by team|repository|member --format csv|json`:
the weekly table on stdout.
"""

import json
from typing import Any

from django.core.management.base import CommandParser

from apps.commands import UsageCommand, UsageError
from apps.metrics.csv_files import write_csv
from apps.metrics.figures.export import columns, weekly_rows
from apps.metrics.models import Scope
from apps.teams.models import Team


class Command(UsageCommand):
    help = "Print a team's weekly figures: one row per week (Monday, UTC) and team, repository or member."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--team",
            required=True,
            metavar="SLUG",
            help="the team's slug, as in its URLs",
        )
        parser.add_argument(
            "--by", choices=[scope.value for scope in Scope], default=Scope.TEAM.value
        )
        parser.add_argument("--format", choices=["csv", "json"], default="csv")
        parser.add_argument(
            "--all",
            action="store_true",
            help="all figures: phases, sizes, reviews, rework, reverts, tools, direct commits",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        team = Team.objects.filter(slug=options["team"]).first()
        if team is None:
            raise UsageError(f"There is no team with the slug {options['team']!r}.")
        scope = Scope(options["by"])
        rows = weekly_rows(team.pk, scope, everything=options["all"])
        if options["format"] == "json":
            self.stdout.write(json.dumps(list(rows), indent=2, ensure_ascii=False))
            return
        header = columns(scope, everything=options["all"])
        write_csv(self.stdout, header, (list(row.values()) for row in rows))
