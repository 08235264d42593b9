"""`python -m benchmarks.patience`: how much later the insights and the completion email
come with a bad model.

The sample organization is onboarded in a new state folder each time: without a model,
then with one that hangs, drips, refuses, and lies. Aim: no later than 1.1 times the run
without a model, plus LLM_PATIENCE (--patience, seconds).
"""

import argparse
import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.faults.neighbor import start_neighbor
from tests.metrics.sample import SAMPLE
from tests.sandbox.server import start_sandbox

ROOT = Path(__file__).resolve().parent.parent
MOST = 1.1
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n"
REFUSED = (
    b'{"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}'
)
LIE = json.dumps(
    {
        "choices": [{"message": {"content": '{"pull_requests": []}'}}],
        "usage": {"prompt_tokens": -1},
    }
)
MODELS: dict[str, dict[str, Any] | None] = {
    "no model": None,
    "hangs": {"content": b"", "then": "hang"},
    "drips": {"content": HEAD + b" " * 5000, "pause": 1, "piece": 1},
    "refuses": {
        "content": b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 25920\r\n\r\n" + REFUSED
    },
    "lies": {
        "content": b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + LIE.encode()
    },
}


@dataclass
class Times:
    """Seconds from the start of the command, which includes about two in which Python
    starts.
    """

    insights: float
    email: float


@contextlib.contextmanager
def model(answer: dict[str, Any] | None) -> Iterator[dict[str, str]]:
    """Yield the settings of a model that gives this answer to each request; none for
    None.
    """
    if answer is None:
        yield {}
        return
    with start_neighbor() as neighbor:
        options = dict(answer)
        neighbor.answers(options.pop("content"), **options)
        yield {
            "LLM_BASE_URL": f"{neighbor.url}/v1",
            "GROQ_API_KEY": "key",
            "LLM_MODEL": "model",
        }


def onboard(github: str, settings: dict[str, str], patience: int) -> Times:
    """Onboard the sample's repositories with a worker of its own; wait for the email."""
    repositories = [
        path.stem.replace("__", "/") for path in sorted(Path(SAMPLE).glob("*__*.jsonl"))
    ]
    with tempfile.TemporaryDirectory() as folder:
        mails = Path(folder) / "mails"
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("LLM_", "REDIS_"))
        }
        environment |= {
            "STATE_DIR": folder,
            "DATABASE_URL": "",
            "DEBUG": "1",
            "FIRSTLIGHT_DOTENV": "0",
        }
        environment |= {
            "GITHUB_API_URL": github,
            "GITHUB_TOKEN": "t",
            "EMAIL_URL": f"filebased://{mails}",
        }
        environment |= {"LLM_PATIENCE": str(patience), **settings}
        manage = [sys.executable, "-W", "ignore", "manage.py"]
        subprocess.run(
            [*manage, "migrate", "--verbosity=0"], cwd=ROOT, env=environment, check=True
        )
        began = time.time()
        arguments = [
            "--team",
            "Acme",
            "--email",
            "mara@acme.example",
            "--months",
            "24",
            "--worker",
            "--json",
        ]
        command = [*manage, "onboard", *arguments, "--repos", ",".join(repositories)]
        done = subprocess.run(
            command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True
        )
        assert done.returncode in (0, 2, 3), done.stderr
        with contextlib.closing(sqlite3.connect(f"{folder}/db.sqlite3")) as database:
            steps = "SELECT finished_at FROM pipelines_steprun WHERE key = 'insights'"
            [(insights,)] = database.execute(steps)
            email = (
                "SELECT sent_at FROM mail_outboxmessage WHERE dedupe_key LIKE 'run:%:complete'"
            )
            [(sent,)] = database.execute(email)
    return Times(moment(insights) - began, moment(sent) - began)


def moment(text: str) -> float:
    """Return a moment as SQLite has it, in seconds since 1970."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.patience", description=__doc__)
    parser.add_argument("--patience", type=int, default=30, help="seconds (default: 30)")
    options = parser.parse_args()
    table = Table(
        title=f"Sample organization, LLM_PATIENCE={options.patience}, {os.cpu_count()} cores"
    )
    for heading in ("", "insights, s", "email, s", "at most, s"):
        table.add_column(heading, justify="right" if heading else "left")
    limit = 0.0
    for name, answer in MODELS.items():
        with start_sandbox(data=SAMPLE) as github, model(answer) as settings:
            times = onboard(github, settings, options.patience)
        limit = limit or MOST * times.email + options.patience
        table.add_row(
            name,
            f"{times.insights:.1f}",
            f"{times.email:.1f}",
            "" if answer is None else f"{limit:.1f}",
        )
    Console(width=100).print(table)


if __name__ == "__main__":
    sys.exit(main())
