"""Chinese-LLaMA's way to a larger vocabulary: pieces of another model behind the base's, all with score 0.

It is here to be compared with. SentencePiece joins the highest score first, leftmost among equals, so that every
appended piece outranks all but the first of the base's merges, in source text too; and a piece that no two pieces make
is never reached. Continued BPE avoids both.

Source: ymcui/Chinese-LLaMA-Alpaca, scripts/merge_tokenizer/merge_tokenizers.py, commit 332b79b.
"""

from collections.abc import Iterable
from pathlib import Path

from loanword.errors import UserError
from loanword.tokenizer.check import check_model
from loanword.tokenizer.interface import Tokenizer
from loanword.tokenizer.learn import learn
from loanword.tokenizer.proto import Model, PieceType, parse
from loanword.tokenizer.sentence_pieces import SentencePieceTokenizer

NUM_OTHER_PIECES = 259
"""A learned model's bytes and control symbols."""

_TEXT = (PieceType.NORMAL, PieceType.USER_DEFINED)


def append(base: Tokenizer, pieces: Iterable[str]) -> Tokenizer:
    """The base with those pieces that it lacks behind its own, in their order; no id moves.

    Raises:
        UserError: the base has no tokenizer.model.
    """
    return _with_model(base).with_scores((piece, 0.0) for piece in lacking(base, pieces))


def lacking(base: Tokenizer, pieces: Iterable[str]) -> list[str]:
    """The pieces that a base does not have, each once, in their order."""
    known = set(base.pieces)
    return [piece for piece in dict.fromkeys(pieces) if piece not in known]


def pieces_of_model(path: Path) -> list[str]:
    """The pieces of a SentencePiece model of any kind, in its order; control symbols and bytes are left out.

    Raises:
        UserError: there is no such file, or no SentencePiece model in it.
    """
    return [piece.piece for piece in _read(path).pieces if piece.type in _TEXT]


def learn_pieces(base: Tokenizer, texts: Iterable[str], num_new_pieces: int) -> list[str]:
    """The first pieces that SentencePiece's BPE learns on texts, those that a base has not counted.

    Characters come first, the frequent before the rare; then merges in the order in which they were learned. So this
    is what a model of just that size adds, wherever it has room for more than characters.

    Raises:
        UserError: the base has no tokenizer.model, or the texts too few different words for so many pieces.
    """
    _with_model(base)
    read = list(texts)
    found: list[str] = []
    # SentencePiece learns no model that has no room for the characters.
    num_pieces = NUM_OTHER_PIECES + len(set[str]().union(*read))
    while len(found) < num_new_pieces:
        num_pieces += num_new_pieces - len(found)
        learned = _learned(read, num_pieces, num_new_pieces)
        special = set(learned.special_ids.values())
        text_pieces = [
            piece for id, piece in enumerate(learned.pieces) if id not in special and not learned.is_byte(id)
        ]
        found = lacking(base, sorted(text_pieces, key=lambda piece: len(piece) > 1))
    return found[:num_new_pieces]


def _with_model(base: Tokenizer) -> SentencePieceTokenizer:
    # The recipe is about scores, and merges of a tokenizer.json have none.
    if not isinstance(base, SentencePieceTokenizer):
        raise UserError(
            "tokenizer.method",
            f"append puts pieces into a tokenizer.model, and this base has a {base.family} tokenizer.json",
            expected="a base with a SentencePiece model",
            do='set tokenizer.method = "continued-bpe", which extends every kind of BPE',
        )
    return base


def _learned(texts: list[str], num_pieces: int, num_new_pieces: int) -> Tokenizer:
    try:
        return learn(texts, num_pieces)
    except UserError as error:
        raise UserError(
            "tokenizer.num_new_pieces",
            f"for {num_new_pieces} pieces that the base lacks: {error.what}",
            expected=error.expected,
            do=error.do,
        ) from None


def _read(path: Path) -> Model:
    if not path.is_file():
        what = "a folder" if path.is_dir() else "no such file"
        raise UserError(path, what, expected="a SentencePiece model", do="correct tokenizer.pieces_from")
    model = parse(path.read_bytes())
    if model is None:
        raise UserError(path, "no SentencePiece model", expected="a .model file of SentencePiece's trainer",
                        do="correct tokenizer.pieces_from")  # fmt: skip
    check_model(path, model)
    return model
