"""Refresh a team from the command line, as the night does, and follow the run live.

Exit statuses and --json are those of `onboard`; --json has one more key, `corrected`.
"""

import json
import sys
from argparse import ArgumentParser
from contextlib import nullcontext
from typing import Any

from django.core.management.base import CommandError

from apps.commands import UsageCommand, UsageError
from apps.integrations.models import TrackedRepository
from apps.integrations.sources import base
from apps.onboarding.management.following import (
    EPILOG,
    EXIT,
    ended_in_order,
    follow,
    follower_of,
    summary,
)
from apps.onboarding.management.worker import own_worker
from apps.onboarding.services.refreshing import corrected_by, find_or_start
from apps.onboarding.services.runs import run_url
from apps.pipelines.models import Run, RunState
from apps.teams.models import Team


class Command(UsageCommand):
    epilog = f"""{EPILOG}  corrected    how many pull requests --verify added, changed, or removed
"""
    help = (
        "Read what has changed in a team's repositories, like the nightly refresh. Joins a "
        "refresh that is already running."
    )
    _run: Run | None = None
    _team: Team | None = None
    _corrected = 0

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "slug", metavar="SLUG", help="the team's slug, as in its URLs: /t/SLUG/"
        )
        parser.add_argument(
            "--repository",
            nargs="+",
            action="extend",
            metavar="OWNER/NAME",
            help="read only this repository; for a clone, its path",
        )
        parser.add_argument(
            "--verify",
            action="store_true",
            help=(
                "compare everything with the source and correct differences, not only recent "
                "changes"
            ),
        )
        parser.add_argument(
            "--json",
            action="store_true",
            help="print one JSON object as the last line of stdout, however the command ends",
        )
        parser.add_argument("--worker", action="store_true", help="start a worker for this run")

    def handle(self, *args: Any, **options: Any) -> None:
        self._team = team = find_team(options["slug"])
        repo_ids = find_repositories(team, options["repository"])
        with ended_in_order():
            run = self._refresh(
                team, repo_ids, verify=options["verify"], worker=options["worker"]
            )
        run.refresh_from_db()
        self._corrected = corrected_by(run)
        if not options["json"]:
            self.stdout.write(run_url(run, team))
            if options["verify"]:
                self.stdout.write(f"Corrected pull requests: {self._corrected}")
        sys.exit(EXIT[RunState(run.state)])

    def ended(self, argv: list[str], status: int, reason: str) -> None:
        if "--json" in argv and not {"-h", "--help"}.intersection(argv):
            told = summary(self._run, self._team, status, reason) | {
                "corrected": self._corrected
            }
            self.stdout.write(json.dumps(told))

    def _refresh(
        self, team: Team, repo_ids: list[int] | None, *, verify: bool, worker: bool
    ) -> Run:
        """Follow runs of the team until one has done what was asked for, and return
        that one.
        """
        while True:
            run, is_ours = find_or_start(team, repo_ids, verify=verify)
            if is_ours:
                self._run = run
            with follower_of(run, f"Refreshing {team.name}") as follower:
                if not is_ours:
                    follower.say(
                        f"Run {run.pk} is in progress and does less than this. The refresh starts "
                        "after it."
                    )
                with own_worker(follower.say) if worker else nullcontext():
                    follow(follower)
            if is_ours:
                return run


def find_team(slug: str) -> Team:
    """Return the team of this slug. Raises UsageError if there is none."""
    team = Team.objects.filter(slug=slug).first()
    if team is None:
        raise UsageError(f"There is no team with the slug {slug!r}.")
    return team


def find_repositories(team: Team, names: list[str] | None) -> list[int] | None:
    """Return the ids of the team's repositories with these names, or None for all if
    none is named.

    Raises UsageError for a name that the team does not track, CommandError if it tracks
    no repository.
    """
    tracked = list(TrackedRepository.objects.for_team(team).select_related("repository"))
    if not tracked:
        raise CommandError(
            f"{team.name} tracks no repository yet. `manage.py onboard` sets a team up."
        )
    if not names:
        return None
    ids: dict[str, int] = {}
    for row in tracked:
        # Some sources ignore the case of names; paths of clones differ by case.
        ids[base.same_name(row.repository.source, row.repository.full_name)] = row.pk
    found = []
    for name in names:
        pk = ids.get(name.casefold(), ids.get(name))
        if pk is None:
            raise UsageError(f"{team.name} tracks no repository named {name!r}.")
        found.append(pk)
    return sorted(set(found))
