"""A clock that all processes of a trial share, and that runs at any rate.

with Clock(folder, datetime(2026, 11, 29, 12, tzinfo=UTC)) as clock:
    subprocess.Popen(command, env=os.environ | clock.env)
    clock.rate = 300    # a minute takes a fifth of a second, for all of them, from now on
    clock.now()
"""

import mmap
import struct
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.services import require

SOURCE = Path(__file__).with_name("clock.c")
# As in clock.c: a number, a gap, three times in nanoseconds, and the rate.
PAGE = struct.Struct("=IIqqqd")
SECOND = 1_000_000_000


class Clock:
    """Shows `start` at first, and runs as fast as the real one until its rate is
    changed.
    """

    def __init__(self, folder, start):
        self.library, self.file = Path(folder) / "clock.so", Path(folder) / "clock"
        compiler = require("cc", "the trial of a day compiles its clock")
        options = ["-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o", str(self.library)]
        subprocess.run(
            [compiler, *options, str(SOURCE), "-ldl", "-lpthread"], check=True, timeout=60
        )
        self.file.write_bytes(bytes(mmap.PAGESIZE))
        # PostgreSQL's own user reads them, too.
        self.library.chmod(0o755)
        self.file.chmod(0o644)
        with self.file.open("r+b") as file:
            self._page = mmap.mmap(file.fileno(), PAGE.size)
        self._number, self._rate = 0, 1.0
        self._real = time.monotonic_ns()
        self._wall = int(start.timestamp()) * SECOND
        self._steady = self._real
        self._write()

    @property
    def env(self):
        """The variables of a process that lives by this clock."""
        return {"LD_PRELOAD": str(self.library), "DAY_CLOCK": str(self.file)}

    @property
    def rate(self):
        return self._rate

    @rate.setter
    def rate(self, rate):
        now = time.monotonic_ns()
        passed = int((now - self._real) * self._rate)
        self._real, self._wall, self._steady = now, self._wall + passed, self._steady + passed
        self._rate = float(rate)
        self._write()

    def now(self):
        passed = (time.monotonic_ns() - self._real) * self._rate
        return datetime.fromtimestamp(0, UTC) + timedelta(
            microseconds=(self._wall + passed) / 1000
        )

    def _write(self):
        values = (self._real, self._wall, self._steady, self._rate)
        self._number += 1
        self._page[:4] = struct.pack("=I", self._number)
        self._page[:] = PAGE.pack(self._number, 0, *values)
        self._number += 1
        self._page[:4] = struct.pack("=I", self._number)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._page.close()
