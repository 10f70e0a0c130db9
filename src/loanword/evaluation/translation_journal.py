"""What a model said, request by request, so that nothing is asked twice.

Out: a file of records, one a line, each on disk before it counts. A key is the content of a request: who asks for the
same has it already, in this run or in the one before. A line that a kill cut off is taken out when the file is opened.
"""

import fcntl
import os
import threading
from pathlib import Path
from types import TracebackType
from typing import IO, Literal

from loanword.errors import UserError
from loanword.evaluation.calls import about_tokens
from loanword.protocols import Generated
from loanword.records import Count, Language, PositiveCount, Record


class Asked(Record):
    """One answer. `num_prompt_bytes` is all that was sent; `max_new_tokens` is what cut it, where it was cut."""

    key: str
    source: Language
    target: Language
    text: str
    said: str
    ended: Literal["stopped", "cut", "too long"]
    num_prompt_bytes: Count
    num_tokens: Count
    max_new_tokens: PositiveCount


class Journal:
    """The answers in a file, which no other process writes meanwhile; a context manager.

    `spent_tokens` is what they took, read and written, about.

    Raises:
        UserError: another process has it open; a line before the last that holds no answer.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._answers: dict[str, Asked] = {}
        self._adding = threading.Lock()
        self.spent_tokens = 0
        self._file = self._opened()
        try:
            self._read()
        except UserError:
            self._file.close()
            raise

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self._answers)

    def answer(self, key: str, max_new_tokens: int) -> Asked | None:
        """What was said to a request; None where it was not made, or was cut at fewer tokens than it may have now."""
        found = self._answers.get(key)
        if found is None or (found.ended != "stopped" and found.max_new_tokens < max_new_tokens):
            return None
        return found

    def add(self, answer: Asked) -> None:
        """Takes an answer, and has it on disk; may be called by several threads."""
        line = (answer.to_json() + "\n").encode()
        with self._adding:
            self._file.write(line)
            self._file.flush()
            os.fsync(self._file.fileno())
            self._take(answer)

    def _opened(self) -> IO[bytes]:
        file = self.path.open("a+b")
        try:
            # A lock ends with its process, however that ends; a lease would have to grow stale first.
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise UserError(
                self.path,
                "another process translates into this",
                expected="one at a time, so that nothing is asked twice",
                do="wait for it, or name another --out",
            ) from None
        return file

    def _read(self) -> None:
        self._file.seek(0)
        content = self._file.read()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            self._file.truncate(len(whole))
        for number, line in enumerate(whole.splitlines(), start=1):
            answer = Asked.from_json(line, where=f"{self.path}:{number}")
            self._take(answer)

    def _take(self, answer: Asked) -> None:
        self._answers[answer.key] = answer
        self.spent_tokens += tokens_of(answer)


def tokens_of(answer: Asked) -> int:
    """Tokens that a request took, about: what was sent by its bytes, and what was said as counted, or by its bytes."""
    said = answer.num_tokens or about_tokens(len(answer.said.encode()), answer.target)
    return about_tokens(answer.num_prompt_bytes, answer.source) + (0 if answer.ended == "too long" else said)


def answered(key: str, text: str, said: Generated, **facts: object) -> Asked:
    """An answer as it is kept."""
    return Asked.model_validate(
        {"key": key, "text": text, "said": said.text, "ended": said.ended, "num_tokens": said.num_tokens, **facts}
    )
