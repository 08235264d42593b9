"""What all tables need: a team, real workers, the sandbox of two small repositories,
and a neighbor in front of it.
"""

import pytest
from huey.contrib.djhuey import HUEY

from tests.faults.neighbor import start_neighbor
from tests.fixtures.sandbox import serving, small_folder
from tests.fixtures.workers import Workers
from tests.integrations.teams import octo_owner, octo_team


@pytest.fixture(scope="session")
def octo_server(tmp_path_factory):
    """A sandbox with `octo/hello` and `octo/world`."""
    with serving(data=small_folder(tmp_path_factory)) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def neighbor(octo_server):
    """A neighbor that passes on to the sandbox until it is given bytes."""
    with start_neighbor(octo_server.url) as neighbor:
        yield neighbor


@pytest.fixture
def owner(db):
    return octo_owner()


@pytest.fixture
def team(owner):
    return octo_team(owner)


@pytest.fixture
def workers(transactional_db):
    """Start real worker processes on this test's database and queue; whatever is left
    is ended with the test.
    """
    HUEY.flush()
    crew = Workers()
    crew.log.write_text("")
    yield crew
    crew.end()
    HUEY.flush()


@pytest.fixture
def tried(record_property):
    """Note a situation that a row was tried in; the end of the session counts them."""

    def note(situation):
        record_property("situation", situation)

    return note
