"""Calls of a model: what they are named, about what they take, and how they run side by side.

One that fails while others are answered, or were before, is that call's own trouble, and is given back; where none is
answered the server's error is raised. A server that fails is left soon; refusals may have their reasons in what is
asked, and cost nothing, so that more is tried. What is on its way when somebody stops is waited for: it has been paid
for.
"""

import hashlib
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

from loanword.errors import UserError
from loanword.protocols import Refused
from loanword.records import canonical_json

C = TypeVar("C")
Taken = TypeVar("Taken", contravariant=True)

LOOK_SECONDS = 0.1
"""How often it is looked whether somebody wants to stop."""
MOST_DOUBTFUL = 3
"""Calls in a row that may fail before the server is taken to be the reason."""
MOST_REFUSED = 32
"""The same of calls that are refused: questions about one matter stand together."""


def content_key(**content: object) -> str:
    """The name of a request by what it says."""
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()[:32]


def about_tokens(num_bytes: int, language: str) -> int:
    """Tokens of so many bytes of text, for an estimate before anything was asked.

    FLORES-200 under LLaMA's 32,000 pieces: 4.1 bytes a token in English, 2.0 to 2.6 in Chinese and ten of the paper's
    13 languages, 1.7 in Urdu, 1.1 in Gujarati and Telugu. Larger vocabularies take fewer tokens.
    """
    return -(-num_bytes // (4 if language.split("-")[0] == "en" else 2))


class Tokens(NamedTuple):
    """Tokens that are read and written."""

    read: int
    written: int

    def cost(self, read_price: float, write_price: float) -> float:
        """What they cost at prices of a million, in the currency of these."""
        return (self.read * read_price + self.written * write_price) / 1e6


class Budget(Protocol[Taken]):
    """What calls may take together."""

    def take(self, call: Taken) -> UserError | None:
        """Sets aside what a call is expected to take; where that is beyond the limit, nothing, and what is to be said.

        It is asked again when other calls are over, which may have taken less than was set aside for them.
        """
        ...

    def give_back(self, call: Taken) -> None:
        """Ends what was set aside: what the call did take is known by now."""
        ...


class _Ended(NamedTuple, Generic[C]):
    """A call that is over, and the error that it ended with."""

    call: C
    error: BaseException | None


class SideBySide(Generic[C]):
    """Makes calls, `at_once` of them side by side; `answered` where the model is known to answer."""

    def __init__(self, make: Callable[[C], None], at_once: int, budget: Budget[C], *, answered: bool = False) -> None:
        self._make = make
        self._at_once = at_once
        self._budget = budget
        self._answered = answered
        self._failed: list[tuple[C, UserError]] = []
        self._doubtful: list[tuple[C, UserError]] = []

    def run(
        self, calls: Sequence[C], over: Callable[[C], None], stopped: Callable[[], bool] = lambda: False
    ) -> list[tuple[C, UserError]]:
        """Makes every call once, tells `over` of each that has ended, and gives those that failed by themselves.

        Ends early where `stopped` says so, with all that were on their way.

        Raises:
            UserError: a model that answers nothing any more; what is beyond the budget.
        """
        self._failed = []
        waiting = list(reversed(calls))
        done: queue.Queue[_Ended[C]] = queue.Queue()
        running = 0
        trouble: BaseException | None = None
        while running or (waiting and trouble is None and not stopped()):
            while waiting and trouble is None and running < self._at_once and not stopped():
                beyond = self._budget.take(waiting[-1])
                if beyond is not None:
                    trouble = None if running else beyond
                    break
                running += 1
                self._start(waiting.pop(), done)
            if not running:
                break
            try:
                ended = done.get(timeout=LOOK_SECONDS)
            except queue.Empty:
                continue
            running -= 1
            self._budget.give_back(ended.call)
            trouble = trouble or self._settle(ended)
            over(ended.call)
        trouble = trouble or self._last_doubts()
        if trouble is not None:
            raise trouble
        return self._failed

    def _start(self, call: C, done: "queue.Queue[_Ended[C]]") -> None:
        def work() -> None:
            error: BaseException | None = None
            try:
                self._make(call)
            except BaseException as raised:  # noqa: BLE001 - raised again where the calls are waited for
                error = raised
            done.put(_Ended(call, error))

        if self._at_once == 1:
            work()
        else:
            # A daemon: a second Ctrl-C ends the process, whatever is still on its way.
            threading.Thread(target=work, daemon=True).start()

    def _settle(self, ended: _Ended[C]) -> BaseException | None:
        """What is to be raised for a call: nothing where others are answered after it failed."""
        if ended.error is None:
            self._answered = True
            self._fail_doubtful()
            return None
        if not isinstance(ended.error, UserError):
            return ended.error
        self._doubtful.append((ended.call, ended.error))
        refused = isinstance(ended.error, Refused)
        alike = [error for _, error in self._doubtful if isinstance(error, Refused) == refused]
        return alike[0] if len(alike) > (MOST_REFUSED if refused else MOST_DOUBTFUL) else None

    def _last_doubts(self) -> UserError | None:
        if self._doubtful and not self._answered:
            return self._doubtful[0][1]
        self._fail_doubtful()
        return None

    def _fail_doubtful(self) -> None:
        self._failed += self._doubtful
        self._doubtful.clear()
