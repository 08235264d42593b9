"""The program that keeps a group of processes running and ends them together, in about
12 MB.

It runs alone, `python -I -S group.py '{"members": [...], "grace": 9.0, "as_json":
false}'`, and imports nothing but the standard library. `manage.py serve` becomes this
program.

A member that ends is started again. Its first restart is immediate; the pauses then
double up to 8 seconds. The group ends as a whole

    with 0   after SIGTERM, SIGINT, or SIGHUP
    with 78  when a member ended with 78: a setting is wrong, and another start changes nothing
    with 1   when a member ended MOST_FAILURES times, each time less than STEADY seconds after its
             start

SIGUSR1 replaces the members: new ones start, for example from the code of a new
release, and the old ones get SIGTERM. Sockets are inherited from here and stay open, so
no connection is refused.

When the group ends, all members get SIGTERM at once. Those that are left after `grace`
seconds are killed; a second SIGINT kills them immediately. If this program is killed,
the members end by themselves, because each reads its stdin, whose other end is held
here.
"""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

EX_CONFIG = 78
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
REPLACING = signal.SIGUSR1
MOST_FAILURES = 5
STEADY = 60.0
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 8.0
TICK = 0.5


@dataclass(slots=True)
class Member:
    """One process of the group.

    `files` are the numbers of open files that it inherits.
    """

    name: str
    command: list[str]
    files: list[int] = field(default_factory=list)
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    failures: int = 0
    restart_at: float | None = None

    def start(self) -> None:
        """Start the process in a session of its own, so that Ctrl-C reaches the group
        alone.
        """
        self.started_at = time.monotonic()
        self.restart_at = None
        self.process = subprocess.Popen(  # noqa: S603 - the command comes from `manage.py serve`
            self.command,
            stdin=subprocess.PIPE,
            pass_fds=self.files,
            start_new_session=True,
        )

    def status(self) -> int | None:
        """Return the exit status (below 0: a signal), or None if the process runs or
        never ran.
        """
        return None if self.process is None else self.process.poll()

    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def close_stdin(self) -> None:
        if self.process and self.process.stdin:
            self.process.stdin.close()

    def terminate(self) -> None:
        if self.process:
            self.process.terminate()

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()


class Group:
    """The members, and the requests to the group: to end, or to replace its members."""

    def __init__(
        self, members: list[Member], grace: float, report: Callable[[str, str], None]
    ) -> None:
        """Create a group without starting it.

        `grace`: seconds that members get to end. `report` takes a level and a line for
            the log.
        """
        self._members = members
        self._grace = grace
        self._report = report
        self._status: int | None = None
        self._interrupts = 0
        self._replacing = False
        # Processes that were replaced, with the time at which each of them is killed.
        self._leaving: list[tuple[subprocess.Popen[bytes], float]] = []
        self._wakeup, waker = os.pipe()
        # A signal handler must not block, even if the pipe is full.
        os.set_blocking(waker, False)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)

    def run(self) -> int:
        """Keep the members running until the group ends; return its exit status."""
        for number in ENDING:
            signal.signal(number, self._asked)
        # With an empty handler the signal still wakes `_wait`, so that a member that
        # ended is noticed at once.
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(REPLACING, self._asked_to_replace)
        # `become` blocked them before this program started, so that none arrived
        # without a handler.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {*ENDING, REPLACING, signal.SIGCHLD})
        for member in self._members:
            member.start()
        while self._status is None:
            self._wait(TICK)
            self._reap_orphans()
            self._replace_members()
            for member in self._members:
                self._look_after(member)
        self._end_members()
        return self._status

    def _asked(self, number: int, _frame: object) -> None:
        if number == signal.SIGINT:
            # Counted, because a second Ctrl-C kills the members.
            self._interrupts += 1
        if self._status is None:
            self._status = 0

    def _asked_to_replace(self, _number: int, _frame: object) -> None:
        self._replacing = True

    def _replace_members(self) -> None:
        """Start each member again if SIGUSR1 has arrived, and kill old processes whose
        grace is over.
        """
        now = time.monotonic()
        if self._replacing and self._status is None:
            self._replacing = False
            self._report("info", "All processes are replaced.")
            for member in self._members:
                if member.process is not None and member.is_running():
                    member.terminate()
                    self._leaving.append((member.process, now + self._grace))
                member.failures = 0
                member.start()
        staying = []
        for process, deadline in self._leaving:
            if process.poll() is not None:
                continue
            if now >= deadline:
                process.kill()
            staying.append((process, deadline))
        self._leaving = staying

    def _wait(self, seconds: float) -> None:
        """Wait for a signal, but not longer than `seconds`."""
        ready, _, _ = select.select([self._wakeup], [], [], seconds)
        if ready:
            os.read(self._wakeup, 1024)

    def _reap_orphans(self) -> None:
        """Collect ended processes that members left behind, if this is a container's
        first process.
        """
        if os.getpid() != 1:
            return
        # `Popen` must collect its own processes, or it would lose their exit status.
        own = {member.process.pid for member in self._members if member.process}
        own |= {process.pid for process, _ in self._leaving}
        while True:
            # WNOWAIT leaves the members' exit statuses for `Popen.poll`.
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if ended is None or ended.si_pid in own:
                return
            os.waitpid(ended.si_pid, os.WNOHANG)

    def _look_after(self, member: Member) -> None:
        """Start a member again if it has ended, or decide that the group ends."""
        now = time.monotonic()
        if self._status is not None or member.is_running():
            return
        status = member.status()
        if member.restart_at is None and status is not None:
            self._note_end(member, status, now)
        if member.restart_at is not None and now >= member.restart_at:
            member.start()

    def _note_end(self, member: Member, status: int, now: float) -> None:
        member.close_stdin()
        how = f"by signal {-status}" if status < 0 else f"with status {status}"
        # A new start would read the same wrong settings.
        if status == EX_CONFIG:
            self._report(
                "error",
                f"The {member.name} ended {how}: a setting is wrong. All processes end.",
            )
            self._status = EX_CONFIG
            return
        # A member that ran for a while has not failed because of its start.
        if now - member.started_at >= STEADY:
            member.failures = 0
        member.failures += 1
        if member.failures >= MOST_FAILURES:
            text = f"The {member.name} ended {how}, {member.failures} times in a row. All processes end."
            self._report("error", text)
            self._status = 1
            return
        pause = 0.0
        if member.failures > 1:
            pause = min(FIRST_PAUSE * 2 ** (member.failures - 2), LONGEST_PAUSE)
        member.restart_at = now + pause
        self._report(
            "warning", f"The {member.name} ended {how}. It starts again in {pause:.1f} s."
        )

    def _end_members(self) -> None:
        running = [member for member in self._members if member.is_running()]
        for member in running:
            member.terminate()
        deadline = time.monotonic() + self._grace
        first_interrupts = self._interrupts
        while any(member.is_running() for member in running) and time.monotonic() < deadline:
            if self._interrupts > max(first_interrupts, 1):
                break
            self._wait(min(TICK, max(0.0, deadline - time.monotonic())))
        for process, _ in self._leaving:
            process.kill()
            process.wait()
        for member in running:
            if member.is_running():
                self._report(
                    "warning", f"The {member.name} did not end in time and was killed."
                )
                member.kill()


def reporter(*, as_json: bool) -> Callable[[str, str], None]:
    """Return a function that writes a line of the log to stderr, as `project.logs`
    formats it.
    """

    def report(level: str, text: str) -> None:
        line = text
        if as_json:
            at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            fields = {
                "message": text,
                "logger": "apps.supervision",
                "level": level,
                "timestamp": at,
            }
            line = json.dumps(fields)
        print(line, file=sys.stderr, flush=True)

    return report


def become(members: list[Member], *, grace: float, as_json: bool) -> None:
    """Replace the calling process by this program.

    Signals that arrive meanwhile are not lost.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {*ENDING, REPLACING, signal.SIGCHLD})
    described = []
    for member in members:
        for number in member.files:
            # Python closes files at an exec by default, and the sockets must stay open.
            os.set_inheritable(number, True)
        described.append(
            {"name": member.name, "command": member.command, "files": member.files}
        )
    order = {"members": described, "grace": grace, "as_json": as_json}
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, "-I", "-S", __file__, json.dumps(order)])  # noqa: S606


def main() -> int:
    order: dict[str, Any] = json.loads(sys.argv[1])
    members = [Member(**described) for described in order["members"]]
    return Group(members, order["grace"], reporter(as_json=order["as_json"])).run()


if __name__ == "__main__":
    sys.exit(main())
