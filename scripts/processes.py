"""Child processes of the scripts here: ended by the process that started them, each by its own handle."""

import subprocess

GRACE = 15.0  # seconds that a child has to end by itself


def end(children: list[subprocess.Popen]) -> None:
    """Ask each child to end, wait, and kill those that don't."""
    for child in children:
        if child.poll() is None:
            child.terminate()
    for child in children:
        try:
            child.wait(GRACE)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
