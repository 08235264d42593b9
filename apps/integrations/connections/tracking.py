"""Choose the repositories that a team tracks."""

from collections.abc import Iterable

from django.db import transaction

from apps.integrations.models import TrackedRepository
from apps.integrations.sources import base
from apps.integrations.sources.base import Source
from apps.integrations.sources.errors import CannotConnect
from apps.metrics.cache import touch
from apps.metrics.models import Repository
from apps.pipelines.models import ACTIVE_RUN_STATES, Run
from apps.teams.models import Team
from apps.teams.run_subjects import subject_of


def track_repositories(
    team: Team, source: str, names: Iterable[str]
) -> list[TrackedRepository]:
    """Make the team track these repositories. Those that it tracks already stay as they
    are.

    `source` is that of the repositories' rows. Returns them in the given order, each
    once. Raises InvalidName before anything is written.
    """
    found = base.get(source)
    wanted: dict[str, str] = {}
    for text in names:
        name = found.checked_name(text)
        wanted.setdefault(base.same_name(source, name), name)
    with transaction.atomic():
        return [_track(team, found, name) for name in wanted.values()]


def _track(team: Team, source: Source, name: str) -> TrackedRepository:
    same = {f"full_name__{_match_of(source)}": name}
    of_source = Repository.objects.for_team(team).filter(source=source.rows)
    repository = of_source.filter(**same).order_by("pk").first()
    if repository is None:
        repository, _ = Repository.objects.across_teams().get_or_create(
            team=team, source=source.rows, full_name=name
        )
    tracked, new = TrackedRepository.objects.across_teams().get_or_create(
        repository=repository, defaults={"team": team}
    )
    if new:
        touch(team.pk)
    return tracked


def untrack_repository(team: Team, repository_id: int) -> str:
    """Stop reading a repository; its pull requests and figures stay.

    Returns its name, or an empty text if the team does not track it. Raises
    CannotConnect while a run of the team is active, because it may be reading the
    repository.
    """
    return _untrack(team, pk=repository_id)


def untrack_name(team: Team, source: str, name: str) -> str:
    """Stop reading a repository by the name that its source has for it.

    Returns and raises the same as `untrack_repository`.
    """
    match = _match_of(base.get(source))
    return _untrack(
        team, repository__source=source, **{f"repository__full_name__{match}": name}
    )


def _match_of(source: Source) -> str:
    """Return the lookup that finds a repository by its name."""
    return "iexact" if source.ignores_case else "exact"


def _untrack(team: Team, **which: object) -> str:
    with transaction.atomic():
        Team.objects.select_for_update().get(pk=team.pk)
        rows = TrackedRepository.objects.for_team(team).select_related("repository")
        tracked = rows.filter(**which).first()
        if tracked is None:
            return ""
        if Run.objects.filter(
            subject=subject_of(team.pk), state__in=ACTIVE_RUN_STATES
        ).exists():
            raise CannotConnect(
                "A run in progress may be reading it. Cancel the run, or wait until it ends."
            )
        name: str = tracked.repository.full_name
        tracked.delete()
        touch(team.pk)
    return name
