"""Responses to many prompts, generated side by side, what prompts begin with read once.

Prompts that begin alike are a group, and hold the keys and values of what they share once; inside of a group a
prompt copies from another what only some share. A response that ends leaves its row to the next prompt, so that the
rows of a forward pass stay full. Each response is what the prompt gives alone, up to the order of float32 sums.

Shapes: B rows, V vocabulary.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from loanword.model.cached_rows import CachedRows, bytes_per_id, can_cache_rows, can_hold_prefix, prefix_attention
from loanword.model.generate import draw
from loanword.model.prompts import Ids, common_prefix
from loanword.model.reply import Reply
from loanword.records import Decoding

LIVE_ROWS = {"cpu": 64}
"""Responses that grow side by side at most; 256 on other devices."""
CACHE_BYTES = 2**30
"""Keys and values that are held at once, where the micro-batch does not allow for more."""
SHARED_TOKENS = 16
"""Ids that are worth waiting for another prompt to have read them."""
GROUP_PROMPTS = 16
"""Prompts that are worth generating apart from others, for what they share beyond."""


def grow(
    model: PreTrainedModel,
    replies: Sequence[Reply],
    decoding: Decoding,
    micro_batch_tokens: int,
    advance: Callable[[int], None],
) -> None:
    """Says the ids of every reply until it is over; `advance` is told how many more are.

    A forward pass reads at most `micro_batch_tokens` ids, or one prompt.
    """
    if not can_cache_rows(model):
        for reply in replies:
            _grow_alone(model, reply, decoding)
            advance(1)
        return
    for group, num_shared in groups(replies):
        fits = can_hold_prefix(model, max(reply.width for reply in group))
        prefix = group[0].prompt[:num_shared] if fits and len(group) > 1 and num_shared >= SHARED_TOKENS else ()
        for members, num_rows in _pools(model, group, len(prefix), micro_batch_tokens):
            # The last id that is said is never read.
            rows = CachedRows(model, prefix, num_rows, members[0].width - 1 - len(prefix))
            with prefix_attention(model) if fits else nullcontext():
                _Pool(rows, members, decoding, micro_batch_tokens, advance).run()


def groups(replies: Sequence[Reply]) -> list[tuple[list[Reply], int]]:
    """All replies, in groups whose prompts begin alike, and the number of ids that each group shares.

    The last id of a prompt is never among them: it is what a response is predicted from.
    """
    ordered = sorted(replies, key=lambda reply: reply.prompt)
    return list(_split(ordered)) if ordered else []


def _split(ordered: Sequence[Reply]) -> Iterator[tuple[list[Reply], int]]:
    num_shared = _num_shared(ordered)
    beyond: dict[Ids, list[Reply]] = {}
    for reply in ordered:
        beyond.setdefault(reply.prompt[: num_shared + 1], []).append(reply)
    rest: list[Reply] = []
    for group in beyond.values():
        if len(group) >= GROUP_PROMPTS and _num_shared(group) >= num_shared + 2 * SHARED_TOKENS:
            yield from _split(group)
        else:
            rest += group
    if rest:
        yield rest, _num_shared(rest)


def _num_shared(ordered: Sequence[Reply]) -> int:
    shortest = min(len(reply.prompt) for reply in ordered)
    return min(shortest - 1, common_prefix([ordered[0].prompt, ordered[-1].prompt]))


def _pools(
    model: PreTrainedModel, group: Sequence[Reply], num_prefix: int, micro_batch_tokens: int
) -> Iterator[tuple[list[Reply], int]]:
    """The replies of a group, widest first, and the number of rows that they grow in.

    All rows of a pool are as wide as its widest, so it ends where twice as many would fit.
    """
    budget = max(micro_batch_tokens, CACHE_BYTES // bytes_per_id(model))
    most = LIVE_ROWS.get(model.device.type, 256)
    waiting = sorted(group, key=lambda reply: -reply.width)
    fitting = [min(most, max(1, budget // (reply.width - num_prefix))) for reply in waiting]
    first = 0
    while first < len(waiting):
        stop = next((n for n in range(first, len(waiting)) if fitting[n] >= 2 * fitting[first]), len(waiting))
        yield waiting[first:stop], min(fitting[first], stop - first)
        first = stop


class _Pool:
    # `_held`: what the columns of each row begin with, also of rows that were left and not yet taken again.

    def __init__(
        self,
        rows: CachedRows,
        replies: Sequence[Reply],
        decoding: Decoding,
        micro_batch_tokens: int,
        advance: Callable[[int], None],
    ) -> None:
        self._rows = rows
        self._waiting = deque(replies)
        self._decoding = decoding
        self._micro_batch_tokens = micro_batch_tokens
        self._advance = advance
        self._live: list[Reply] = []
        self._held: list[NDArray[np.int64]] = []

    def run(self) -> None:
        num_rows = self._rows.num_rows
        while self._waiting or self._live:
            free = num_rows - len(self._live)
            # Prompts are read a few at a time: one alone takes about as long as a step of all rows.
            if self._waiting and (not self._live or free >= max(1, num_rows // 8)):
                self._admit([self._waiting.popleft() for _ in range(min(free, len(self._waiting)))])
            self._step()

    def _admit(self, replies: Sequence[Reply]) -> None:
        num_prefix = self._rows.num_prefix
        waiting = [(reply, np.array(reply.prompt[num_prefix:-1], dtype=np.int64)) for reply in replies]
        while waiting:
            now: list[tuple[Reply, NDArray[np.int64], int, int]] = []
            later: list[tuple[Reply, NDArray[np.int64]]] = []
            for reply, ids in waiting:
                source, start = self._source(ids)
                ahead = max((_num_alike(ids, other) for _, other, _, _ in now), default=0)
                if ahead >= start + SHARED_TOKENS:
                    later.append((reply, ids))
                else:
                    now.append((reply, ids, source, start))
            self._read(now)
            waiting = later

    def _source(self, ids: NDArray[np.int64]) -> tuple[int, int]:
        """The row that begins most like a prompt, and how many ids may be copied from it."""
        alike = [_num_alike(ids, held) for held in self._held]
        most = max(alike, default=0)
        return (alike.index(most), most) if most >= SHARED_TOKENS else (0, 0)

    def _read(self, prompts: list[tuple[Reply, NDArray[np.int64], int, int]]) -> None:
        # Most to read first: rows that are read together are padded to the longest.
        prompts.sort(key=lambda prompt: prompt[3] - len(prompt[1]))
        replies, texts, sources, starts = zip(*prompts, strict=True)
        self._held[len(self._live) : len(self._live) + len(replies)] = texts
        self._rows.add([text.tolist() for text in texts], sources, starts, self._micro_batch_tokens)
        self._live += replies

    def _step(self) -> None:
        logits_BV = self._rows.extend([reply.unread for reply in self._live])
        for reply, id in zip(self._live, _pick(logits_BV, self._live, self._decoding), strict=True):
            reply.say(id)
        over = [row for row, reply in enumerate(self._live) if reply.ended]
        for row in reversed(over):
            self._live[row], self._held[row] = self._live[-1], self._held[len(self._live) - 1]
            self._live.pop()
            self._rows.remove(row)
        if over:
            self._advance(len(over))


def _num_alike(a: NDArray[np.int64], b: NDArray[np.int64]) -> int:
    """Number of ids that both begin with."""
    size = min(len(a), len(b))
    differ = a[:size] != b[:size]
    return int(differ.argmax()) if differ.any() else size


def _pick(logits_BV: Tensor, replies: Sequence[Reply], decoding: Decoding) -> list[int]:
    if decoding.temperature == 0:
        return logits_BV.float().max(-1).indices.tolist()  # four times as fast as argmax on a CPU
    drawn = zip(logits_BV.float().cpu(), replies, strict=True)
    return [draw(logits_V, decoding.temperature, decoding.top_p, reply.generator) for logits_V, reply in drawn]


def _grow_alone(model: PreTrainedModel, reply: Reply, decoding: Decoding) -> None:
    cache, unread = DynamicCache(config=model.config), list(reply.prompt)
    while not reply.ended:
        ids_1T = torch.tensor([unread], device=model.device)
        logits_1V = model(ids_1T, past_key_values=cache, use_cache=True).logits[:, -1]
        reply.say(*_pick(logits_1V, [reply], decoding))
        unread = [reply.unread]
