"""All that is checked without running a test. Every check runs, whatever the one before
it said; the exit status tells whether all passed.
"""

import base64
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
PRODUCTION = {
    "DEBUG": "0",
    "SECRET_KEY": base64.b64encode(os.urandom(60)).decode(),
    "CREDENTIAL_KEYS": base64.urlsafe_b64encode(os.urandom(32)).decode(),
    "ALLOWED_HOSTS": "firstlight.example.com",
    "EMAIL_URL": "smtp://mail.example.com:587/?tls=1",
}
# Installing is the business of the machine's own set-up: no file may name a registry.
# Put together from halves, so that this file does not.
REGISTRIES = re.compile(
    r"\b(?:pypi|pythonhosted|npmjs|yarnpkg|deb\.debian|crates)" + r"\.(?:org|com|io)\b",
    re.IGNORECASE,
)


def main() -> int:
    with tempfile.TemporaryDirectory() as state:
        kept = {"PATH", "HOME", "LANG", "TMPDIR", "CI"}
        env = {name: value for name, value in os.environ.items() if name in kept}
        env |= {"FIRSTLIGHT_DOTENV": "0", "STATE_DIR": state, "DEBUG": "1"}
        manage = [sys.executable, "-W", "error", "manage.py"]
        results = [
            run([BIN / "ruff", "check", "."], env),
            run([BIN / "ruff", "format", "--check", "."], env),
            run([BIN / "mypy"], env),
            run([BIN / "lint-imports"], env),
            run([*manage, "makemigrations", "--check", "--dry-run"], env),
            run([sys.executable, "scripts/check_migrations.py"], env),
            run([*manage, "check", "--deploy", "--fail-level", "WARNING"], env | PRODUCTION),
            no_registry_is_named(),
            run([sys.executable, "scripts/scan_secrets.py"], env),
            run([sys.executable, "scripts/measure_style.py"], env),
            templates_are_formatted(env),
            run([sys.executable, "scripts/check_templates.py"], env),
            units_are_hardened(),
        ]
    print("All checks passed." if all(results) else "Some checks failed.")
    return 0 if all(results) else 1


def run(command: list[str | Path], env: dict[str, str]) -> bool:
    words = [str(word) for word in command]
    print("$", Path(words[0]).name, *words[1:], flush=True)
    return subprocess.run(words, cwd=ROOT, env=env, check=False).returncode == 0


def templates_are_formatted(env: dict[str, str]) -> bool:
    """Return whether djade would change no template. `make fmt` formats them."""
    print("$ djade --check", flush=True)
    paths = sorted((ROOT / "templates").rglob("*.html"))
    command = [BIN / "djade", "--target-version", "6.1", "--check", *paths]
    return subprocess.run(command, cwd=ROOT, env=env, check=False).returncode == 0


def units_are_hardened() -> bool:
    """Return whether systemd's own analysis gives each unit an exposure under 3.0.

    Without systemd it is skipped, or with CI set it fails.
    """
    program = shutil.which("systemd-analyze")
    print("$ systemd-analyze security --offline=true", flush=True)
    if program is None:
        print("Skipped: systemd-analyze is not installed.")
        return not os.environ.get("CI")
    passed = True
    for unit in sorted((ROOT / "deploy").glob("*.service")):
        command = [
            program,
            "security",
            "--offline=true",
            "--no-pager",
            "--threshold=29",
            str(unit),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        print(*done.stdout.splitlines()[-1:], *done.stderr.splitlines(), sep="\n")
        passed = passed and done.returncode == 0
    return passed


def no_registry_is_named() -> bool:
    print("$ no file names a package registry", flush=True)
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
    ).stdout
    named = [
        f"{name}:{number}: {found[0]}"
        for name in listed.split("\0")
        if name and (ROOT / name).is_file()
        for number, line in enumerate((ROOT / name).read_text(errors="replace").splitlines(), 1)
        if (found := REGISTRIES.search(line))
    ]
    print(*named, sep="\n", end="\n" if named else "")
    return not named


if __name__ == "__main__":
    sys.exit(main())
