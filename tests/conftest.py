"""Shared fixtures. The environment is put in order by tests/settings.py, before Django
loads.
"""

import os
from collections import Counter

import pytest
from django.conf import settings
from django.db import connections

from tests import migrated, services
from tests.trials import Trial

pytest_plugins = ("tests.fixtures.sandbox", "tests.fixtures.workers")


def pytest_xdist_auto_num_workers():
    """Run one process more than there are cores: many tests wait for processes of their
    own.
    """
    return (os.process_cpu_count() or 1) + 1


@pytest.fixture(scope="session")
def django_db_keepdb(request):
    """Let pytest-django start from a copy of a migrated database; Django then runs what
    is missing in it.
    """
    options = settings.DATABASES["default"]
    if "sqlite" not in options["ENGINE"]:
        yield False
        return
    migrated.copy_to(options["TEST"]["NAME"], request.config.cache.mkdir("migrated"))
    yield True
    connections.close_all()


@pytest.fixture
def trial(record_property):
    """A long trial's seed, duration, and report; see tests/trials.py."""
    return Trial(record_property)


def pytest_terminal_summary(terminalreporter):
    """Print what each trial reached, and in how many situations rows of the fault table
    were tried.
    """
    rows, situations = set(), Counter()
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            for name, text in report.user_properties if report.when == "call" else ():
                if name == "trial":
                    terminalreporter.line(f"{report.nodeid}: {text}")
                elif name == "situation":
                    rows.add(report.nodeid)
                    situations[text] += 1
    if rows:
        counts = ", ".join(f"{count} {name}" for name, count in sorted(situations.items()))
        terminalreporter.line(
            f"Fault table: {len(rows)} rows in {situations.total()} situations ({counts})."
        )


@pytest.fixture(scope="session")
def redis_url():
    """The address of a private Redis server, one for the session.

    Tests of it use names of their own.
    """
    with services.redis_server() as url:
        yield url


@pytest.fixture(scope="session")
def postgres_url():
    """The address of a private PostgreSQL cluster's database, one cluster for the
    session; its user may make others.
    """
    with services.postgres_server() as url:
        yield url
