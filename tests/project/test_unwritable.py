"""Files that a process can't write: one line names the file, its owner, and the user,
and the probe answers 503.
"""

import os
import pwd
import shutil
import tempfile

import pytest

from tests.project.installation import Installation

IS_ROOT = os.geteuid() == 0
# Root without its capabilities may only do what a file's mode lets it do.
UNDER = ("setpriv", "--bounding-set=-all", "--inh-caps=-all") if IS_ROOT else ()
OWNER = 65534
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        IS_ROOT and not shutil.which("setpriv"),
        reason="setpriv is not installed: it drops capabilities",
    ),
]


def protect(path):
    """Let the file be another user's, or read-only if only root could do that.

    Returns the owner's name.
    """
    path.chmod(0o644 if IS_ROOT else 0o444)
    if IS_ROOT:
        os.chown(path, OWNER, OWNER)
    return path.owner()


@pytest.fixture
def site():
    with tempfile.TemporaryDirectory(prefix="firstlight-unwritable-") as folder:
        installation = Installation(folder)
        try:
            yield installation
        finally:
            installation.end()


def test_database_that_cannot_be_written_is_named_at_the_start(site):
    database = site.folder / "state" / "db.sqlite3"
    owner = protect(database)
    site.start("web", "-m", "project.server", "--port", str(site.port), under=UNDER)
    site.wait(lambda: site.status("/readyz") == 503, 60)
    site.start("command", "manage.py", "check", under=UNDER).wait(60)
    for _ in range(5):
        assert site.ask("/teams/new/", "POST", "name=Other")[0] == 503
    status, _, _, body = site.ask("/readyz")
    assert (status, str(database) in body) == (503, False), (
        "a path is not for everybody who can reach the probe"
    )
    user = pwd.getpwuid(os.geteuid()).pw_name
    for name in ("web", "command"):
        text = (site.folder / f"{name}.log").read_text()
        [line] = [
            line for line in text.splitlines() if line.startswith(f"The database {database}")
        ]
        assert owner in line
        assert user in line
        assert len(text) < 30_000


def test_queue_that_cannot_be_written_stops_no_process(site):
    queue = site.folder / "state" / "queue.sqlite3"
    protect(queue)
    site.start("web", "-m", "project.server", "--port", str(site.port), under=UNDER)
    site.wait(lambda: site.ask("/readyz")[3].count("The queue takes no messages"), 60)
    assert site.status("/readyz") == 200
    assert site.status(f"/t/{site.slug}/") == 200
    text = (site.folder / "web.log").read_text()
    assert text.count(f"The queue {queue} can't be written") == 1
