"""Ways to attend inside the documents of packed rows; all give the same numbers, to rounding.

A path holds what a batch's documents look like to its kernel. It is made once a batch, outside of compiled blocks,
and shared by all layers. Where blocks are compiled, a path that suits them shows them tensors whose shapes do not
change with the documents, so that one graph serves every batch.

A window of W lets a token see itself and the W - 1 tokens before it.

Shapes: B rows, T tokens per row, H heads, G key and value heads, D width of a head, N = B * T, L tokens of a document;
P products at once of S tokens each, be they rows or one document.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from typing import Any, NamedTuple, Protocol, cast

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention
from torch.nn.attention.varlen import varlen_attn
from torch.nn.functional import scaled_dot_product_attention

Window = int | None

CPU_MULTIPLIES_BF16 = any(torch.cpu.get_capabilities().get(name) for name in ("amx_bf16", "avx512_bf16", "bf16"))
"""Where it does not, bf16 is emulated, and attention is taken in float32: 2.6 to 3 times as fast, and more exact (4
rows of 512 tokens in 6, 12 and 31 documents, 8 heads of 64, both passes on one thread of a Xeon with AVX-512)."""

VARLEN_GROUPS = "enable_gqa" in inspect.signature(varlen_attn).parameters
"""Whether a key's head may serve several of the queries there: from torch 2.12 on."""


class Scores(NamedTuple):
    """What a layer asks of its scores s: a window, a factor (or D ** -0.5), a cap (softcap * tanh(s / softcap))."""

    window: Window = None
    scaling: float | None = None
    softcap: float | None = None


class AttentionPath(Protocol):
    """The documents of one batch, as one kernel wants them."""

    def attend(self, query_BHTD: Tensor, key_BGTD: Tensor, value_BGTD: Tensor, scores: Scores) -> Tensor:
        """Attention output [B, T, H, D]."""
        ...


@dataclass(frozen=True, eq=False)
class Each:
    """One product a document. Costs nothing across documents, and a fixed price for each of them.

    Lengths are numbers, for which every batch would need a new graph: this path stays out of compiled blocks.
    """

    lengths: tuple[int, ...]

    def attend(self, query_BHTD: Tensor, key_BGTD: Tensor, value_BGTD: Tensor, scores: Scores) -> Tensor:
        """Attention output [B, T, H, D]."""
        return _attend_each(query_BHTD, key_BGTD, value_BGTD, self.lengths, scores)


@dataclass(frozen=True, eq=False)
class Masked:
    """One product a row, with everything but the document masked out. `masks` holds [B, 1, T, T] by window."""

    masks: Mapping[Window, Tensor]

    @classmethod
    def of(cls, document_BT: Tensor, windows: Iterable[Window]) -> "Masked":
        """Masks for layers with these windows."""
        return cls({window: _additive_mask(document_BT, window) for window in windows})

    def attend(self, query_BHTD: Tensor, key_BGTD: Tensor, value_BGTD: Tensor, scores: Scores) -> Tensor:
        """Attention output [B, T, H, D]."""
        kind = value_BGTD.dtype
        query_BHTD, key_BGTD, value_BGTD = _for_products(query_BHTD, key_BGTD, value_BGTD)
        output_BHTD = _products(query_BHTD, key_BGTD, value_BGTD, self.masks[scores.window], scores)
        return output_BHTD.transpose(1, 2).to(kind)


@dataclass(frozen=True, eq=False)
class Varlen:
    """Flash attention over documents of any length, on GPUs, in 16 bits.

    `bounds` says where documents start in the flat batch, and where the last one ends. `longest` is an upper bound on
    their lengths, the row's: the kernel starts blocks for it that find nothing to do, and how it splits its sums does
    not hang on the batch.
    """

    bounds: Tensor
    longest: int

    @classmethod
    def of(cls, lengths: tuple[int, ...], row_tokens: int, device: torch.device) -> "Varlen":
        """Bounds of documents in a flat batch."""
        bounds = torch.tensor([0, *accumulate(lengths)], dtype=torch.int32).to(device)
        # Documents are not padded to a fixed number: each costs the backward pass 128 tokens of scratch memory.
        torch._dynamo.maybe_mark_dynamic(bounds, 0)
        return cls(bounds, row_tokens)

    def attend(self, query_BHTD: Tensor, key_BGTD: Tensor, value_BGTD: Tensor, scores: Scores) -> Tensor:
        """Attention output [B, T, H, D]."""
        assert scores.softcap is None, "varlen attention caps no scores"
        kind, num_heads = value_BGTD.dtype, query_BHTD.shape[1]
        if not VARLEN_GROUPS:
            key_BGTD, value_BGTD = (_for_every_head(x, num_heads) for x in (key_BGTD, value_BGTD))
        query_NHD, key_NGD, value_NGD = (
            x.to(kind).transpose(1, 2).flatten(0, 1) for x in (query_BHTD, key_BGTD, value_BGTD)
        )
        grouped: dict[str, Any] = {"enable_gqa": key_NGD.shape[1] != num_heads} if VARLEN_GROUPS else {}
        output_NHD = varlen_attn(
            query_NHD,
            key_NGD,
            value_NGD,
            self.bounds,
            self.bounds,
            self.longest,
            self.longest,
            scale=scores.scaling,
            window_size=(-1 if scores.window is None else scores.window - 1, 0),
            **grouped,
        )
        assert isinstance(output_NHD, Tensor)
        return output_NHD.view(query_BHTD.shape[0], -1, *output_NHD.shape[1:])


@dataclass(frozen=True, eq=False)
class Flex:
    """FlexAttention, compiled on GPUs: skips blocks that are wholly masked, and caps scores. No backward on CPU."""

    blocks: Mapping[Window, BlockMask]

    @classmethod
    def of(cls, document_BT: Tensor, windows: Iterable[Window]) -> "Flex":
        """Block masks for layers with these windows."""
        return cls({window: _block_mask(document_BT, window) for window in windows})

    def attend(self, query_BHTD: Tensor, key_BGTD: Tensor, value_BGTD: Tensor, scores: Scores) -> Tensor:
        """Attention output [B, T, H, D]."""
        kind, num_heads = value_BGTD.dtype, query_BHTD.shape[1]
        query_BHTD, key_BGTD, value_BGTD = (x.to(kind) for x in (query_BHTD, key_BGTD, value_BGTD))
        if num_heads & (num_heads - 1):  # as transformers does: heads grouped otherwise are not supported everywhere
            key_BGTD, value_BGTD = (_for_every_head(x, num_heads) for x in (key_BGTD, value_BGTD))
        output_BHTD = _flex_kernel(query_BHTD.device.type)(
            query_BHTD,
            key_BGTD,
            value_BGTD,
            score_mod=None if scores.softcap is None else _capped_score(scores.softcap),
            block_mask=self.blocks[scores.window],
            scale=scores.scaling,
            enable_gqa=key_BGTD.shape[1] != num_heads,
        )
        return output_BHTD.transpose(1, 2)


def _by_documents(
    query_BHTD: Tensor, key_BGTD: Tensor, value_BGTD: Tensor, lengths: tuple[int, ...], scores: Scores
) -> Tensor:
    kind = value_BGTD.dtype
    flat = (x.transpose(1, 2).flatten(0, 1) for x in _for_products(query_BHTD, key_BGTD, value_BGTD))
    outputs: list[Tensor] = []
    # Splitting, rather than slicing, lets the backward pass join gradients once instead of adding padded ones.
    for parts in zip(*(x_NXD.split(lengths) for x_NXD in flat), strict=True):
        query_1HLD, key_1GLD, value_1GLD = (part.transpose(0, 1)[None] for part in parts)
        length = query_1HLD.shape[2]
        mask_11LL = None
        if scores.softcap is not None or (scores.window is not None and scores.window < length):
            together_1L = torch.zeros(1, length, dtype=torch.int32, device=query_1HLD.device)
            mask_11LL = _additive_mask(together_1L, scores.window)
        outputs.append(_products(query_1HLD, key_1GLD, value_1GLD, mask_11LL, scores)[0].transpose(0, 1))
    return torch.cat(outputs).view(query_BHTD.shape[0], -1, *outputs[0].shape[1:]).to(kind)


_attend_each = cast("Callable[..., Tensor]", torch.compiler.disable(_by_documents))


def _products(query_PHSD: Tensor, key_PGSD: Tensor, value_PGSD: Tensor, mask: Tensor | None, scores: Scores) -> Tensor:
    # `mask` is added to the scores; without one, attention is causal.
    num_heads = query_PHSD.shape[1]
    if scores.softcap is not None or (query_PHSD.is_cuda and mask is not None):
        # No fused GPU kernel takes both a mask and grouped heads.
        key_PGSD, value_PGSD = (_for_every_head(x, num_heads) for x in (key_PGSD, value_PGSD))
    # `_for_products` has said in which precision products are taken; autocast would overrule it.
    with torch.autocast(query_PHSD.device.type, enabled=False):
        if scores.softcap is None:
            return scaled_dot_product_attention(
                query_PHSD,
                key_PGSD,
                value_PGSD,
                attn_mask=None if mask is None else mask.to(query_PHSD.dtype),
                is_causal=mask is None,
                scale=scores.scaling,
                enable_gqa=key_PGSD.shape[1] != num_heads,
            )
        assert mask is not None, "capped scores want a mask"
        scale = query_PHSD.shape[-1] ** -0.5 if scores.scaling is None else scores.scaling
        capped_PHSS = scores.softcap * ((query_PHSD.float() @ key_PGSD.float().mT) * (scale / scores.softcap)).tanh()
        return (capped_PHSS + mask).softmax(-1) @ value_PGSD.float()


def _for_products(*tensors: Tensor) -> tuple[Tensor, ...]:
    # Rotary positions leave queries and keys in float32 under autocast; values are in the precision of the products.
    kind = tensors[-1].dtype
    if kind == torch.bfloat16 and tensors[-1].device.type == "cpu" and not CPU_MULTIPLIES_BF16:
        kind = torch.float32
    return tuple(x.to(kind) for x in tensors)


def _for_every_head(x_PGSD: Tensor, num_heads: int) -> Tensor:
    return x_PGSD.repeat_interleave(num_heads // x_PGSD.shape[1], dim=1)


def _additive_mask(document_BT: Tensor, window: Window) -> Tensor:
    # Floats and not booleans, which every layer would convert anew.
    place_T = torch.arange(document_BT.shape[1], device=document_BT.device)
    back_TT = place_T[:, None] - place_T[None, :]
    near_TT = back_TT >= 0 if window is None else (back_TT >= 0) & (back_TT < window)
    seen_BTT = near_TT & (document_BT[:, :, None] == document_BT[:, None, :])
    return torch.zeros(seen_BTT.shape, device=document_BT.device).masked_fill_(~seen_BTT, -torch.inf)[:, None]


def _block_mask(document_BT: Tensor, window: Window) -> BlockMask:
    def seen(row: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        same = (query >= key) & (document_BT[row, query] == document_BT[row, key])
        return same if window is None else same & (query - key < window)

    num_rows, row_tokens = document_BT.shape
    return create_block_mask(seen, num_rows, None, row_tokens, row_tokens, device=document_BT.device)


def _capped_score(softcap: float) -> Callable[..., Tensor]:
    def capped(score: Tensor, row: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return softcap * torch.tanh(score / softcap)

    return capped


def _flex_kernel(kind: str) -> Callable[..., Tensor]:
    # Uncompiled it holds all scores; inside a compiled block it is compiled already.
    return _compiled_flex() if kind == "cuda" and not torch.compiler.is_compiling() else flex_attention


@cache
def _compiled_flex() -> Callable[..., Tensor]:
    return torch.compile(flex_attention)
