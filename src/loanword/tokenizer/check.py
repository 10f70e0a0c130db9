"""What a tokenizer's files must hold for its ids to mean one thing and its merges to lead somewhere.

What is odd but encodes rightly passes, because published files have it: pieces behind the size that SentencePiece's
trainer wrote (Chinese-LLaMA's), holes among the ids of added tokens, a byte-level vocabulary without the bytes that
no text holds.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import tokenizers

from loanword.errors import UserError
from loanword.tokenizer.interface import BYTE_OF, BYTE_PIECES
from loanword.tokenizer.proto import Model, PieceType

AGAIN = "copy the file again from where the checkpoint came from"

# UTF-8 never uses these.
_NO_TEXT = {0xC0, 0xC1, *range(0xF5, 0x100)}
_COMPONENTS = {
    "normalizer": tokenizers.normalizers,
    "pre_tokenizer": tokenizers.pre_tokenizers,
    "post_processor": tokenizers.processors,
    "decoder": tokenizers.decoders,
}


def check_model(path: Path, model: Model) -> None:
    """Refuses a SentencePiece model whose ids would be ambiguous or that lacks what its settings need.

    Raises:
        UserError: a piece is empty or there twice, there is not one unknown token, a byte or the settings are missing,
            there are fewer pieces than the settings say, or spaces are written in a way that we do not know.
    """
    if not model.HasField("trainer_spec"):
        raise UserError(path, f"ends after {len(model.pieces):,} pieces, before its settings",
                        expected="a whole SentencePiece model", do=AGAIN)  # fmt: skip
    texts = [piece.piece for piece in model.pieces]
    if "" in texts:
        raise UserError(path, f"piece {texts.index('')} has no text", expected="a text for every piece", do=AGAIN)
    check_distinct(path, enumerate(texts))
    unknown = [id for id, piece in enumerate(model.pieces) if piece.type == PieceType.UNKNOWN]
    if len(unknown) != 1:
        what = f"the unknown token is piece {' and piece '.join(map(str, unknown))}" if unknown else "no unknown token"
        raise UserError(path, what, expected="one piece of the type UNKNOWN, usually piece 0 '<unk>'", do=AGAIN)
    _check_settings(path, model)


def _check_settings(path: Path, model: Model) -> None:
    spec, num_pieces = model.trainer_spec, len(model.pieces)
    if spec.HasField("vocab_size") and spec.vocab_size > num_pieces:
        raise UserError(path, f"{num_pieces:,} pieces, where its settings say {spec.vocab_size:,}",
                        expected="no fewer pieces than trainer_spec.vocab_size", do=AGAIN)  # fmt: skip
    if spec.byte_fallback:
        bytes_there = {piece.piece for piece in model.pieces if piece.type == PieceType.BYTE}
        _check_bytes(path, enumerate(BYTE_PIECES), bytes_there)
    if spec.treat_whitespace_as_suffix or not model.normalizer_spec.escape_whitespaces:
        raise UserError(path, "a space is not written as '▁' before the word it parts",
                        expected="treat_whitespace_as_suffix off and escape_whitespaces on, as in LLaMA's",
                        do="choose another base: such a model has no equal tokenizer.json")  # fmt: skip


def check_json(path: Path, content: Mapping[str, Any], merges_path: Path | None = None) -> None:
    """Refuses the content of a tokenizer.json with BPE whose ids would be ambiguous or whose merges lead nowhere.

    Merges that come from a file of their own are reported under its name.

    Raises:
        UserError: two texts share an id or one text has two, an id or a byte is missing, a merge is not one of two
            pieces to a third, or the file asks for what the `tokenizers` library does not have.
    """
    model: Mapping[str, Any] = content["model"]
    for setting in ("continuing_subword_prefix", "end_of_word_suffix"):
        if model.get(setting):
            raise UserError(path, f"{setting} is {model[setting]!r}", expected="pieces that are joined as they are",
                            do="choose a base whose tokenizer is byte-level BPE or has byte fallback")  # fmt: skip
    for name, known in _COMPONENTS.items():
        _check_kinds(path, name, content.get(name), known)
    vocab: Mapping[str, int] = model["vocab"]
    _check_ids(path, vocab, content["added_tokens"])
    if model.get("byte_fallback"):
        _check_bytes(path, enumerate(BYTE_PIECES), vocab)
    else:
        _check_bytes(path, ((byte, symbol) for symbol, byte in BYTE_OF.items() if byte not in _NO_TEXT), vocab)
    _check_merges(merges_path or path, vocab, model["merges"])


def check_added_ids(path: Path, added: Iterable[Mapping[str, Any]], pieces: Sequence[str]) -> None:
    """Refuses added tokens that the `tokenizers` library, and so transformers, numbers otherwise than their file.

    It counts on from the vocabulary and reads no ids, so that those behind a hole would name other rows of the model.

    Raises:
        UserError: with the token and both ids.
    """
    for token in added:
        id, text = token["id"], token["content"]
        if id >= len(pieces) or pieces[id] != text:
            raise UserError(path, f"added token {text!r} has id {id}, but is read as id {pieces.index(text)}",
                            expected="added tokens in the vocabulary, or with the ids that follow its last",
                            do="add the token to model.vocab under the id that the model was trained with")  # fmt: skip


def _check_kinds(path: Path, name: str, component: Any, known: object) -> None:
    if isinstance(component, list):
        for part in cast(list[Any], component):
            _check_kinds(path, name, part, known)
    elif isinstance(component, dict) and "type" in component:
        said = cast(dict[str, Any], component)
        if not hasattr(known, str(said["type"])):
            raise UserError(path, f"its {name} is of kind {said['type']}, which `tokenizers` does not know",
                            expected=f"what version {tokenizers.__version__} reads", do="update it")  # fmt: skip
        for parts in said.values():
            _check_kinds(path, name, parts if isinstance(parts, list) else None, known)


def _check_ids(path: Path, vocab: Mapping[str, int], added: Iterable[Mapping[str, Any]]) -> None:
    tokens: list[tuple[int, str]] = [(token["id"], token["content"]) for token in added]
    pieces = [(id, text) for text, id in vocab.items()]
    by_id: dict[int, str] = {}
    for id, text in (*pieces, *tokens):
        if by_id.setdefault(id, text) != text:
            raise UserError(path, f"id {id} is both {by_id[id]!r} and {text!r}", expected="one piece for every id",
                            do=AGAIN)  # fmt: skip
    check_distinct(path, sorted({*pieces, *tokens}))
    token_ids = {id for id, _ in tokens}
    for before, id in pairwise([-1, *sorted(by_id)]):
        if id > before + 1 and id not in token_ids:
            raise UserError(path, f"id {before + 1} has no piece, id {id} is {by_id[id]!r}",
                            expected="no holes but before added tokens", do=AGAIN)  # fmt: skip


def check_distinct(path: Path, pieces: Iterable[tuple[int, str]]) -> None:
    """Refuses a text with two ids.

    Raises:
        UserError: with the text and both ids.
    """
    ids: dict[str, int] = {}
    for id, text in pieces:
        if ids.setdefault(text, id) != id:
            raise UserError(path, f"piece {id} {text!r} is also piece {ids[text]}", expected="one id for every piece",
                            do=AGAIN)  # fmt: skip


def _check_bytes(path: Path, wanted: Iterable[tuple[int, str]], there: Container[str]) -> None:
    for byte, piece in wanted:
        if piece not in there:
            raise UserError(path, f"byte 0x{byte:02X} has no piece {piece!r}",
                            expected="a piece for every byte, so that any text can be encoded", do=AGAIN)  # fmt: skip


def _check_merges(path: Path, vocab: Mapping[str, int], merges: Sequence[str | Sequence[str]]) -> None:
    for number, merge in enumerate(merges, start=1):
        parts = merge.split(" ") if isinstance(merge, str) else merge
        if len(parts) != 2:
            raise UserError(path, f"merge {number} is {' '.join(parts)!r}", expected="two pieces, one space between",
                            do=AGAIN)  # fmt: skip
        for text in (*parts, "".join(parts)):
            if text not in vocab:
                raise UserError(path, f"merge {number}, {parts[0]!r} with {parts[1]!r}: {text!r} is no piece",
                                expected="a merge of two pieces to a third", do=AGAIN)  # fmt: skip
