"""Streams of a lab's run that belongs to a team, from real web processes."""

import itertools

import pytest
from django.db import connection
from django.test import Client

from apps.pipelines import engine, events
from apps.teams.services import create_team
from apps.users.models import User
from tests.fixtures.workers import eventually
from tests.pipelines.stream.watching import Watcher, Web

_numbers = itertools.count(1)


def session_of(user):
    client = Client()
    client.force_login(user)
    return client.cookies["sessionid"].value


class Acme:
    """A team, its owner's session, and a run of the lab that nobody works on: its
    events are the test's.
    """

    def __init__(self):
        self.owner = User.objects.create_user(f"owner{next(_numbers)}@acme.example")
        self.team = create_team("Acme", self.owner)
        self.session = session_of(self.owner)
        self.run = self.start()
        self.path = self.path_of(self.run)

    def start(self, *, send=False, **params):
        return engine.start("lab", subject=f"team:{self.team.pk}", params=params, send=send)[0]

    def path_of(self, run, slug=None):
        return f"/t/{slug or self.team.slug}/onboarding/runs/{run.pk}/events/"

    def say(self, *keys, kind="part", **data):
        """Write the state of these parts in one transaction; returns the run's number."""
        return events.append(self.run.pk, [events.Entry(kind, key, data=data) for key in keys])


@pytest.fixture
def acme(queue):
    return Acme()


@pytest.fixture(scope="module")
def web(django_db_setup, django_db_blocker, tmp_path_factory):
    """One web process for the module's tests, on SQLite."""
    with django_db_blocker.unblock():
        process = Web(tmp_path_factory.mktemp("web")).start()
    yield process
    process.stop()


@pytest.fixture
def watch(request, acme):
    """Open streams: of the module's web process unless told otherwise, as the team's
    owner unless told otherwise.
    """
    opened = []

    def open_stream(path=None, *, web=None, session=acme.session, seq=None, **options):
        at = web or request.getfixturevalue("web")
        address = (path or acme.path) + ("" if seq is None else f"?seq={seq}")
        opened.append((at, Watcher(at, address, session, **options)))
        return opened[-1][1]

    yield open_stream
    for _, watcher in opened:
        watcher.close()
    for at in {at for at, _ in opened}:
        if at.process.poll() is None:
            eventually(lambda at=at: at.open_files(connection.settings_dict["NAME"]) == 0)
