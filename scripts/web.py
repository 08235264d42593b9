"""The web process of `make dev` and `make demo`: uvicorn, ending with whoever started it.

web.py --reload --port 8000    serves this machine, anew whenever the code changes
web.py --fd 3 --fd 4           serves sockets that listen already: who connects before the start waits for it
"""

import argparse
import os
import socket
import sys
from pathlib import Path

import uvicorn

ROOT = Path(__file__).resolve().parent.parent
APPLICATION = "project.asgi:application"
# Seconds that open answers get when the process ends. A stream of events is open as long as its page is.
GRACE = 3


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int)
    parser.add_argument("--fd", type=int, action="append", default=[])
    parser.add_argument("--reload", action="store_true")
    parser.add_argument("--quiet", action="store_true", help="log warnings only")
    options = parser.parse_args()
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    from apps.commands import end_with_stdin

    end_with_stdin()
    if options.fd:
        level = "warning" if options.quiet else "info"
        config = uvicorn.Config(APPLICATION, timeout_graceful_shutdown=GRACE, log_level=level)
        uvicorn.Server(config).run(sockets=[socket.socket(fileno=number) for number in options.fd])
    else:
        folders = [str(ROOT / name) for name in ("apps", "project", "templates")]
        uvicorn.run(
            APPLICATION,
            host="127.0.0.1",
            port=options.port,
            reload=options.reload,
            reload_dirs=folders if options.reload else None,
            timeout_graceful_shutdown=GRACE,
            app_dir=str(ROOT),
        )


if __name__ == "__main__":
    main()
