"""Tenancy at the query: rows of a team are read through their team, or the read is an error.

    PullRequest.objects.for_team(team).filter(…)     one team's rows
    PullRequest.objects.across_teams().filter(…)     all teams' rows, said aloud (admin, engine, benchmarks)
    PullRequest.objects.filter(…)                    UnscopedQuery when it is evaluated

Rows reached through an instance (`repository.pull_requests.all()`) are scoped by that instance.
Creating rows is free: they name their team themselves.
"""

from collections.abc import Iterator
from typing import Any, Self

from django.db import models


class UnscopedQuery(RuntimeError):
    """Team data was read without naming the team."""

    def __init__(self, model: type[models.Model]) -> None:
        super().__init__(
            f"{model.__name__} belongs to teams: use .for_team(team), or .across_teams() where all teams are meant."
        )


class TeamQuerySet[M: models.Model](models.QuerySet[M]):
    """A queryset that refuses to touch the database until it knows its team."""

    _scoped = False

    def for_team(self, team: "models.Model | int") -> Self:
        """Only the rows of one team, given as an instance or its primary key."""
        return self._mark().filter(team_id=team.pk if isinstance(team, models.Model) else team)

    def across_teams(self) -> Self:
        return self._mark()

    def _mark(self) -> Self:
        clone = self._chain()  # type: ignore[attr-defined]
        clone._scoped = True
        return clone  # type: ignore[no-any-return]

    def _require_scope(self) -> None:
        if not self._scoped:
            raise UnscopedQuery(self.model)

    # A related manager names the instance that it starts from before it filters: that instance is the scope.
    def _add_hints(self, **hints: Any) -> None:
        super()._add_hints(**hints)  # type: ignore[misc]
        if hints.get("instance") is not None:
            self._scoped = True

    def _clone(self) -> Self:
        clone = super()._clone()  # type: ignore[misc]
        clone._scoped = self._scoped
        return clone  # type: ignore[no-any-return]

    def _fetch_all(self) -> None:
        self._require_scope()
        super()._fetch_all()  # type: ignore[misc]

    def iterator(self, chunk_size: int | None = None) -> Iterator[M]:
        self._require_scope()
        return super().iterator(chunk_size)

    def aggregate(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        self._require_scope()
        return super().aggregate(*args, **kwargs)

    def count(self) -> int:
        self._require_scope()
        return super().count()

    def exists(self) -> bool:
        self._require_scope()
        return super().exists()

    def update(self, **kwargs: Any) -> int:
        self._require_scope()
        return super().update(**kwargs)

    def delete(self) -> tuple[int, dict[str, int]]:
        self._require_scope()
        return super().delete()

    def resolve_expression(self, *args: Any, **kwargs: Any) -> Any:
        self._require_scope()
        return super().resolve_expression(*args, **kwargs)  # type: ignore[misc]


class TeamScopedModel(models.Model):
    """A row that belongs to one team."""

    team = models.ForeignKey("teams.Team", on_delete=models.CASCADE, related_name="+")

    objects = TeamQuerySet.as_manager()

    class Meta:
        abstract = True
        # Foreign keys, cascades and refresh_from_db follow known rows: they need no scope.
        base_manager_name = "_plain"

    _plain = models.Manager()
