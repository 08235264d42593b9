"""Keys of a development machine, created once and stored in STATE_DIR."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path


def kept_secret(path: Path, make: Callable[[], str]) -> str:
    """Return the secret in the file `path`. If the file is missing, it is created with
    the result of `make`.

    Only the owner can read the file. It is created in one step: of several processes
    that start at once, one creates it and all read that one.
    """
    if not path.exists():
        descriptor, name = tempfile.mkstemp(
            dir=path.parent, prefix=f".{path.name}."
        )  # mode 0600
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(make())
            os.link(name, path)
        except FileExistsError:
            pass  # another process was first
        finally:
            os.unlink(name)
    return path.read_text().strip()
