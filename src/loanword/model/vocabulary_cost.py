"""What a vocabulary costs a decoder per amount of text: fewer tokens against a larger head. No torch.

A token is multiplied with every parameter but the looked-up input table, so new pieces save FLOPs as long as the rows
that they add to the head weigh less than the tokens that they save.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from loanword.model.shape import DecoderShape

MOMENT_BYTES = 8
"""AdamW's two moments of one parameter in float32."""


@dataclass(frozen=True)
class VocabularyCost:
    """A decoder, and how many tokens one text is to it; costs of that text follow.

    Attention counts `attended_tokens`, the mean number of tokens that a token sees: half a row where one document
    fills a row, 0 where attention is to be left out, as training's own records leave it out.
    """

    shape: DecoderShape
    tokens_per_byte: float

    def train_flops_per_byte(self, attended_tokens: float = 0.0) -> float:
        """FLOPs forward and backward per byte of text."""
        return train_flops_per_token(self.shape, attended_tokens) * self.tokens_per_byte

    def key_value_bytes_per_byte(self, bytes_per_number: int = 2) -> float:
        """Memory of keys and values per byte of text that generation has before it."""
        return key_value_bytes_per_token(self.shape, bytes_per_number) * self.tokens_per_byte

    def context_bytes(self, context_tokens: int) -> float:
        """Bytes of text that fill a context."""
        return context_tokens / self.tokens_per_byte

    def head_share(self, attended_tokens: float = 0.0) -> float:
        """Share of a token's FLOPs that the product with the head takes."""
        return 6 * self.shape.num_pieces * self.shape.width / train_flops_per_token(self.shape, attended_tokens)


def train_flops_per_token(shape: DecoderShape, attended_tokens: float = 0.0) -> float:
    """FLOPs of one token forward and backward: 6 per parameter that is multiplied with it, and attention.

    Source: Chowdhery et al. 2022 (arXiv 2204.02311), appendix B, with the attended length in place of the context.
    """
    return 6.0 * shape.multiplied_parameters + 12.0 * shape.num_layers * shape.query_width * attended_tokens


def key_value_bytes_per_token(shape: DecoderShape, bytes_per_number: int = 2) -> int:
    """Memory that one token's keys and values take in all layers; 2 bytes a number is bf16."""
    return 2 * shape.num_layers * shape.key_width * bytes_per_number


def moment_bytes(shape: DecoderShape, num_new_pieces: int) -> int:
    """Memory of the optimizer's state for the rows of new pieces."""
    return MOMENT_BYTES * num_new_pieces * shape.row_parameters


def tokens_saved(before: float, after: float) -> float:
    """Share of tokens that a vocabulary saves on the same text; negative where it needs more."""
    return 1 - after / before


def affordable_pieces(before: VocabularyCost, tokens_per_byte: float, attended_tokens: float = 0.0) -> float:
    """New pieces up to which a text of so many tokens costs fewer training FLOPs than before.

    Where f is the FLOPs of a token before, t and t' its tokens per byte, and each row of the head adds 6 FLOPs per
    unit of width: (f + 6 D E) t' = f t.
    """
    flops = train_flops_per_token(before.shape, attended_tokens)
    return flops * (before.tokens_per_byte / tokens_per_byte - 1) / (6 * before.shape.width)


def outgrown_pieces(
    before: VocabularyCost, tokens_by_pieces: Sequence[tuple[int, float]], attended_tokens: float = 0.0
) -> float | None:
    """New pieces beyond which the larger head costs more FLOPs than the saved tokens, along a measured curve.

    `tokens_by_pieces` holds new pieces and tokens per byte, ascending; between two sizes it is taken as straight.
    None where the largest size still saves FLOPs: then `affordable_pieces` of its tokens is a lower bound, because
    more pieces never need more tokens.
    """
    margins = [
        (size, affordable_pieces(before, tokens, attended_tokens) - size)
        for size, tokens in [(0, before.tokens_per_byte), *tokens_by_pieces]
    ]
    crossings = [
        size + (next_size - size) * margin / (margin - next_margin)
        for (size, margin), (next_size, next_margin) in pairwise(margins)
        if margin >= 0 > next_margin
    ]
    return crossings[-1] if margins[-1][1] < 0 else None
