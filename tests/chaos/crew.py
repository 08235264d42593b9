"""Worker processes, of which some are always being killed or frozen."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from tests.fixtures.workers import ROOT


class Workers:
    """Keeps `size` workers going: the dead are replaced within moments, the frozen are
    woken when their time is up.
    """

    def __init__(self, size, log):
        self.size, self.log = size, log
        self.workers = []
        self.frozen = {}
        self._lock = threading.Lock()

    def tend(self):
        with self._lock:
            for worker, until in list(self.frozen.items()):
                if time.monotonic() >= until:
                    del self.frozen[worker]
                    self._signal(worker, signal.SIGCONT)
            self.workers = [worker for worker in self.workers if worker.poll() is None]
            while len(self.workers) < self.size:
                self.workers.append(self._start(len(self.workers)))

    def _start(self, place):
        kind = ("thread", "process")[place % 2]
        command = [
            sys.executable,
            "-W",
            "ignore",
            "manage.py",
            "run_worker",
            "--workers",
            "3",
            "--worker-type",
            kind,
        ]
        return subprocess.Popen(
            [*command, "--verbosity", "0"],
            cwd=ROOT,
            env=os.environ,
            stdout=self.log,
            stderr=self.log,
            stdin=subprocess.DEVNULL,
        )

    def kill(self, worker):
        """Send SIGKILL to the supervisor, the consumer, and its worker processes when
        it has some.
        """
        for pid in [*descendants(worker.pid), worker.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        worker.wait()
        self.frozen.pop(worker, None)

    def kill_child(self, worker):
        """Send SIGKILL to one worker process of a consumer, or to a consumer that has
        none.
        """
        if found := descendants(worker.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(found[0], signal.SIGKILL)

    def freeze(self, worker, seconds):
        self.frozen[worker] = time.monotonic() + seconds
        self._signal(worker, signal.SIGSTOP)

    def _signal(self, worker, number):
        for pid in [*descendants(worker.pid), worker.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def end(self):
        for worker in self.workers:
            self.kill(worker)
        self.workers.clear()


def children(pid):
    try:
        return [
            int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        ]
    except OSError:
        return []


def descendants(pid):
    """Return the processes below this one, the lowest first."""
    found = []
    for child in children(pid):
        found += [*descendants(child), child]
    return found
