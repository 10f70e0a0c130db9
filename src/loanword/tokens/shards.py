"""A token stream in files of bounded size, written as it comes and read anywhere.

Out: `tokens-00000.bin` ..., little-endian ids of two or four bytes, whole documents in each; `offsets.bin`
    [documents + 1], the token of the whole stream at which each document begins, and `text_bytes.bin`
    [documents + 1], the UTF-8 bytes of text before each, both int64; `shards.jsonl`, a TokenShard a file.

A finished file is noted in a journal, with the place in the corpus where the next one begins: a stage that was killed
goes on from there, and what it had begun is written again. The journal stays until the artifact is finished, and goes
with its scratch folder: a stage that was killed behind the last file has only to end the stream.
"""

import json
from bisect import bisect_right
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from loanword.errors import UserError
from loanword.records import Count, Record, file_sha256, read_lines, write_lines

SHARD_TOKENS = 1 << 24
_SHARDS, _OFFSETS, _TEXT_BYTES = "shards.jsonl", "offsets.bin", "text_bytes.bin"
_OFFSET = np.dtype("<i8")

Ids = npt.NDArray[np.unsignedinteger[Any]]
Integers = npt.NDArray[np.int64]


class TokenShard(Record):
    """What one file of a token stream holds."""

    num_documents: Count
    num_tokens: Count
    num_bytes: Count
    sha256: str


class Place(NamedTuple):
    """A byte of one of a corpus's files."""

    file: int
    byte: int


class Encoded(NamedTuple):
    """Documents as they lie in the stream: ids of all of them, tokens and UTF-8 bytes of each."""

    ids: Ids
    num_tokens: Integers
    num_bytes: Integers


def id_type(num_pieces: int) -> np.dtype[Any]:
    """Two bytes an id where they are enough, else four."""
    return np.dtype("<u2") if num_pieces <= 1 << 16 else np.dtype("<u4")


class ShardWriter:
    """Appends documents to a stream; `next` is the place of the corpus that is to be read next.

    `library` is who encodes: what a stage was killed in goes on with the same one, or from the beginning.
    """

    def __init__(self, out: Path, shard_tokens: int = SHARD_TOKENS) -> None:
        self._out = out
        self._shard_tokens = shard_tokens
        self._journal = out / ".scratch" / "tokens.jsonl"
        self.library: str | None = None
        self.next = Place(0, 0)
        self.shards: list[TokenShard] = []
        # Sizes of the documents in the file that is being written.
        self._num_tokens: list[Integers] = []
        self._num_bytes: list[Integers] = []
        self._continue()

    @property
    def num_bytes(self) -> int:
        """UTF-8 bytes of the text that is written."""
        return sum(shard.num_bytes for shard in self.shards) + sum(int(each.sum()) for each in self._num_bytes)

    def begin(self, library: str) -> None:
        """An empty stream, whatever was there."""
        self.library, self.next, self.shards = library, Place(0, 0), []
        self._num_tokens, self._num_bytes = [], []
        self._journal.parent.mkdir(parents=True, exist_ok=True)
        self._journal.write_text(json.dumps({"library": library}) + "\n", encoding="utf-8")
        self._drop()

    def add(self, documents: Encoded, following: Place) -> None:
        """Appends documents; `following` is where those after them begin."""
        with self._file(len(self.shards)).open("ab" if self._num_tokens else "wb") as file:
            file.write(documents.ids.tobytes())
        self._num_tokens.append(documents.num_tokens)
        self._num_bytes.append(documents.num_bytes)
        self.next = following
        if sum(int(each.sum()) for each in self._num_tokens) >= self._shard_tokens:
            self._close()

    def finish(self) -> list[TokenShard]:
        """Ends the stream."""
        if self._num_tokens:
            self._close()
        write_lines(self.shards, self._out / _SHARDS)
        return self.shards

    def _close(self) -> None:
        num_tokens, num_bytes = np.concatenate(self._num_tokens), np.concatenate(self._num_bytes)
        for name, sizes in ((_OFFSETS, num_tokens), (_TEXT_BYTES, num_bytes)):
            path = self._out / name
            before = int(np.fromfile(path, _OFFSET, offset=path.stat().st_size - _OFFSET.itemsize)[0])
            with path.open("ab") as file:
                file.write((before + np.cumsum(sizes)).astype(_OFFSET).tobytes())
        shard = TokenShard(
            num_documents=len(num_tokens),
            num_tokens=int(num_tokens.sum()),
            num_bytes=int(num_bytes.sum()),
            sha256=file_sha256(self._file(len(self.shards))),
        )
        self.shards.append(shard)
        self._num_tokens, self._num_bytes = [], []
        with self._journal.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"shard": shard.model_dump(), "next": self.next}) + "\n")

    def _continue(self) -> None:
        """Takes up what a killed stage had finished, as far as it is whole."""
        if not self._journal.is_file():
            return
        lines = self._journal.read_bytes().split(b"\n")
        # The last line is empty, or was being written.
        first, *noted = [json.loads(line) for line in lines[:-1]] or [{}]
        self.library = first.get("library")
        kept: list[dict[str, Any]] = []
        num_there = min(self._num_documents_in(name) for name in (_OFFSETS, _TEXT_BYTES))
        for line in noted:
            shard, path = TokenShard(**line["shard"]), self._file(len(kept))
            num_there -= shard.num_documents
            if num_there < 0 or not path.is_file() or file_sha256(path) != shard.sha256:
                break
            kept.append(line)
            self.shards.append(shard)
            self.next = Place(*line["next"])
        self._journal.write_text("".join(json.dumps(line) + "\n" for line in (first, *kept)), encoding="utf-8")
        self._drop()

    def _drop(self) -> None:
        """Removes what is behind the finished shards."""
        num_kept = sum(shard.num_documents for shard in self.shards) + 1
        for name in (_OFFSETS, _TEXT_BYTES):
            path = self._out / name
            if num_kept == 1:
                path.write_bytes(bytes(_OFFSET.itemsize))
            with path.open("r+b") as file:
                file.truncate(num_kept * _OFFSET.itemsize)
        for path in self._out.glob("tokens-*.bin"):
            if path not in map(self._file, range(len(self.shards))):
                path.unlink()

    def _num_documents_in(self, name: str) -> int:
        path = self._out / name
        return path.stat().st_size // _OFFSET.itemsize - 1 if path.is_file() else 0

    def _file(self, number: int) -> Path:
        return _file(self._out, number)


class TokenStream:
    """The ids of a stream in its files, mapped where they are read. `offsets` and `text_bytes` are what lies beside."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        shards = list(read_lines(TokenShard, folder / _SHARDS))
        # The token of the stream at which each file begins, and behind them where it ends.
        self._begins = [0, *accumulate(shard.num_tokens for shard in shards)]
        self._maps: dict[int, Ids] = {}
        self.offsets: Integers = np.memmap(folder / _OFFSETS, _OFFSET, mode="r")
        self.text_bytes: Integers = np.memmap(folder / _TEXT_BYTES, _OFFSET, mode="r")
        if len(self.offsets) != 1 + sum(shard.num_documents for shard in shards):
            raise UserError(
                folder,
                f"{len(self.offsets) - 1:,} documents, where {_SHARDS} says "
                f"{sum(shard.num_documents for shard in shards):,}",
                expected="a finished tokens artifact",
                do="remove the folder, and run the study again",
            )

    @property
    def num_tokens(self) -> int:
        """Tokens of all files."""
        return self._begins[-1]

    def ids(self, first: int, last: int) -> Integers:
        """The ids of tokens [first, last); behind the last token comes the first again."""
        ids = np.empty(last - first, np.int64)
        done = 0
        while done < len(ids):
            token = (first + done) % self.num_tokens
            number = bisect_right(self._begins, token) - 1
            begin = token - self._begins[number]
            part = self._map(number)[begin : begin + len(ids) - done]
            ids[done : done + len(part)] = part
            done += len(part)
        return ids

    def _map(self, number: int) -> Ids:
        if number not in self._maps:
            path = _file(self._folder, number)
            size, rest = divmod(path.stat().st_size, self._begins[number + 1] - self._begins[number])
            if rest or size not in (2, 4):
                raise UserError(
                    path,
                    f"is not as long as {_SHARDS} says",
                    expected="a whole tokens artifact",
                    do="remove the folder, and run the study again",
                )
            self._maps[number] = np.memmap(path, f"<u{size}", mode="r")
        return self._maps[number]


def _file(folder: Path, number: int) -> Path:
    return folder / f"tokens-{number:05}.bin"
