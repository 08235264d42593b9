"""Retry or cancel a run from the command line. Exit status: 0, 1 where it is not allowed, 64 bad usage."""

from typing import Any
from uuid import UUID

from django.core.management.base import CommandError, CommandParser

from apps.commands import UsageCommand, UsageError
from apps.pipelines import engine
from apps.pipelines.models import Run


class Command(UsageCommand):
    help = "Retry a run from its failed step, or cancel it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=("retry", "cancel"))
        parser.add_argument("run", help="the run's id, as `onboard` prints it")
        parser.add_argument("--repository", action="append", help="retry only this one (owner/name); may be repeated")

    def handle(self, *args: Any, **options: Any) -> None:
        run = find(options["run"])
        try:
            if options["action"] == "cancel":
                if options["repository"]:
                    raise UsageError("--repository goes with retry.")
                engine.cancel(run)
                self.stdout.write(f"Run {run.pk} is cancelled. What was read is kept.")
                return
            engine.retry(run, options["repository"])
        except engine.NotAllowed as reason:
            raise CommandError(str(reason)) from None
        first = run.steps.filter(state="ready").first()
        self.stdout.write(f"Run {run.pk} goes on from “{first.title if first else 'its next step'}”.")


def find(text: str) -> Run:
    try:
        return Run.objects.get(pk=UUID(text))
    except (ValueError, Run.DoesNotExist):
        raise UsageError(f"There is no run {text!r}.") from None
