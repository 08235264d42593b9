import datetime as dt
import threading
from types import SimpleNamespace

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from apps.metrics.models import PullRequest, Repository, TeamMember
from apps.teams.models import Membership, Team
from apps.teams.services import create_team
from apps.users.models import User

DAY = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)


def world(slug):
    """A team with one repository, one member and two pull requests."""
    team = Team.objects.create(name=slug.title(), slug=slug)
    repository = Repository.objects.create(team=team, source="github", full_name=f"{slug}/api")
    member = TeamMember.objects.create(team=team, key=f"login:{slug}", login=slug)
    pulls = [
        PullRequest.objects.create(
            team=team,
            repository=repository,
            external_id=f"{slug}-{number}",
            number=number,
            title=f"{slug} {number}",
            state="open",
            author=member,
            created_at=DAY,
            updated_at=DAY,
        )
        for number in (1, 2)
    ]
    return SimpleNamespace(team=team, repository=repository, member=member, pulls=pulls)


@pytest.fixture
def acme(db):
    return world("acme")


@pytest.fixture
def globex(db):
    return world("globex")


def person(name):
    return User.objects.create_user(f"{name}@example.com")


@pytest.fixture
def people(db):
    """A team with its owner, an admin and a member, and an outsider."""
    return {name: person(name) for name in ("owner", "admin", "member", "outsider")}


@pytest.fixture
def team(people):
    team = create_team("Acme", people["owner"])
    for name in ("admin", "member"):
        Membership.objects.create(team=team, user=people[name], role=name)
    return team


@pytest.fixture
def as_(people):
    def client(name):
        client = Client()
        client.force_login(people[name])
        return client

    return client


def at(client, name, *args, **data):
    return client.post(reverse(f"teams:{name}", args=args), data, follow=True)


def words(response):
    return response.content.decode()


def in_threads(*calls):
    """Call them at once; what each returned or raised."""
    results, start = [None] * len(calls), threading.Barrier(len(calls))

    def run(index, call):
        start.wait()
        try:
            results[index] = call()
        except Exception as error:
            results[index] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=each) for each in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return results
