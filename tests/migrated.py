"""A migrated SQLite database that all test processes copy, so that only the first of
them runs the migrations.
"""

import fcntl
import hashlib
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import django
from django.apps import apps

ROOT = Path(__file__).resolve().parents[1]


def copy_to(path, folder):
    """Copy the migrated database to a path; make it first if the folder does not have
    it.

    Processes that come meanwhile wait.
    """
    kept = folder / f"{digest()}.sqlite3"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            _make(kept)
    with closing(sqlite3.connect(kept)) as source, closing(sqlite3.connect(path)) as target:
        source.backup(target)


def digest():
    """Return a name for what the migrations of all apps, and Django, make of an empty
    database.
    """
    found = hashlib.sha256(django.__version__.encode())
    for config in sorted(apps.get_app_configs(), key=lambda config: config.label):
        for file in sorted(Path(config.path).glob("migrations/*.py")):
            found.update(file.name.encode() + file.read_bytes())
    return found.hexdigest()[:16]


def _make(kept):
    unfinished = kept.with_suffix(".new")
    for suffix in ("", "-wal", "-shm"):
        Path(f"{unfinished}{suffix}").unlink(missing_ok=True)
    env = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "DATABASE_URL": f"sqlite:///{unfinished}",
    }
    command = [sys.executable, "-m", "django", "migrate", "--verbosity", "0"]
    subprocess.run(command, cwd=ROOT, env=env, check=True)
    with closing(sqlite3.connect(unfinished)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    unfinished.rename(kept)
