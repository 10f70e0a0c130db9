"""Memory that a process keeps for itself after use."""

import ctypes
import gc
from collections.abc import Generator
from contextlib import contextmanager, suppress


def give_back_memory() -> None:
    """Returns to the system what this process does not use any more.

    Worth its milliseconds after each large piece of work: what lies unused between what is in use adds up piece by
    piece, and processes that are forked make copies of it.
    """
    # Only glibc has the call, and only glibc needs it.
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


@contextmanager
def shared_with(num_workers: int) -> Generator[None]:
    """While it lasts, so many processes that are forked share what is there now, as far as they only read it.

    Looking for garbage writes to every object that could hold others, and a page that is written to is copied.
    """
    if num_workers == 1:  # which is this process
        yield
        return
    gc.collect()
    give_back_memory()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
