import os

from django.apps import AppConfig


class LabConfig(AppConfig):
    name = "tests.pipelines.lab"
    label = "lab"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self):
        from tests.pipelines.lab import tasks

        tasks.LAB.register()
        if os.environ.get("LAB_MUTATION") == "claim-without-epoch":
            _claim_without_epoch()
        if order := os.environ.get("LAB_KILL"):
            from tests.pipelines.lab import faults

            faults.install(order)


def _claim_without_epoch():
    """Take the guard out, to show that the tests can see the bug that it keeps away."""
    from apps.pipelines import runner
    from apps.pipelines.models import StepRun

    guarded = runner.claim

    def unguarded(task, run_id, epoch):
        return guarded(task, run_id, StepRun.objects.get(run_id=run_id, task=task).epoch)

    runner.claim = unguarded
