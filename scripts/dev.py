"""Development: migrate, then the site with reload, a worker and a sandbox of GitHub side by side, all of them ended by
Ctrl-C, SIGTERM or the end of one. DEBUG is on unless the environment says otherwise.

The sandbox is what the site offers as the sample organisation; SAMPLE_URL names another one.
"""

import os
import signal
import subprocess
import sys
import time

from processes import MANAGE, ROOT, WEB, ChildEnded, Children, listen


def main() -> int:
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    os.environ.setdefault("DEBUG", "1")
    from django.conf import settings

    from project.startup import prepare

    prepare()
    if status := subprocess.run([*MANAGE, "migrate", "--verbosity", "0"], check=False).returncode:
        return status
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(0))
    try:
        with Children() as children:
            if settings.DEBUG and not settings.SAMPLE_URL:
                offer_sample(children)
            children.start("web process", [*WEB, "--reload", "--port", str(settings.PORT)])
            children.start("worker", [*MANAGE, "run_worker", "--end-with-stdin"])
            print(f"Firstlight is at http://localhost:{settings.PORT}/ (Ctrl-C ends it)", file=sys.stderr)
            while True:
                children.check()
                time.sleep(0.2)
    except ChildEnded as ended:
        print(f"{ended} The others were ended, too.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


def offer_sample(children: Children) -> None:
    """Start a sandbox on a free port and name it to the others."""
    (listener,) = listen(0)
    os.environ["SAMPLE_URL"] = f"http://127.0.0.1:{listener.getsockname()[1]}"
    command = [*MANAGE, "sandbox", "--end-with-stdin", "--fd", str(listener.fileno())]
    children.start("sandbox", command, sockets=(listener,), stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(main())
