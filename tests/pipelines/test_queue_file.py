"""A damaged file of the queue is set aside, once, by whatever process finds it; what it
had waits in rows.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from huey.contrib.djhuey import HUEY

from apps.pipelines.worker import health
from apps.pipelines.worker.queue_file import HealingSqliteStorage
from tests.fixtures.workers import ROOT, ended, eventually

pytestmark = pytest.mark.skipif(bool(settings.REDIS_URL), reason="the queue is in Redis")

GARBAGE = os.urandom(100)
WARNING = "The queue's file was damaged"
USE = """
import django
django.setup()
from huey.contrib.djhuey import HUEY
HUEY.storage.put_data("key", b"value")
assert HUEY.storage.peek_data("key") == b"value"
assert HUEY.pending_count() == 0
"""


@pytest.fixture
def opened():
    """Opens a file of the queue; each is closed in the end."""
    storages = []

    def opened(path, name="a"):
        storages.append(HealingSqliteStorage(name, filename=str(path)))
        return storages[-1]

    yield opened
    for storage in storages:
        storage.close()


def overwrite(path, data):
    """Write at the beginning of a file that others have open."""
    with path.open("r+b") as file:
        file.write(data)


def filled(path):
    """A queue with messages in some pages."""
    storage = HealingSqliteStorage("filled", filename=str(path))
    for _ in range(50):
        storage.enqueue(b"x" * 1000)
    storage.close()
    return path.read_bytes()


@pytest.mark.parametrize("damage", ["garbage", "head", "cut", "text"])
def test_damaged_file_is_set_aside_and_replaced(tmp_path, opened, caplog, damage):
    path = tmp_path / "queue.sqlite3"
    whole = filled(path)
    content = {
        "garbage": GARBAGE,
        "head": GARBAGE + whole[100:],
        "cut": whole[:5000],
        "text": b"This is not a database.\n" * 200,
    }[damage]
    path.write_bytes(content)
    storage = opened(path, "filled")
    storage.enqueue(b"message")
    assert storage.dequeue() == b"message"
    assert storage.queue_size() == 0
    assert Path(f"{path}.bad").read_bytes()[:100] == content[:100]
    assert [WARNING in record.getMessage() for record in caplog.records] == [True]
    assert str(path) in caplog.text


def test_process_with_the_former_file_open_uses_the_new_one(tmp_path, opened):
    path = tmp_path / "queue.sqlite3"
    first, second = opened(path), opened(path)
    first.enqueue(b"before")
    second.enqueue(b"before")
    second.close()
    os.replace(path, f"{path}.elsewhere")
    second.enqueue(b"after")
    assert first.dequeue() == b"after"
    path.unlink()
    first.enqueue(b"last")
    assert (second.dequeue(), second.dequeue()) == (b"last", None)


def test_file_that_was_emptied_is_replaced(tmp_path, opened):
    path = tmp_path / "queue.sqlite3"
    storage = opened(path)
    storage.close()
    path.write_bytes(b"")
    storage.enqueue(b"after")
    assert storage.dequeue() == b"after"


def test_processes_that_find_it_at_once_replace_it_once(tmp_path):
    path = tmp_path / "queue.sqlite3"
    path.write_bytes(GARBAGE)
    env = os.environ | {
        "STATE_DIR": str(tmp_path),
        "DJANGO_SETTINGS_MODULE": "project.settings",
    }
    started = [
        subprocess.Popen(
            [sys.executable, "-c", USE], cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    try:
        texts = [process.communicate(timeout=120)[1] for process in started]
    finally:
        for process in started:
            process.kill()
            process.wait()
    assert [process.returncode for process in started] == [0] * 3, texts
    assert sum(text.count(WARNING) for text in texts) == 1, texts
    assert Path(f"{path}.bad").read_bytes() == GARBAGE


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_whole", [False, True])
def test_worker_goes_on_after_damage_while_it_runs(lab, workers, is_whole):
    path = Path(HUEY.storage.shared.filename)
    Path(f"{path}.bad").unlink(missing_ok=True)
    before = workers.log.stat().st_size if workers.log.exists() else 0
    workers.start()
    first = lab.start(items=2)
    eventually(ended(first))
    if is_whole:
        # The newest pages are in the log, so it is first: the worker may replace a
        # damaged file at once, and its log.
        for file in (Path(f"{path}-wal"), path):
            overwrite(file, os.urandom(file.stat().st_size))
    else:
        overwrite(path, GARBAGE)
    second = lab.start(subject="lab:2", items=2)
    eventually(ended(second))
    assert (first.state, second.state) == ("done", "done")
    # While the newest pages are in the log, SQLite need not notice that the first one
    # is damaged.
    assert Path(f"{path}.bad").exists() or not is_whole
    assert health.queue_problems() == []
    written = workers.log.read_bytes()[before:].decode()
    assert written.count(WARNING) <= 1
    assert len(written) < 20_000, written[-2000:]
