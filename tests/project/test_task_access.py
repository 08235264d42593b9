"""A task of one team changes and reads no row of another one, over every task that
there is.
"""

import inspect

import pytest
from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.core.serializers.json import DjangoJSONEncoder
from django.utils import timezone
from django.utils.module_loading import autodiscover_modules

from apps.integrations.models import TrackedRepository
from apps.mail.models import OutboxMessage
from apps.metrics.factories import PullRequestFactory
from apps.pipelines import registry
from apps.pipelines.models import Run
from apps.teams.scoping import TeamScopedModel
from tests.project.conftest import world

autodiscover_modules("tasks")
TASKS = {
    name: task
    for name, task in registry.tasks().items()
    if not name.startswith(("lab_", "poison_"))
}


def prepared(slug):
    of = world(slug)
    TrackedRepository.objects.across_teams().create(
        team=of.team, repository=of.repository, changed_at=timezone.now()
    )
    for _ in range(3):
        PullRequestFactory(
            repository=of.repository,
            author=of.member,
            body=f"Secret of {slug}. Made by Copilot.",
        )
    # A run of the same subject would be joined.
    Run.objects.filter(subject=f"team:{of.team.pk}").delete()
    return of


@pytest.fixture
def acme(transactional_db):
    return prepared("acme")


@pytest.fixture
def globex(transactional_db):
    return prepared("globex")


def arguments(task, own, foreign):
    """What a message can name: the own team, and rows of the foreign one wherever there
    is another id.
    """
    known = {
        "team_id": own.team.pk,
        "repo_id": own.repository.pk,
        "repo_ids": [foreign.repository.pk],
        "months": 1,
        "days_back": 30,
        "limit": 100,
    }
    names = [*inspect.signature(task.standalone).parameters]
    names = [name for name in names if name != "params"]
    unknown = [name for name in names if name not in known]
    assert not unknown, f"Add {', '.join(unknown)} to this test."
    return {name: known[name] for name in names}


def rows_of(of):
    """Every row of a team, in every table that has a team."""
    encode = DjangoJSONEncoder().encode
    found = {}
    for model in apps.get_models():
        try:
            model._meta.get_field("team")
        except FieldDoesNotExist:
            continue
        manager = model.objects
        if issubclass(model, TeamScopedModel):
            manager = manager.across_teams()
        found[model] = [
            encode(row) for row in manager.filter(team=of.team).order_by("pk").values()
        ]
    return found


def test_every_task_is_there():
    assert len(TASKS) >= 6
    assert not [name for name, task in TASKS.items() if task.standalone is None]


@pytest.mark.parametrize("name", TASKS)
def test_task_of_one_team_leaves_the_others_alone(name, acme, globex):
    task, before = TASKS[name], rows_of(globex)
    assert sum(map(len, before.values())) > 8
    try:
        run = task.call_local(**arguments(task, acme, globex))
    except (
        Exception
    ) as error:  # a source that is not connected; what it wrote counts all the same
        run, told = Run.objects.order_by("-created_at").first(), str(error)
    else:
        told = ""
    assert rows_of(globex) == before
    said = told + str([*run.events.values_list("data", "message")] if run else "")
    assert "globex" not in said.lower()
    assert globex.repository.full_name not in said
    assert not OutboxMessage.objects.filter(
        recipient=globex.owner.email, text__contains="Acme"
    ).exists()
