"""A SentencePiece BPE model in the format of the `tokenizers` library, so that other tools give the same ids.

SentencePiece joins the adjacent pair whose joint text has the highest score, leftmost first among equals;
`tokenizers` applies a list of merges in order. So every way to split a piece becomes a merge, pieces in the order of
their scores. Equal scores (LLaMA's runs of spaces) go longest first: joining leftmost first lets the leftmost
run grow as far as it can before the next begins, which is what the longest merge first gives. Where pieces of equal
score overlap otherwise, `leftmost` says what is done.

Two things stay other than with SentencePiece. In a model with pieces of the user's own, a text that is nothing but such
a piece gets no space before it: the library normalises the piece as it does the text, and cannot tell them apart. And
no merge leads to a piece with a character that is no piece itself, unless its score is the highest.
"""

import base64
import re
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import tokenizers

from loanword.tokenizer.interface import Tokenizer
from loanword.tokenizer.leftmost import leftmost_pre_tokenizer
from loanword.tokenizer.proto import Model, NormalizerSpec, PieceType

_MERGED = (PieceType.NORMAL, PieceType.USER_DEFINED)


def tokenizer_json(model: Model, *, bos_id: int) -> dict[str, Any]:
    """The content of tokenizer.json; special tokens are added ones, and BOS goes before every text."""
    leftmost = leftmost_pre_tokenizer(model)
    unk = next(piece.piece for piece in model.pieces if piece.type == PieceType.UNKNOWN)
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": list(_added_tokens(model)),
        "normalizer": {"type": "Sequence", "normalizers": list(_normalizers(model))},
        "pre_tokenizer": leftmost,
        "post_processor": _begins_with(model.pieces[bos_id].piece, bos_id),
        "decoder": {"type": "Sequence", "decoders": list(_decoders(model.normalizer_spec))},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": unk,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": True,
            "byte_fallback": model.trainer_spec.byte_fallback,
            "ignore_merges": leftmost is not None,
            "vocab": {piece.piece: id for id, piece in enumerate(model.pieces)},
            "merges": _merges(model),
        },
    }


def unlike(folder: Path, tokenizer: Tokenizer, texts: Sequence[str]) -> int:
    """Number of texts that a folder's tokenizer.json encodes otherwise than the tokenizer that was saved there."""
    converted = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    converted.encode_special_tokens = True
    encoded = converted.encode_batch_fast(list(texts), add_special_tokens=False)
    return sum(theirs.ids != ours for theirs, ours in zip(encoded, tokenizer.encode_batch(texts), strict=True))


def _merges(model: Model) -> list[list[str]]:
    scores = {piece.piece: piece.score for piece in model.pieces if piece.type in _MERGED}
    order = dict(zip(scores, count(), strict=False))
    ranked = sorted(scores, key=lambda text: (-scores[text], -len(text), order[text]))
    return [[left, right] for text in ranked for left, right in _splits(text) if left in scores and right in scores]


def _splits(text: str) -> Iterator[tuple[str, str]]:
    return ((text[:end], text[end:]) for end in range(len(text) - 1, 0, -1))


def _added_tokens(model: Model) -> Iterator[dict[str, Any]]:
    for id, piece in enumerate(model.pieces):
        special = piece.type in (PieceType.CONTROL, PieceType.UNKNOWN)
        if special or piece.type == PieceType.USER_DEFINED:
            yield {
                "id": id,
                "content": piece.piece,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": not special,
                "special": special,
            }


def _normalizers(model: Model) -> Iterator[dict[str, Any]]:
    spec = model.normalizer_spec
    defined = [re.escape(piece.piece) for piece in model.pieces if piece.type == PieceType.USER_DEFINED]
    if spec.precompiled_charsmap:
        charsmap = base64.b64encode(spec.precompiled_charsmap).decode("ascii")
        yield {"type": "Precompiled", "precompiled_charsmap": charsmap}
    if spec.remove_extra_whitespaces:
        # A "▁" in the text is a letter to SentencePiece here, but at the end, where spaces are "▁" already.
        yield {"type": "Replace", "pattern": {"Regex": r"\A +|[ ▁]+\z"}, "content": ""}
        yield {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}
    if spec.add_dummy_prefix and defined:
        yield {"type": "Replace", "pattern": {"Regex": rf"\A(?!(?:{'|'.join(defined)})\z)"}, "content": "▁"}
    elif spec.add_dummy_prefix:
        # A normaliser and not Metaspace, which adds no space before a text that begins with one.
        yield {"type": "Prepend", "prepend": "▁"}
    yield {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}


def _decoders(spec: NormalizerSpec) -> Iterator[dict[str, Any]]:
    yield {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}
    yield {"type": "ByteFallback"}
    yield {"type": "Fuse"}
    if spec.add_dummy_prefix:
        yield {"type": "Strip", "content": " ", "start": 1, "stop": 0}


def _begins_with(bos: str, bos_id: int) -> dict[str, Any]:
    def special(type_id: int) -> dict[str, Any]:
        return {"SpecialToken": {"id": bos, "type_id": type_id}}

    def sequence(id: str, type_id: int) -> dict[str, Any]:
        return {"Sequence": {"id": id, "type_id": type_id}}

    return {
        "type": "TemplateProcessing",
        "single": [special(0), sequence("A", 0)],
        "pair": [special(0), sequence("A", 0), special(1), sequence("B", 1)],
        "special_tokens": {bos: {"id": bos, "ids": [bos_id], "tokens": [bos]}},
    }
