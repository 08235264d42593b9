"""The supervisor's program: start a working process again after it had to be ended, and
pass signals on to it.

It runs alone, `python -I -S supervisor.py '{"child": 12, …}'` (see `launch`), in about
15 MB. It ends as its child ends: with the same exit status, or by the same signal. It
ends a process itself in three cases:

    silent    no Python code ran for `silence` seconds while one of its threads used the processor: that thread holds
              Python's lock
    overdue   a thread has worked on one thing for longer than its mark allows
    asked     after SIGTERM it went on for longer than `grace`, or was silent for that long

Before that it writes a report, a JSON file: the process as its marks name it (`owner`),
and what the threads that hung worked on (`blamed`). For a process that was stopped
(SIGSTOP) that list is empty.
"""

import json
import os
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from apps.supervision.table import PULSE, WORK, Mark, Table

FORWARDED = {
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGQUIT,
}
# si_code of kill, the kernel (a terminal's Ctrl-C), sigqueue, and tgkill.
SENDERS = {0, 0x80, -1, -6}
ENDING = {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT}
# Seconds that an ended process may need beyond its own grace, and until a silence is
# checked.
ROOM = 5.0
# One thread must spend this share of a silence on the processor to count as its cause.
# Otherwise the machine is busy with other things.
BUSY_SHARE = 0.5
TICKS = os.sysconf("SC_CLK_TCK")
PROC = Path("/proc")


@dataclass(slots=True)
class Silence:
    """A process without a pulse: since when (monotonic), and how much processor time
    its threads had used at the first sight.
    """

    pulse: float
    used: dict[int, float]


@dataclass(slots=True)
class Supervisor:
    """The options of the command line, and the state of the watched processes."""

    child: int
    table: Table
    command: list[str]
    python: str
    silence: float
    grace: float
    reports: Path
    name: str
    as_json: bool
    silences: dict[int, Silence] = field(default_factory=dict)
    asked_at: float | None = None

    def run(self) -> None:
        """Watch until the child has ended by itself, or was asked to end; then end as
        it did.
        """
        # Short enough to notice a silence soon after it begins.
        tick = min(0.5, self.silence / 8)
        while True:
            found = signal.sigtimedwait({*FORWARDED, signal.SIGCHLD}, tick)
            if found is not None and _is_sent(found):
                self._pass_on(signal.Signals(found.si_signo))
            self._reap()
            self._look()

    def _pass_on(self, number: signal.Signals) -> None:
        if number in ENDING and self.asked_at is None:
            self.asked_at = time.monotonic()
        _send(self.child, number)

    def _reap(self) -> None:
        """Collect the processes that have ended; when the child is one of them, end as
        it did.
        """
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == self.child:
                self._end_as(status)
            if not pid:
                return

    @staticmethod
    def _end_as(status: int) -> None:
        code = os.waitstatus_to_exitcode(status)
        if code < 0:
            signal.pthread_sigmask(signal.SIG_SETMASK, [])
            if -code not in (signal.SIGKILL, signal.SIGSTOP):
                # The default action makes this process end by the same signal, as its
                # parent expects.
                signal.signal(-code, signal.SIG_DFL)
            os.kill(os.getpid(), -code)
            # The first process of a container can't end itself by a signal.
            code = 128 - code
        os._exit(code)

    def _look(self) -> None:
        now = time.monotonic()
        marks: dict[int, list[Mark]] = {}
        for mark in self.table.read():
            marks.setdefault(mark.pid, []).append(mark)
        for pid, found in marks.items():
            # The child's own worker processes write marks as well. A mark of any other
            # process is left over and its process id may be reused.
            if pid == self.child or _parent_of(pid) == self.child:
                self._look_at(pid, found, now)
        if self.asked_at is not None and now > self.asked_at + self.grace + ROOM:
            self._end(self.child, marks.get(self.child, []), [], "asked", now - self.asked_at)

    def _look_at(self, pid: int, marks: list[Mark], now: float) -> None:
        """End a process if it hangs."""
        pulses = [mark.at for mark in marks if mark.kind == PULSE]
        working = [mark for mark in marks if mark.kind == WORK]
        overdue = [mark for mark in working if now - mark.at > mark.limit]
        # A process that has not begun its pulse yet is still starting.
        silent_for = now - max(pulses) if pulses else 0.0
        if silent_for < min(1.0, self.silence / 2):
            self.silences.pop(pid, None)
            if overdue:
                self._end(pid, marks, overdue, "overdue", now - overdue[0].at)
            return
        burning = self._burning(pid, max(pulses), silent_for)
        if silent_for < self.silence or not (burning or overdue):
            return
        # A stopped process (SIGSTOP) is silent without hanging. It is ended only if its
        # work is overdue, so that another process can go on with that.
        if _is_stopped(pid):
            if overdue:
                self._end(pid, marks, [], "stopped", silent_for)
            return
        # If the thread that hung is unknown, the work of all threads is reported.
        blamed = [mark for mark in working if mark.thread == burning] or overdue or working
        self._end(pid, marks, blamed, "silent" if burning else "overdue", silent_for)

    def _burning(self, pid: int, pulse: float, silent_for: float) -> int | None:
        """Return the thread that has used the processor for most of the silence, or
        None.
        """
        used = _used_by_thread(pid)
        if pid not in self.silences or self.silences[pid].pulse != pulse:
            self.silences[pid] = Silence(pulse, used)
            return None
        before = self.silences[pid].used
        spent = {thread: seconds - before.get(thread, 0.0) for thread, seconds in used.items()}
        thread = max(spent, key=lambda each: spent[each], default=None)
        # The silence began some time before it was noticed.
        needed = BUSY_SHARE * (self.silence - min(1.0, self.silence / 2))
        return thread if thread is not None and spent[thread] >= needed else None

    def _end(
        self, pid: int, marks: list[Mark], blamed: list[Mark], cause: str, seconds: float
    ) -> None:
        """Write the report, kill the process, and start another one if it was the
        child.
        """
        owner = next((mark.owner for mark in marks), "")
        self._report(owner, blamed, cause, seconds)
        self.silences.pop(pid, None)
        _send(pid, signal.SIGKILL)
        subjects = "; ".join(mark.subject for mark in blamed) or "nothing that it had marked"
        self._say(
            f"The {self.name} process {pid} was ended ({cause}, {seconds:.0f} s) while it worked on {subjects}."
        )
        if pid != self.child:
            return
        os.waitpid(pid, 0)
        if self.asked_at is not None:
            os._exit(0)
        # The marks of the ended process must not count for the next one.
        self.table.clear()
        self.child = self._start()

    def _report(self, owner: str, blamed: list[Mark], cause: str, seconds: float) -> None:
        if not owner:
            return
        report = {
            "owner": owner,
            "cause": cause,
            "seconds": round(seconds, 1),
            "blamed": [mark.subject for mark in blamed],
        }
        name = f"{os.getpid()}-{time.time_ns()}"
        try:
            self.reports.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft = self.reports / f"{name}.draft"
            draft.write_text(json.dumps(report))
            # A sweeper must never read half a report, and a rename is atomic.
            draft.rename(self.reports / f"{name}.json")
        except OSError as error:
            self._say(
                f"The report about a process that hung could not be written to {self.reports}: {error.strerror}."
            )

    def _start(self) -> int:
        pid = os.fork()
        if pid:
            return pid
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        os.execv(self.python, self.command)  # noqa: S606 - the command line that started this process

    def _say(self, text: str) -> None:
        if self.as_json:
            at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            line = {
                "message": text,
                "logger": "apps.supervision",
                "level": "error",
                "timestamp": at,
            }
            text = json.dumps(line)
        print(text, file=sys.stderr, flush=True)


def _is_sent(found: signal.struct_siginfo) -> bool:
    """Return whether this is a signal to pass on that a process or the terminal sent.

    If this process was stopped (SIGSTOP) and goes on after the time limit, Python's
    sigtimedwait returns no signal but what happens to be in memory.
    """
    return found.si_signo in FORWARDED and found.si_code in SENDERS


def _send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _stat(path: Path) -> list[str]:
    """Return the fields of a stat file of /proc from the state on; empty when the
    process is gone.
    """
    try:
        return path.read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _parent_of(pid: int) -> int | None:
    fields = _stat(PROC / str(pid) / "stat")
    return int(fields[1]) if fields else None


def _is_stopped(pid: int) -> bool:
    return _stat(PROC / str(pid) / "stat")[:1] == ["T"]


def _used_by_thread(pid: int) -> dict[int, float]:
    """Return the seconds of processor time that each thread has used so far."""
    used = {}
    try:
        threads = [int(path.name) for path in (PROC / str(pid) / "task").iterdir()]
    except OSError:
        return {}
    for thread in threads:
        if fields := _stat(PROC / str(pid) / "task" / str(thread) / "stat"):
            used[thread] = (int(fields[11]) + int(fields[12])) / TICKS
    return used


def main() -> None:
    order: dict[str, Any] = json.loads(sys.argv[1])
    table = Table(order.pop("table"))
    reports = Path(order.pop("reports"))
    Supervisor(table=table, reports=reports, **order).run()


if __name__ == "__main__":
    main()
