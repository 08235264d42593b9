"""A receiver that sends one email for each run, and fails or dies at first:
LAB_RECEIVER=<folder>:<fails>:<dies>.

It raises in its first <fails> calls, and at call number <dies> it writes its email and
kills its process before the transaction ends. Calls are counted in a file, over all
processes. The first delivery calls a receiver that fails twice.
"""

import os
import signal
from pathlib import Path

from apps.mail.outbox import queue_mail
from apps.pipelines.signals import pipeline_completed

plan = {}


def install(order):
    folder, fails, dies = order.rsplit(":", 2)
    plan.update(calls=Path(folder, "calls"), fails=int(fails), dies=int(dies))
    pipeline_completed.connect(mail, dispatch_uid="lab.failing_mail")


def count_call():
    with plan["calls"].open("a") as file:
        file.write(".")
    return len(plan["calls"].read_text())


def mail(run, state, **kwargs):
    call = count_call()
    text = f"It has ended as {state} in generation {run.generation}."
    queue_mail(
        dedupe_key=f"run:{run.pk}:failing",
        recipient="lab@example.com",
        subject=str(run.pk),
        text=text,
    )
    if call == plan["dies"]:
        os.kill(os.getpid(), signal.SIGKILL)
    if call <= plan["fails"]:
        raise LookupError("The receiver fails, as it was told to.")
