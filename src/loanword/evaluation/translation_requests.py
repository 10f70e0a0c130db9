"""Requests for translations, made side by side, every answer in the journal before the next one is asked for.

One answer that cannot be had while others come, or came before, is that text's own trouble, and is given back in
words; where none comes the server's error is raised. What is on its way when somebody stops is waited for: it has been
paid for.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from loanword.errors import UserError
from loanword.evaluation.calls import SideBySide, about_tokens
from loanword.evaluation.translation_journal import Journal, answered
from loanword.evaluation.translation_prompt import Direction, stops, translation_prompt
from loanword.protocols import Generated, LanguageModel, Progress
from loanword.records import Decoding


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
        self._reserved_tokens = 0
        self._side_by_side = SideBySide(self._call, calls.at_once, self, answered=len(journal) > 0)

    def ask(self, requests: Sequence[Request], progress: Progress, stopped: Callable[[], bool]) -> dict[str, str]:
        """Asks every request once, and gives those that could not be answered with what the server said, by key.

        Ends early where `stopped` says so, with all answers that were on their way.

        Raises:
            UserError: a model that answers nothing any more; tokens beyond the limit.
        """
        num_done = 0
        progress(0, len(requests), "texts")

        def over(call: Sequence[Request]) -> None:
            nonlocal num_done
            num_done += len(call)
            progress(num_done, len(requests), "texts")

        failed = self._side_by_side.run(self._in_calls(requests), over, stopped)
        return {request.key: error.what for call, error in failed for request in call}

    def take(self, call: Sequence[Request]) -> UserError | None:
        """Sets tokens aside for a call; see `Budget`."""
        wanted, limit = sum(map(self.most_tokens, call)), self._limits.total_tokens
        if limit is None or self._journal.spent_tokens + self._reserved_tokens + wanted <= limit:
            self._reserved_tokens += wanted
            return None
        return UserError(
            f"--limit-tokens {limit}",
            f"about {self._journal.spent_tokens:,} tokens are spent, and the next answer may go beyond",
            expected="a limit that leaves room for what is missing",
            do="give a higher one: what was answered is kept, and the same command goes on",
        )

    def give_back(self, call: Sequence[Request]) -> None:
        """Ends what was set aside for a call."""
        self._reserved_tokens -= sum(map(self.most_tokens, call))

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


def _prompt_bytes(request: Request, chat: bool) -> int:
    prompt = translation_prompt(request.text, request.direction, context=request.context, chat=chat, id=request.key)
    return len((prompt.system + prompt.header + prompt.question).encode())
