"""SentencePiece's model file as typed values: the generated protocol buffer classes carry no types.

Source: google/sentencepiece, src/sentencepiece_model.proto, for the names and numbers.
"""

from collections.abc import Iterator
from enum import IntEnum
from typing import Any, Protocol, cast

from google.protobuf.message import DecodeError
from sentencepiece import sentencepiece_model_pb2


class PieceType(IntEnum):
    """What a piece is; only NORMAL and USER_DEFINED ones are found in text."""

    NORMAL = 1
    UNKNOWN = 2
    CONTROL = 3
    USER_DEFINED = 4
    UNUSED = 5
    BYTE = 6


class ModelType(IntEnum):
    """How a model divides text."""

    UNIGRAM = 1
    BPE = 2
    WORD = 3
    CHAR = 4


class Piece(Protocol):
    """An entry of the vocabulary; its id is its place."""

    piece: str
    score: float
    type: int


class Pieces(Protocol):
    """The vocabulary in the order of ids."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Piece]: ...
    def __getitem__(self, id: int, /) -> Piece: ...
    def add(self, *, piece: str, score: float, type: int) -> Piece: ...


class NormalizerSpec(Protocol):
    """What happens to text before it is divided."""

    name: str
    precompiled_charsmap: bytes
    add_dummy_prefix: bool
    remove_extra_whitespaces: bool
    escape_whitespaces: bool

    def Clear(self) -> None: ...


class TrainerSpec(Protocol):
    """How the model was learned."""

    model_type: int
    vocab_size: int
    byte_fallback: bool
    treat_whitespace_as_suffix: bool

    def HasField(self, name: str, /) -> bool: ...


class Model(Protocol):
    """A SentencePiece model."""

    @property
    def pieces(self) -> Pieces: ...
    @property
    def trainer_spec(self) -> TrainerSpec: ...
    @property
    def normalizer_spec(self) -> NormalizerSpec: ...
    def HasField(self, name: str, /) -> bool: ...
    def SerializeToString(self, *, deterministic: bool = ...) -> bytes: ...


def parse(data: bytes) -> Model | None:
    """The model in a file's bytes, or None where they hold none."""
    model = cast(Any, sentencepiece_model_pb2).ModelProto()
    try:
        model.ParseFromString(data)
    except DecodeError:
        return None
    # A few bytes of anything parse as some protocol buffer.
    return model if model.pieces else None


def copy(model: Model) -> Model:
    """An equal model that can be changed alone."""
    same: Any = cast(Any, sentencepiece_model_pb2).ModelProto()
    same.CopyFrom(model)
    return same


def to_bytes(model: Model) -> bytes:
    """The model's file; equal models give equal bytes."""
    return model.SerializeToString(deterministic=True)
