import os

from django.apps import AppConfig


class LabConfig(AppConfig):
    name = "tests.pipelines.lab"
    label = "lab"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self):
        from tests.pipelines.lab import poison, tasks

        tasks.LAB.register()
        tasks.UPDATED.register()
        poison.POISONED.register()
        if mutation := os.environ.get("LAB_MUTATION"):
            from tests.pipelines.lab import mutations

            mutations.TAKE_OUT[mutation]()
        if os.environ.get("LAB_MAIL"):
            from tests.pipelines.lab import mails  # noqa: F401 - connects its receiver
        if order := os.environ.get("LAB_KILL"):
            from tests.pipelines.lab import faults

            faults.install(order)
        if plan := os.environ.get("LAB_RECEIVER"):
            from tests.pipelines.lab import receivers

            receivers.install(plan)
