"""A program under supervision:

`program.py FOLDER what`. It writes its process id to FOLDER/started, line by line.
"""

import os
import re
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from apps.supervision import launch, pulse


def started(folder):
    with (folder / "started").open("a") as log:
        print(os.getpid(), file=log)
    return len((folder / "started").read_text().split())


def main():
    folder, what = Path(sys.argv[1]), sys.argv[2]
    table = launch.supervise(
        launch.Limits(silence=1.5, grace=0.5, reports=str(folder / "reports"), name="test")
    )
    first = started(folder) == 1
    pulse.start(table, "one process")
    match what:
        case "pattern" if first:
            slot = table.take("one process")
            slot.mark("a pattern", 60)
            time.sleep(0.3)
            re.match(r"(a+)+$", "a" * 60 + "b")
        case "overdue":
            slot = table.take("one process")
            slot.mark("a step", 1.5 if first else 60)
            time.sleep(3600 if first else 3)
        case "status":
            sys.exit(7)
        case "deaf":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(3600)
        case "wait":
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
            signal.signal(signal.SIGHUP, lambda *_: (folder / "hup").touch())
            while True:
                time.sleep(0.1)


if __name__ == "__main__":
    main()
