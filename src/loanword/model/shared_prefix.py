"""Forward pass of LLaMA and its like over rows of a prefix tree, whose keys are computed once.

Each id attends causally to its own segment and to the nodes that its segment continues; what it would make of other
segments is never computed. The parts are joined by their log-sum-exps. Of the last layer only the positions that
something is read at are computed beyond their keys and values.

Shapes: T ids of a row, P ids of the path before it, U = P + T keys, K positions read, G key and value heads, R query
heads a key head, D width of a head, E width.

Source: Hydragen (arXiv 2402.05099), section 3: attention decomposed over a shared prefix, its queries batched.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import (
    LlamaForCausalLM,
    MistralForCausalLM,
    PreTrainedModel,
    Qwen2ForCausalLM,
    Qwen3ForCausalLM,
)

from loanword.model.prefix_tree import Row

PLAIN_ARCHITECTURES = (LlamaForCausalLM, MistralForCausalLM, Qwen2ForCausalLM, Qwen3ForCausalLM)
"""Models whose attention is softmax(QK)V and no more (no soft caps, sinks or biases), and whose layers are alike."""

PROJECTIONS = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
               "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")  # fmt: skip

FEW_PLACES = 4
"""Of so many ids of a row one may be read, or fewer: then a mask at the places read is less than the whole row."""

FEED_FORWARD_TOKENS = 1024
"""Ids at once between the two products of a feed-forward layer: what lies between them then fits a cache."""


def can_share_prefix(model: PreTrainedModel) -> bool:
    """Whether `PlainPath` computes what the model would: its attention kernel is one of the CPU.

    Layers that were replaced (quantised, adapted) are left to the model itself.
    """
    return (
        type(model) in PLAIN_ARCHITECTURES
        and model.device.type == "cpu"
        and all(type(layer.get_submodule(name)) is nn.Linear for layer in model.model.layers for name in PROJECTIONS)
    )


class PlainPath:
    """Keys and values of a path of at most `num_path` ids, and a row of at most `num_row` that continues it."""

    def __init__(self, model: Any, num_path: int, num_row: int) -> None:
        self._model = model.model
        config = model.config
        width = self._model.layers[0].self_attn.head_dim
        shape = (2, num_path + num_row, config.num_key_value_heads, width)
        self._cache = [torch.empty(shape, dtype=model.dtype) for _ in self._model.layers]

    def read(self, row: Row, places: Sequence[int]) -> Tensor:
        """Last hidden states [K, E] at some places of a row; afterwards the path is that of the next row."""
        model, places_K = self._model, torch.tensor(places, dtype=torch.long)
        x_TE = model.embed_tokens(torch.tensor(row.ids))
        cos_1TD, sin_1TD = model.rotary_emb(x_TE, torch.tensor([row.positions]))
        rotation = (cos_1TD[0, :, None], _signed(sin_1TD[0, :, None]))
        *inner, last = model.layers
        for layer, cache in zip(inner, self._cache, strict=False):
            query_TGRD = self._project(layer, cache, row, _normed(layer.input_layernorm, x_TE), rotation)
            _finish(layer, x_TE, attend(query_TGRD, *_keys(cache, row), row, layer.self_attn.scaling))
        normed_TE = _normed(last.input_layernorm, x_TE)
        query_TGRD = self._project(last, self._cache[-1], row, normed_TE, rotation)
        keys, scaling = _keys(self._cache[-1], row), last.self_attn.scaling
        if len(places) * FEW_PLACES > len(row.ids):
            attended = attend(query_TGRD, *keys, row, scaling)[places_K]
        else:
            attended = attend_at(query_TGRD[places_K], *keys, row, places, scaling)
        x_KE = x_TE[places_K]
        _finish(last, x_KE, attended)
        self._keep(row)
        return model.norm(x_KE)

    def _project(
        self, layer: Any, cache: Tensor, row: Row, normed_TE: Tensor, rotation: tuple[Tensor, Tensor]
    ) -> Tensor:
        """Queries; keys and values are written behind the path's."""
        attention = layer.self_attn
        num_ids, (_, _, num_groups, width) = len(row.ids), cache.shape
        query_THD = attention.q_proj(normed_TE).view(num_ids, -1, width)
        key_TGD = attention.k_proj(normed_TE).view(num_ids, num_groups, width)
        if hasattr(attention, "q_norm"):
            query_THD, key_TGD = _normed(attention.q_norm, query_THD), _normed(attention.k_norm, key_TGD)
        own = slice(row.num_path, row.num_path + num_ids)
        _rotate(key_TGD, *rotation, out=cache[0, own])
        cache[1, own] = attention.v_proj(normed_TE).view(num_ids, num_groups, width)
        rotated_THD = _rotate(query_THD, *rotation, out=torch.empty_like(query_THD))
        return rotated_THD.view(num_ids, num_groups, -1, width)

    def _keep(self, row: Row) -> None:
        if row.kept:
            end = row.num_kept_path + len(row.kept)
            kept = torch.tensor(row.kept)
            for cache in self._cache:
                cache[:, row.num_kept_path : end] = cache[:, kept]


def attend(query_TGRD: Tensor, key_UGD: Tensor, value_UGD: Tensor, row: Row, scaling: float) -> Tensor:
    """Attention output [T, G, R, D] of a whole row."""
    behind = [slice(row.num_path + start, row.num_path + stop) for start, stop in row.own]
    parts = [
        _kernel(query_TGRD[start:stop], key_UGD[keys], value_UGD[keys], scaling, is_causal=True)
        for (start, stop), keys in zip(row.own, behind, strict=True)
    ]
    output_TGRD, nats_TGR = (torch.cat(part) for part in zip(*parts, strict=True))
    for start, stop, first, last in row.spans:
        ids, keys = slice(start, stop), slice(first, last)
        other, other_nats = _kernel(query_TGRD[ids], key_UGD[keys], value_UGD[keys], scaling, is_causal=False)
        share = torch.sigmoid(other_nats - nats_TGR[ids]).to(output_TGRD.dtype)
        output_TGRD[ids].lerp_(other, share[..., None])
        nats_TGR[ids] = torch.logaddexp(nats_TGR[ids], other_nats)
    return output_TGRD


def attend_at(
    query_KGRD: Tensor, key_UGD: Tensor, value_UGD: Tensor, row: Row, places: Sequence[int], scaling: float
) -> Tensor:
    """Attention output [K, G, R, D] at a few places of a row."""
    seen_KU = visible(row, places)
    output_GRKD = functional.scaled_dot_product_attention(
        query_KGRD.permute(1, 2, 0, 3),
        key_UGD.transpose(0, 1)[:, None],
        value_UGD.transpose(0, 1)[:, None],
        attn_mask=seen_KU,
        scale=scaling,
    )
    return output_GRKD.permute(2, 0, 1, 3)


def visible(row: Row, places: Sequence[int]) -> Tensor:
    """Which keys the ids at some places, given in order, may look at: [K, U], on the CPU."""
    seen_KU = torch.zeros(len(places), row.num_path + len(row.ids), dtype=torch.bool)
    for start, stop, first, last in row.spans:
        seen_KU[bisect_left(places, start) : bisect_left(places, stop), first:last] = True
    places_K = torch.tensor(places, dtype=torch.long)
    for start, stop in row.own:
        asked = slice(bisect_left(places, start), bisect_left(places, stop))
        seen = torch.arange(start, stop)[None] <= places_K[asked, None]
        seen_KU[asked, row.num_path + start : row.num_path + stop] = seen
    return seen_KU


def _keys(cache: Tensor, row: Row) -> tuple[Tensor, Tensor]:
    num_keys = row.num_path + len(row.ids)
    return cache[0, :num_keys], cache[1, :num_keys]


def _finish(layer: Any, x_TE: Tensor, attended: Tensor) -> None:
    """Adds to the residual stream what follows the attention of a layer."""
    _add(x_TE, layer.self_attn.o_proj, attended.flatten(1))
    mlp = layer.mlp
    for some_TE in x_TE.split(FEED_FORWARD_TOKENS):
        normed_TE = _normed(layer.post_attention_layernorm, some_TE)
        _add(some_TE, mlp.down_proj, mlp.act_fn(mlp.gate_proj(normed_TE)).mul_(mlp.up_proj(normed_TE)))


def _add(x_TE: Tensor, linear: nn.Linear, inputs: Tensor) -> None:
    x_TE.addmm_(inputs, linear.weight.T)
    if linear.bias is not None:
        x_TE.add_(linear.bias)


def _normed(norm: Any, x: Tensor) -> Tensor:
    # Half the passes over memory of the module's own, whose mean of squares is a tensor of its own.
    norm_2 = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32).square_()
    scale = norm_2.mul_(1 / x.shape[-1]).add_(norm.variance_epsilon).rsqrt_()
    return (x * scale).to(x.dtype).mul_(norm.weight)


def _signed(sin: Tensor) -> Tensor:
    half = sin.shape[-1] // 2
    return torch.cat([-sin[..., :half], sin[..., half:]], dim=-1)


def _rotate(x: Tensor, cos: Tensor, signed_sin: Tensor, *, out: Tensor) -> Tensor:
    half = x.shape[-1] // 2
    torch.mul(x, cos, out=out)
    out[..., :half].addcmul_(x[..., half:], signed_sin[..., :half])
    out[..., half:].addcmul_(x[..., :half], signed_sin[..., half:])
    return out


def _kernel(
    query_TGRD: Tensor, key_UGD: Tensor, value_UGD: Tensor, scaling: float, *, is_causal: bool
) -> tuple[Tensor, Tensor]:
    """Output [T, G, R, D] and log-sum-exps [T, G, R] of queries that see the same keys."""
    # What scaled_dot_product_attention calls on a CPU, which throws the log-sum-exps away. Heads that share keys are
    # a batch over one set of keys.
    kernel: Callable[..., tuple[Tensor, Tensor]] = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu.default
    num_shared = query_TGRD.shape[2]
    key_RGUD, value_RGUD = (x.transpose(0, 1).expand(num_shared, -1, -1, -1) for x in (key_UGD, value_UGD))
    output_RGTD, nats_RGT = kernel(query_TGRD.permute(2, 1, 0, 3), key_RGUD, value_RGUD, 0.0, is_causal, scale=scaling)
    return output_RGTD.permute(2, 1, 0, 3), nats_RGT.permute(2, 1, 0)
