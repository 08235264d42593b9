"""Run large computations without the garbage collector."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_gc() -> Iterator[None]:
    """Pause the garbage collection for a block of a few seconds.

    Blocks that build millions of numbers make no garbage, and scanning these again and
    again takes a tenth of the time. The whole process goes without collection
    meanwhile.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
