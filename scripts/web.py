"""The web process of `make dev` and `make demo`, which ends with the process that
started it.

web.py --port 8000      serves this machine
web.py --fd 3 --fd 4    serves sockets that listen already: connections wait in them until it has started
"""

import argparse
import os
import socket
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Seconds that open answers get when the process ends. A stream of events is open as
# long as its page is.
GRACE = 3


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int)
    parser.add_argument("--fd", type=int, action="append", default=[])
    parser.add_argument("--quiet", action="store_true", help="log warnings only")
    options = parser.parse_args()
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    from apps.commands import end_with_stdin
    from project.server.serve import serve

    end_with_stdin()
    level = "warning" if options.quiet else "info"
    sockets = [socket.socket(fileno=number) for number in options.fd]
    address = {} if sockets else {"host": "127.0.0.1", "port": options.port}
    serve(sockets or None, timeout_graceful_shutdown=GRACE, log_level=level, **address)


if __name__ == "__main__":
    main()
