"""Batches of rows, in order.

Shapes: B rows, T tokens per row.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from loanword.model.attention import Documents, documents_of
from loanword.tokens.rows import Row


class RowSource(Protocol):
    """Rows by global index, a pure function of it."""

    def row(self, index: int, /) -> Row: ...


@dataclass(frozen=True)
class Batch:
    """Rows that go through the model together; `labels_BT` is -100 where a prediction is not counted."""

    ids_BT: Tensor
    labels_BT: Tensor
    documents: Documents


def read_rows(rows: RowSource, first: int, last: int) -> list[Row]:
    """Rows [first, last), in order."""
    return [rows.row(index) for index in range(first, last)]


def count_predictions(rows: Sequence[Row]) -> int:
    """Labels that are counted."""
    return sum(int(np.count_nonzero(row.labels >= 0)) for row in rows)


def micro_batches(rows: Sequence[Row], micro_batch_tokens: int, device: torch.device) -> Iterator[Batch]:
    """The rows in order, as many at a time as `micro_batch_tokens` holds, but at least one."""
    size = max(1, micro_batch_tokens // len(rows[0].ids))
    for first in range(0, len(rows), size):
        yield _batch(rows[first : first + size], device)


def _batch(rows: Sequence[Row], device: torch.device) -> Batch:
    ids_BT = torch.from_numpy(np.stack([row.ids for row in rows])).to(device)
    labels_BT = torch.from_numpy(np.stack([row.labels for row in rows])).to(device)
    return Batch(ids_BT, labels_BT, documents_of([row.starts for row in rows], ids_BT.shape[1], device))
