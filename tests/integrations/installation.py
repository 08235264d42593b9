"""An installation of its own, with its own database, in a process that this one asks.

    with installed(database, github_url) as other:
        other.read("octo", ["octo/hello"], ["api"], clones, date(2026, 1, 1))
        other.shown("octo")     # {"export by team": "week,opened,merged\\n…", …}

The process reads one JSON object a line, {"call": NAME, …}, and answers each with one,
{"result": …} or {"error": …}.
"""

import json
import os
import subprocess
import sys
import traceback
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import django
from django.conf import settings
from django.test.utils import setup_test_environment

ROOT = Path(__file__).resolve().parents[2]


class Installation:
    """The asking side."""

    def __init__(self, process):
        self._process = process

    def _ask(self, name, **values):
        self._process.stdin.write(json.dumps({"call": name, **values}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the other installation's process has ended"
        answer = json.loads(line)
        assert "error" not in answer, answer["error"]
        return answer["result"]

    def read(self, slug, repositories, clones, root, first_day):
        """Onboard a team over repositories of GitHub, and clones below the folder
        `root`, from its first day on.

        Returns what could not be read, by repository.
        """
        values = {"root": str(root), "first_day": first_day.isoformat()}
        return self._ask("read", slug=slug, repositories=repositories, clones=clones, **values)

    def shown(self, slug):
        """Return everything shown of a team, as texts by name.

        See `tests.integrations.shown`.
        """
        return self._ask("shown", slug=slug)


@contextmanager
def installed(database, github_url):
    """Start an installation on a migrated SQLite file; its state is in the folder of
    the file.
    """
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("SERVERS", "REDIS_URL")
    }
    environment |= {"STATE_DIR": str(database.parent), "DATABASE_URL": f"sqlite:///{database}"}
    environment |= {"GITHUB_API_URL": github_url, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    command = [sys.executable, "-m", "tests.integrations.installation"]
    with (
        (database.parent / "errors.txt").open("w") as errors,
        subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        try:
            yield Installation(process)
        finally:
            process.stdin.close()
            process.wait(30)


def serve():
    """Answer what is asked on stdin, until it is closed."""
    django.setup()
    setup_test_environment()
    from tests.integrations import shown, teams

    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            if asked["call"] == "read":
                settings.GIT_SOURCE_ROOT = Path(asked["root"])
                first_day = date.fromisoformat(asked["first_day"])
                team = teams.read(
                    asked["slug"], asked["repositories"], asked["clones"], first_day
                )
                result = teams.errors(team)
            else:
                result = shown.of(asked["slug"])
            answer = {"result": result}
        except Exception:
            answer = {"error": traceback.format_exc()}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    serve()
