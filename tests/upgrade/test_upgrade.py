"""The upgrade of docs/operations.md, from the release before to this one, while runs go
on and people sign up.
"""

import json
import uuid

import psycopg
import pytest

from tests.acceptance.conftest import Mailbox, pull_request
from tests.sandbox.server import start_sandbox
from tests.upgrade.release import ROOT, Rows, Site, checkout, wait_until
from tests.upgrade.visitors import SignUps, doubled

pytestmark = pytest.mark.long

# Runs that start before the migrations, after them, and just before the new worker, so
# that some end on the old code and the new tables, and a dozen are live at the restart,
# however quick the machine is.
BEFORE, BETWEEN, OVER = 2, 4, 12
RUNS = BEFORE + BETWEEN + OVER
LIVE = "pipelines_run WHERE state IN ('running', 'paused')"
ENDED = "pipelines_run WHERE state NOT IN ('running', 'paused')"
COMPLETE = "Your first insights are ready"
CONFIRM = "onfirm"
# Runs in the code of the release before, of the teams `first` to `end` - 1.
START = """
try:
    from apps.integrations.connections.credentials import store_token
    from apps.integrations.connections.tracking import track_repositories
except ImportError:
    # The release before has its modules in other places.
    from apps.integrations.credentials import store_token
    from apps.integrations.services import track_repositories
from apps.onboarding.services.runs import start_onboarding
from apps.teams.services import create_team
from apps.users.models import User
for number in range({first}, {end}):
    owner = User.objects.create_user(f"owner-{{number}}@acme.example")
    team = create_team(f"Team {{number}}", owner)
    store_token(team, f"token-{{number}}", owner)
    start_onboarding(team, owner, track_repositories(team, "github", ["acme/api"]), months=12)
"""


def start_runs(site, base, count, first=0):
    """Start the runs of `count` teams from the one with the number `first` on, by the
    release before.
    """
    site.manage(
        base, "shell", "--verbosity", "0", "-c", START.format(first=first, end=first + count)
    )


def documented_order():
    """Return the steps of the upgrade as docs/operations.md lists them."""
    _, _, section = (ROOT / "docs" / "operations.md").read_text().partition("## Upgrade\n")
    section, _, _ = section.partition("\n## ")
    commands = [line.strip() for line in section.splitlines() if line.startswith("    ")]
    words = {"migrate": "migrate", "firstlight-worker": "workers", "firstlight-web": "web"}
    return [step for command in commands for word, step in words.items() if word in command]


@pytest.fixture
def github(tmp_path):
    """A sandbox that answers once in 1.2 s, whoever asks, so that a run takes seconds."""
    lines = [json.dumps(pull_request("acme/api", number)) for number in range(1, 31)]
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "acme__api.jsonl").write_text("\n".join(lines) + "\n")
    with start_sandbox(data=tmp_path / "data", every=1.2) as address:
        yield address


@pytest.fixture
def database(postgres_url):
    name = f"upgrade_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    return postgres_url.rpartition("/")[0] + f"/{name}"


@pytest.fixture
def mailbox():
    with Mailbox() as box:
        yield box


@pytest.fixture
def site(tmp_path, github, database, redis_url, mailbox):
    (tmp_path / "state").mkdir()
    settings = {
        "DATABASE_URL": database,
        "REDIS_URL": redis_url.removesuffix("/0") + "/9",
        "EMAIL_URL": f"smtp://127.0.0.1:{mailbox.port}",
        "GITHUB_API_URL": github,
        "SIGN_UP": "open",
    }
    site = Site(tmp_path / "state", settings)
    yield site
    site.end()


def test_upgrade_loses_no_email_run_or_sign_up(tmp_path, site, database, mailbox):
    assert documented_order() == ["migrate", "workers", "web"]
    with checkout(tmp_path / "base") as base, Rows(database) as rows:
        site.manage(base, "migrate", "--verbosity", "0")
        web = [site.start_web(base) for _ in range(2)]
        start_runs(site, base, BEFORE)
        assert rows.count(LIVE) == BEFORE
        with SignUps([port for _, port in web]) as people:
            people.go_on(1)
            old_worker = site.start_worker(base)
            wait_until(lambda: rows.count("pipelines_steprun WHERE state = 'running'"))

            site.manage(ROOT, "migrate", "--verbosity", "0")
            assert rows.count("django_migrations WHERE name = '0010_failed_receivers'") == 1
            # Some runs end, and some people sign up, on the old code and the new
            # tables.
            ended = rows.count(ENDED)
            start_runs(site, base, BETWEEN, first=BEFORE)
            wait_until(lambda: rows.count(ENDED) >= ended + 2)
            people.go_on(3)
            start_runs(site, base, OVER, first=BEFORE + BETWEEN)

            new_worker = site.start_worker(ROOT)
            live_at_restart = rows.count(LIVE)
            print(f"{live_at_restart} runs were live when the workers changed.")
            site.stop(old_worker)

            for process, port in web:
                site.stop(process)
                _, port = site.start_web(ROOT, port)
                people.go_on(2)

            wait_until(lambda: not rows.count(LIVE))
            assert new_worker.poll() is None
        assert people.refused == [], site.errors()
        assert live_at_restart > 0, (
            "all runs had ended on the old worker: the sandbox is too quick"
        )
        assert rows.column("SELECT DISTINCT state FROM pipelines_run") == ["done"], (
            site.errors()
        )
        assert rows.count("pipelines_event WHERE kind = 'receiver_failed'") == 0
        assert rows.count("mail_outboxmessage WHERE state = 'failed'") == 0

        wait_until(
            lambda: not rows.count("mail_outboxmessage WHERE state IN ('pending', 'sending')")
        )
        owners = sorted(f"owner-{number}@acme.example" for number in range(RUNS))
        assert sorted(mailbox.subjects(COMPLETE)) == owners
        assert set(people.accepted) <= set(mailbox.subjects(CONFIRM))
        assert doubled(mailbox.subjects(CONFIRM)) == []
        accounts = rows.column("SELECT email FROM users_user WHERE email LIKE 'person-%%'")
        assert sorted(accounts) == sorted(people.accepted)
