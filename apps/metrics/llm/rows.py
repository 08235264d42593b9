"""Write the rows of a reading: what was answered, what waits, and what was given up,
with the reason.
"""

from collections.abc import Mapping, Sequence

from django.utils import timezone

from apps.masking import storable
from apps.metrics.cache import touch
from apps.metrics.llm.answers import Item
from apps.metrics.llm.prompt import Document
from apps.metrics.llm_models import Analysis, AnalysisState
from apps.metrics.models import PullRequest

# What an answer to the same question is copied with.
_KEPT = (
    "summary",
    "kind",
    "area",
    "risk",
    "friction",
    "ai_disclosed",
    "ai_words",
    "answered_at",
)
_NO_COLUMNS = ("id", "team", "pull_request")


class Rows:
    """Make and write the rows of one team and model."""

    def __init__(self, team_id: int, model: str, pulls: Mapping[int, PullRequest]) -> None:
        self._team_id, self._model, self._pulls = team_id, model, pulls

    def read(self, each: Document, item: Item, attempts: int) -> Analysis:
        """Return the row of an answer."""
        values = item.model_dump(exclude={"ref"})
        return self._row(
            each, AnalysisState.DONE, attempts=attempts, answered_at=timezone.now(), **values
        )

    def copied(self, each: Document, row: Analysis) -> Analysis:
        """Return the row of one whose question was answered before."""
        return self._row(
            each, AnalysisState.DONE, **{name: getattr(row, name) for name in _KEPT}
        )

    def pending(
        self, each: Document, attempts: int, why: str = "", cause: str = ""
    ) -> Analysis:
        """Return the row of one that is asked about again."""
        return self._row(
            each, AnalysisState.PENDING, attempts=attempts, error=storable(why), cause=cause
        )

    def given_up(self, each: Document, attempts: int, why: str, cause: str) -> Analysis:
        """Return the row of one that can't be read for a reason of its own."""
        return self._row(
            each, AnalysisState.FAILED, attempts=attempts, error=storable(why), cause=cause
        )

    def _row(self, each: Document, state: AnalysisState, **values: object) -> Analysis:
        return Analysis(
            team_id=self._team_id,
            pull_request_id=each.pk,
            state=state,
            input_hash=each.input_hash(self._model),
            model=self._model[:100],
            read_of=self._pulls[each.pk].updated_at,
            **values,
        )


def write(rows: Sequence[Analysis]) -> None:
    """Write rows over those of the same pull requests."""
    if not rows:
        return
    columns = [
        each.name for each in Analysis._meta.concrete_fields if each.name not in _NO_COLUMNS
    ]
    Analysis.objects.bulk_create(
        # One order for all workers, so that two of them never wait for each other.
        sorted(rows, key=lambda row: row.pull_request_id),
        update_conflicts=True,
        unique_fields=["pull_request"],
        update_fields=columns,
    )
    touch(rows[0].team_id)
