"""What artifacts say of an extended vocabulary and of the decoder that has it.

In: `source_change.json`, `skipped.jsonl` and `base_measures.jsonl` of a tokenizer, `checkpoint/config.json` of a model;
each as far as it is there.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loanword.model.shape import DecoderShape, published_context, published_shape
from loanword.records import TokenizerMeasure, read_lines
from loanword.report.lenient import Lenient, read_lenient, read_lenient_lines


class FiringPiece(Lenient):
    """A new piece that occurs in source text, and in how many of its words."""

    text: str
    num_words: int


class SourceChange(Lenient):
    """Words of held-out source text that are no quotations, and those encoded otherwise; the worst pieces first."""

    num_words: int
    num_changed_words: int
    firing_pieces: tuple[FiringPiece, ...] = ()


class PassedOver(Lenient):
    """A piece that was not taken, and the tokens that it would have saved on the text that pieces were learned from."""

    text: str
    reason: str
    num_tokens: int


@dataclass(frozen=True)
class Extension:
    """What an extended tokenizer's artifact says beside how it encodes: how its base encodes the same text, and more.

    `change` is None where it was not measured.
    """

    base_measures: tuple[TokenizerMeasure, ...] = ()
    change: SourceChange | None = None
    passed_over: tuple[PassedOver, ...] = ()


@dataclass(frozen=True)
class Decoder:
    """A model by its config.json, with the rows of its vocabulary."""

    shape: DecoderShape
    context_tokens: int | None


def read_extension(tokenizer: Path) -> Extension:
    """What a tokenizer's folder says of the extension.

    Raises:
        UserError: a file that does not hold what it should.
    """
    names = ("base_measures.jsonl", "source_change.json", "skipped.jsonl")
    measures, change, passed_over = (tokenizer / name for name in names)
    return Extension(
        tuple(read_lines(TokenizerMeasure, measures)) if measures.is_file() else (),
        read_lenient(SourceChange, change) if change.is_file() else None,
        read_lenient_lines(PassedOver, passed_over) if passed_over.is_file() else (),
    )


def read_decoder(model: Path) -> Decoder | None:
    """The model in an artifact's folder; None where it has no config.json, or one of a shape that is not known."""
    path = model / "checkpoint" / "config.json"
    config: dict[str, Any] = json.loads(path.read_bytes()) if path.is_file() else {}
    shape = published_shape(config)
    return None if shape is None else Decoder(shape, published_context(config))
