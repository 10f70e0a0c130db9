"""Being asked to stop: by Ctrl-C, or by SIGTERM, which schedulers send before they take a machine away."""

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

REQUEUE = 75
"""Exit code of a process that was stopped with work left, and goes on when it is run again: EX_TEMPFAIL."""


@dataclass
class Stop:
    """Whether this process has been asked to stop."""

    asked: bool = False


@contextmanager
def noticed() -> Generator[Stop]:
    """Notes Ctrl-C and SIGTERM instead of ending by them; a second Ctrl-C acts at once, as before.

    SIGTERM is noted however often it comes: a scheduler sends it to all processes, and their starters pass it on. A
    signal that is ignored stays so. Outside of the main thread, which alone hears signals, nothing is noted.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    heard = {number: handler for number, handler in before.items() if handler not in (signal.SIG_IGN, None)}

    def note(number: int, frame: FrameType | None) -> None:
        stop.asked = True
        if signal.SIGINT in heard:
            signal.signal(signal.SIGINT, heard[signal.SIGINT])

    for number in heard:
        signal.signal(number, note)
    try:
        yield stop
    finally:
        for number, handler in heard.items():
            signal.signal(number, handler)
