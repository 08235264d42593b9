"""Firstlight, live, from an empty folder: web, worker and a sandbox of GitHub in the
foreground, on the embedded default (SQLite for rows and messages). Onboards a team by
the code of the real journey, and prints a link to watch it.

    make demo                          a made-up organization
    make demo DATA=../shared/sample    pull request files, served by the sandbox
    make demo REPO=/path/to/clone      a git clone; no sandbox

    PORT=8001    another port than 8000
    PACE=0       full speed; otherwise the sandbox answers so slowly that a person can watch. PACE=0.5: half a second
                 longer for every answer
    MONTHS=24    how far back
    FRESH=1      starts over; without it, a second start goes on with what is there
    STATE=…      another folder for what the demo keeps: an empty one, or a demo's

Another source or another number of months is another demo, in a folder of its own
(`demo_state`).
"""

import os
import re
import signal
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from demo_state import SAMPLE_MONTHS, Origin, UsageError, claim, share_settings
from processes import MANAGE, ROOT, WEB, ChildEnded, Children, PortTaken, listen

Sockets = tuple[socket.socket, ...]

EMAIL = "lead@example.com"
MAX_MONTHS = 600
SOURCE_MONTHS = 24
# With these the made-up organization, and a folder of any size, take about half a
# minute, unless the machine is slower.
EVERY = 0.15
# The language model answers in about a second.
LLM_SHARE = "0.3"
PACED_SECONDS, PER_ANSWER, SLOWEST = 25.0, 25, 1.0


@dataclass(frozen=True)
class Options:
    """What the environment asks for, checked."""

    data: Path | None
    repo: Path | None
    port: int
    pace: float | None
    months: int
    fresh: bool
    state: Path
    origin: Origin

    @property
    def team(self) -> str:
        if self.repo:
            return self.repo.name
        return self.data.name.capitalize() if self.data else "Acme Engineering"


def main() -> int:
    sys.path.insert(0, str(ROOT))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)
    try:
        options = read_options()
        web = open_port(options)
        with claim(options.state, options.origin, fresh=options.fresh), Children() as children:
            run(options, children, web)
    except UsageError as mistake:
        print(f"make demo: {mistake}", file=sys.stderr)
        return 64
    except ChildEnded as ended:
        print(
            f"\nmake demo: {ended} Its log is in {options.state}; the other processes were stopped, too.",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        print("\nEnded. `make demo` continues from here; FRESH=1 starts over.", file=sys.stderr)
    return 0


def leave(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def read_options() -> Options:
    """Raises UsageError for what cannot be used."""
    data, repo = folder("DATA"), folder("REPO")
    if data and repo:
        raise UsageError("REPO and DATA are two sources. Give one of them.")
    if data and not any(data.glob("*__*.jsonl")):
        raise UsageError(
            f"DATA={data}: there is no OWNER__REPO.jsonl in it. Give a folder of pull request files."
        )
    months = number("MONTHS", int, 1, MAX_MONTHS)
    port = number("PORT", int, 1, 65535)
    if months is None:
        months = SOURCE_MONTHS if repo or data else SAMPLE_MONTHS
    state = os.environ.get("STATE")
    origin = Origin.of(data, repo, months)
    return Options(
        data=data,
        repo=repo,
        port=8000 if port is None else port,
        pace=number("PACE", float, 0, 60),
        months=months,
        fresh=os.environ.get("FRESH") not in (None, "", "0"),
        state=Path(state).expanduser().resolve()
        if state
        else origin.default_folder(ROOT / ".state"),
        origin=origin,
    )


def folder(name: str) -> Path | None:
    given = os.environ.get(name)
    if not given:
        return None
    path = Path(given).expanduser().resolve()
    if not path.is_dir():
        raise UsageError(f"{name}={given}: there is no such folder.")
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
        raise UsageError(f"{name}={given}: give a number from {least} to {most}.")
    return value


def open_port(options: Options) -> Sockets:
    """From now on the web's address can be opened; it answers as soon as there is
    somebody to.
    """
    try:
        return listen(options.port)
    except PortTaken:
        raise UsageError(
            f"port {options.port} is taken by another program. Stop it, or use another port: "
            f"make demo PORT={options.port % 65535 + 1}"
        ) from None


def run(options: Options, children: Children, web: Sockets) -> None:
    """Until Ctrl-C, SIGTERM, or the end of a child."""
    configure(options)
    if not options.repo:
        start_sandbox(options, children)
    # Only now: the settings are read on import.
    import journey

    journey.set_up()
    numbers = [part for each in web for part in ("--fd", str(each.fileno()))]
    start("web process", [*WEB, "--quiet", *numbers], options, children, web)
    try:
        demo = journey.Demo(EMAIL, options.team)
        new = demo.begin(options.repo, options.months)
    except journey.Unusable as problem:
        children.check()
        raise UsageError(str(problem)) from None
    start("worker", [*MANAGE, "run_worker", "--end-with-stdin"], options, children)
    print(f"\n{introduction(options, new)}\n", flush=True)
    demo.show_addresses()
    while True:
        demo.follow(children.check)
        children.check()
        time.sleep(0.3)


def start(
    name: str, command: list[str], options: Options, children: Children, sockets: Sockets = ()
) -> None:
    """A child with a log of its own in the state folder."""
    with (options.state / f"{name.partition(' ')[0]}.log").open("ab") as log:
        children.start(name, command, sockets=sockets, stdout=log, stderr=log)


def introduction(options: Options, new: bool) -> str:
    what = options.repo or options.data or "a sample organization"
    words = [f"Firstlight: {options.team}, from {what}."]
    if not new:
        words.append("It continues from earlier; FRESH=1 starts over.")
    elif options.repo:
        words.append("A clone is read at full speed.")
    elif options.pace is None:
        words.append(
            "Slowed down so that you can watch, about 30 s; PACE=0 runs at full speed."
        )
    else:
        words.append(
            f"{options.pace:g} s are added to every answer of the sandbox."
            if options.pace
            else "At full speed."
        )
    return " ".join([*words, "Ctrl-C stops everything."])


def configure(options: Options) -> None:
    """The environment that this process and its children share.

    None of the caller's own set-up leaks into it.
    """
    for name in re.findall(r"^#?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE):
        os.environ.pop(name, None)
    os.environ |= {
        "DEBUG": "1",
        "STATE_DIR": str(options.state),
        "FIRSTLIGHT_DOTENV": "0",
        "PORT": str(options.port),
        "DJANGO_SETTINGS_MODULE": "project.settings",
    }
    if options.repo:
        os.environ["GIT_SOURCE_ROOT"] = str(options.repo.parent)


def start_sandbox(options: Options, children: Children) -> None:
    """On a free port, whose address is the sample's and GitHub's; asked before it has
    started, it answers later.
    """
    (listener,) = listen(0)
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    os.environ |= {
        "SAMPLE_URL": address,
        "GITHUB_API_URL": address,
        "LLM_BASE_URL": f"{address}/v1",
    }
    names = ("PORT", "GIT_SOURCE_ROOT", "SAMPLE_URL", "GITHUB_API_URL", "LLM_BASE_URL")
    share_settings(
        options.state, {name: os.environ[name] for name in names if name in os.environ}
    )
    command = [*MANAGE, "sandbox", "--end-with-stdin", "--fd", str(listener.fileno())]
    if options.pace is None:
        command += ["--llm-timing", LLM_SHARE]
    command += (
        ["--every", str(every(options))]
        if options.pace is None
        else ["--pace", str(options.pace)]
    )
    if options.data:
        command += ["--data", str(options.data)]
    start("sandbox", command, options, children, (listener,))


def every(options: Options) -> float:
    """How many seconds lie between two answers of the sandbox, so that a person can
    watch.
    """
    if options.data is None:
        return EVERY
    lines = sum(path.read_bytes().count(b"\n") for path in options.data.glob("*__*.jsonl"))
    return min(SLOWEST, PACED_SECONDS * PER_ANSWER / max(lines, 1))


if __name__ == "__main__":
    sys.exit(main())
