"""Check everything that needs no test: `make check`.

Every check runs, also after one that failed. The exit status is 0 if all passed.
"""

import base64
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
MANAGE = [sys.executable, "-W", "error", "manage.py"]
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
        # Each core runs one check. The results are printed in this order.
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            results = [pool.submit(run, command, env) for command in commands()]
            production = [*MANAGE, "check", "--deploy", "--fail-level", "WARNING"]
            results.append(pool.submit(run, production, env | PRODUCTION))
            results.append(pool.submit(no_registry_is_named))
            results.append(pool.submit(units_are_hardened))
            passed = True
            for result in results:
                output, is_good = result.result()
                print(output, flush=True)
                passed = passed and is_good
    print("All checks passed." if passed else "Some checks failed.")
    return 0 if passed else 1


def commands() -> list[list[str | Path]]:
    """Return the commands that pass or fail by their exit status, the slowest ones first."""
    templates = sorted((ROOT / "templates").rglob("*.html"))
    return [
        [BIN / "mypy"],
        [BIN / "lint-imports", "--no-logo"],
        [BIN / "ruff", "check", "."],
        [BIN / "ruff", "format", "--check", "."],
        [*MANAGE, "makemigrations", "--check", "--dry-run"],
        [sys.executable, "scripts/check_migrations.py"],
        [sys.executable, "scripts/scan_secrets.py"],
        [sys.executable, "scripts/check_dead_code.py"],
        [sys.executable, "scripts/measure_style.py"],
        [BIN / "djade", "--target-version", "6.1", "--check", *templates],
        [sys.executable, "scripts/check_templates.py"],
        [sys.executable, "scripts/biome.py", "check", "--error-on-warnings"],
        [BIN / "codespell"],
    ]


def run(command: list[str | Path], env: dict[str, str]) -> tuple[str, bool]:
    """Return what the command printed, below the command itself, and whether it passed."""
    words = [str(word) for word in command]
    done = subprocess.run(
        words,
        cwd=ROOT,
        env=env,
        check=False,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    # A list of all templates would hide the rest.
    title = " ".join(["$", Path(words[0]).name, *words[1:5]])
    return f"{title}\n{done.stdout.rstrip()}", done.returncode == 0


def units_are_hardened() -> tuple[str, bool]:
    """Return whether systemd's own analysis gives each unit an exposure under 3.0.

    Without systemd it is skipped, or with CI set it fails.
    """
    program = shutil.which("systemd-analyze")
    lines = ["$ systemd-analyze security --offline=true"]
    if program is None:
        lines.append("Skipped: systemd-analyze is not installed.")
        return "\n".join(lines), not os.environ.get("CI")
    command = [program, "security", "--offline=true", "--no-pager", "--threshold=29"]
    passed = True
    for unit in sorted((ROOT / "deploy").glob("*.service")):
        done = subprocess.run(
            [*command, str(unit)], capture_output=True, text=True, check=False
        )
        lines += done.stdout.splitlines()[-1:]
        lines += done.stderr.splitlines()
        passed = passed and done.returncode == 0
    return "\n".join(lines), passed


def no_registry_is_named() -> tuple[str, bool]:
    lines = ["$ no file names a package registry"]
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
    ).stdout
    for name in filter(None, listed.split("\0")):
        path = ROOT / name
        if not path.is_file():  # deleted, but not committed yet
            continue
        text = path.read_text(errors="replace")
        for number, line in enumerate(text.splitlines(), 1):
            found = REGISTRIES.search(line)
            if found:
                lines.append(f"{name}:{number}: {found[0]}")
    return "\n".join(lines), len(lines) == 1


if __name__ == "__main__":
    sys.exit(main())
