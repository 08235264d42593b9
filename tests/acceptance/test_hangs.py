"""A pull request that hangs in the real sync: the database itself never comes back from
writing it.
"""

import pytest
from django.db import connection

from apps.metrics.models import PullRequest
from apps.pipelines.models import RunState
from apps.pipelines.worker import hangs
from apps.teams.models import Team
from tests.acceptance.conftest import REPOSITORIES
from tests.acceptance.test_kills import environment
from tests.fixtures.workers import ended, eventually

pytestmark = pytest.mark.django_db(transaction=True)

POISON, POISONED = "Change 57", 57
SHORT = {"PIPELINES_UNIT_LIMIT": "2", "PIPELINES_HANG_PAUSE": "0.1"}

SQLITE = [
    "CREATE VIEW endless AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n",
    f"""CREATE TRIGGER poison BEFORE INSERT ON metrics_pullrequest WHEN NEW.title = '{POISON}'
        BEGIN SELECT * FROM endless; END""",
]
POSTGRESQL = [
    f"""CREATE FUNCTION poison() RETURNS trigger AS $$
        BEGIN IF NEW.title = '{POISON}' THEN PERFORM pg_sleep(3600); END IF; RETURN NEW; END $$ LANGUAGE plpgsql""",
    "CREATE TRIGGER poison BEFORE INSERT ON metrics_pullrequest FOR EACH ROW EXECUTE FUNCTION poison()",
]
UNDO = {
    "sqlite": ["DROP TRIGGER poison", "DROP VIEW endless"],
    "postgresql": ["DROP TRIGGER poison ON metrics_pullrequest", "DROP FUNCTION poison"],
}


def run_sql(statements):
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


@pytest.fixture
def poison(transactional_db):
    run_sql(SQLITE if connection.vendor == "sqlite" else POSTGRESQL)
    yield
    run_sql(UNDO[connection.vendor])
    for path in hangs.folder().glob("*"):
        path.unlink()


@pytest.mark.long
def test_a_pull_request_that_hangs_is_named_and_all_others_are_read(
    github, mailbox, onboarding, poison, workers
):
    run = onboarding()
    workers.start(**environment(github, mailbox), **SHORT)
    eventually(ended(run), seconds=240)
    assert run.state == RunState.PARTIAL, run.error
    [missing] = run.missing
    assert missing["what"] == "acme/api"
    assert f"#{POISONED} (" in missing["why"]
    pulls = PullRequest.objects.for_team(Team.objects.get())
    assert pulls.count() == sum(REPOSITORIES.values()) - 1
    assert not pulls.filter(title=POISON).exists()
