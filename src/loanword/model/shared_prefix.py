"""Attention of a row of segments to a prefix that all of them continue.

Each id attends to the whole prefix and, causally, to its own segment; what it would make of the row's other
segments is never computed. The two parts are joined by their log-sum-exps.

Shapes: T ids of the row, P ids of the prefix, S ids of a segment, H heads, G key and value heads, D width of a head.

Source: Hydragen (arXiv 2402.05099), section 3: attention decomposed over a shared prefix, its queries batched.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, PreTrainedModel

NAME = "loanword_shared_prefix"

PLAIN_ARCHITECTURES = frozenset({"llama", "mistral", "qwen2", "qwen3"})
"""Models whose attention is softmax(QK)V and no more: no soft caps, sinks or biases."""


@dataclass(frozen=True)
class Segments:
    """Lengths of a row's segments, and of what stands before each; passed to a model's forward as `segments`."""

    lengths: tuple[int, ...]
    num_prefix: int


def can_share_prefix(model: PreTrainedModel) -> bool:
    """Whether the decomposed attention computes what the model's own would: its kernel is one of the CPU."""
    return model.device.type == "cpu" and model.config.model_type in PLAIN_ARCHITECTURES


@contextmanager
def shared_prefix_attention(model: PreTrainedModel) -> Iterator[None]:
    """Inside the block, the model's forward wants `segments`; afterwards all is as before."""
    before = model.config._attn_implementation or "eager"
    model.set_attn_implementation(NAME)
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def attend(
    module: nn.Module,
    query_1HTD: Tensor,
    key_1GUD: Tensor,
    value_1GUD: Tensor,
    attention_mask: Tensor | None,
    *,
    segments: Segments,
    scaling: float | None = None,
    **unused: object,
) -> tuple[Tensor, None]:
    """Attention output [1, T, H, D]; keys and values are those of the prefix and of the row, U = P + T."""
    own_1HTD, own_nats_1HT = _attend_own(query_1HTD, key_1GUD, value_1GUD, segments, scaling)
    if not segments.num_prefix:
        return own_1HTD.transpose(1, 2), None
    prefix_1HTD, prefix_nats_1HT = _attend_prefix(query_1HTD, key_1GUD, value_1GUD, segments, scaling)
    share_1HT = torch.sigmoid(prefix_nats_1HT - own_nats_1HT).to(own_1HTD.dtype)
    return torch.lerp(own_1HTD, prefix_1HTD, share_1HT[..., None]).transpose(1, 2), None


def _attend_prefix(
    query_1HTD: Tensor, key_1GUD: Tensor, value_1GUD: Tensor, segments: Segments, scaling: float | None
) -> tuple[Tensor, Tensor]:
    # All queries see all of the prefix, so those of the heads that share keys are one long row of queries.
    _, num_heads, num_ids, width = query_1HTD.shape
    folded = query_1HTD.reshape(1, key_1GUD.shape[1], -1, width)
    prefix = slice(0, segments.num_prefix)
    output, nats = _kernel(folded, key_1GUD[:, :, prefix], value_1GUD[:, :, prefix], scaling, is_causal=False)
    return output.reshape(1, num_heads, num_ids, width), nats.reshape(1, num_heads, num_ids)


def _attend_own(
    query_1HTD: Tensor, key_1GUD: Tensor, value_1GUD: Tensor, segments: Segments, scaling: float | None
) -> tuple[Tensor, Tensor]:
    repeats = query_1HTD.shape[1] // key_1GUD.shape[1]
    row = slice(segments.num_prefix, None)
    key_1HTD, value_1HTD = (x[:, :, row].repeat_interleave(repeats, dim=1) for x in (key_1GUD, value_1GUD))
    parts = zip(*(x.split(segments.lengths, dim=2) for x in (query_1HTD, key_1HTD, value_1HTD)), strict=True)
    outputs, nats = zip(*(_kernel(q, k, v, scaling, is_causal=True) for q, k, v in parts), strict=True)
    return torch.cat(outputs, dim=2), torch.cat(nats, dim=2)


def _kernel(
    query: Tensor, key: Tensor, value: Tensor, scaling: float | None, *, is_causal: bool
) -> tuple[Tensor, Tensor]:
    # What scaled_dot_product_attention calls on a CPU, which throws the log-sum-exps away.
    kernel: Callable[..., tuple[Tensor, Tensor]] = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu.default
    return kernel(query, key, value, 0.0, is_causal, scale=scaling)


AttentionInterface.register(NAME, attend)
