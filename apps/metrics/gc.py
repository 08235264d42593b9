"""Large computations without the garbage collector."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_gc() -> Iterator[None]:
    """Millions of numbers are no garbage, and to look through them again and again
    takes a tenth of the time.

    For blocks of a few seconds: the whole process goes without it meanwhile.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
