"""Log-likelihoods of the choices of multiple-choice prompts; what prompts share is read once.

All prompts of one few-shot header begin with the same ids, whose keys and values are computed once. The rest of
each prompt is packed with others into a row that attends to them, and the output head reads only the positions
that a choice is predicted at. Equal to one plain forward pass a prompt, up to the order of float32 sums.

Shapes: T ids of a row, P ids of the shared prefix, K positions read, R reads, V vocabulary.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from loanword.model.load import context_tokens
from loanword.model.prompts import Ids, PromptIds, common_prefix
from loanword.model.shared_prefix import Segments, can_share_prefix, shared_prefix_attention

ROW_TOKENS = 2048
"""Ids of a row at most: enough to keep the matrix products busy, and few enough for masks where they are needed."""

Cell = tuple[int, int]
"""(prompt, choice)."""


@dataclass
class Segment:
    """Ids that are read together, and what they predict: `reads` holds (position, next id, cell)."""

    ids: Ids
    reads: list[tuple[int, int, Cell]] = field(default_factory=list[tuple[int, int, Cell]])


def choice_log_likelihoods(
    prefix: "Prefix", prompts: Sequence[PromptIds], row_tokens: int, advance: Callable[[float], None]
) -> list[tuple[float, ...]]:
    """Nats of every continuation after its context, for prompts that begin alike, in order.

    `prefix` may hold anything, and is left with what these prompts shared. `advance` is told the share that is done.
    """
    scores = [[0.0] * len(prompt.continuations) for prompt in prompts]
    # Most shots first: what prompts with fewer shots share is, but for an id or so, the beginning of what is held then.
    runs = [_segments(prompts, shots) for shots in sorted({prompt.num_shots for prompt in prompts}, reverse=True)]
    done, total = 0, sum(map(len, runs))
    for segments in runs:
        prefix.move_to(_shared(segments))
        for row in _rows(segments, len(prefix.ids), row_tokens):
            for (index, choice), nats in prefix.read(row):
                scores[index][choice] += nats
            done += len(row)
            advance(done / total)
    return [tuple(nats) for nats in scores]


def prompt_limit(model: PreTrainedModel) -> int:
    """Ids that a prompt may have: the context, or a shorter sliding window, which rows know nothing of."""
    config = model.config.get_text_config()
    window = getattr(config, "sliding_window", None)
    layers = getattr(config, "layer_types", None) or ["sliding_attention"]
    return min(context_tokens(model), window) if window and "sliding_attention" in layers else context_tokens(model)


def _segments(prompts: Sequence[PromptIds], num_shots: int) -> list[Segment]:
    """What must be read for the prompts with so many shots, by length.

    Choices of one id all follow the same ids and share a segment.
    """
    segments: dict[tuple[int, Ids], Segment] = {}
    for index, prompt in enumerate(prompts):
        if prompt.num_shots != num_shots:
            continue
        for choice, continuation in enumerate(prompt.continuations):
            ids = prompt.context + continuation[:-1]
            segment = segments.setdefault((index, ids), Segment(ids))
            first = len(prompt.context) - 1
            segment.reads += [(first + place, id, (index, choice)) for place, id in enumerate(continuation)]
    return sorted(segments.values(), key=lambda segment: len(segment.ids))


def _shared(segments: Sequence[Segment]) -> Ids:
    # A position that is read must lie in the row, not in the prefix.
    first_read = min(position for segment in segments for position, _, _ in segment.reads)
    return segments[0].ids[: min(first_read, common_prefix([segment.ids for segment in segments]))]


def _rows(segments: Sequence[Segment], num_prefix: int, row_tokens: int) -> Iterator[list[Segment]]:
    row: list[Segment] = []
    used = 0
    for segment in segments:
        length = len(segment.ids) - num_prefix
        if row and used + length > row_tokens:
            yield row
            row, used = [], 0
        row.append(segment)
        used += length
    if row:
        yield row


class Prefix:
    """Keys and values of some ids under a model; moving to other ids keeps what both begin with."""

    def __init__(self, model: PreTrainedModel) -> None:
        self.model = model
        self.ids: Ids = ()
        self._cache = DynamicCache()

    def move_to(self, ids: Ids) -> None:
        """Holds the keys and values of `ids`."""
        kept = common_prefix([self.ids, ids])
        self._forget(len(self.ids) - kept)
        if kept < len(ids):
            new_1T = torch.tensor([ids[kept:]], device=self.model.device)
            self.model(new_1T, past_key_values=self._cache, use_cache=True, logits_to_keep=1)
        self.ids = ids

    def read(self, row: Sequence[Segment]) -> list[tuple[Cell, float]]:
        """Nats of every read of a row of segments that begin with these ids."""
        start, device = len(self.ids), self.model.device
        lengths = [len(segment.ids) - start for segment in row]
        ids_1T = torch.tensor([[id for segment in row for id in segment.ids[start:]]], device=device)
        position_ids_1T = torch.cat([torch.arange(start, start + length, device=device) for length in lengths])[None]
        # Where a segment's position 0 would lie in the row.
        origins = [end - length - start for end, length in zip(accumulate(lengths), lengths, strict=True)]
        reads = [
            (origin + position, id, cell)
            for origin, segment in zip(origins, row, strict=True)
            for position, id, cell in segment.reads
        ]
        kept_K = sorted({position for position, _, _ in reads})
        logits_KV = self._forward(ids_1T, lengths, position_ids_1T, torch.tensor(kept_K, device=device))
        self._forget(sum(lengths))
        place = {position: index for index, position in enumerate(kept_K)}
        at_R = torch.tensor([place[position] for position, _, _ in reads], device=device)
        ids_R = torch.tensor([id for _, id, _ in reads], device=device)
        nats_R = logits_KV.float().log_softmax(-1)[at_R, ids_R]
        return list(zip((cell for _, _, cell in reads), nats_R.tolist(), strict=True))

    def _forward(self, ids_1T: Tensor, lengths: Sequence[int], position_ids_1T: Tensor, kept_K: Tensor) -> Tensor:
        asked = {
            "position_ids": position_ids_1T,
            "past_key_values": self._cache,
            "use_cache": True,
            "logits_to_keep": kept_K,
        }
        if can_share_prefix(self.model):
            with shared_prefix_attention(self.model):
                return self.model(ids_1T, **asked, segments=Segments(tuple(lengths), len(self.ids))).logits[0]
        mask = row_mask(lengths, len(self.ids), self.model.dtype, self.model.device)
        return self.model(ids_1T, **asked, attention_mask=mask).logits[0]

    def _forget(self, num_ids: int) -> None:
        if num_ids:
            self._cache.crop(-num_ids)


def row_mask(lengths: Sequence[int], num_prefix: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Additive attention mask [1, 1, T, P + T]: all of the prefix, and what precedes in the own segment."""
    lengths_S = torch.tensor(lengths, device=device)
    segment_T = torch.repeat_interleave(torch.arange(len(lengths), device=device), lengths_S)
    own_TT = (segment_T[:, None] == segment_T[None, :]).tril()
    mask = torch.zeros(len(segment_T), num_prefix + len(segment_T), dtype=dtype, device=device)
    mask[:, num_prefix:].masked_fill_(~own_TT, float("-inf"))
    return mask[None, None]
