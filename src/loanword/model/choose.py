"""Log-likelihoods of the choices of multiple-choice prompts; what prompts begin with alike is read once.

All prompts of one call make a tree of ids (prefix_tree.py), of which a row of nodes is read at a time. Models of the
plain families are computed in shared_prefix.py, others by transformers under an additive mask. The output head, in
float32, is applied where a choice is predicted and nowhere else. Equal to one plain forward pass a prompt, up to the
order of float32 sums.

Shapes: T ids of a row, U keys, K positions read, N reads, V vocabulary, E width.
"""

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from loanword.model.load import context_tokens
from loanword.model.prefix_tree import Read, Row, prefix_tree, rows
from loanword.model.prompts import Ids, PromptIds
from loanword.model.shared_prefix import PlainPath, can_share_prefix, visible

ROW_TOKENS = 2048
"""Ids of a row at most: enough to keep the matrix products busy, and few enough for masks where they are needed."""
MOST_LOGITS = 2**22
"""Logits at once: 2**26 of them, far beyond a processor's cache, took twice the time."""


class Reader(Protocol):
    """Reads rows one after another, and holds what the next one continues."""

    def logits(self, row: Row, places: Sequence[int]) -> Iterator[Tensor]:
        """Float32 logits [K, V] at some places of a row, a few places at a time, in order."""
        ...


def choice_log_likelihoods(
    model: PreTrainedModel, prompts: Sequence[PromptIds], row_tokens: int, advance: Callable[[float], None]
) -> list[tuple[float, ...]]:
    """Nats of every continuation after its context, in order; `advance` is told the share that is done."""
    if not prompts:
        return []
    if not reads_rows(model):
        return single_log_likelihoods(model, prompts, advance)
    scores = [[0.0] * len(prompt.continuations) for prompt in prompts]
    nodes = prefix_tree(_asked(prompts), row_tokens)
    done, total = 0, sum(len(node.ids) for node in nodes)
    planned = list(rows(nodes, row_tokens))
    reader = _reader(model, planned)
    for row in planned:
        for (index, choice), nats in _read(reader, row):
            scores[index][choice] += nats
        done += len(row.ids)
        advance(done / total)
    return [tuple(nats) for nats in scores]


def single_log_likelihoods(
    model: PreTrainedModel, prompts: Sequence[PromptIds], advance: Callable[[float], None] = lambda _: None
) -> list[tuple[float, ...]]:
    """The same, each prompt read whole and by itself through the model's own forward pass."""
    scores: list[tuple[float, ...]] = []
    for index, prompt in enumerate(prompts):
        nats = [0.0] * len(prompt.continuations)
        for ids, reads in _sequences(index, prompt).items():
            logits_TV = model(torch.tensor([ids], device=model.device), use_cache=False).logits[0]
            places = sorted({read.place for read in reads})
            for (_, choice), added in _nats(logits_TV[places].float(), places, reads):
                nats[choice] += added
        scores.append(tuple(nats))
        advance((index + 1) / len(prompts))
    return scores


def prompt_limit(model: PreTrainedModel) -> int:
    """Ids that a prompt may have: the context, or a shorter sliding window, which rows know nothing of."""
    config = model.config.get_text_config()
    window = getattr(config, "sliding_window", None)
    layers = getattr(config, "layer_types", None) or ["sliding_attention"]
    return min(context_tokens(model), window) if window and "sliding_attention" in layers else context_tokens(model)


def reads_rows(model: PreTrainedModel) -> bool:
    """Whether what stands beside an id in a row can be hidden from it.

    Not where positions cannot be told or are counted from a mask (ALiBi), where a layer keeps a state instead of keys,
    or where the angles of positions depend on how much is read (longrope).
    """
    config = model.config.get_text_config()
    layers = set(getattr(config, "layer_types", None) or ())
    rope = getattr(config, "rope_parameters", None) or {}
    return (
        "position_ids" in inspect.signature(model.forward).parameters
        and not getattr(config, "alibi", False)
        and not model._is_stateful
        and layers <= {"full_attention", "sliding_attention"}
        and rope.get("rope_type") != "longrope"
    )


def _sequences(index: int, prompt: PromptIds) -> dict[Ids, list[Read]]:
    """Ids to read for a prompt: choices of one id all follow the same ids."""
    sequences: dict[Ids, list[Read]] = {}
    first = len(prompt.context) - 1
    for choice, continuation in enumerate(prompt.continuations):
        reads = sequences.setdefault(prompt.context + continuation[:-1], [])
        reads += [Read(first + place, id, (index, choice)) for place, id in enumerate(continuation)]
    return sequences


def _asked(prompts: Sequence[PromptIds]) -> list[tuple[Ids, list[Read]]]:
    return [item for index, prompt in enumerate(prompts) for item in _sequences(index, prompt).items()]


def _read(reader: Reader, row: Row) -> Iterator[tuple[tuple[int, int], float]]:
    reads = sorted(row.reads)
    places = sorted({read.place for read in reads})
    first = 0
    for logits_KV in reader.logits(row, places):
        some = places[first : first + len(logits_KV)]
        first += len(logits_KV)
        yield from _nats(logits_KV, some, [read for read in reads if some[0] <= read.place <= some[-1]])


def _nats(logits_KV: Tensor, places: Sequence[int], reads: Sequence[Read]) -> list[tuple[tuple[int, int], float]]:
    at = {place: index for index, place in enumerate(places)}
    at_N = torch.tensor([at[read.place] for read in reads], device=logits_KV.device)
    ids_N = torch.tensor([read.next_id for read in reads], device=logits_KV.device)
    nats_N = logits_KV[at_N, ids_N] - logits_KV.logsumexp(-1)[at_N]
    return list(zip((read.cell for read in reads), nats_N.tolist(), strict=True))


def _reader(model: PreTrainedModel, planned: Sequence[Row]) -> Reader:
    if not can_share_prefix(model):
        return MaskedReader(model)
    return PlainReader(model, max(row.num_path for row in planned), max(len(row.ids) for row in planned))


class PlainReader:
    """Rows of a model of the plain families, on a CPU."""

    def __init__(self, model: Any, num_path: int, num_row: int) -> None:
        self._head = model.get_output_embeddings()
        self._path = PlainPath(model, num_path, num_row)

    def logits(self, row: Row, places: Sequence[int]) -> Iterator[Tensor]:
        """As `Reader.logits`."""
        states_KE = self._path.read(row, places)
        if places:
            at_once = max(1, MOST_LOGITS // self._head.weight.shape[0])
            for some_KE in states_KE.split(at_once):
                yield self._head(some_KE).float()


class MaskedReader:
    """Rows of any model of transformers that takes positions and an additive mask."""

    def __init__(self, model: PreTrainedModel) -> None:
        self._model = model
        self._cache: Any = DynamicCache()

    def logits(self, row: Row, places: Sequence[int]) -> Iterator[Tensor]:
        """As `Reader.logits`."""
        device = self._model.device
        logits_1KV = self._model(
            torch.tensor([row.ids], device=device),
            position_ids=torch.tensor([row.positions], device=device),
            attention_mask=row_mask(row, self._model.dtype, device),
            past_key_values=self._cache,
            use_cache=True,
            # One position is computed where none is asked for: an empty choice is no slice to some heads.
            logits_to_keep=torch.tensor(places or [0], device=device),
        ).logits
        kept = torch.tensor([*range(row.num_kept_path), *row.kept], dtype=torch.long, device=device)
        for layer in self._cache.layers:
            layer.keys, layer.values = (x.index_select(2, kept) for x in (layer.keys, layer.values))
        if places:
            yield logits_1KV[0].float()


def row_mask(row: Row, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Additive attention mask [1, 1, T, U]."""
    seen_TU = visible(row, range(len(row.ids))).to(device)
    return torch.zeros(seen_TU.shape, dtype=dtype, device=device).masked_fill_(~seen_TU, float("-inf"))[None, None]
