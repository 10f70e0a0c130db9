"""What many sequences of ids begin with, as a tree of which every node is read once.

In: sequences, each with what is asked of it. Out: rows of nodes in depth-first order, each with what its ids may
look at. Sorted sequences stand in depth-first order, so the nodes that a row continues are one path from the root,
and the ids that look at a node are one range of the row.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from loanword.model.prompts import Ids

Cell = tuple[int, int]
"""(prompt, choice)."""

LEAST_SHARED = 8
"""Ids of a node at least: joining the attention to one costs what computing a few ids again does.

Anything from 2 to 24 took the same time, within the noise of a busy machine.
"""


class Read(NamedTuple):
    """What the id at a place predicts: the next id of one choice of one prompt."""

    place: int
    next_id: int
    cell: Cell


class Span(NamedTuple):
    """Ids [start, stop) of a row, all of which look at all keys [first_key, last_key)."""

    start: int
    stop: int
    first_key: int
    last_key: int


@dataclass
class Node:
    """Ids that everything below it continues; `start` is the position of the first, `end` the first node not below."""

    ids: Ids
    start: int
    parent: int | None
    end: int = 0
    reads: list[Read] = field(default_factory=list[Read])

    @property
    def stop(self) -> int:
        return self.start + len(self.ids)


@dataclass(frozen=True)
class Row:
    """Ids that are read at once, after a path of `num_path` ids whose keys and values are held.

    Keys are numbered along the path and then along the row. An id sees those before it in its segment (`own`:
    start and stop) and those that its spans name. `kept` are the keys of the next row's path, in order, beyond the
    first `num_kept_path`, which stay where they are.
    """

    ids: list[int]
    positions: list[int]
    num_path: int
    own: list[tuple[int, int]]
    spans: list[Span]
    reads: list[Read]
    num_kept_path: int
    kept: list[int]


def prefix_tree(asked: Sequence[tuple[Ids, Sequence[Read]]], longest: int, least: int = LEAST_SHARED) -> list[Node]:
    """Nodes in depth-first order, of at most `longest` ids; places of their reads count from the node's start.

    Depends on the sequences and not on their order, but for the order of reads of one place.
    """
    leaves, shared = _leaves(asked)
    nodes: list[Node] = []
    # Leaves [first, last), of which `depth` ids are in nodes already, below `parent`.
    waiting: list[tuple[int, int, int, int | None]] = [(0, len(leaves), 0, None)] if leaves else []
    while waiting:
        first, last, depth, parent = waiting.pop()
        if last - first == 1:
            ids, reads = leaves[first]
            parent = _append(nodes, ids[depth:], depth, parent, longest)
            _place_reads(nodes, parent, reads)
            continue
        inner = shared[first + 1 : last]
        common = int(inner.min())
        if common - depth >= least:
            parent, depth = _append(nodes, leaves[first][0][depth:common], depth, parent, longest), common
        cuts = [first, *(first + 1 + np.flatnonzero(inner == common)).tolist(), last]
        waiting += [(low, high, depth, parent) for low, high in pairwise(cuts)][::-1]
    _set_ends(nodes)
    return nodes


def rows(nodes: Sequence[Node], row_tokens: int) -> Iterator[Row]:
    """All nodes in order, as many in a row as fit `row_tokens`."""
    first = 0
    while first < len(nodes):
        last, used = first, 0
        while last < len(nodes) and (used + len(nodes[last].ids) <= row_tokens or last == first):
            used += len(nodes[last].ids)
            last += 1
        yield _row(nodes, first, last)
        first = last


def _leaves(asked: Sequence[tuple[Ids, Sequence[Read]]]) -> tuple[list[tuple[Ids, list[Read]]], np.ndarray]:
    """Sequences that no other continues, sorted, with the reads of all that they continue; ids shared with the last."""
    by_ids: dict[Ids, list[Read]] = {}
    for ids, reads in asked:
        by_ids.setdefault(ids, []).extend(reads)
    ordered = sorted(by_ids)
    arrays = [np.array(ids, dtype=np.int64) for ids in ordered]
    leaves: list[tuple[Ids, list[Read]]] = []
    shared: list[int] = []
    least, carried = 0, list[Read]()
    for index, ids in enumerate(ordered):
        common = _num_shared(arrays[index], arrays[index + 1]) if index + 1 < len(ordered) else 0
        carried += by_ids[ids]
        if index + 1 < len(ordered) and common == len(ids):
            continue
        leaves.append((ids, carried))
        shared.append(least)
        least, carried = common, []
    return leaves, np.array(shared)


def _num_shared(one: np.ndarray, other: np.ndarray) -> int:
    length = min(len(one), len(other))
    differs = one[:length] != other[:length]
    return int(differs.argmax()) if differs.any() else length


def _append(nodes: list[Node], ids: Ids, start: int, parent: int | None, longest: int) -> int:
    for first in range(0, len(ids), longest):
        nodes.append(Node(ids[first : first + longest], start + first, parent))
        parent = len(nodes) - 1
    assert parent is not None
    return parent


def _place_reads(nodes: Sequence[Node], leaf: int, reads: Sequence[Read]) -> None:
    path = [nodes[index] for index in _path(nodes, leaf)]
    starts = [node.start for node in path]
    for place, next_id, cell in reads:
        node = path[bisect_left(starts, place + 1) - 1]
        node.reads.append(Read(place - node.start, next_id, cell))


def _path(nodes: Sequence[Node], index: int | None) -> list[int]:
    """From the root to a node, which is the last."""
    path: list[int] = []
    while index is not None:
        path.append(index)
        index = nodes[index].parent
    return path[::-1]


def _set_ends(nodes: Sequence[Node]) -> None:
    for index in reversed(range(len(nodes))):
        node = nodes[index]
        node.end = max(node.end, index + 1)
        if node.parent is not None:
            nodes[node.parent].end = max(nodes[node.parent].end, node.end)


def _row(nodes: Sequence[Node], first: int, last: int) -> Row:
    row, path = nodes[first:last], [nodes[index] for index in _path(nodes, nodes[first].parent)]
    offsets = np.cumsum([0, *(len(node.ids) for node in row)]).tolist()
    num_path = nodes[first].start
    spans = _merged([Span(0, offsets[min(node.end, last) - first], node.start, node.stop) for node in path])
    spans += [
        Span(
            offsets[index + 1],
            offsets[min(node.end, last) - first],
            num_path + offset,
            num_path + offset + len(node.ids),
        )
        for index, (node, offset) in enumerate(zip(row, offsets, strict=False))
        if min(node.end, last) > first + index + 1
    ]
    next_path = _path(nodes, nodes[last].parent) if last < len(nodes) else []
    kept = [
        num_path + key
        for index in next_path
        if index >= first
        for key in range(offsets[index - first], offsets[index - first + 1])
    ]
    return Row(
        ids=[id for node in row for id in node.ids],
        positions=[position for node in row for position in range(node.start, node.stop)],
        num_path=num_path,
        own=list(pairwise(offsets)),
        spans=spans,
        reads=[
            Read(offset + read.place, read.next_id, read.cell)
            for node, offset in zip(row, offsets, strict=False)
            for read in node.reads
        ],
        num_kept_path=sum(len(nodes[index].ids) for index in next_path if index < first),
        kept=kept,
    )


def _merged(spans: Sequence[Span]) -> list[Span]:
    """Spans along a path, those of one range of ids as one."""
    merged: list[Span] = []
    for span in spans:
        if merged and merged[-1].stop == span.stop:
            merged[-1] = merged[-1]._replace(last_key=span.last_key)
        else:
            merged.append(span)
    return merged
