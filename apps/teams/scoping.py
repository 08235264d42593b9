"""Scope queries to a team: a query that names neither a team nor all teams raises an
error.

    PullRequest.objects.for_team(team).filter(…)     one team's rows
    PullRequest.objects.across_teams().filter(…)     all teams' rows, on purpose (admin, engine, benchmarks)
    PullRequest.objects.filter(…)                    UnscopedQuery when it is evaluated

The check is in the SQL query, not in the methods of the queryset, because everything
that reads passes through there: also subqueries, unions, `Exists`, prefetches,
pickling, and the asynchronous methods.

Rows reached through a row of the team (`repository.pull_requests.all()`) are scoped by
it; rows reached through something that belongs to no team (a user) are not. Creating
rows is not checked: they name their team themselves.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NoReturn, Self

from django.db import models
from django.db.models import sql
from django.db.models.sql.where import AND

# Set while Django checks uniqueness: a unique constraint may span teams, and no row is
# handed out.
_checking_uniqueness: ContextVar[bool] = ContextVar("checking_uniqueness", default=False)


class UnscopedQuery(RuntimeError):
    """Team data was read without naming the team."""

    def __init__(self, label: str) -> None:
        super().__init__(
            f"{label} belongs to teams: use .for_team(team), or .across_teams() where all teams are meant."
        )


class TeamQuery(sql.Query):
    """A query that gives no SQL until it knows its team."""

    # Queries that Django makes inside a query (for `exclude`) are correlated with the
    # outer one, which is guarded.
    scoped = True

    def require_scope(self) -> None:
        if not (self.scoped or self.is_empty() or _checking_uniqueness.get()):
            raise UnscopedQuery(self.get_meta().label)

    def get_compiler(self, *args: Any, **kwargs: Any) -> Any:
        self.require_scope()
        return super().get_compiler(*args, **kwargs)

    def chain(self, klass: Any = None) -> Any:
        if klass is not None:  # it becomes an UPDATE, whose class has no guard
            self.require_scope()
        return super().chain(klass)

    def combine(self, rhs: sql.Query, connector: str) -> None:
        other = getattr(rhs, "scoped", True)
        super().combine(rhs, connector)
        # An intersection stays within either scope; a union is as wide as the wider
        # one.
        self.scoped = (self.scoped or other) if connector == AND else (self.scoped and other)


class TeamQuerySet[M: models.Model](models.QuerySet[M]):
    """A queryset that refuses to touch the database until it knows its team."""

    def __init__(
        self, model: Any = None, query: Any = None, using: Any = None, hints: Any = None
    ) -> None:
        if query is None:
            query = TeamQuery(model)
            query.scoped = False
        super().__init__(model, query, using, hints)
        self._instance_named = False

    def for_team(self, team: "models.Model | int") -> Self:
        """Return only the rows of one team, given as an instance or its primary key."""
        return self.across_teams().filter(
            team_id=team.pk if isinstance(team, models.Model) else team
        )

    def across_teams(self) -> Self:
        """Return the rows of all teams."""
        clone = self._chain()
        clone.query.scoped = True  # type: ignore[attr-defined]
        return clone

    def raw(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Raise UnscopedQuery: raw SQL cannot be scoped."""
        raise UnscopedQuery(self.model._meta.label)

    raw.queryset_only = False  # type: ignore[attr-defined]

    def _raw_delete(self, using: str | None) -> int:
        self.query.require_scope()  # type: ignore[attr-defined]
        return super()._raw_delete(using)

    # Related managers and prefetches name the instance that they start from and then
    # filter by it. That instance is the scope: of the next copy only, because a
    # prefetch names it on the caller's own queryset, which stays unscoped.
    def _add_hints(self, **hints: Any) -> None:
        super()._add_hints(**hints)  # type: ignore[misc]
        self._instance_named = _belongs_to_a_team(hints.get("instance"))

    def _chain(self) -> Self:
        chained: Self = super()._chain()  # type: ignore[misc]
        if self._instance_named:
            self._instance_named = False
            chained._query.scoped = True  # type: ignore[attr-defined]
        return chained


def _belongs_to_a_team(instance: object) -> bool:
    return isinstance(instance, TeamScopedModel) or (
        isinstance(instance, models.Model) and instance._meta.label == "teams.Team"
    )


@contextmanager
def _uniqueness_check() -> Iterator[None]:
    token = _checking_uniqueness.set(True)
    try:
        yield
    finally:
        _checking_uniqueness.reset(token)


class TeamScopedModel(models.Model):
    """A row that belongs to one team."""

    team = models.ForeignKey("teams.Team", on_delete=models.CASCADE, related_name="+")

    objects = TeamQuerySet.as_manager()

    class Meta:
        abstract = True
        # Foreign keys, cascades and refresh_from_db follow known rows: they need no
        # scope.
        base_manager_name = "_plain"

    _plain = models.Manager()  # noqa: DJ012 - the first manager is the default one

    def validate_unique(self, exclude: Collection[str] | None = None) -> None:
        with _uniqueness_check():
            super().validate_unique(exclude)

    def validate_constraints(self, exclude: Collection[str] | None = None) -> None:
        with _uniqueness_check():
            super().validate_constraints(exclude)
