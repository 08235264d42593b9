"""List runs, and show, pause, resume, retry, or cancel one from the command line.

`run show RUN --json` prints the state of a run as one JSON object, `run list --json` an
array.
"""

import json
from collections.abc import Mapping
from datetime import UTC
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError, CommandParser

from apps.commands import UsageCommand, UsageError
from apps.onboarding.services.runs import team_of
from apps.onboarding.state import credentials, of_run, run_as_json
from apps.pipelines import engine
from apps.pipelines.models import PASSED, Run
from apps.teams.models import Team
from apps.teams.run_subjects import subject_of, team_id_of
from apps.teams.states import RunState

# Who acts here.
AUTHOR = "the command line"
MOST_LISTED = 50
# Of the columns of a list.
WIDTHS = (36, 9, 5, 10, 20, 20)


class Command(UsageCommand):
    help = "List the newest runs; show a run's state, pause it, resume it, retry it from its failed step, or cancel it."
    epilog = """Exit statuses:
  0    the run was changed or shown, or the runs were listed
  1    the run's state does not allow it
  64   bad usage, or there is no such run
"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "action", choices=("list", "show", "pause", "resume", "retry", "cancel")
        )
        parser.add_argument(
            "run", nargs="?", help="the run's id, as `run list` and `onboard` print it"
        )
        parser.add_argument("--team", metavar="SLUG", help="list only the runs of this team")
        parser.add_argument(
            "--repository",
            action="append",
            help="retry only this one (owner/name); may be repeated",
        )
        parser.add_argument(
            "--json",
            action="store_true",
            help="print a run's state as one JSON object, a list as an array",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        action = options["action"]
        if action == "list":
            if options["run"]:
                raise UsageError("list takes no run; --team SLUG lists those of one team.")
            self._list(options["team"], options["json"])
            return
        if not options["run"]:
            raise UsageError(
                f"Name a run: manage.py run {action} RUN. `manage.py run list` lists them."
            )
        run = find(options["run"])
        if options["repository"] and action != "retry":
            raise UsageError("--repository works only with retry.")
        try:
            text = "" if action == "show" else self._act(action, run, options["repository"])
        except engine.NotAllowed as reason:
            raise CommandError(str(reason)) from None
        if options["json"]:
            run.refresh_from_db()
            text = json.dumps(run_as_json(state_of(run)))
        self.stdout.write(text or shown(state_of(run)))

    def _list(self, slug: str | None, as_json: bool) -> None:
        runs = Run.objects.order_by("-created_at")
        if slug is not None:
            team = Team.objects.filter(slug=slug).first()
            if team is None:
                raise UsageError(f"There is no team with the slug {slug!r}.")
            runs = runs.filter(subject=subject_of(team.pk))
        teams = dict(Team.objects.values_list("pk", "slug"))
        rows = [_row(run, teams) for run in runs[:MOST_LISTED]]
        if as_json:
            self.stdout.write(json.dumps(rows))
            return
        for row in rows:
            columns = (
                row["run"],
                row["state"],
                f"{row['percent']} %",
                row["pipeline"],
                row["team"],
                row["started"],
            )
            self.stdout.write(
                "  ".join(
                    f"{column or '–':<{width}}"
                    for column, width in zip(columns, WIDTHS, strict=True)
                )
            )
        if not rows:
            self.stderr.write("There is no run yet. `manage.py onboard` starts one.")

    def _act(self, action: str, run: Run, repositories: list[str] | None) -> str:
        match action:
            case "cancel":
                engine.cancel(run, by=AUTHOR)
                return f"Run {run.pk} is canceled. Everything read so far is kept."
            case "pause":
                engine.pause(run, by=AUTHOR)
                return f"Run {run.pk} is paused. To resume it: manage.py run resume {run.pk}"
            case "resume":
                engine.resume(run, by=AUTHOR)
            case _:
                engine.retry(run, repositories, by=AUTHOR)
        step = run.steps.exclude(state__in=PASSED).first()
        return f"Run {run.pk} continues from “{step.title if step else 'its next step'}”."


def state_of(run: Run) -> RunState:
    """Return the state of a run of a team, with whether a token was stored since it
    ended.
    """
    team = team_of(run)
    replaced = credentials.replaced_after(team.pk, run.finished_at)
    return of_run(run, team.name, token_replaced=replaced)


def shown(run: RunState) -> str:
    """Return a state in one line."""
    parts = [
        f"{run.title}: {run.state.label.lower()}, {run.percent} %.",
        run.state.reason,
        run.state.remedy.label,
    ]
    return " ".join(part for part in parts if part)


def _row(run: Run, teams: Mapping[int, str]) -> dict[str, Any]:
    """Return what a list shows of a run; times are UTC."""
    team_id = team_id_of(run.subject)
    return {
        "run": str(run.pk),
        "state": run.state,
        "percent": run.percent,
        "pipeline": run.pipeline,
        "team": None if team_id is None else teams.get(team_id),
        "started": f"{run.created_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
    }


def find(text: str) -> Run:
    try:
        return Run.objects.get(pk=UUID(text))
    except (ValueError, Run.DoesNotExist):
        raise UsageError(f"There is no run {text!r}.") from None
