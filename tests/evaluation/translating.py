"""A language that tests speak both ways, a model and a server that translate into it, and what goes wrong on the way.

Its words are those of the other language with letters moved by 13 places; what has anything but letters in it stays.
"""

import codecs
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from loanword.protocols import OpenPrompt
from tests.evaluation.models import Ruled
from tests.model.serving import ToyServer

_PROMPT = re.compile(r"(\w+) text:\n(.*)\n\n(\w+) translation:\n\Z", re.DOTALL)
_WORD = re.compile(r"(?<![^\s(\"])[A-Za-z]+(?=[.,:;!?)\"]*(?:\s|$))")


def asked_text(prompt: str) -> tuple[str, str]:
    """The text that a prompt asks for, and the language that it is in."""
    found = _PROMPT.search(prompt)
    assert found is not None, prompt
    return found[2], found[1]


def spoken(text: str) -> str:
    """A text in the other language; twice is the text itself."""
    return _WORD.sub(lambda word: codecs.encode(word[0], "rot13"), text)


@dataclass
class Speaking(Ruled):
    """A model that translates, or says what `says_else` makes of a text."""

    says_else: Callable[[str, str], str | None] = lambda text, language: None
    texts: list[str] = field(default_factory=list[str])

    def says(self, prompt: OpenPrompt) -> str:
        text, language = asked_text(prompt.question)
        self.texts.append(text)
        other = self.says_else(text, language)
        return spoken(text) if other is None else other


@dataclass
class TranslatingServer(ToyServer):
    """A server whose model translates, after a while, or says what `says_else` makes of a text."""

    says_else: Callable[[str, str], str | None] = lambda text, language: None
    wait_seconds: float = 0.0
    texts: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    most_at_once: int = 0

    def __enter__(self) -> "TranslatingServer":
        self._counting = threading.Lock()
        self._running = 0
        super().__enter__()
        return self

    def _complete(self, body: dict[str, Any]) -> dict[str, Any]:
        text, language = asked_text(body["messages"][-1]["content"] if "messages" in body else body["prompt"])
        with self._counting:
            self._running += 1
            self.most_at_once = max(self.most_at_once, self._running)
            self.texts.append((text, language))
        time.sleep(self.wait_seconds)
        other = self.says_else(text, language)
        self.says = ""
        answer = super()._complete(body)
        (choice,) = answer["choices"]
        said = spoken(text) if other is None else other
        choice.update({"message": {"content": said}} if "messages" in body else {"text": said})
        with self._counting:
            self._running -= 1
        return answer
