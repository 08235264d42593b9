"""The name of the running release: for logs, `/metrics`, error reports, and the list of
processes.

    current(base, "")   # the first 12 letters of the commit of a clone; "unknown" in a copy without git

Git itself is not needed for that.
"""

from pathlib import Path

LENGTH = 12
UNKNOWN = "unknown"


def current(base: Path, given: str) -> str:
    """Return `given` if it is not empty, else the commit that is checked out in `base`,
    else "unknown".
    """
    if given:
        return given
    try:
        return _commit(base / ".git")[:LENGTH] or UNKNOWN
    except OSError:
        return UNKNOWN


def _commit(git: Path) -> str:
    """Read HEAD without the program git. Raises OSError if something is missing."""
    if git.is_file():
        # A worktree: its file has the path of its own folder.
        git = git.parent / git.read_text().removeprefix("gitdir:").strip()
    head = (git / "HEAD").read_text().strip()
    if not head.startswith("ref: "):
        return head
    name = head.removeprefix("ref: ")
    common = git / "commondir"
    folder = git / common.read_text().strip() if common.exists() else git
    loose = folder / name
    if loose.exists():
        return loose.read_text().strip()
    for line in (folder / "packed-refs").read_text().splitlines():
        if line.endswith(f" {name}"):
            return line.partition(" ")[0]
    return ""
