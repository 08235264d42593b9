"""Onboard a team from the command line, and follow it live.

Exit statuses: see EPILOG, which --help prints. With --json the last line of stdout is
one object at every end; its keys are those of `summary`, and everything else goes to
stderr.
"""

import json
import sys
from argparse import ArgumentParser
from contextlib import nullcontext
from datetime import date
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.db import transaction
from django.utils import timezone

from apps.commands import UsageCommand, UsageError
from apps.integrations.connections.grants import grant
from apps.integrations.encryption import CredentialError
from apps.integrations.sources import base
from apps.integrations.sources.base import Found, Source
from apps.integrations.sources.errors import (
    CannotConnect,
    CredentialsFailed,
    InvalidName,
    SourceError,
)
from apps.integrations.sync import window
from apps.mail.addresses import InvalidAddress, normalize_address
from apps.onboarding.management.following import (
    EPILOG,
    EXIT,
    ended_in_order,
    follow,
    follower_of,
    summary,
)
from apps.onboarding.management.worker import own_worker
from apps.onboarding.services.journey import begin, connect, joining
from apps.onboarding.services.runs import run_url
from apps.pipelines.models import Run, RunState
from apps.teams.models import Membership, Team
from apps.teams.services import TooManyTeams, create_team_for
from apps.users.models import User

MAX_MONTHS, MAX_NAME = 600, 120


class Command(UsageCommand):
    epilog = EPILOG
    _run: Run | None = None
    _team: Team | None = None
    _joined = ""
    help = "Onboard a team: read its repositories, compute figures, find insights, and email the team."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--team", required=True, help="name of the team; created if it does not exist"
        )
        parser.add_argument(
            "--email",
            required=True,
            help="email address of its owner; the account is created if needed",
        )
        parser.add_argument(
            "--token",
            default=settings.GITHUB_TOKEN,
            help="GitHub token (default: GITHUB_TOKEN)",
        )
        parser.add_argument(
            "--repos",
            required=True,
            help="owner/name,owner/name; with --source git: paths of clones",
        )
        keys = [source.key for source in base.registered() if not source.is_demo]
        parser.add_argument("--source", choices=keys, default=base.default().key)
        parser.add_argument(
            "--months",
            type=int,
            help=(
                f"months of history, 1 to {MAX_MONTHS} (default: "
                f"{settings.HISTORICAL_SYNC_CONFIG['HISTORY_MONTHS']})"
            ),
        )
        parser.add_argument(
            "--since",
            metavar="YYYY-MM-DD",
            help=(
                "the first day (UTC) to read, instead of --months; refreshes keep it, and a "
                "later setup can only extend it"
            ),
        )
        parser.add_argument(
            "--json",
            action="store_true",
            help="print one JSON object as the last line of stdout, however the command ends",
        )
        parser.add_argument("--worker", action="store_true", help="start a worker for this run")

    def handle(self, *args: Any, **options: Any) -> None:
        self._check(options)
        self._run, self._team = self._start(options)
        run, team = self._run, self._team
        with ended_in_order(), follower_of(run, f"Setting up {team.name}") as follower:
            if self._joined:
                follower.say(self._joined)
            with own_worker(follower.say) if options["worker"] else nullcontext():
                follow(follower)
        run.refresh_from_db()
        if not options["json"]:
            self.stdout.write(run_url(run, team))
        sys.exit(EXIT[RunState(run.state)])

    def ended(self, argv: list[str], status: int, reason: str) -> None:
        if "--json" in argv and not {"-h", "--help"}.intersection(argv):
            self.stdout.write(json.dumps(summary(self._run, self._team, status, reason)))

    def _check(self, options: dict[str, Any]) -> None:
        options["since"] = self._first_day(options)
        name = options["team"].strip()
        if not 1 <= len(name) <= MAX_NAME or not name.isprintable():
            raise UsageError(f"--team needs a name of 1 to {MAX_NAME} letters on one line.")
        try:
            options["email"] = normalize_address(options["email"])
        except InvalidAddress as error:
            raise UsageError(f"--email: {error}") from None
        if missing := base.get(options["source"]).missing(options["token"]):
            raise UsageError(missing)

    def _first_day(self, options: dict[str, Any]) -> date | None:
        """Check --months and --since, and return the day of --since; None without
        it.
        """
        months, text = options["months"], options["since"]
        if months is not None and text is not None:
            raise UsageError("Use --months or --since, not both.")
        if months is None:
            options["months"] = settings.HISTORICAL_SYNC_CONFIG["HISTORY_MONTHS"]
        elif not 1 <= months <= MAX_MONTHS:
            raise UsageError(f"--months must be 1 to {MAX_MONTHS}, not {months}.")
        if text is None:
            return None
        try:
            first_day = date.fromisoformat(text)
        except ValueError:
            first_day = None
        # Python also reads other forms of ISO dates, such as 20260131.
        if first_day is None or first_day.isoformat() != text:
            raise UsageError(f"--since must be a date like 2026-01-31, not {text!r}.")
        today = timezone.now().date()
        earliest = window.start(timezone.now(), MAX_MONTHS).date()
        if not earliest <= first_day <= today:
            raise UsageError(f"--since must be a date from {earliest} to {today}, not {text}.")
        options["months"] = window.months_between(first_day, today)
        return first_day

    def _start(self, options: dict[str, Any]) -> tuple[Run, Team]:
        names = [name.strip() for name in options["repos"].split(",") if name.strip()]
        if not names:
            raise UsageError("--repos names no repository.")
        source = base.get(options["source"])
        found = self._ask(source, options["token"], names)
        with transaction.atomic():
            user, team = account(options["email"], options["team"].strip())
            if source.needs_grant:
                grant(team, source.key)  # running this command is the operator's act
            try:
                connect(team, user, source.key, token=options["token"], found=found)
                run, created, tracked = begin(
                    team, user, {source.rows: names}, options["months"], options["since"]
                )
            except InvalidName as error:
                raise UsageError(str(error)) from None
            except (SourceError, CredentialError) as error:
                raise CommandError(str(error)) from None
        self._joined = "" if created else joining(run, team, tracked)
        return run, team

    def _ask(self, source: Source, token: str, names: list[str]) -> Found | None:
        """Refuse a token or names that can't be used, before anything is created.

        Returns what the token may read; None if the source has none, or can't be asked
        now. The run tries that again.
        """
        try:
            return source.check_names(token, names)
        except InvalidName as error:
            raise UsageError(str(error)) from None
        except (CannotConnect, CredentialsFailed) as error:
            raise CommandError(str(error)) from None
        # The source may be away only for a moment, which is no reason to stop.
        except SourceError as error:
            self.stderr.write(f"The token could not be checked: {error} The run starts anyway.")
            return None


def account(email: str, name: str) -> tuple[User, Team]:
    """Return the user and the team; create them if they are missing.

    Raises UsageError if there is a team of that name and the user is no member of it.
    """
    user = User.objects.filter(email=email).first() or User.objects.create_user(email)
    team = Team.objects.filter(name=name, memberships__user=user).first()
    if team is not None:
        return user, team
    if Membership.objects.filter(team__name=name).exists():
        raise UsageError(
            f"The team {name!r} exists, and {email} is not a member of it. Use another name or "
            "address."
        )
    try:
        return user, create_team_for(name, user, by_operator=True)
    except TooManyTeams as error:
        raise UsageError(str(error)) from None
