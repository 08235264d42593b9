"""Shared fixtures. The environment is put in order by tests/settings.py, before Django loads."""

import pytest

from tests import services


@pytest.fixture(scope="session")
def redis_url():
    """The address of a private Redis server, one for the session. Tests of it use names of their own."""
    with services.redis_server() as url:
        yield url


@pytest.fixture(scope="session")
def postgres_url():
    """The address of a private PostgreSQL cluster's database, one cluster for the session; its user may make others."""
    with services.postgres_server() as url:
        yield url
