"""A real sandbox process for tests: `with start_sandbox() as url: …`."""

import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
READY = "sandbox: "


class SandboxFailed(Exception):
    """The process ended before it served; the text is what it wrote on stderr."""


@contextmanager
def start_process(
    data=None,
    seed=None,
    *,
    pace=None,
    every=None,
    points=1_000_000,
    now=None,
    timing=None,
    env=None,
    **more,
):
    """Yield the process of a sandbox on a free port and its base URL; end it on
    leaving.

    `points` is the hourly budget of a token.
    """
    options = {
        "data": data,
        "seed": seed,
        "pace": pace,
        "every": every,
        "points": points,
        "now": now,
        "timing": timing,
    }
    options |= {name.replace("_", "-"): value for name, value in more.items()}
    arguments = [f"--{name}={value}" for name, value in options.items() if value is not None]
    # It ends with its stdin, so also when the tests are killed.
    command = [
        sys.executable,
        str(ROOT / "manage.py"),
        "sandbox",
        "--port=0",
        "--end-with-stdin",
        *arguments,
    ]
    environment = {**os.environ, "DEBUG": "1", **(env or {})}
    with (
        tempfile.TemporaryFile("w+") as stderr,
        subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            encoding="utf-8",
        ) as process,
    ):
        try:
            line = process.stdout.readline()
            if not line.startswith(READY):
                process.wait(10)
                stderr.seek(0)
                raise SandboxFailed(stderr.read())
            yield process, line.removeprefix(READY).strip()
        finally:
            process.terminate()


@contextmanager
def start_sandbox(data=None, seed=None, **options):
    """Yield the base URL of a sandbox; options are those of `start_process`."""
    with start_process(data, seed, **options) as (_, url):
        yield url
