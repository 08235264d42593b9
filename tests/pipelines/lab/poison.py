"""A pipeline that reads texts in portions, one of which may hang: a real pattern that
backtracks, and holds the GIL.

Params: texts (their number), poison (the indexes of those that hang), asleep (the hang
is a wait that leaves the GIL free, between two units), stubborn (the body does not look
at what hung). A portion's texts are read in one call, so that nothing is known of the
single one.
"""

import re
import time

from apps.pipelines import portions
from apps.pipelines.definitions import Pipeline, Step
from apps.pipelines.outcomes import Done, Partial
from apps.pipelines.tasks import step_task
from apps.pipelines.worker import marks
from tests.pipelines.lab.models import Effect

POISON = "a" * 60 + "b"


def hang():
    re.match(r"(a+)+$", POISON)


def name_of(texts):
    return f"text {texts[0]}" if len(texts) == 1 else f"{len(texts)} texts from {texts[0]}"


@step_task(name="poison_read")
def read(ctx, texts=8, poison=(), asleep=False, stubborn=False):
    missing = list(ctx.cursor.get("missing", []))
    todo = list(range(ctx.cursor.get("next", 0), texts))
    found = [portions.Portion("all", todo)] if stubborn else portions.of(ctx, todo, name_of)
    for portion in found:
        if portion.skipped:
            missing.append({"what": portion.name, "why": portion.why})
        with marks.watching("" if stubborn else portion.name):
            poisoned = not portion.skipped and set(portion.items) & set(poison)
            if poisoned and asleep:
                time.sleep(3600)
            write(ctx, portion, texts, missing, poisoned)
    return Partial(missing) if missing else Done()


def write(ctx, portion, texts, missing, poisoned):
    with ctx.unit(total=texts, unit="texts") as unit:
        if not portion.skipped:
            if poisoned:
                hang()
            for item in portion.items:
                Effect.objects.create(
                    run=ctx.run.pk, step="read", item=item, attempt=ctx.attempt
                )
        unit.cursor = {"next": portion.items[-1] + 1, "missing": missing}
        unit.done = portion.items[-1] + 1


@step_task(name="poison_end")
def end(ctx):
    with ctx.unit(total=1):
        Effect.objects.create(run=ctx.run.pk, step="end", item=0, attempt=ctx.attempt)


POISONED = Pipeline(
    "poisoned",
    "Poisoned lab",
    steps=(
        Step("read", "Read texts", read, queue="sync", backoff=0.2),
        Step("end", "End", end, queue="compute", backoff=0.2),
    ),
)
