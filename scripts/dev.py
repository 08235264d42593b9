"""Development: migrate, then the site with reload and a worker side by side, both ended by Ctrl-C, SIGTERM or the end
of either. DEBUG is on unless the environment says otherwise."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from processes import end

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    os.environ.setdefault("DEBUG", "1")
    from django.conf import settings

    from project.startup import prepare

    prepare()
    manage = [sys.executable, "manage.py"]
    if status := subprocess.run([*manage, "migrate", "--verbosity", "0"], check=False).returncode:
        return status
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    web = [sys.executable, "-m", "uvicorn", "project.asgi:application", "--reload", "--reload-dir", "apps"]
    web += ["--reload-dir", "project", "--host", "127.0.0.1", "--port", str(settings.PORT)]
    children: list[subprocess.Popen[bytes]] = []
    try:
        for command in (web, [*manage, "run_worker"]):
            # Groups of their own: a Ctrl-C reaches this process alone, which ends each child once.
            children.append(subprocess.Popen(command, start_new_session=True))
        print(f"Firstlight is at http://localhost:{settings.PORT}/ (Ctrl-C ends it)", file=sys.stderr)
        return wait_for_either(children)
    except KeyboardInterrupt:
        return 0
    finally:
        end(children)


def wait_for_either(children: list[subprocess.Popen[bytes]]) -> int:
    """The exit status of the child that ends first."""
    while True:
        for child in children:
            if (status := child.poll()) is not None:
                print(f"{child.args[1:]} ended with status {status}; ending the other.", file=sys.stderr)
                return status
        time.sleep(0.2)


if __name__ == "__main__":
    sys.exit(main())
