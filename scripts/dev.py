"""Development: migrate, then run the site, a worker, and a sandbox of GitHub until
Ctrl-C or SIGTERM.

The web process and the worker start again when code or a template changes. One that
fails, for example because of a syntax error, waits for the next change. DEBUG is on
unless the environment turns it off. The sandbox is what the site offers as the sample
organization; SAMPLE_URL names another one.
"""

import os
import signal
import socket
import subprocess
import sys
import time

from processes import MANAGE, ROOT, WEB, ChildEnded, Children, PortTaken, listen
from watch import Watcher

WATCHED = ("apps", "project", "templates")
PAUSE = 0.7  # seconds between two checks for changes
WEB_NAME, WORKER_NAME = "web process", "worker"
EX_USAGE = 64


def main() -> int:
    # Started in the background by a shell, a process ignores SIGINT until it states
    # otherwise.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(0))
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    os.environ.setdefault("DEBUG", "1")
    from django.conf import settings

    from project.startup import prepare

    prepare()
    try:
        web = listen(settings.PORT)
    except PortTaken:
        print(
            f"Port {settings.PORT} is taken by another program. End it, or set PORT to another one.",
            file=sys.stderr,
        )
        return EX_USAGE
    if status := subprocess.run(
        [*MANAGE, "migrate", "--verbosity", "0"], check=False
    ).returncode:
        return status
    try:
        with Children() as children:
            if settings.DEBUG and not settings.SAMPLE_URL:
                offer_sample(children)
            watcher = Watcher([ROOT / name for name in WATCHED])
            start(children, web)
            print(
                f"Firstlight is at http://localhost:{settings.PORT}/ (Ctrl-C ends it)",
                file=sys.stderr,
            )
            keep_running(children, watcher, web)
    except ChildEnded as ended:
        print(f"{ended} The others were ended, too.", file=sys.stderr)
        return 1
    return 0


def start(children: Children, web: tuple[socket.socket, ...]) -> None:
    """Start the web process and the worker.

    Connections wait in the sockets `web` until then.
    """
    numbers = []
    for each in web:
        numbers += ["--fd", str(each.fileno())]
    children.start(WEB_NAME, [*WEB, *numbers], sockets=web, keep=True)
    children.start(WORKER_NAME, [*MANAGE, "run_worker", "--end-with-stdin", "--grace", "3"])


def keep_running(children: Children, watcher: Watcher, web: tuple[socket.socket, ...]) -> None:
    """Start both again after each change; raise ChildEnded if the sandbox ends."""
    reported: set[str] = set()
    while True:
        time.sleep(PAUSE)
        if changed := watcher.changed():
            shown = changed.relative_to(ROOT)
            print(f"{shown} changed; web process and worker start again.", file=sys.stderr)
            children.end(WEB_NAME, WORKER_NAME)
            # What was written meanwhile is part of this start.
            watcher.changed()
            start(children, web)
            reported.clear()
        for name in children.ended() - reported:
            if name not in (WEB_NAME, WORKER_NAME):
                children.check()
            print(f"The {name} ended. It starts again after the next change.", file=sys.stderr)
            reported.add(name)


def offer_sample(children: Children) -> None:
    """Start a sandbox on a free port, and name it to the others."""
    (listener,) = listen(0)
    os.environ["SAMPLE_URL"] = f"http://127.0.0.1:{listener.getsockname()[1]}"
    command = [*MANAGE, "sandbox", "--end-with-stdin", "--fd", str(listener.fileno())]
    children.start("sandbox", command, sockets=(listener,), stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(main())
