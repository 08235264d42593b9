"""Choose a state for `manage.py` in a checkout without any configuration.

The first of these counts: STATE_DIR of the environment, of `.env`, that of a running
demo, `.state`. As soon as one setting of an installation is given, nothing is chosen,
and missing settings are errors. The choice is printed, so that a command never works on
another state than its user believes:

    Nothing is configured: development mode, with the state of the demo in .state/demo.
"""

import fcntl
import json
import os
import sys
from pathlib import Path

from project.env import FALSE, read

# With any of these set, the installation is configured.
SETTINGS = (
    "DEBUG",
    "SECRET_KEY",
    "CREDENTIAL_KEYS",
    "ALLOWED_HOSTS",
    "DATABASE_URL",
    "REDIS_URL",
    "EMAIL_URL",
)
# The same names as in scripts/demo_state.py: the lock of a running demo, and its
# settings.
DEMO_LOCK, DEMO_SETTINGS = ".firstlight-demo.lock", ".firstlight-demo-settings.json"
# These commands start a site of their own, and one state must not have two.
NEVER_WITH_A_DEMO = {"serve", "runserver"}
# These commands need no tables, or create them.
WITHOUT_TABLES = {
    "",
    "help",
    "--help",
    "-h",
    "--version",
    "version",
    "check",
    "migrate",
    "serve",
    "makemigrations",
    "collectstatic",
    "sandbox",
}


def choose(base: Path, command: str) -> bool:
    """Set the environment of development if nothing is configured.

    `base` is the folder of manage.py, `command` its first argument. Returns whether the
    tables of the chosen state have to be created first.
    """
    if os.environ.get("FIRSTLIGHT_DOTENV", "1").lower() in FALSE:
        return False
    given = read(base / ".env")
    if any(given.get(name, "").strip() for name in SETTINGS):
        return False
    os.environ["DEBUG"] = "1"
    demo = None
    if not given.get("STATE_DIR", "").strip() and command not in NEVER_WITH_A_DEMO:
        demo = running_demo(base / ".state")
    if demo:
        os.environ.update(_settings_of(demo))
        os.environ["STATE_DIR"] = str(demo)
        _print(f"the state of the demo in {_shown(demo, base)}")
        return False
    state = base / (given.get("STATE_DIR", "").strip() or ".state")
    _print(f"the state in {_shown(state, base)}")
    return command not in WITHOUT_TABLES


def running_demo(parent: Path) -> Path | None:
    """Return the folder of the newest demo below `parent` that still runs; None if
    there is none.
    """
    locks = sorted(
        parent.glob(f"*/{DEMO_LOCK}"), key=lambda path: path.stat().st_mtime, reverse=True
    )
    for lock in locks:
        if _is_held(lock):
            return lock.parent
    return None


def _is_held(path: Path) -> bool:
    with path.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def _settings_of(demo: Path) -> dict[str, str]:
    """Return the settings that a demo runs with; none if it has not written them yet."""
    try:
        settings: dict[str, str] = json.loads((demo / DEMO_SETTINGS).read_text())
    except (OSError, ValueError):
        return {}
    return settings


def _shown(path: Path, base: Path) -> Path:
    return path.relative_to(base) if path.is_relative_to(base) else path


def _print(what: str) -> None:
    print(f"Nothing is configured: development mode, with {what}.", file=sys.stderr)
