"""Choose the repositories that a team tracks."""

import re
from collections.abc import Iterable

from django.db import transaction

from apps.integrations.connections.service import CannotConnect
from apps.integrations.models import TrackedRepository
from apps.metrics.cache import touch
from apps.metrics.models import Repository, Source
from apps.pipelines.models import ACTIVE_RUN_STATES, Run
from apps.teams.models import Team
from apps.teams.run_subjects import subject_of

# GitHub's own rules: an owner of up to 39 letters, digits and single hyphens (older
# ones may end in one; managed users have an underscore), a name of up to 100 letters,
# digits, dots, hyphens and underscores.
_FULL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}/[A-Za-z0-9._-]{1,100}")
NAME_LIMIT = 300


class InvalidName(ValueError):
    """A name that no repository can have; the message has the expected form."""


def full_name(text: str) -> str:
    """Return the repository's name, checked to be of the form `owner/name`."""
    name = text.strip()
    if not _FULL_NAME.fullmatch(name) or name.partition("/")[2] in (".", ".."):
        raise InvalidName(
            f"“{name[:100]}” is not a GitHub repository. Enter it as owner/name, like acme/api."
        )
    return name


def _checked(source: str, text: str) -> str:
    if source == Source.GITHUB:
        return full_name(text)
    path = text.strip()
    if not path or "\x00" in path or len(path) > NAME_LIMIT:
        raise InvalidName(f"A path of a clone has 1 to {NAME_LIMIT} characters.")
    return path


def track_repositories(
    team: Team, source: str, names: Iterable[str]
) -> list[TrackedRepository]:
    """Make the team track these repositories. Those that it tracks already stay as they
    are.

    `names` are `owner/name` for `github`, paths for `git`. Case is ignored in names of
    GitHub, as GitHub does. Returns them in the given order, each once. Raises
    InvalidName before anything is written.
    """
    wanted: dict[str, str] = {}
    for name in [_checked(source, text) for text in names]:
        wanted.setdefault(name.casefold() if source == Source.GITHUB else name, name)
    with transaction.atomic():
        return [_track(team, source, name) for name in wanted.values()]


def _track(team: Team, source: str, name: str) -> TrackedRepository:
    same = {"full_name__iexact": name} if source == Source.GITHUB else {"full_name": name}
    repository = (
        Repository.objects.for_team(team).filter(source=source, **same).order_by("pk").first()
    )
    if repository is None:
        repository, _ = Repository.objects.across_teams().get_or_create(
            team=team, source=source, full_name=name
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
    match = "iexact" if source == Source.GITHUB else "exact"
    return _untrack(
        team, repository__source=source, **{f"repository__full_name__{match}": name}
    )


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
