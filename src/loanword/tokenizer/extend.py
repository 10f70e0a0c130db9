"""A base's tokenizer with learned pieces behind its own, and what is asked of it before it is used."""

from collections.abc import Iterable

from loanword.errors import UserError
from loanword.tokenizer.interface import Tokenizer
from loanword.tokenizer.learn import LearnedPieces
from loanword.tokenizer.measure import SourceChange


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


def constituents(base: Tokenizer, extended: Tokenizer) -> list[list[int]]:
    """The base ids that each new piece is made of: what the base gives for its text, no space added before it."""
    return base.encode_spans(extended.pieces[base.num_pieces :])


def check_source_change(change: SourceChange, limit: float) -> None:
    """Stops an extension that changes more than a share of held-out source words.

    Fewer than 1 / `limit` words cannot show so small a share, and stop nothing; see `SourceChange.can_show`.

    Raises:
        UserError: more words changed; the new pieces in most of them are named.
    """
    if not change.can_show(limit) or change.share <= limit:
        return
    worst = ", ".join(f"{piece.text!r} {piece.num_words:,}" for piece in change.firing_pieces)
    raise UserError(
        "tokenizer.max_source_change",
        f"{change.num_changed_words:,} of {change.num_words:,} held-out source words are encoded otherwise "
        f"({100 * change.share:.3g} %), by new pieces in so many words: {worst or 'none'}",
        expected=f"at most {100 * limit:.3g} % of words",
        do="raise tokenizer.gate_bytes or give more source text, so that such merges are seen and skipped, lower "
        "tokenizer.num_new_pieces, or raise tokenizer.max_source_change",
    )


def lossy(tokenizer: Tokenizer, texts: Iterable[str]) -> list[str]:
    """The texts that decoding their ids does not give back, in order."""
    read = list(texts)
    return [text for text, ids in zip(read, tokenizer.encode_batch(read), strict=True) if tokenizer.decode(ids) != text]
