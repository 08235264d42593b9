"""Run a worker for the time of a command. It ends when the command ends, in whatever
way.

The command holds the other end of the worker's stdin. When it closes, by an orderly end
or by a SIGKILL, the worker lets its steps end their units and exits. The command does
not have to do anything for that.
"""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.conf import settings

GRACE = 15.0  # seconds that the worker gets for its running units


@contextmanager
def own_worker(say: Callable[[str], None]) -> Iterator[None]:
    """Run a worker process for the time of the block.

    `say` is called with each line of its output.
    """
    worker = subprocess.Popen(
        # The run's own log is shown already; of what the worker writes only errors are
        # worth a line.
        [sys.executable, "manage.py", "run_worker", "--end-with-stdin", "--verbosity", "0"],
        cwd=settings.BASE_DIR,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,  # a Ctrl-C is the command's, which then ends the worker in order
    )
    threading.Thread(target=_repeat, args=(worker, say), daemon=True).start()
    try:
        yield
    finally:
        _end(worker)


def _repeat(worker: subprocess.Popen[str], say: Callable[[str], None]) -> None:
    for line in worker.stdout or ():
        say(line.rstrip())


def _end(worker: subprocess.Popen[str]) -> None:
    try:
        worker.terminate()
        worker.wait(GRACE)
    except (subprocess.TimeoutExpired, KeyboardInterrupt, SystemExit) as reason:
        worker.kill()
        worker.wait()
        if not isinstance(reason, subprocess.TimeoutExpired):
            raise
