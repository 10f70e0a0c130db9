"""Requests for translations, made side by side, every answer in the journal before the next one is asked for.

One answer that cannot be had while others come, or came before, is that text's own trouble, and is given back in
words; where none comes the server's error is raised. What is on its way when somebody stops is waited for: it has been
paid for.
"""

import queue
import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple

from loanword.errors import UserError
from loanword.evaluation.translation_journal import Journal, about_tokens, answered
from loanword.evaluation.translation_prompt import Direction, stops, translation_prompt
from loanword.protocols import Generated, LanguageModel, Progress
from loanword.records import Decoding

LOOK_SECONDS = 0.1
"""How often it is looked whether somebody wants to stop."""
MOST_DOUBTFUL = 3
"""Calls in a row that may fail before the server is taken to be the reason."""


class Request(NamedTuple):
    """A text that a model is asked to translate, and the name of what it is asked."""

    key: str
    text: str
    context: str
    direction: Direction


class Calls(NamedTuple):
    """How a model is called: how many calls run at once, with how many requests in each."""

    at_once: int
    requests: int


class Limits(NamedTuple):
    """What may be spent: tokens of one answer, and of all together, about; None for no limit."""

    max_new_tokens: int
    total_tokens: int | None = None


class Asker:
    """Asks one model, and writes what it says into a journal."""

    def __init__(self, model: LanguageModel, journal: Journal, calls: Calls, limits: Limits, *, chat: bool) -> None:
        self._model = model
        self._journal = journal
        self._calls = calls
        self._limits = limits
        self._chat = chat
        self._answered = len(journal) > 0
        self._failed: dict[str, str] = {}
        self._doubtful: list[_Ended] = []

    def ask(self, requests: Sequence[Request], progress: Progress, stopped: Callable[[], bool]) -> dict[str, str]:
        """Asks every request once, and gives those that could not be answered with what the server said, by key.

        Ends early where `stopped` says so, with all answers that were on their way.

        Raises:
            UserError: a model that answers nothing any more; tokens beyond the limit.
        """
        waiting = list(reversed(self._in_calls(requests)))
        done: queue.Queue[_Ended] = queue.Queue()
        running = num_done = reserved = 0
        trouble: BaseException | None = None
        progress(0, len(requests), "texts")
        while running or (waiting and trouble is None and not stopped()):
            while waiting and trouble is None and running < self._calls.at_once and not stopped():
                wanted = sum(map(self.most_tokens, waiting[-1]))
                trouble = self._beyond_limit(reserved + wanted)
                if trouble is None:
                    reserved += wanted
                    running += 1
                    self._start(waiting.pop(), done)
            if not running:
                break
            try:
                ended = done.get(timeout=LOOK_SECONDS)
            except queue.Empty:
                continue
            running -= 1
            reserved -= sum(map(self.most_tokens, ended.call))
            trouble = trouble or self._settle(ended)
            num_done += len(ended.call)
            progress(num_done, len(requests), "texts")
        if trouble is None and self._doubtful:
            if self._answered:
                self._fail_doubtful()
            else:
                trouble = self._doubtful[0].error
        if trouble is not None:
            raise trouble
        return dict(self._failed)

    def most_tokens(self, request: Request) -> int:
        """Tokens that a request is expected to take, about: what is sent, and an answer that is as long as its text."""
        sent = about_tokens(_prompt_bytes(request, self._chat), request.direction.source)
        return sent + min(self._limits.max_new_tokens, about_tokens(len(request.text.encode()), "und"))

    def _in_calls(self, requests: Sequence[Request]) -> list[list[Request]]:
        # Those of one direction share what their translation ends at.
        found: dict[Direction, list[Request]] = {}
        for request in requests:
            found.setdefault(request.direction, []).append(request)
        size = self._calls.requests
        return [group[first : first + size] for group in found.values() for first in range(0, len(group), size)]

    def _beyond_limit(self, wanted_tokens: int) -> UserError | None:
        limit = self._limits.total_tokens
        if limit is None or self._journal.spent_tokens + wanted_tokens <= limit:
            return None
        return UserError(
            f"--limit-tokens {limit}",
            f"about {self._journal.spent_tokens:,} tokens are spent, and the next answer may go beyond",
            expected="a limit that leaves room for what is missing",
            do="give a higher one: what was answered is kept, and the same command goes on",
        )

    def _start(self, call: list[Request], done: "queue.Queue[_Ended]") -> None:
        def work() -> None:
            error: BaseException | None = None
            try:
                self._call(call)
            except BaseException as raised:  # noqa: BLE001 - raised again where the calls are waited for
                error = raised
            done.put(_Ended(call, error))

        if self._calls.at_once == 1:
            work()
        else:
            # A daemon: a second Ctrl-C ends the process, whatever is still on its way.
            threading.Thread(target=work, daemon=True).start()

    def _call(self, call: Sequence[Request]) -> None:
        direction = call[0].direction
        decoding = Decoding(max_new_tokens=self._limits.max_new_tokens, stop=stops(direction, chat=self._chat))
        prompts = [
            translation_prompt(
                request.text, request.direction, context=request.context, chat=self._chat, id=request.key
            )
            for request in call
        ]
        for request, said in zip(call, self._model.generate(prompts, decoding), strict=True):
            self._keep(request, said)

    def _keep(self, request: Request, said: Generated) -> None:
        self._journal.add(
            answered(
                request.key,
                request.text,
                said,
                source=request.direction.source,
                target=request.direction.target,
                num_prompt_bytes=_prompt_bytes(request, self._chat),
                max_new_tokens=self._limits.max_new_tokens,
            )
        )

    def _settle(self, ended: "_Ended") -> BaseException | None:
        """What is to be raised for a call: nothing where others are answered after it failed."""
        if ended.error is None:
            self._answered = True
            self._fail_doubtful()
            return None
        if not isinstance(ended.error, UserError):
            return ended.error
        self._doubtful.append(ended)
        return self._doubtful[0].error if len(self._doubtful) > MOST_DOUBTFUL else None

    def _fail_doubtful(self) -> None:
        self._failed |= {request.key: _what(one.error) for one in self._doubtful for request in one.call}
        self._doubtful.clear()


class _Ended(NamedTuple):
    """A call that is over, and the error that it ended with."""

    call: list[Request]
    error: BaseException | None


def _what(error: BaseException | None) -> str:
    """An error in words, without where it was and what to do."""
    return error.what if isinstance(error, UserError) else str(error)


def _prompt_bytes(request: Request, chat: bool) -> int:
    prompt = translation_prompt(request.text, request.direction, context=request.context, chat=chat, id=request.key)
    return len((prompt.system + prompt.header + prompt.question).encode())
