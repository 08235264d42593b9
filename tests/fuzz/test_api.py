"""The interface at /api/v1, tried by schemathesis from its own document, against a real
web process.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from apps.metrics.api import tokens
from apps.metrics.factories import PullRequestFactory, RepositoryFactory, TeamMemberFactory
from apps.teams.services import create_team
from apps.users.models import User
from tests.pipelines.stream.watching import Web

SECONDS = 40
FLOOR = 60


@pytest.mark.long
def test_no_request_to_the_api_gets_a_server_error(transactional_db, tmp_path, trial):
    owner = User.objects.create_user("owner@acme.example")
    team = create_team("Acme", owner)
    repository, author = RepositoryFactory(team=team), TeamMemberFactory(team=team)
    for _ in range(30):
        PullRequestFactory(repository=repository, author=author)
    _, token = tokens.make(team, "Fuzz", owner)
    web = Web(tmp_path).start()
    try:
        program = Path(sys.executable).with_name("schemathesis")
        command = [
            program,
            "run",
            f"http://127.0.0.1:{web.port}/api/v1/openapi.json",
            "--checks",
            "all",
        ]
        command += ["--header", f"Authorization: Bearer {token}", "--seed", str(trial.seed)]
        command += [
            "--max-time",
            str(int(trial.seconds(SECONDS))),
            "--no-color",
            "--warnings",
            "off",
        ]
        ended = subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, timeout=300, env=os.environ
        )
    finally:
        web.stop()
    assert ended.returncode == 0, ended.stdout[-6000:] + ended.stderr[-2000:]
    generated = re.search(r"(\d[\d,]*) generated", ended.stdout)
    assert generated, ended.stdout[-3000:]
    trial.reached(int(generated[1].replace(",", "")), FLOOR)
