"""Pause, resume, retry or cancel a run from the command line. Exit status: 0, 1 where it is not allowed, 64 bad usage."""

from typing import Any
from uuid import UUID

from django.core.management.base import CommandError, CommandParser

from apps.commands import UsageCommand, UsageError
from apps.pipelines import engine
from apps.pipelines.models import PASSED, Run


class Command(UsageCommand):
    help = "Pause a run, let it go on, retry it from its failed step, or cancel it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=("pause", "resume", "retry", "cancel"))
        parser.add_argument("run", help="the run's id, as `onboard` prints it")
        parser.add_argument("--repository", action="append", help="retry only this one (owner/name); may be repeated")

    def handle(self, *args: Any, **options: Any) -> None:
        run, action = find(options["run"]), options["action"]
        if options["repository"] and action != "retry":
            raise UsageError("--repository goes with retry.")
        try:
            self.stdout.write(self._act(action, run, options["repository"]))
        except engine.NotAllowed as reason:
            raise CommandError(str(reason)) from None

    def _act(self, action: str, run: Run, repositories: list[str] | None) -> str:
        match action:
            case "cancel":
                engine.cancel(run)
                return f"Run {run.pk} is cancelled. What was read is kept."
            case "pause":
                engine.pause(run)
                return f"Run {run.pk} is paused. To go on: manage.py run resume {run.pk}"
            case "resume":
                engine.resume(run)
            case _:
                engine.retry(run, repositories)
        step = run.steps.exclude(state__in=PASSED).first()
        return f"Run {run.pk} goes on from “{step.title if step else 'its next step'}”."


def find(text: str) -> Run:
    try:
        return Run.objects.get(pk=UUID(text))
    except (ValueError, Run.DoesNotExist):
        raise UsageError(f"There is no run {text!r}.") from None
