"""What a translation will take, before it is begun: requests, and tokens read and written, about."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from loanword.evaluation.calls import Tokens, about_tokens
from loanword.evaluation.translation_checks import num_letters
from loanword.evaluation.translation_prompt import Direction, translation_prompt
from loanword.evaluation.translation_requests import Request
from loanword.writing import writing

BYTES_OF_A_LETTER: Mapping[str, float] = {"Latin": 1.1, "Han": 0.95, "Arabic": 1.7, "Cyrillic": 2.0, "Greek": 2.0}
"""UTF-8 of a translation by the letters of its source, by script; 2.8 for all others.

FLORES-200 against English: 1.05 to 1.39 bytes a character in Latin script, 0.92 in Chinese, 1.59 and 1.75 in Arabic
script, 2.49 to 3.18 in those of India.
"""
OTHER_BYTES = 2.8


class Estimate(NamedTuple):
    """Requests that are still to be made, tokens sent and tokens that are said."""

    num_requests: int
    read_tokens: int
    written_tokens: int

    def price(self, read: float, written: float) -> float:
        """What it costs at prices a million tokens."""
        return Tokens(self.read_tokens, self.written_tokens).cost(read, written)


def estimate(requests: Sequence[Request], target: str, *, back: bool, chat: bool) -> Estimate:
    """What some requests take, and with `back` what those into `target` will take when they are translated back."""
    num_requests = read = written = 0
    for request in requests:
        prompt = translation_prompt(request.text, request.direction, context=request.context, chat=chat, id="")
        sent = len((prompt.system + prompt.header + prompt.question).encode())
        said = _said_bytes(request.text, request.direction)
        num_requests += 1
        read += about_tokens(sent, request.direction.source)
        written += about_tokens(said, request.direction.target)
        if back and request.direction.target == target:
            around = sent - len(request.context.encode()) - len(request.text.encode())
            num_requests += 1
            read += about_tokens(around, "en") + about_tokens(said, target)
            written += about_tokens(len(request.text.encode()), request.direction.source)
    return Estimate(num_requests, read, written)


def _said_bytes(text: str, direction: Direction) -> int:
    script = writing(direction.target).scripts[0]
    return round(num_letters(text) * BYTES_OF_A_LETTER.get(script, OTHER_BYTES))
