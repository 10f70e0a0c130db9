"""Causal attention inside each document of packed rows.

transformers' own packing by `position_ids` attends across documents as soon as a cache is on or a mask of ones is
given. Here the documents are passed in plain sight, no mask is ever built, and each document is attended to by
itself: what a row holds besides changes nothing.

Shapes: B rows, T tokens per row, H heads, G key and value heads, D width of a head, N = B * T.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

import torch
from torch import Tensor, nn
from torch.nn.attention.varlen import varlen_attn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, PreTrainedModel

from loanword.errors import UserError

NAME = "loanword_packed"


@dataclass(frozen=True)
class Documents:
    """The documents of a batch of rows, by length, in order; passed to a model's forward as `documents`."""

    lengths: tuple[int, ...]
    num_rows: int
    device: torch.device

    @cached_property
    def position_ids_BT(self) -> Tensor:
        """Position of every token in its document."""
        positions = [torch.arange(length, device=self.device) for length in self.lengths]
        return torch.cat(positions).view(self.num_rows, -1)

    @cached_property
    def bounds(self) -> Tensor:
        """Where documents start in the flat batch, and where the last one ends."""
        return torch.tensor([0, *accumulate(self.lengths)], dtype=torch.int32, device=self.device)


def documents_of(starts: Sequence[Sequence[int]], row_tokens: int, device: torch.device | str = "cpu") -> Documents:
    """Documents of rows, from the positions where documents start in each row; the first of a row is 0."""
    lengths: list[int] = []
    for row in starts:
        if not row or row[0] != 0 or any(end <= start for start, end in zip(row, (*row[1:], row_tokens), strict=True)):
            raise ValueError(f"documents must start at 0 and rise below {row_tokens}: {tuple(row)}")
        lengths.extend(end - start for start, end in zip(row, (*row[1:], row_tokens), strict=True))
    return Documents(tuple(lengths), len(starts), torch.device(device))


@contextmanager
def packed_attention(model: PreTrainedModel) -> Iterator[None]:
    """Inside the block, the model's forward wants `documents` and keeps to them; afterwards all is as before."""
    before = model.config._attn_implementation or "sdpa"
    model.set_attn_implementation(NAME)
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def attend_inside_documents(
    module: nn.Module,
    query_BHTD: Tensor,
    key_BGTD: Tensor,
    value_BGTD: Tensor,
    attention_mask: Tensor | None,
    *,
    documents: Documents,
    scaling: float | None = None,
    **unused: object,
) -> tuple[Tensor, None]:
    """Attention output [B, T, H, D], in the form that transformers asks of an attention function.

    Raises:
        UserError: a model whose attention is more than causal (sliding windows shorter than a document, soft caps,
            sinks).
    """
    _check_plain(module, documents, unused)
    # Rotary positions leave queries and keys in float32 under autocast; values are in the precision of the products.
    kind = value_BGTD.dtype
    query_NHD, key_NGD, value_NGD = (
        x.to(kind).transpose(1, 2).flatten(0, 1) for x in (query_BHTD, key_BGTD, value_BGTD)
    )
    attend = _attend_varlen if query_NHD.is_cuda and kind != torch.float32 else _attend_each
    output_NHD = attend(query_NHD, key_NGD, value_NGD, documents, scaling)
    return output_NHD.view(documents.num_rows, -1, *output_NHD.shape[1:]), None


def _attend_each(
    query_NHD: Tensor, key_NGD: Tensor, value_NGD: Tensor, documents: Documents, scaling: float | None
) -> Tensor:
    # Splitting, rather than slicing, lets the backward pass join gradients once instead of adding padded ones.
    outputs = []
    for parts in zip(*(x.split(documents.lengths) for x in (query_NHD, key_NGD, value_NGD)), strict=True):
        query_HLD, key_GLD, value_GLD = (part.transpose(0, 1) for part in parts)
        output_1HLD = scaled_dot_product_attention(
            query_HLD[None],
            key_GLD[None],
            value_GLD[None],
            is_causal=True,
            scale=scaling,
            enable_gqa=key_GLD.shape[0] != query_HLD.shape[0],
        )
        outputs.append(output_1HLD[0].transpose(0, 1))
    return torch.cat(outputs)


def _attend_varlen(
    query_NHD: Tensor, key_NGD: Tensor, value_NGD: Tensor, documents: Documents, scaling: float | None
) -> Tensor:
    longest = max(documents.lengths)
    output_NHD = varlen_attn(
        query_NHD,
        key_NGD,
        value_NGD,
        documents.bounds,
        documents.bounds,
        longest,
        longest,
        scale=scaling,
        window_size=(-1, 0),
        enable_gqa=key_NGD.shape[1] != query_NHD.shape[1],
    )
    assert isinstance(output_NHD, Tensor)
    return output_NHD


def _check_plain(module: nn.Module, documents: Documents, settings: dict[str, object]) -> None:
    window = settings.get("sliding_window")
    extras = [name for name in ("softcap", "s_aux", "position_bias") if settings.get(name) is not None]
    if isinstance(window, int) and window < max(documents.lengths):
        extras.append(f"sliding_window = {window}")
    if extras:
        raise UserError(
            type(module).__name__,
            f"attention with {', '.join(extras)} cannot be trained on packed rows here",
            expected="plain causal attention, or a sliding window at least as long as a row",
            do="use rows no longer than the window, or another base",
        )


AttentionInterface.register(NAME, attend_inside_documents)
