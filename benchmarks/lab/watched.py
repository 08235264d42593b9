"""A step whose units say when they were committed, and a page of about 10 KB that shows
what they said.
"""

import random
import time
from pathlib import Path

from apps.pipelines.context import StepContext
from apps.pipelines.definitions import Pipeline, Step
from apps.pipelines.projection import Name, Projection
from apps.pipelines.tasks import step_task

PADDING = "".join(
    f'<tr id="row-{n}"><td>A repository</td><td>{n} of 100 pull requests</td></tr>'
    for n in range(120)
)


def _tell(ctx: StepContext, times: int, pause: float, go: str) -> None:
    """Once the file `go` is there, `times` units, `pause` seconds apart on average;
    each logs when it is about to commit.
    """
    while not Path(go).exists():
        time.sleep(0.1)
    for _ in range(times):
        time.sleep(random.uniform(0.5, 1.5) * pause)
        with ctx.unit():
            ctx.log(f"committed at {time.monotonic()}")


WATCHED = Pipeline(
    "watched",
    "Watched",
    steps=(Step("tell", "Tell", step_task(name="bench_tell")(_tell), queue="sync"),),
)


def render(projection: Projection, changed: frozenset[Name] | None) -> str:
    newest = projection.log[-1].message if projection.log else ""
    return f'<hx-partial hx-target="#live"><p>{newest}</p><table>{PADDING}</table></hx-partial>'
