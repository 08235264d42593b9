"""`python -m project.server [--host 127.0.0.1] [--port 8000]`: serve the site until
SIGTERM or SIGINT.
"""

import argparse
import os
import socket

from apps.commands import end_with_stdin
from project.server.serve import serve


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m project.server", description="Serve the site."
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="the address to listen on (default: %(default)s)"
    )
    parser.add_argument(
        "--port",
        type=int,
        default=int(os.environ.get("PORT") or 8000),
        help="(default: %(default)s)",
    )
    parser.add_argument(
        "--fd",
        type=int,
        action="append",
        default=[],
        help="the number of an inherited socket to serve instead; may be given several times",
    )
    parser.add_argument(
        "--end-with-stdin", action="store_true", help="end, as by SIGTERM, when stdin closes"
    )
    options = parser.parse_args()
    if options.end_with_stdin:
        end_with_stdin()
    if options.fd:
        serve([socket.socket(fileno=number) for number in options.fd])
    else:
        serve(host=options.host, port=options.port)


if __name__ == "__main__":
    main()
