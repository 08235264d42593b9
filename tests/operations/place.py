"""A folder that stands for the machine: what is documented as /opt/firstlight is below
it.

    with Place.make() as place:
        place.here("/opt/firstlight/.venv")   # /tmp/firstlight-operations-…/opt/firstlight/.venv
        place.run(["make", "install"], cwd=place.path("/opt/firstlight"))

As root, the product runs as the user 10001 of the Dockerfile; otherwise as the caller.
"""

import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.services import free_port

ROOT = Path(__file__).resolve().parents[2]
USER = 10001 if os.geteuid() == 0 else None
SECONDS = 120  # the longest that a command may take


class Failed(Exception):
    """A step did not work; the text has the command and what it wrote."""


class Place:
    """The folder, and what the documents' paths and addresses are here."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.web_port, self.tls_port, self.plain_port = free_port(), free_port(), free_port()
        self.names = {
            "/opt/firstlight": f"{folder}/opt/firstlight",
            "/etc/firstlight.env": f"{folder}/etc/firstlight.env",
            "/var/lib/firstlight": f"{folder}/var/lib/firstlight",
            "/var/backups": f"{folder}/var/backups",
            "/etc/ssl/firstlight": f"{folder}/etc/ssl/firstlight",
            "127.0.0.1:8000": f"127.0.0.1:{self.web_port}",
            "--port 8000": f"--port {self.web_port}",
        }
        self.base_env = {
            "PATH": f"{folder}/bin:{os.environ['PATH']}:/usr/sbin",
            "HOME": f"{folder}/home",
            "LANG": "C.UTF-8",
            "OPERATIONS_PLACE": str(folder),
        }
        for name in ("bin", "home", "etc/ssl", "opt", "var/lib", "var/backups", "log"):
            (self.folder / name).mkdir(parents=True)

    @classmethod
    @contextlib.contextmanager
    def make(cls, *, keep=False):
        """Yield a new place, which is deleted on the way out unless `keep` is set."""
        folder = tempfile.mkdtemp(prefix="firstlight-operations-")
        # The product's user has to get through to its own folders.
        Path(folder).chmod(0o755)
        try:
            yield cls(folder)
        finally:
            if not keep:
                shutil.rmtree(folder, ignore_errors=True)

    def here(self, text):
        """Return a documented text with the paths and addresses of this place."""
        for written, real in self.names.items():
            text = text.replace(written, real)
        return text

    def path(self, written):
        return Path(self.here(written))

    def own(self, path):
        """Give a path to the product's user."""
        if USER is not None:
            os.chown(path, USER, USER)

    def run(self, words, *, cwd=None, env=None, user=None, check=True):
        """Run a command to its end and return its stdout.

        Raise Failed if its status is not 0.
        """
        try:
            done = subprocess.run(
                words,
                cwd=cwd or self.folder,
                env=self.base_env | (env or {}),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=SECONDS,
                check=False,
                **as_user(user),
            )
        except subprocess.TimeoutExpired as error:
            raise Failed(f"{words} took longer than {SECONDS} s") from error
        if check and done.returncode:
            raise Failed(
                f"{words} ended with {done.returncode}:\n{done.stdout[-4000:]}{done.stderr[-4000:]}"
            )
        return done.stdout

    def shell(self, line, *, cwd=None, env=None, user=None):
        """Run a line of a document, with the paths of this place."""
        # Without root, there is no other user to own files.
        owner = "" if USER is None else f" -o {USER}"
        line = self.here(line).replace(" -o firstlight", owner)
        return self.run(["bash", "-euc", line], cwd=cwd, env=env, user=user)

    def log(self, name):
        return self.folder / "log" / f"{name}.log"

    def logs(self):
        """Return the last lines of every log, for a failure's report."""
        texts = []
        for path in sorted((self.folder / "log").glob("*.log")):
            lines = path.read_text(errors="replace").splitlines()[-25:]
            texts.append("\n".join([f"== {path.name}", *lines]))
        return "\n".join(texts)


def as_user(user):
    """Return the arguments by which subprocess changes to a user without any group of
    the caller.
    """
    if user is None:
        return {}
    return {"user": user, "group": user, "extra_groups": []}
