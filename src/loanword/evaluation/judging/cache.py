"""What judges replied, kept by what they were asked, so that nothing is paid for twice.

Out: <folder>/<model>/<ab>/<key>.json, a Reply each, on disk before it counts; <model> is a digest, which model.json
beside it explains. Whoever asks the same model for the same has its reply already, in any run of any study that shares
the folder. Several processes may read and write it at the same time; who claims a key before it asks is the only one.
"""

import fcntl
import hashlib
import json
import os
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal

from loanword.evaluation.calls import content_key
from loanword.protocols import OpenPrompt
from loanword.records import Count, Decoding, Record, read_json

_MODEL = "model.json"
_CLAIMED_CHARACTERS = 3
"""Of a key: 4,096 claims, which requests side by side rarely share."""


class Reply(Record):
    """What one request brought. `model` is the name that the answer gave, and `num_` what it counted.

    `read_tokens` and `written_tokens` are what it took, about where the answer counts nothing.
    """

    key: str
    text: str
    ended: Literal["stopped", "cut", "refused", "too long"]
    model: str = ""
    num_prompt_tokens: Count = 0
    num_new_tokens: Count = 0
    read_tokens: Count = 0
    written_tokens: Count = 0


def reply_key(model: str, prompt: OpenPrompt, decoding: Decoding, repeat: int) -> str:
    """The name of a request by all that decides its reply, and by how often the same was asked before."""
    return content_key(
        model=model,
        prompt=[prompt.system, prompt.header, *prompt.shots, prompt.question],
        history=prompt.history,
        chat=prompt.chat,
        decoding=decoding.model_dump(mode="json"),
        repeat=repeat,
    )


class Replies:
    """The replies of one model in a folder; several threads may add to them."""

    def __init__(self, folder: Path, model: str) -> None:
        self.folder = folder / hashlib.sha256(model.encode()).hexdigest()[:16]
        self.folder.mkdir(parents=True, exist_ok=True)
        name = self.folder / _MODEL
        if not name.is_file():
            _write(name, json.dumps({"model": model}, ensure_ascii=False))
        self._found: dict[str, Reply] = {}

    def get(self, key: str) -> Reply | None:
        """What was replied; None where it was not asked.

        Raises:
            UserError: a file that holds no reply.
        """
        if key not in self._found:
            path = self._path(key)
            if not path.is_file():
                return None
            self._found[key] = read_json(Reply, path)
        return self._found[key]

    def add(self, reply: Reply) -> None:
        """Takes a reply, and has it on disk."""
        path = self._path(reply.key)
        path.parent.mkdir(exist_ok=True)
        _write(path, reply.to_json() + "\n")
        self._found[reply.key] = reply

    def note(self, reply: Reply) -> None:
        """Takes what nothing was paid for: it is known here alone, and another day the answer may be another."""
        self._found[reply.key] = reply

    @contextmanager
    def claimed(self, keys: Sequence[str]) -> Generator[None]:
        """Waits until nobody else holds these keys, or others that begin as they do, and holds them.

        A claim ends with its process, however that ends. All take theirs in one order, so that no two wait for each
        other.
        """
        with ExitStack() as held:
            for begin in sorted({key[:_CLAIMED_CHARACTERS] for key in keys}):
                part = self.folder / begin[:2]
                part.mkdir(exist_ok=True)
                file = held.enter_context((part / f"{begin}.lock").open("w"))
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.json"


def reply_files(folder: Path) -> Iterator[Path]:
    """The files of all replies of all models in a folder, in no order."""
    for model in folder.iterdir() if folder.is_dir() else ():
        for part in model.iterdir():
            if part.is_dir():
                yield from part.glob("*.json")


def _write(path: Path, text: str) -> None:
    """The file is there as a whole or not at all, and outlives a power cut."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    with temporary.open("w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
