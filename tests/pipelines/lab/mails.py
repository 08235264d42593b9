"""One mail for each run of the lab that ended well, as a product would send it."""

from django.dispatch import receiver

from apps.mail.outbox import queue_mail
from apps.pipelines.signals import pipeline_completed


@receiver(pipeline_completed, dispatch_uid="lab.mail")
def mail(run, **kwargs):
    queue_mail(
        dedupe_key=f"run:{run.pk}:{run.generation}:complete",
        recipient="lab@example.com",
        subject=f"Run {run.pk}",
        text="It has ended.",
    )
