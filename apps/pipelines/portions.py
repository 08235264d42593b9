"""Process many items in portions, so that one item that hangs is found, skipped, and
named.

    def name(some):
        return f"{len(some)} of acme/web, from {some[0].number}"

    for portion in portions.of(context, records, name):
        with portion.watched():
            ingest(portion.items)

At first all items are one portion. After each hang the portion that hung is halved,
down to a single item, which is skipped in the end: then `portion.skipped` is True and
`portion.why` has the reason for users.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from apps.pipelines.conf import config
from apps.pipelines.context import StepContext
from apps.pipelines.outcomes import Missing
from apps.pipelines.worker import marks


@dataclass(frozen=True, slots=True)
class Portion[T]:
    """Some items, under the name by which a hang is counted."""

    name: str
    items: Sequence[T]
    skipped: bool = False
    why: str = ""

    def watched(self) -> AbstractContextManager[None]:
        """Return the block in which a hang is counted under this portion's name."""
        return marks.watching(self.name)


class Watch:
    """Names what a step reads, one thing after the other. Use it in loops that know
    each thing.

        if watch.allows("#12"):
            with watch.on("#12"):
                read(…)

    `skipped` contains what may not be read any more, with the reason. Helper threads
    may use it, too.
    """

    def __init__(self, context: StepContext) -> None:
        self._context, self._work = context, marks.current()
        self.skipped: list[Missing] = []

    def allows(self, what: str, shown: Callable[[], str] | None = None) -> bool:
        """Return False if it hung too often, and add it to `skipped` under the name
        that `shown` returns.
        """
        if not self._context.step.hung or self._context.hung_count(what) < config().hangs:
            return True
        self.skipped.append(Missing(what=shown() if shown else what, why=self.why))
        return False

    def on(self, what: str) -> AbstractContextManager[None]:
        """Return the block in which a hang is counted under this name."""
        return marks.watching(what, helps=self._work)

    @property
    def why(self) -> str:
        """Return the reason for which something is skipped, in words for users."""
        return why(self._context)


def of[T](
    context: StepContext, items: Sequence[T], name: Callable[[Sequence[T]], str]
) -> Iterator[Portion[T]]:
    """Yield portions of all items, in their order. `name` must return the same text for
    the same items; users read it for a single item.
    """
    if not context.step.hung:
        if items:
            yield Portion(marks.short(name(items)), items)
        return
    rest: list[T] = []
    for item in items:
        # One that hung alone was found by halving; its neighbors go on without it.
        if context.hung_count(name([item])) >= (1 if len(items) > 1 else config().hangs):
            yield from _halved(context, rest, name)
            yield Portion(marks.short(name([item])), [item], skipped=True, why=why(context))
            rest = []
        else:
            rest.append(item)
    yield from _halved(context, rest, name)


def _halved[T](
    context: StepContext, items: Sequence[T], name: Callable[[Sequence[T]], str]
) -> Iterator[Portion[T]]:
    if not items:
        return
    if len(items) == 1 or not context.hung_count(name(items)):
        yield Portion(marks.short(name(items)), items)
        return
    middle = len(items) // 2
    yield from _halved(context, items[:middle], name)
    yield from _halved(context, items[middle:], name)


def why(context: StepContext) -> str:
    """Return the reason for which something that hung is skipped, in words for users."""
    return f"Reading it took too long (more than {min(context.unit_limit, config().silence):g} s) and was stopped."
