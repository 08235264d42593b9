"""Firstlight, live, from an empty folder: web, worker and a sandbox of GitHub in the foreground, on the embedded
default (SQLite for rows and messages). Onboards a team by the code of the real journey, and prints a link to watch it.

    make demo                          a made-up organisation
    make demo DATA=../shared/sample    pull request files, served by the sandbox
    make demo REPO=/path/to/clone      a git clone; no sandbox

    PORT=8001    another port than 8000
    PACE=0       full speed; otherwise the sandbox answers so slowly that a person can watch. PACE=0.5: half a second
                 longer for every answer
    MONTHS=24    how far back
    FRESH=1      starts over; without it, a second start goes on with what is there
    STATE=…      another folder for what the demo keeps
"""

import fcntl
import os
import re
import shutil
import signal
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from processes import MANAGE, ROOT, WEB, ChildEnded, Children, PortTaken, listen

Sockets = tuple[socket.socket, ...]

EMAIL = "lead@example.com"
MAX_MONTHS = 600
# With these the made-up organisation, and a folder of any size, take about half a minute, unless the machine is slower.
EVERY = 0.15
# The language model answers in about a second.
LLM_SHARE = "0.3"
PACED_SECONDS, PER_ANSWER, SLOWEST = 25.0, 25, 1.0


class Mistake(Exception):
    """Something given to the demo can't be used; the message says what, and what to do."""


@dataclass(frozen=True)
class Wishes:
    """What the environment asks for, checked."""

    data: Path | None
    repo: Path | None
    port: int
    pace: float | None
    months: int
    fresh: bool
    state: Path

    @property
    def team(self) -> str:
        if self.repo:
            return self.repo.name
        return self.data.name.capitalize() if self.data else "Acme Engineering"


def main() -> int:
    sys.path.insert(0, str(ROOT))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)
    lock = None
    try:
        wishes = read_wishes()
        web = open_port(wishes)
        lock = sole(wishes)
        with Children() as children:
            run(wishes, children, web)
    except Mistake as mistake:
        print(f"make demo: {mistake}", file=sys.stderr)
        return 64
    except ChildEnded as ended:
        print(f"\nmake demo: {ended} Its log is in {wishes.state}; the others were ended, too.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nEnded. `make demo` goes on from here; FRESH=1 starts over.", file=sys.stderr)
    finally:
        if lock:
            lock.close()
    return 0


def leave(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def read_wishes() -> Wishes:
    """Raises Mistake for what cannot be used."""
    data, repo = folder("DATA"), folder("REPO")
    if data and not any(data.glob("*.jsonl")):
        raise Mistake(f"DATA={data}: there is no OWNER__REPO.jsonl in it. Give a folder of pull request files.")
    months = number("MONTHS", int, 1, MAX_MONTHS)
    port = number("PORT", int, 1, 65535)
    state = os.environ.get("STATE")
    source = repo or data
    own = f"demo-{source.name}" if source else "demo"
    return Wishes(
        data=data,
        repo=repo,
        port=8000 if port is None else port,
        pace=number("PACE", float, 0, 60),
        months=months or (24 if source else 12),
        fresh=os.environ.get("FRESH") not in (None, "", "0"),
        state=Path(state).resolve() if state else ROOT / ".state" / own,
    )


def folder(name: str) -> Path | None:
    given = os.environ.get(name)
    if not given:
        return None
    path = Path(given).expanduser().resolve()
    if not path.is_dir():
        raise Mistake(f"{name}={given}: there is no such folder.")
    return path


def number[N: (int, float)](name: str, kind: type[N], least: N, most: N) -> N | None:
    given = os.environ.get(name)
    if not given:
        return None
    try:
        value = kind(given)
    except ValueError:
        value = most + 1
    if not least <= value <= most:
        raise Mistake(f"{name}={given}: give a number from {least} to {most}.")
    return value


def sole(wishes: Wishes) -> IO:
    """Hold the state folder, which two demos must not share, and clear it where that is wished."""
    wishes.state.mkdir(parents=True, exist_ok=True)
    lock = wishes.state.with_name(f"{wishes.state.name}.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise Mistake(f"a demo is running in {wishes.state} already. End it first, with Ctrl-C there.") from None
    if wishes.fresh:
        shutil.rmtree(wishes.state)
        wishes.state.mkdir()
    return lock


def open_port(wishes: Wishes) -> Sockets:
    """From now on the web's address can be opened; it answers as soon as there is somebody to."""
    try:
        return listen(wishes.port)
    except PortTaken:
        raise Mistake(
            f"port {wishes.port} is taken by another program. End that, or take another one: "
            f"make demo PORT={wishes.port % 65535 + 1}"
        ) from None


def run(wishes: Wishes, children: Children, web: Sockets) -> None:
    """Until Ctrl-C, SIGTERM, or the end of a child."""
    configure(wishes)
    if not wishes.repo:
        start_sandbox(wishes, children)
    # Only now: the settings are read on import.
    import journey

    journey.set_up()
    numbers = [part for each in web for part in ("--fd", str(each.fileno()))]
    start("web process", [*WEB, "--quiet", *numbers], wishes, children, web)
    try:
        demo = journey.Demo(EMAIL, wishes.team)
        new = demo.begin(wishes.repo, wishes.months)
    except journey.Unusable as problem:
        children.check()
        raise Mistake(str(problem)) from None
    start("worker", [*MANAGE, "run_worker", "--end-with-stdin"], wishes, children)
    print(f"\n{introduction(wishes, new)}\n", flush=True)
    demo.show_addresses()
    while True:
        demo.follow(children.check)
        children.check()
        time.sleep(0.3)


def start(name: str, command: list[str], wishes: Wishes, children: Children, sockets: Sockets = ()) -> None:
    """A child with a log of its own in the state folder."""
    with (wishes.state / f"{name.partition(' ')[0]}.log").open("ab") as log:
        children.start(name, command, sockets=sockets, stdout=log, stderr=log)


def introduction(wishes: Wishes, new: bool) -> str:
    what = wishes.repo or wishes.data or "a made-up organisation"
    words = [f"Firstlight: {wishes.team}, from {what}."]
    if not new:
        words.append("It goes on with what is there; FRESH=1 starts over.")
    elif wishes.repo:
        words.append("A clone is read at full speed.")
    elif wishes.pace is None:
        words.append("Paced so that you can watch, about 30 s; PACE=0 goes at full speed.")
    else:
        words.append(
            f"{wishes.pace:g} s are added to every answer of the sandbox." if wishes.pace else "At full speed."
        )
    return " ".join([*words, "Ctrl-C ends all of it."])


def configure(wishes: Wishes) -> None:
    """The environment that this process and its children share. None of the caller's own set-up leaks into it."""
    for name in re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE):
        os.environ.pop(name, None)
    os.environ |= {
        "DEBUG": "1",
        "STATE_DIR": str(wishes.state),
        "FIRSTLIGHT_DOTENV": "0",
        "PORT": str(wishes.port),
        "DJANGO_SETTINGS_MODULE": "project.settings",
    }
    if wishes.repo:
        os.environ["GIT_SOURCE_ROOT"] = str(wishes.repo.parent)


def start_sandbox(wishes: Wishes, children: Children) -> None:
    """On a free port, whose address is the sample's and GitHub's; asked before it has started, it answers later."""
    (listener,) = listen(0)
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    os.environ |= {"SAMPLE_URL": address, "GITHUB_API_URL": address, "LLM_BASE_URL": f"{address}/v1"}
    command = [*MANAGE, "sandbox", "--end-with-stdin", "--fd", str(listener.fileno())]
    if wishes.pace is None:
        command += ["--llm-timing", LLM_SHARE]
    command += ["--every", str(every(wishes))] if wishes.pace is None else ["--pace", str(wishes.pace)]
    if wishes.data:
        command += ["--data", str(wishes.data)]
    start("sandbox", command, wishes, children, (listener,))


def every(wishes: Wishes) -> float:
    """How many seconds lie between two answers of the sandbox, so that a person can watch."""
    if wishes.data is None:
        return EVERY
    lines = sum(path.read_bytes().count(b"\n") for path in wishes.data.glob("*.jsonl"))
    return min(SLOWEST, PACED_SECONDS * PER_ANSWER / max(lines, 1))


if __name__ == "__main__":
    sys.exit(main())
