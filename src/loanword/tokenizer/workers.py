"""A function over many values in several processes: results in order, the same for any number of processes.

Processes are forked, so that what the function holds (a tokenizer) is shared and never pickled. Each has one value
at a time; all end with the process that they work for, however that one ends.
"""

import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from multiprocessing.connection import Connection
from typing import Any, NamedTuple, TypeVar

from loanword.errors import UserError

Value = TypeVar("Value")
Result = TypeVar("Result")


def ordered_map(function: Callable[[Value], Result], values: Iterable[Value], num_workers: int) -> Iterator[Result]:
    """`map(function, values)`; with one worker, in this process.

    At most one value a worker is read ahead.

    Raises:
        UserError: the function's own, or a process that somebody killed.
        OSError: the function's own, such as a disk that is full.
    """
    if num_workers == 1:
        yield from map(function, values)
        return
    context = multiprocessing.get_context("fork")
    links: list[Connection] = []
    processes: list[multiprocessing.Process] = []
    try:
        for _ in range(num_workers):
            link, theirs = context.Pipe()
            links.append(link)
            process: Any = context.Process(target=_serve, args=(function, theirs, tuple(links)))
            process.start()
            processes.append(process)
            theirs.close()
        yield from _in_turn(links, values)
    finally:
        for link in links:
            link.close()
        for process in processes:
            process.join()


class _Raised(NamedTuple):
    """An error that a process had; what called for its work is told as if it had done it itself."""

    error: Exception


def _in_turn(links: Sequence[Connection], values: Iterable[Any]) -> Iterator[Any]:
    number = 0
    for number, value in enumerate(values, start=1):
        link = links[number % len(links)]
        results = [_received(link)] if number > len(links) else []
        link.send(value)
        yield from results
    for waiting in range(max(1, number - len(links) + 1), number + 1):
        yield _received(links[waiting % len(links)])


def _received(link: Connection) -> Any:
    try:
        result = link.recv()
    except EOFError:
        raise UserError(
            "a worker process",
            "ended without a message",
            expected="a process that lives as long as its stage; one that is killed from outside often lacks memory",
            do="run again to continue; fewer --workers, or fewer --threads of each, need less",
        ) from None
    if isinstance(result, _Raised):
        raise result.error
    return result


def _serve(function: Callable[[Any], Any], link: Connection, others: Sequence[Connection]) -> None:
    # Ctrl-C reaches every process of a terminal; the one at the other end answers it, and its end of the pipe closes.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A copy of the other end, kept open here, would hide that the process at that end is gone.
    for other in others:
        other.close()
    # This process is one worker; threads of the tokenizers library do not survive a fork besides.
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    while True:
        # The one at the other end is gone, perhaps in the middle of a message; errors of the function are its own.
        try:
            value = link.recv()
        except (EOFError, OSError):
            return
        try:
            result = function(value)
        except (OSError, UserError) as error:
            result = _Raised(error)
        except Exception:  # noqa: BLE001 - a bug's traceback belongs to the process that people look at
            result = _Raised(RuntimeError(f"in a worker process:\n{traceback.format_exc()}"))
        try:
            link.send(result)
        except OSError:
            return
