"""A response while it is being generated: which ids were said, and whether it is over.

A stop string may begin and end inside of pieces, and a character may be several pieces; so what is searched is
decoded text, of as many ids as a stop string can reach into.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch

from loanword.model.prompts import Ids
from loanword.tokenizer.interface import Tokenizer


@dataclass
class Reply:
    """What is said after `prompt`: `room` ids at most, up to an id that ends it or to a stop string."""

    prompt: Ids
    room: int
    ends: frozenset[int]
    watch: "StopStrings"
    generator: torch.Generator | None = None
    said: list[int] = field(default_factory=list[int])
    ended: Literal["stopped", "cut"] | None = None

    @property
    def width(self) -> int:
        """Ids of the prompt and the longest response together."""
        return len(self.prompt) + self.room

    @property
    def unread(self) -> int:
        """The last id, whose successor is to be said."""
        return self.said[-1] if self.said else self.prompt[-1]

    def say(self, id: int) -> None:
        """Takes the next id."""
        if id in self.ends:
            self.ended = "stopped"
            return
        self.said.append(id)
        if self.watch.completes(self.said):
            self.ended = "stopped"
        elif len(self.said) == self.room:
            self.ended = "cut"


class StopStrings:
    """Whether a text that grows by one id a time holds one of some strings."""

    def __init__(self, tokenizer: Tokenizer, strings: Sequence[str]) -> None:
        self._tokenizer = tokenizer
        self._strings = tuple(strings)
        self._special = frozenset(tokenizer.special_ids.values())
        # A piece has a byte at least, and a decoder may take the space from the first one.
        self._reach = 1 + max((len(string.encode()) for string in strings), default=0)
        self._start = 0

    def completes(self, ids: Sequence[int]) -> bool:
        """Whether the text of `ids` holds a string; asked once for each id, from the first one on."""
        if not self._strings:
            return False
        text = self._tokenizer.decode(ids[self._start :])
        if len(ids) - self._start >= 4 * self._reach:
            self._start = self._next_start(ids)
        return any(string in text for string in self._strings)

    def before(self, text: str) -> str:
        """What stands before the first string in a text."""
        places = [place for string in self._strings if (place := text.find(string)) >= 0]
        return text[: min(places)] if places else text

    def _next_start(self, ids: Sequence[int]) -> int:
        needed = self._reach
        for place in range(len(ids) - 1, self._start, -1):
            # Special tokens carry no text; what begins inside of a character, or of its bytes, would decode otherwise.
            needed -= ids[place] not in self._special
            if needed <= 0 and not self._tokenizer.is_byte(ids[place]):
                return place
        return self._start


def generator_for(seed: int, id: str) -> torch.Generator:
    """Randomness that belongs to one prompt: the same wherever, and in whatever order, it is asked."""
    digest = hashlib.sha256(f"{seed}:{id}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
