"""What judges behind servers may take: tokens and money in all runs of a store together, and requests a minute.

What was spent is counted from the replies that are kept, at the prices of today, so that a limit holds however often,
and by however many processes, a study is continued. A request is only begun where the longest reply to it stays within
the limits.
"""

import fcntl
import math
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from loanword.errors import UserError
from loanword.evaluation.calls import Tokens
from loanword.evaluation.judging.cache import Reply, reply_files
from loanword.records import JudgeAccess, read_json

R = TypeVar("R")

LOOK_SECONDS = 2.0
"""How often it is looked for what other processes have spent."""
STOP_SECONDS = 0.1
"""How often whoever waits for a turn looks whether somebody wants to stop."""
_ANOTHER_CLOCK_SECONDS = 3600.0


class Spending(Generic[R]):
    """A `Budget` over all replies in a folder; `most` is what a request may take."""

    def __init__(self, folder: Path, access: JudgeAccess, most: Callable[[R], Tokens]) -> None:
        self._folder = folder
        self._access = access
        self._most = most
        self._counting = threading.Lock()
        self._known: set[str] = set()
        self._looked = -math.inf
        self.spent = Tokens(0, 0)
        self._reserved: dict[int, Tokens] = {}

    def add(self, reply: Reply) -> None:
        """Counts a reply, once."""
        with self._counting:
            if reply.key not in self._known:
                self._known.add(reply.key)
                self.spent = _sum([self.spent, Tokens(reply.read_tokens, reply.written_tokens)])

    def take(self, call: Sequence[R]) -> UserError | None:
        """Sets aside what the longest replies to some requests would take; see `Budget`."""
        most, access = _sum([self._most(request) for request in call]), self._access
        if access.limit_tokens is not None or access.limit_cost is not None:
            self._look()
        taken = _sum([self.spent, *self._reserved.values(), most])
        if access.limit_tokens is not None and sum(taken) > access.limit_tokens:
            spent = f"about {sum(self.spent):,} tokens are spent, and the next reply may take {sum(most):,}"
            return self._beyond(f"--judge-limit-tokens {access.limit_tokens}", spent)
        if access.limit_cost is not None and taken.cost(*access.prices) > access.limit_cost:
            costs = self.spent.cost(*access.prices), most.cost(*access.prices)
            spent = f"about {costs[0]:.4g} is spent, and the next reply may cost {costs[1]:.2g}"
            return self._beyond(f"--judge-limit-cost {access.limit_cost:g}", spent)
        self._reserved[id(call)] = most
        return None

    def give_back(self, call: Sequence[R]) -> None:
        """Ends what was set aside for some requests."""
        del self._reserved[id(call)]

    def _look(self) -> None:
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return
        self._looked = time.monotonic()
        for path in reply_files(self._folder):
            if path.stem not in self._known:
                self.add(read_json(Reply, path))

    def _beyond(self, limit: str, spent: str) -> UserError:
        return UserError(
            limit,
            spent,
            expected="a limit that leaves room for what is missing, over all runs of the store",
            do=f"give a higher one: the {len(self._known):,} replies in {self._folder} are kept, and the same command "
            "goes on from there",
        )


def _sum(taken: Sequence[Tokens]) -> Tokens:
    return Tokens(sum(one.read for one in taken), sum(one.written for one in taken))


class Pace:
    """At most so many requests a minute, evenly, in all processes that name the same file; None for no limit."""

    def __init__(self, path: Path, per_minute: float | None) -> None:
        self._path = path
        self._apart_seconds = 60.0 / per_minute if per_minute is not None else 0.0

    def wait(self, stopped: Callable[[], bool]) -> bool:
        """Returns when the next request may begin, or somebody wants to stop; whether it may begin."""
        begins = time.monotonic() + (self.wait_seconds(time.time()) if self._apart_seconds else 0.0)
        while not stopped() and (left := begins - time.monotonic()) > 0:
            time.sleep(min(left, STOP_SECONDS))
        return not stopped()

    def wait_seconds(self, now: float) -> float:
        """How long the next request has to wait, whose turn is taken with it."""
        with self._path.open("a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            free = float(file.read() or 0.0)
            turn = free if now < free < now + _ANOTHER_CLOCK_SECONDS else now
            file.truncate(0)
            file.write(repr(turn + self._apart_seconds))
        return turn - now
