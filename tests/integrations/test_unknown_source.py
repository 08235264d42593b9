"""A source that nobody taught to connect, check, or read gets no token of another host."""

import ast
import inspect

import pytest
from django.utils import timezone

from apps.integrations.connections import credentials, service
from apps.integrations.connections.credentials import CredentialError, client_for, store_token
from apps.integrations.connections.service import (
    CannotConnect,
    ask,
    known_source,
    repository_source,
)
from apps.integrations.models import Connection, ConnectionSource
from apps.metrics.factories import TeamFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def connection(settings):
    """A team of GitHub with a token, and a connection to a source that only the
    database knows.
    """
    settings.GITHUB_API_URL = "http://127.0.0.1:9"
    team = TeamFactory()
    store_token(team, "ghp_secret")
    return Connection.objects.across_teams().create(
        team=team, source="forgejo", connected_at=timezone.now()
    )


def test_unknown_source_is_not_asked(connection):
    for source in ("forgejo", "", "GITHUB"):
        with pytest.raises(CannotConnect):
            known_source(source)
    # As if the enumeration had the value and `ask` had not: a request to GitHub would
    # raise Unreachable.
    with pytest.raises(AssertionError):
        ask(connection.team, "forgejo", "token-of-forgejo")


def test_unknown_source_is_not_read_by_the_client_of_github(connection):
    with pytest.raises(CredentialError, match="forgejo"):
        client_for(connection.team)


def test_repositories_of_an_unknown_source_are_not_those_of_github(connection):
    with pytest.raises(CannotConnect):
        repository_source(connection)


def test_every_source_is_read_by_one_reader():
    assert set(ConnectionSource) == credentials.READ_BY_CLIENT | credentials.OTHERWISE_READ
    assert not credentials.READ_BY_CLIENT & credentials.OTHERWISE_READ


def test_choices_by_source_are_exhaustive():
    """mypy proves that a match with assert_never names every source; this finds a match
    without one.
    """
    for function in (service.ask, service.repository_source):
        tree = ast.parse(inspect.getsource(function))
        assert [
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.Name) and node.id == "assert_never"
        ]
        assert not [
            case
            for case in ast.walk(tree)
            if isinstance(case, ast.MatchAs) and case.pattern is None
        ]
