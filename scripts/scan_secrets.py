"""Look for secrets in the files that git tracks; exit with 1 if there is one.

Made-up secrets of tests and examples are listed in `.secrets.json`, as checksums. After
adding such a one, look at what this prints, then accept it:

    scan_secrets.py            # prints file, line, and kind of each new secret
    scan_secrets.py --accept   # writes all that is found now into .secrets.json

No secret is sent anywhere to see whether it works.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
from detect_secrets.core.potential_secret import PotentialSecret
from detect_secrets.core.secrets_collection import SecretsCollection
from detect_secrets.settings import transient_settings

ROOT = Path(__file__).resolve().parent.parent
ACCEPTED = ".secrets.json"
# Checksums, by the hundred.
SKIPPED = {ACCEPTED, "package-lock.json"}
# Tests are full of made-up passwords and keys; the kinds of real tokens are looked for
# there, too.
NOT_IN_TESTS = {
    "Base64HighEntropyString",
    "BasicAuthDetector",
    "HexHighEntropyString",
    "KeywordDetector",
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--accept", action="store_true", help=f"write what is found into {ACCEPTED}"
    )
    parser.add_argument(
        "--root", type=Path, default=ROOT, help="the git checkout to scan (this one)"
    )
    options = parser.parse_args()
    found = scan(options.root)
    if options.accept:
        write(options.root / ACCEPTED, found)
        return 0
    accepted = read(options.root / ACCEPTED)
    new = [secret for secret in found if key(secret) not in accepted]
    for secret in new:
        print(f"{secret.filename}:{secret.line_number}: {secret.type}")
    if new:
        print(
            "If these are made up: scripts/scan_secrets.py --accept. Otherwise revoke them now."
        )
    return 1 if new else 0


def scan(root: Path) -> list[PotentialSecret]:
    """Return the secrets in all tracked files, in the order of files and lines."""
    names = tracked(root)
    tests = [name for name in names if name.startswith("tests/")]
    others = [name for name in names if not name.startswith("tests/")]
    plugins = {kind.__name__ for kind in get_mapping_from_secret_type_to_class().values()}
    found = scan_with(plugins, root, others) + scan_with(plugins - NOT_IN_TESTS, root, tests)
    return sorted(found, key=lambda secret: (secret.filename, secret.line_number, secret.type))


def scan_with(plugins: set[str], root: Path, names: list[str]) -> list[PotentialSecret]:
    """Return what these plugins find in the files of these names."""
    collection = SecretsCollection(root=str(root))
    with transient_settings({"plugins_used": [{"name": name} for name in sorted(plugins)]}):
        if names:
            collection.scan_files(*names)
    found = []
    for name, secret in collection:
        secret.filename = name  # relative to root: no path of this machine gets into the list
        found.append(secret)
    return found


def tracked(root: Path) -> list[str]:
    """Return the paths of tracked files, below `root`."""
    command = ["git", "ls-files", "-z"]
    listed = subprocess.run(
        command, cwd=root, capture_output=True, check=True, text=True
    ).stdout
    names = []
    for name in listed.split("\0"):
        is_lock = name.startswith("requirements/") and name.endswith(".txt")
        if name and name not in SKIPPED and not is_lock and (root / name).is_file():
            names.append(name)
    return names


def key(secret: PotentialSecret) -> tuple[str, str, str]:
    """Return what an accepted secret is known by: not its line, which moves."""
    return (secret.filename, secret.type, secret.secret_hash)


def read(path: Path) -> set[tuple[str, str, str]]:
    """Return the keys of accepted secrets; none if there is no such file."""
    if not path.exists():
        return set()
    keys = set()
    for name, entries in json.loads(path.read_text()).items():
        for kind, checksum in entries:
            keys.add((name, kind, checksum))
    return keys


def write(path: Path, found: list[PotentialSecret]) -> None:
    """Write the keys of `found`, grouped by file and sorted, so that changes read well."""
    by_file: dict[str, set[tuple[str, str]]] = {}
    for secret in found:
        by_file.setdefault(secret.filename, set()).add((secret.type, secret.secret_hash))
    entries = {name: sorted(kinds) for name, kinds in sorted(by_file.items())}
    path.write_text(json.dumps(entries, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
