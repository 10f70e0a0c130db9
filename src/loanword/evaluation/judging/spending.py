"""What judges behind servers may take: tokens and money in all runs of a store together, and requests a minute.

What was spent is counted from the replies that are kept, so that a limit holds however often, and by however many
processes, a study is continued. A request is only begun where the longest reply to it stays within the limits.
"""

import fcntl
import math
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from loanword.errors import UserError
from loanword.evaluation.judging.cache import Reply, reply_files
from loanword.records import JudgeAccess, read_json

R = TypeVar("R")

LOOK_SECONDS = 2.0
"""How often it is looked for what other processes have spent."""
_ANOTHER_CLOCK_SECONDS = 3600.0


class Tokens(NamedTuple):
    """Tokens that are read and written."""

    read: int
    written: int

    def cost(self, access: JudgeAccess) -> float:
        """What they cost, in the currency of the prices."""
        return (self.read * access.read_price + self.written * access.write_price) / 1e6


class Spending(Generic[R]):
    """A `Budget` over all replies in a folder; `most` is what a request may take."""

    def __init__(self, folder: Path, access: JudgeAccess, most: Callable[[R], Tokens]) -> None:
        self._folder = folder
        self._access = access
        self._most = most
        self._counting = threading.Lock()
        self._known: set[str] = set()
        self._looked = -math.inf
        self.tokens, self.cost = 0, 0.0
        self._reserved: dict[int, tuple[int, float]] = {}

    def add(self, reply: Reply) -> None:
        """Counts a reply, once."""
        with self._counting:
            if reply.key not in self._known:
                self._known.add(reply.key)
                self.tokens += reply.spent_tokens
                self.cost += reply.cost

    def take(self, call: Sequence[R]) -> UserError | None:
        """Sets aside what the longest replies to some requests would take; see `Budget`."""
        most = [self._most(request) for request in call]
        tokens, cost = sum(map(sum, most)), sum(one.cost(self._access) for one in most)
        access = self._access
        if access.limit_tokens is not None or access.limit_cost is not None:
            self._look()
        reserved_tokens = sum(reserved for reserved, _ in self._reserved.values())
        reserved_cost = sum(reserved for _, reserved in self._reserved.values())
        if access.limit_tokens is not None and self.tokens + reserved_tokens + tokens > access.limit_tokens:
            spent = f"about {self.tokens:,} tokens are spent, and the next reply may take {tokens:,}"
            return self._beyond(f"--judge-limit-tokens {access.limit_tokens}", spent)
        if access.limit_cost is not None and self.cost + reserved_cost + cost > access.limit_cost:
            spent = f"about {self.cost:.4g} is spent, and the next reply may cost {cost:.2g}"
            return self._beyond(f"--judge-limit-cost {access.limit_cost:g}", spent)
        self._reserved[id(call)] = tokens, cost
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


class Pace:
    """At most so many requests a minute, evenly, in all processes that name the same file; None for no limit."""

    def __init__(self, path: Path, per_minute: float | None) -> None:
        self._path = path
        self._apart_seconds = 60.0 / per_minute if per_minute is not None else 0.0

    def wait(self) -> None:
        """Returns when the next request may begin."""
        if self._apart_seconds:
            time.sleep(self.wait_seconds(time.time()))

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
