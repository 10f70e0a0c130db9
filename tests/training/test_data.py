"""Micro-batches are the rows, in order."""

import numpy as np
import pytest
import torch

from loanword.training.data import count_predictions, micro_batches, read_rows
from tests.training.small import ROW_TOKENS, CountingRows

CPU = torch.device("cpu")


@pytest.mark.parametrize(("micro_batch_tokens", "sizes"), [(1, [1] * 5), (2 * ROW_TOKENS + 3, [2, 2, 1]), (10**6, [5])])
def test_micro_batches_hold_the_rows_in_order(micro_batch_tokens: int, sizes: list[int]) -> None:
    rows = read_rows(CountingRows(), 3, 8)
    batches = list(micro_batches(rows, micro_batch_tokens, CPU))
    assert [batch.ids_BT.shape[0] for batch in batches] == sizes
    assert np.array_equal(torch.cat([batch.ids_BT for batch in batches]), np.stack([row.ids for row in rows]))
    assert np.array_equal(torch.cat([batch.labels_BT for batch in batches]), np.stack([row.labels for row in rows]))
    assert sum((batch.documents.lengths for batch in batches), ()) == sum(
        (tuple(np.diff((*row.starts, ROW_TOKENS)).tolist()) for row in rows), ()
    )


def test_positions_begin_anew_with_every_document() -> None:
    (batch,) = micro_batches(read_rows(CountingRows(), 0, 1), 1, CPU)
    assert batch.documents.position_ids_BT.tolist() == [[*range(5), *range(15), *range(12)]]


def test_predictions_are_counted_as_labelled() -> None:
    assert count_predictions(read_rows(CountingRows(), 0, 3)) == 3 * (ROW_TOKENS - 2)
