"""`python -m benchmarks.stream`: from a commit in a worker to the bytes at a client,
and what idle viewers cost.

Real processes: a worker that commits units, a web process, clients over TCP in this
process, on one machine. A latency starts before the unit's COMMIT and ends when the
client has the whole frame, of about 10 KB. Over Redis one is started for the purpose.
"""

import argparse
import asyncio
import contextlib
import os
import re
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.services import free_port

ROOT = Path(__file__).resolve().parent.parent
SAID = re.compile(rb"committed at ([0-9.]+)")
PAUSE = 0.3
IDLE_SECONDS = 10.0


class Site:
    """A web process, a worker and perhaps a Redis over a state folder of their own."""

    def __init__(self, state: str, redis: bool) -> None:
        self.port, self.redis_port = free_port(), free_port() if redis else None
        address = f"redis://127.0.0.1:{self.redis_port}/0" if redis else ""
        self.state = state
        self.env = {
            **os.environ,
            "STATE_DIR": state,
            "DEBUG": "1",
            "FIRSTLIGHT_DOTENV": "0",
            "DATABASE_URL": "",
            "REDIS_URL": address,
            "DJANGO_SETTINGS_MODULE": "benchmarks.settings",
            "BENCH_STREAM": "1",
        }
        self.python = [sys.executable, "-W", "ignore", "-m"]
        self.processes: list[subprocess.Popen[bytes]] = []

    def _begin(self, command: list[str]) -> subprocess.Popen[bytes]:
        with (Path(self.state) / "log").open("ab") as log:
            process = subprocess.Popen(command, cwd=ROOT, env=self.env, stdout=log, stderr=log)
        self.processes.append(process)
        return process

    def start(self) -> None:
        if self.redis_port:
            self._begin(
                [
                    "redis-server",
                    "--port",
                    str(self.redis_port),
                    "--save",
                    "",
                    "--dir",
                    self.state,
                ]
            )
        subprocess.run(
            [*self.python, "django", "migrate", "-v0"], cwd=ROOT, env=self.env, check=True
        )
        self.web = self._begin(
            [
                *self.python,
                "uvicorn",
                "project.asgi:application",
                "--port",
                str(self.port),
                "--no-access-log",
            ]
        )
        self._begin([*self.python, "django", "run_worker"])
        for _ in range(600):
            with (
                contextlib.suppress(OSError),
                socket.create_connection(("127.0.0.1", self.port)),
            ):
                return
            time.sleep(0.05)
        sys.exit("The web process did not start.")

    def run(self, times: int) -> tuple[str, str, Path]:
        """A run of so many units that waits for a file; returns its owner's session,
        its stream's path and the file.
        """
        go = Path(self.state) / f"go-{time.monotonic_ns()}"
        command = [*self.python, "benchmarks.watch", str(times), str(PAUSE), str(go)]
        result = subprocess.run(
            command, cwd=ROOT, env=self.env, check=True, capture_output=True, text=True
        )
        session, path = result.stdout.split()
        return session, path, go

    def stop(self) -> None:
        for process in reversed(self.processes):
            process.terminate()
            process.wait()

    def memory_kib(self) -> int:
        text = Path(f"/proc/{self.web.pid}/status").read_text()
        return int(re.findall(r"VmRSS:\s+(\d+)", text)[0])

    def threads(self) -> int:
        return len(list(Path(f"/proc/{self.web.pid}/task").iterdir()))

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.web.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def serving(redis: bool) -> Iterator[Site]:
    with tempfile.TemporaryDirectory() as state:
        site = Site(state, redis)
        try:
            site.start()
            yield site
        finally:
            site.stop()


async def watch(
    site: Site, session: str, path: str, opened: asyncio.Event, took: list[float]
) -> None:
    """Read one stream to its end; the milliseconds of each frame that says when it was
    committed go to `took`.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nCookie: sessionid={session}\r\n\r\n"
    writer.write(head.encode())
    await reader.readuntil(b"\r\n\r\n")
    frame, newest = b"", b""
    while line := await reader.readline():
        frame += line
        if b"data: " in line and not opened.is_set():
            opened.set()
        if line == b"\n":
            said, frame = SAID.search(frame), b""
            if said and said[1] != newest:
                newest = said[1]
                took.append((time.monotonic() - float(newest)) * 1000)
        if b"event: done" in line:
            break
    writer.close()


@dataclass
class Audience:
    """Viewers of one run, all of them there before its first commit."""

    site: Site
    go: Path
    seconds: float
    tasks: list[asyncio.Task[None]]
    took: list[list[float]]


async def gather(site: Site, viewers: int, times: int) -> Audience:
    session, path, go = site.run(times)
    began = time.monotonic()
    took: list[list[float]] = [[] for _ in range(viewers)]
    opened = [asyncio.Event() for _ in took]
    pairs = zip(opened, took, strict=True)
    tasks = [
        asyncio.create_task(watch(site, session, path, event, one)) for event, one in pairs
    ]
    await asyncio.gather(*(event.wait() for event in opened))
    return Audience(site, go, time.monotonic() - began, tasks, took)


async def measure(site: Site, viewers: int, times: int) -> dict[str, float]:
    """How long the frames of so many commits take to so many viewers."""
    audience = await gather(site, viewers, times)
    audience.go.touch()
    await asyncio.gather(*audience.tasks)
    every = sorted(latency for one in audience.took for latency in one)
    return {"p50": statistics.median(every), "p99": every[int(len(every) * 0.99)]}


async def idle(site: Site, viewers: int) -> dict[str, float]:
    """What so many viewers cost while nothing happens."""
    memory, threads = site.memory_kib(), site.threads()
    audience = await gather(site, viewers, 1)
    await asyncio.sleep(1)
    spent = site.cpu_seconds()
    await asyncio.sleep(IDLE_SECONDS)
    figures = {
        "open": audience.seconds,
        "kib": (site.memory_kib() - memory) / viewers,
        "threads": site.threads() - threads,
        "cpu": (site.cpu_seconds() - spent) / IDLE_SECONDS * 100,
    }
    audience.go.touch()
    await asyncio.gather(*audience.tasks)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stream", description=__doc__)
    parser.add_argument("--times", type=int, default=50, help="commits that are measured")
    parser.add_argument("--viewers", type=int, default=500)
    options = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(
        resource.RLIMIT_NOFILE, (min(hard, max(soft, options.viewers + 200)), hard)
    )
    table = Table(
        title=f"{options.times} commits in a worker, about {PAUSE} s apart, to bytes at the client"
    )
    for heading in (
        "",
        "1 viewer p50 / p99, ms",
        f"{options.viewers} viewers p50 / p99, ms",
        "idle",
    ):
        table.add_column(heading)
    for name, redis in (("SQLite, embedded", False), ("Redis hints", True)):
        with serving(redis) as site:
            one = asyncio.run(measure(site, 1, options.times))
            rest = asyncio.run(idle(site, options.viewers))
            many = asyncio.run(measure(site, options.viewers, 10))
        table.add_row(
            name,
            f"{one['p50']:.0f} / {one['p99']:.0f}",
            f"{many['p50']:.0f} / {many['p99']:.0f}",
            f"{rest['kib']:.0f} KiB and {rest['threads'] / options.viewers:.3f} threads a viewer, {rest['cpu']:.1f} % of"
            f" a core for all; opened in {rest['open']:.1f} s",
        )
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
