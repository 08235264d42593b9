"""Share what the pages of the setup and the `onboard` command have in common, from a
new team to a started run.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from django.db import transaction

from apps.integrations.connections import service
from apps.integrations.connections.tracking import track_repositories
from apps.integrations.models import Connection, TrackedRepository
from apps.integrations.sources.base import Found, Installation
from apps.onboarding import pipeline_names
from apps.onboarding.services.runs import start_onboarding
from apps.onboarding.signals import source_connected
from apps.pipelines.models import Run
from apps.teams.models import Team
from apps.teams.run_subjects import subject_of
from apps.users.models import User


def connect(
    team: Team,
    user: User | None,
    source: str,
    *,
    token: str = "",
    found: Found | None = None,
    installation: Installation | None = None,
) -> Connection:
    """Keep a source that was checked; an earlier connection to the same one is
    replaced.
    """
    with transaction.atomic():
        connection = service.keep(
            team, source, user, token=token, found=found, installation=installation
        )
        source_connected.send(sender=Team, team=team, user=user, source=source)
    return connection


def begin(
    team: Team,
    user: User | None,
    chosen: Mapping[str, Sequence[str]],
    months: int,
    since: date | None = None,
) -> tuple[Run, bool, list[TrackedRepository]]:
    """Follow the chosen repositories (names by their source) and start the run, or join
    the one under way.

    The first day of what is read is `since`, or `months` before today, as
    `start_onboarding` has it. Returns the run, whether it is new, and the repositories.
    Raises InvalidName before anything is written.
    """
    with transaction.atomic():
        tracked = [
            row
            for source, names in chosen.items()
            for row in track_repositories(team, source, names)
        ]
        run, created = start_onboarding(team, user, tracked, months, since)
    return run, created, tracked


def joining(run: Run, team: Team, tracked: Sequence[TrackedRepository]) -> str:
    """Return the message for a user who starts a setup while one is under way
    already.
    """
    words = f"A setup of {team.name} is already in progress; following it."
    if left_out := [
        row.repository.full_name
        for row in tracked
        if row.pk not in run.params.get("repo_ids", [])
    ]:
        words += f" It does not read {', '.join(left_out)}: start again when it has ended."
    return words


def newest_run(team: Team) -> Run | None:
    return Run.objects.filter(
        subject=subject_of(team.pk), pipeline=pipeline_names.ONBOARDING
    ).first()


def left_off(team: Team) -> tuple[str, dict[str, Any]]:
    """Return the page on which the team goes on, as the name and the arguments of its
    address.
    """
    run = newest_run(team)
    here = {"slug": team.slug}
    if run is not None and run.is_live:
        return "onboarding:run_detail", here | {"run_id": run.pk}
    if not service.connections_of(team):
        return "onboarding:connect", here
    # A source is connected, but its repositories were never chosen.
    if run is None:
        return "onboarding:choose", here
    return "onboarding:run_detail", here | {"run_id": run.pk}
