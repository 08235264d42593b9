"""A .venv with the packages of requirements/base.txt and nothing else, readable by the
product's user.

What `make setup` installed is linked, so no network is needed. `make install` then
finds that nothing is missing. With `--install`, `make install` installs it by itself
instead.
"""

import contextlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.operations.place import ROOT, USER, as_user

UNUSED = ("test", "idlelib", "__pycache__", "*.a", "site-packages")
PIN = re.compile(r"^([\w.-]+)==", re.MULTILINE)


def provide(place, project):
    """Make `project`/.venv and node_modules, and return nothing.

    `project` is a clone.
    """
    interpreter = _interpreter(place)
    place.run([interpreter, "-m", "venv", project / ".venv"])
    _link_packages(project / ".venv")
    shutil.copytree(
        ROOT / "node_modules", project / "node_modules", copy_function=_link, symlinks=True
    )


def _interpreter(place):
    """Return a Python that the product's user can start: this one, or a copy of its
    installation.
    """
    if can_start(sys.executable):
        return sys.executable
    copied = place.folder / "python"
    shutil.copytree(
        sys.base_prefix, copied, symlinks=True, ignore=shutil.ignore_patterns(*UNUSED)
    )
    site = Path(
        "lib", f"python{sys.version_info.major}.{sys.version_info.minor}", "site-packages"
    )
    (copied / site).mkdir()
    # A shared libpython is searched for where Python was built.
    place.base_env["LD_LIBRARY_PATH"] = str(copied / "lib")
    return str(copied / "bin" / "python3")


def can_start(program):
    with contextlib.suppress(OSError):
        done = subprocess.run(
            [program, "-c", ""], cwd="/", check=False, capture_output=True, **as_user(USER)
        )
        return done.returncode == 0
    return False


def _link_packages(venv):
    [site] = venv.glob("lib/python*/site-packages")
    for name in PIN.findall((ROOT / "requirements" / "base.txt").read_text()):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            distribution = importlib.metadata.distribution(name)
            for file in distribution.files or []:
                source, target = Path(distribution.locate_file(file)), site / file
                # Programs of packages lie outside; the product starts none of them.
                if ".." not in file.parts and source.is_file():
                    target.parent.mkdir(parents=True, exist_ok=True)
                    _link(source, target)
    lock = (ROOT / "requirements" / "base.txt").read_bytes()
    stamp = subprocess.run(["cksum"], input=lock, capture_output=True, check=True).stdout
    (venv / ".requirements").write_bytes(stamp)


def _link(source, target, **_options):
    """Link a file, or copy it to another file system."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy(source, target)
