"""A base's tokenizer with learned pieces behind its own."""

from loanword.errors import UserError
from loanword.tokenizer.interface import Tokenizer
from loanword.tokenizer.learn import LearnedPieces


def extend(base: Tokenizer, learned: LearnedPieces) -> Tokenizer:
    """The base with the learned pieces at the ids after its last; every base id keeps its piece.

    Raises:
        UserError: a learned piece is one of the base's already.
    """
    ids = {piece: id for id, piece in enumerate(base.pieces)}
    for number, piece in enumerate(learned.pieces):
        if piece.text in ids:
            raise UserError(
                f"piece {base.num_pieces + number} {piece.text!r}",
                f"is also piece {ids[piece.text]}",
                expected="an extension that only adds pieces",
                do="learn the pieces from this base, not from another",
            )
        ids[piece.text] = base.num_pieces + number
    return base.with_pieces(learned.pieces)


def constituents(base: Tokenizer, learned: LearnedPieces) -> list[list[int]]:
    """The base ids that each new piece is made of: what the base gives for its text, no space added before it."""
    return base.encode_spans(piece.text for piece in learned.pieces)
