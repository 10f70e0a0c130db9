"""Keys and values of texts that grow side by side, each at its own length, and the attention that reads them.

A text is the ids of a prefix that all of them begin with, whose keys and values are held once, and ids of its own,
which lie in a row of the cache from column 0 on. Rows in use are always the first ones, so that a forward pass reads
slices; what a row holds beyond its length is never attended to.

Shapes: N rows, B rows read, T ids read of a row, P ids of the prefix, U columns, H heads, G key and value heads,
D width of a head, V vocabulary.

Source: Hydragen (arXiv 2402.05099), section 3: attention decomposed over a shared prefix, its queries batched.
"""

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, Cache, DynamicCache, DynamicLayer, PreTrainedModel

from loanword.model.shared_prefix import can_share_prefix

NAME = "loanword_cached_rows"
KINDS = frozenset({"full_attention", "sliding_attention"})


@dataclass(frozen=True)
class Place:
    """Where a forward pass writes keys and values: `columns_BT` of each of `rows`, of which `width` are then read."""

    rows: slice
    columns_BT: Tensor
    width: int


class _RowLayer(DynamicLayer):
    # Written in place: concatenating, as its parent does, copies the whole cache once a token.

    def __init__(self, num_rows: int, num_columns: int) -> None:
        super().__init__()
        self.size = (num_rows, num_columns)
        self.place: Place | None = None

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Keys and values [B, G, U, D] of the rows of `place`, the given ones among them."""
        assert self.place is not None
        if self.keys is None or self.values is None:
            (num_rows, num_columns), (_, num_heads, _, width) = self.size, key_states.shape
            # Zeros, because whatever is masked must be finite.
            self.keys = key_states.new_zeros(num_rows, num_heads, num_columns, width)
            self.values = value_states.new_zeros(num_rows, num_heads, num_columns, value_states.shape[-1])
            self.is_initialized = True
        rows, columns_BT, width = self.place.rows, self.place.columns_BT, self.place.width
        row_B1 = torch.arange(rows.start, rows.stop, device=self.keys.device)[:, None]
        self.keys[row_B1, :, columns_BT] = key_states.transpose(1, 2)
        self.values[row_B1, :, columns_BT] = value_states.transpose(1, 2)
        return self.keys[rows, :, :width], self.values[rows, :, :width]

    def copy_rows(self, sources: Sequence[int], to: slice, num_columns: int) -> None:
        """The first columns of some rows, in others, as if all were copied at once."""
        if num_columns and self.keys is not None and self.values is not None:
            for held in (self.keys, self.values):
                held[to, :, :num_columns] = held[list(sources), :, :num_columns]


class CachedRows:
    """Texts under a model, `num_rows` at most, each with at most `num_columns` ids after `prefix`.

    Only for models of which `can_cache_rows` is true; a prefix only where `can_hold_prefix` is.
    """

    def __init__(self, model: PreTrainedModel, prefix: Sequence[int], num_rows: int, num_columns: int) -> None:
        self.model = model
        self.num_rows, self.num_columns, self.num_prefix = num_rows, num_columns, len(prefix)
        self.lengths: list[int] = []
        self._layers = [_RowLayer(num_rows, num_columns) for _ in range(_config(model).num_hidden_layers)]
        self._cache = Cache(layers=[*self._layers])
        self._prefix = DynamicCache()
        if prefix:
            model.base_model(torch.tensor([prefix], device=model.device), past_key_values=self._prefix, use_cache=True)

    def add(
        self, texts: Sequence[Sequence[int]], sources: Sequence[int], starts: Sequence[int], at_once_tokens: int
    ) -> None:
        """Further rows, most unread ids first: a text begins with `starts` ids of the row `sources`, the rest is read.

        A source may be any row that was written before, also one that was removed.
        """
        first = len(self.lengths)
        for layer in self._layers:
            layer.copy_rows(sources, slice(first, first + len(texts)), max(starts))
        self.lengths += [len(text) for text in texts]
        unread = [list(text[start:]) for text, start in zip(texts, starts, strict=True)]
        done = 0
        while done < len(texts) and (longest := len(unread[done])):
            most = min(len(texts), done + max(1, at_once_tokens // longest))
            # Texts are padded to the longest: at most half of what is read is padding.
            batch = slice(done, next((n for n in range(done, most) if 2 * len(unread[n]) < longest), most))
            ids_BT = torch.tensor([ids + [0] * (longest - len(ids)) for ids in unread[batch]])
            # What stands behind a text is written behind it too, or over the last column, which no text has reached.
            columns_BT = (torch.tensor(starts[batch])[:, None] + torch.arange(longest)).clamp(max=self.num_columns - 1)
            rows = slice(first + batch.start, first + batch.stop)
            self._read(self.model.base_model, ids_BT, rows, columns_BT)
            done = batch.stop

    def extend(self, ids: Sequence[int]) -> Tensor:
        """Logits [B, V] after one more id of every row."""
        ids_B1, columns_B1 = torch.tensor(ids)[:, None], torch.tensor(self.lengths)[:, None]
        logits_BV = self._read(self.model, ids_B1, slice(0, len(ids)), columns_B1).logits[:, -1]
        self.lengths = [length + 1 for length in self.lengths]
        return logits_BV

    def remove(self, row: int) -> None:
        """Forgets a row; the last one takes its place."""
        last, length = len(self.lengths) - 1, self.lengths.pop()
        if row < last:
            self.lengths[row] = length
            for layer in self._layers:
                layer.copy_rows([last], slice(row, row + 1), length)

    def _read(self, model: Callable[..., Any], ids_BT: Tensor, rows: slice, columns_BT: Tensor) -> Any:
        width = int(columns_BT.max()) + 1
        ids_BT, columns_BT = ids_BT.to(self.model.device), columns_BT.to(self.model.device)
        for layer in self._layers:
            layer.place = Place(rows, columns_BT, width)
        # Only the attention of `prefix_attention` takes it; another would pass it on to the model's other parts.
        shared = {"prefix": self._prefix} if self.model.config._attn_implementation == NAME else {}
        return model(
            ids_BT,
            attention_mask=_masks(_config(self.model), columns_BT, width, self.model.dtype),
            position_ids=columns_BT + self.num_prefix,
            past_key_values=self._cache,
            use_cache=True,
            **shared,
        )


def can_cache_rows(model: PreTrainedModel) -> bool:
    """Whether a model's past is keys and values alone, and its positions are told and not counted."""
    kinds = getattr(_config(model), "layer_types", None) or ()
    return KINDS.issuperset(kinds) and "position_ids" in inspect.signature(model.forward).parameters


def can_hold_prefix(model: PreTrainedModel, num_ids: int) -> bool:
    """Whether texts of so many ids may share the keys and values of a prefix."""
    window = _window(_config(model))
    return can_share_prefix(model) and (window is None or num_ids <= window)


def bytes_per_id(model: PreTrainedModel) -> int:
    """Bytes of the keys and values of one id."""
    config = _config(model)
    num_heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return 2 * config.num_hidden_layers * num_heads * width * model.dtype.itemsize


@contextmanager
def prefix_attention(model: PreTrainedModel) -> Iterator[None]:
    """Inside the block, the model reads rows with a prefix; afterwards all is as before."""
    before = model.config._attn_implementation or "eager"
    model.set_attn_implementation(NAME)
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def attend(
    module: nn.Module,
    query_BHTD: Tensor,
    key_BGUD: Tensor,
    value_BGUD: Tensor,
    attention_mask: Tensor,
    *,
    prefix: DynamicCache | None = None,
    scaling: float | None = None,
    **unused: object,
) -> tuple[Tensor, None]:
    """Attention output [B, T, H, D]: each id attends to the whole prefix, and in its row as the mask says."""
    batch, num_heads, num_ids, width = query_BHTD.shape
    num_key_heads = key_BGUD.shape[1]
    # Queries of the heads that share keys are one longer row of queries, here Q.
    query_BGQD = query_BHTD.reshape(batch, num_key_heads, -1, width)
    mask_B1QU = attention_mask.repeat(1, 1, num_heads // num_key_heads, 1)
    output_BGQD, nats_BGQ = _kernel(query_BGQD, key_BGUD, value_BGUD, scaling, attn_mask=mask_B1QU)
    if prefix is not None and prefix.get_seq_length():
        layer: Any = prefix.layers[int(module.layer_idx)]  # pyright: ignore[reportArgumentType]
        # All queries see all of the prefix, so those of all rows are one row of queries.
        query_1GQD = query_BGQD.transpose(0, 1).reshape(1, num_key_heads, -1, width)
        shared, shared_nats = _kernel(query_1GQD, layer.keys, layer.values, scaling)
        shared_BGQD = shared.reshape(num_key_heads, batch, -1, width).transpose(0, 1)
        shared_nats_BGQ = shared_nats.reshape(num_key_heads, batch, -1).transpose(0, 1)
        share_BGQ = torch.sigmoid(shared_nats_BGQ - nats_BGQ).to(output_BGQD.dtype)
        output_BGQD = torch.lerp(output_BGQD, shared_BGQD, share_BGQ[..., None])
    return output_BGQD.reshape(batch, num_heads, num_ids, width).transpose(1, 2), None


def _kernel(
    query: Tensor, key: Tensor, value: Tensor, scaling: float | None, *, attn_mask: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    # What scaled_dot_product_attention calls on a CPU, which throws the log-sum-exps away.
    kernel: Callable[..., tuple[Tensor, Tensor]] = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu.default
    return kernel(query, key, value, 0.0, False, attn_mask=attn_mask, scale=scaling)


def _masks(config: Any, columns_BT: Tensor, width: int, dtype: torch.dtype) -> Tensor | dict[str, Tensor]:
    """What each id of a row attends to in it, added to scores: [B, 1, T, U], by kind of layer where a model has two."""
    back_BTU = columns_BT[:, :, None] - torch.arange(width, device=columns_BT.device)
    window, kinds = _window(config), set(getattr(config, "layer_types", None) or ())

    def mask(seen_BTU: Tensor) -> Tensor:
        mask_BTU = torch.zeros(seen_BTU.shape, dtype=dtype, device=seen_BTU.device)
        return mask_BTU.masked_fill_(~seen_BTU, float("-inf"))[:, None]

    full = mask(back_BTU >= 0)
    sliding = full if window is None else mask((back_BTU >= 0) & (back_BTU < window))
    return {"full_attention": full, "sliding_attention": sliding} if len(kinds) > 1 else sliding


def _window(config: Any) -> int | None:
    """Ids that a sliding layer sees, itself among them; None where no layer slides."""
    kinds = getattr(config, "layer_types", None) or ["sliding_attention"]
    return getattr(config, "sliding_window", None) if "sliding_attention" in kinds else None


def _config(model: PreTrainedModel) -> Any:
    # Any, because each architecture has settings of its own.
    return model.config.get_text_config()


AttentionInterface.register(NAME, attend)
