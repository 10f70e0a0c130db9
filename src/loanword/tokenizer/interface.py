"""What every tokenizer here can do, whatever library encodes for it.

Pieces are strings in the tokenizer's own alphabet: SentencePiece writes a space as "▁", a byte-level
tokenizer writes every byte as one printable character.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from loanword.records import Record

Family = Literal["sentencepiece", "byte-level"]


def _byte_alphabet() -> dict[str, int]:
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + n): byte for n, byte in enumerate(hidden)}


BYTE_OF = _byte_alphabet()
"""The byte that each character of a byte-level piece stands for: printable Latin-1 for itself, the rest from U+0100.

Source: openai/gpt-2, src/encoder.py.
"""

BYTE_PIECES = tuple(f"<0x{byte:02X}>" for byte in range(256))
"""What SentencePiece calls the bytes that it falls back to."""


class NewPiece(Record):
    """A piece added to a tokenizer: two pieces joined, or, where both are None, one character."""

    text: str
    left: str | None = None
    right: str | None = None


class Tokenizer(ABC):
    """Text to ids and back, by BPE."""

    family: Family
    pieces: Sequence[str]
    bos_id: int
    eos_id: int
    pad_id: int | None
    chat_template: str | None
    special_ids: Mapping[str, int]
    """Control tokens by their text; `encode` never gives them, whatever the text says."""

    @property
    def num_pieces(self) -> int:
        """Size of the vocabulary: one more than the largest id."""
        return len(self.pieces)

    def encode(self, text: str) -> list[int]:
        """Ids of a text, without BOS and EOS; special tokens quoted in it are plain text."""
        return self.encode_batch([text])[0]

    @abstractmethod
    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of each text, as `encode` gives them."""

    @abstractmethod
    def decode(self, ids: Sequence[int]) -> str:
        """The text that ids stand for; special tokens carry none."""

    @abstractmethod
    def is_byte(self, id: int) -> bool:
        """Whether a piece is no whole character: a byte of byte fallback, or part of a UTF-8 sequence."""

    @abstractmethod
    def num_characters(self, piece: str) -> int:
        """Length of a piece in characters of text, parts of a character not counted."""

    @abstractmethod
    def spans(self, text: str) -> list[str]:
        """The parts of a text that merges never cross, in the alphabet of the pieces."""

    @abstractmethod
    def encode_spans(self, spans: Iterable[str]) -> list[list[int]]:
        """Ids of spans, or of parts of spans, each as if it stood alone."""

    @abstractmethod
    def with_pieces(self, new: Sequence[NewPiece]) -> "Tokenizer":
        """This tokenizer with pieces added after its own, each merging after all before it; no id moves."""

    @abstractmethod
    def save(self, folder: Path, chat_template: str | None = None) -> None:
        """Writes the files from which transformers' AutoTokenizer, and `load_tokenizer`, load it again.

        Without `chat_template` the one it was loaded with is kept.
        """
