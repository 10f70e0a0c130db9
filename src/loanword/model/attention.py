"""Causal attention inside each document of packed rows.

transformers' own packing by `position_ids` attends across documents as soon as a cache is on or a mask of ones is
given. Here the documents are passed in plain sight, transformers builds no mask, and each document is attended to by
itself: what a row holds besides changes nothing.

Shapes: B rows, T tokens per row, H heads, G key and value heads, D width of a head.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Literal

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, PreTrainedModel

from loanword.errors import UserError
from loanword.model.attention_paths import AttentionPath, Each, Flex, Masked, Scores, Varlen, Window

NAME = "loanword_packed"
PathName = Literal["each", "masked", "varlen", "flex"]

SCORES_OF_A_DOCUMENT = 4096
"""Scores that cost as much as taking one more document by itself, on a CPU.

Forward and backward on one thread of a Xeon, milliseconds, each / masked: 4 rows of 512 in 31 documents 15 / 26
(4 heads of 32) and 48 / 93 (8 of 64), in 6 documents 25 / 27 and 94 / 93; one row of 2048 in 29 documents 46 / 410,
in 4 documents 106 / 391; but 4 rows of 512 in 512 documents 83 / 27, and 8 rows of 128 in 32 documents 13 / 7.
"""

FLASH_WIDTHS = 256
"""The widest head that flash attention takes."""
FLEX_WIDTHS = 16
"""The narrowest head that FlexAttention's kernels take."""


@dataclass(frozen=True)
class Documents:
    """The documents of a batch of rows, by length, in order; passed to a model's forward as `documents`."""

    lengths: tuple[int, ...]
    num_rows: int
    device: torch.device

    @property
    def row_tokens(self) -> int:
        """Tokens of a row."""
        return sum(self.lengths) // self.num_rows

    @cached_property
    def position_ids_BT(self) -> Tensor:
        """Position of every token in its document."""
        lengths = torch.tensor(self.lengths)
        starts_N = (lengths.cumsum(0) - lengths).repeat_interleave(lengths)
        return (torch.arange(len(starts_N)) - starts_N).view(self.num_rows, -1).to(self.device)

    @cached_property
    def document_BT(self) -> Tensor:
        """Which document of the batch every token belongs to."""
        ids = torch.arange(len(self.lengths), dtype=torch.int32)
        return ids.repeat_interleave(torch.tensor(self.lengths)).view(self.num_rows, -1).to(self.device)


def documents_of(starts: Sequence[Sequence[int]], row_tokens: int, device: torch.device | str = "cpu") -> Documents:
    """Documents of rows, from the positions where documents start in each row; the first of a row is 0."""
    lengths: list[int] = []
    for row in starts:
        if not row or row[0] != 0 or any(end <= start for start, end in zip(row, (*row[1:], row_tokens), strict=True)):
            raise ValueError(f"documents must start at 0 and rise below {row_tokens}: {tuple(row)}")
        lengths.extend(end - start for start, end in zip(row, (*row[1:], row_tokens), strict=True))
    return Documents(tuple(lengths), len(starts), torch.device(device))


@contextmanager
def packed_attention(model: PreTrainedModel, path: PathName | None = None) -> Iterator[None]:
    """Inside the block, the model's forward wants `documents` and keeps to them; afterwards all is as before.

    A backward pass that computes activations anew belongs inside the block too. `path` is for tests and benches;
    without it `attention_path` chooses for every batch.

    Raises:
        UserError: a model some of whose layers mix tokens in other ways than causal attention, or that does not ask
            transformers for its attention function.
    """
    _check_layers(model)
    before = model.config._attn_implementation or "sdpa"
    model.set_attn_implementation(NAME)
    if model.config._attn_implementation != NAME:
        raise _unpackable(type(model), "attention that asks transformers for no function")

    def prepare(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        if isinstance(documents := kwargs.get("documents"), Documents):
            kwargs["documents"] = prepared(documents, model, path)
        return args, kwargs

    # Before the layers, because inside of compiled ones whatever depends on lengths would be compiled in.
    hook = model.base_model.register_forward_pre_hook(prepare, with_kwargs=True)
    try:
        yield
    finally:
        hook.remove()
        model.set_attn_implementation(before)


def prepared(documents: Documents, model: PreTrainedModel, path: PathName | None = None) -> AttentionPath:
    """What the model's layers read of `documents`, made once for all of them."""
    config, device = model.config.get_text_config(), documents.device
    if path is None:
        autocast = torch.is_autocast_enabled(device.type)
        path = attention_path(
            documents,
            torch.get_autocast_dtype(device.type) if autocast else model.dtype,
            capped=getattr(config, "attn_logit_softcapping", None) is not None,
            head_width=getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads,
        )
    window = _window(getattr(config, "sliding_window", None), documents.row_tokens)
    return _built(path, documents, {None, window})


def attention_path(
    documents: Documents,
    kind: torch.dtype,
    *,
    capped: bool = False,
    head_width: int = 64,
    works: Callable[[PathName, torch.device], bool] | None = None,
) -> PathName:
    """The fastest path for products in `kind` over heads `head_width` wide, with or without capped scores.

    A function of its arguments and of what the device can do (`works`), never of a clock: a resumed run attends the
    same way. On GPUs documents play no part in it.
    """
    if documents.device.type == "cuda":
        flash = kind != torch.float32 and not capped and head_width <= FLASH_WIDTHS
        wanted: tuple[PathName, ...] = ("varlen", "flex") if flash else ("flex",) if capped else ()
        for path in wanted:
            if path == "flex" and head_width < FLEX_WIDTHS:
                continue
            if (works or works_on)(path, documents.device):
                return path
        return "masked"
    across = documents.num_rows * documents.row_tokens**2 - sum(length**2 for length in documents.lengths)
    return "masked" if len(documents.lengths) * SCORES_OF_A_DOCUMENT > across else "each"


@cache
def works_on(path: PathName, device: torch.device) -> bool:
    """Whether a path runs on a device, forward and backward in bf16: found out by doing it."""
    documents = documents_of([(0, 50)], 128, device)
    query_BHTD, key_BGTD, value_BGTD = (
        torch.zeros(1, num_heads, 128, 64, dtype=torch.bfloat16, device=device, requires_grad=True)
        for num_heads in (4, 2, 2)
    )
    try:
        with torch.enable_grad():
            _built(path, documents, {None}).attend(query_BHTD, key_BGTD, value_BGTD, Scores()).sum().backward()
    except torch.OutOfMemoryError:  # says nothing about the path
        raise
    except RuntimeError:  # what a missing kernel, a GPU that is too old and a failed compilation all raise
        return False
    return True


def attend_inside_documents(
    module: nn.Module,
    query_BHTD: Tensor,
    key_BGTD: Tensor,
    value_BGTD: Tensor,
    attention_mask: Tensor | None,
    *,
    documents: AttentionPath,
    scaling: float | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    **unused: object,
) -> tuple[Tensor, None]:
    """Attention output [B, T, H, D], in the form that transformers asks of an attention function.

    Raises:
        UserError: a layer whose attention is more than causal (both ways, sinks, biases).
    """
    extras = [name for name in ("s_aux", "position_bias") if unused.get(name) is not None]
    if not getattr(module, "is_causal", True):
        extras.append("tokens that see what follows them")
    if extras:
        raise _unpackable(type(module), f"attention with {', '.join(extras)}")
    scores = Scores(_window(sliding_window, query_BHTD.shape[2]), scaling, softcap)
    return documents.attend(query_BHTD, key_BGTD, value_BGTD, scores), None


def _built(path: PathName, documents: Documents, windows: Iterable[Window]) -> AttentionPath:
    match path:
        case "each":
            return Each(documents.lengths)
        case "masked":
            return Masked.of(documents.document_BT, windows)
        case "varlen":
            return Varlen.of(documents.lengths, documents.row_tokens, documents.device)
        case "flex":
            return Flex.of(documents.document_BT, windows)


def _window(tokens: int | None, row_tokens: int) -> Window:
    # A window that no row outgrows is none, and there are faster kernels without one.
    return tokens if tokens is not None and tokens < row_tokens else None


def _check_layers(model: PreTrainedModel) -> None:
    kinds = set(getattr(model.config.get_text_config(), "layer_types", None) or ())
    if others := sorted(kinds - {"full_attention", "sliding_attention"}):
        raise _unpackable(type(model), f"layers of {', '.join(others)}")


def _unpackable(kind: type, what: str) -> UserError:
    return UserError(
        kind.__name__,
        f"{what} cannot be trained on packed rows",
        expected="causal attention, with or without a sliding window and a cap on scores",
        do="use another base",
    )


AttentionInterface.register(NAME, attend_inside_documents)
