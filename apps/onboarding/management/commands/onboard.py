"""Onboard a team from the command line, and follow it live.

Exit status: 0 done, 2 partial, 1 failed, 3 cancelled, 64 bad usage, 4 no worker was seen for 30 s, 130 Ctrl-C (the run
goes on). With --json the last line of stdout is the summary; all else goes to stderr.
"""

import json
import signal
import sys
import threading
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError
from django.core.validators import validate_email
from django.db import transaction

from apps.commands import UsageCommand, UsageError
from apps.integrations.connections import CannotConnect
from apps.integrations.credentials import CredentialError
from apps.integrations.services import InvalidName
from apps.metrics.models import Source
from apps.onboarding.following import Follower, NoWorker
from apps.onboarding.management.worker import own_worker
from apps.onboarding.services.journey import begin, connect, joining
from apps.onboarding.services.runs import run_url, totals_of
from apps.pipelines.models import PASSED, Run, RunState, StepState
from apps.teams.models import Membership, Team
from apps.teams.services import TooManyTeams, found_team
from apps.users.models import User

EX_NO_WORKER, EX_INTERRUPTED = 4, 130
EXIT = {RunState.DONE: 0, RunState.PARTIAL: 2, RunState.FAILED: 1, RunState.CANCELLED: 3}
MAX_MONTHS, MAX_NAME = 600, 120


class Command(UsageCommand):
    help = "Onboard a team: sync its repositories, analyse, compute, find insights, tell the team."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--team", required=True, help="name of the team; made if there is none of that name")
        parser.add_argument("--email", required=True, help="e-mail address of its owner; the account is made if needed")
        parser.add_argument("--token", default=settings.GITHUB_TOKEN, help="GitHub token (default: GITHUB_TOKEN)")
        parser.add_argument("--repos", required=True, help="owner/name,owner/name; with --source git: paths of clones")
        parser.add_argument("--source", choices=[Source.GITHUB, Source.GIT], default=Source.GITHUB)
        parser.add_argument(
            "--months",
            type=int,
            default=settings.HISTORICAL_SYNC_CONFIG["HISTORY_MONTHS"],
            help=f"how far back, 1 to {MAX_MONTHS} (default: %(default)s)",
        )
        parser.add_argument("--json", action="store_true", help="print a summary as the last line of stdout")
        parser.add_argument("--worker", action="store_true", help="bring a worker for the time of this run")

    def handle(self, *args: Any, **options: Any) -> None:
        self._check(options)
        run, team = self._start(options)
        with ended_in_order(), follower_of(run, team) as follower:
            if self._joined:
                follower.say(self._joined)
            try:
                with own_worker(follower.say) if options["worker"] else nullcontext():
                    follower.follow()
            except NoWorker as reason:
                raise CommandError(str(reason), returncode=EX_NO_WORKER) from None
            except KeyboardInterrupt:
                follower.say(
                    f"Not following any more. The run goes on wherever there is a worker; manage.py run cancel {run.pk} "
                    "ends it."
                )
                sys.exit(EX_INTERRUPTED)
        run.refresh_from_db()
        self.stdout.write(json.dumps(summary(run, team)) if options["json"] else run_url(run, team))
        sys.exit(EXIT[RunState(run.state)])

    def _check(self, options: dict[str, Any]) -> None:
        if not 1 <= options["months"] <= MAX_MONTHS:
            raise UsageError(f"--months is 1 to {MAX_MONTHS}, not {options['months']}.")
        name = options["team"].strip()
        if not 1 <= len(name) <= MAX_NAME or not name.isprintable():
            raise UsageError(f"--team needs a name of 1 to {MAX_NAME} letters on one line.")
        try:
            validate_email(options["email"])
        except ValidationError:
            raise UsageError(f"--email {options['email']!r} is no e-mail address.") from None
        if options["source"] == Source.GITHUB and not options["token"].strip():
            raise UsageError("No GitHub token: give --token, or set GITHUB_TOKEN.")
        if options["source"] == Source.GIT and settings.GIT_SOURCE_ROOT is None:
            raise UsageError(
                "--source git reads clones below GIT_SOURCE_ROOT, which is not set. Set it to their folder."
            )

    def _start(self, options: dict[str, Any]) -> tuple[Run, Team]:
        names = [name.strip() for name in options["repos"].split(",") if name.strip()]
        if not names:
            raise UsageError("--repos names no repository.")
        with transaction.atomic():
            user, team = account(options["email"].lower(), options["team"].strip())
            try:
                connect(team, user, options["source"], token=options["token"])
                run, created, tracked = begin(team, user, {options["source"]: names}, options["months"])
            except InvalidName as error:
                raise UsageError(str(error)) from None
            except (CannotConnect, CredentialError) as error:
                raise CommandError(str(error)) from None
        self._joined = "" if created else joining(run, team, tracked)
        return run, team


def account(email: str, name: str) -> tuple[User, Team]:
    """The person and the team, made where missing. A team of that name that the person is no member of is refused."""
    user = User.objects.filter(email__iexact=email).first() or User.objects.create_user(email)
    team = Team.objects.filter(name=name, memberships__user=user).first()
    if team is not None:
        return user, team
    if Membership.objects.filter(team__name=name).exists():
        raise UsageError(f"There is a team {name!r}, and {email} is no member of it. Take another name or address.")
    try:
        return user, found_team(name, user)
    except TooManyTeams as error:
        raise UsageError(str(error)) from None


def summary(run: Run, team: Team) -> dict[str, Any]:
    """The line that --json prints."""
    return {
        "run": str(run.pk),
        "team": team.slug,
        "url": run_url(run, team),
        "state": run.state,
        "steps": [
            {
                "key": step.key,
                # Of an ended run no step is under way; whatever has not ended waits.
                "state": step.state
                if step.state in (*PASSED, StepState.FAILED, StepState.CANCELLED)
                else StepState.WAITING,
                "attempts": step.attempt,
                "seconds": step.seconds,
            }
            for step in run.steps.order_by("idx")
        ],
        "totals": totals_of(team.pk, run.params.get("repo_ids")),
    }


@contextmanager
def follower_of(run: Run, team: Team) -> Iterator[Follower]:
    follower = Follower(run, team)
    try:
        yield follower
    finally:
        follower.close()


@contextmanager
def ended_in_order() -> Iterator[None]:
    """Let SIGTERM and a closed terminal end the block as an exception does: a worker of ours ends with us."""
    if threading.current_thread() is not threading.main_thread():
        yield  # called from a program, whose signals are its own
        return
    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def leave(number: int, frame: object) -> None:
    sys.exit(128 + number)
