"""The mixture is exact, nested, and a pure function of seed and index."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loanword.tokens.mix import Mixture, epoch_order
from loanword.tokens.rows import Row

SHARES = st.integers(0, 99).map(lambda percent: percent / 100) | st.sampled_from([1 / 3, 0.999, 1e-5])


class Numbered:
    """Rows that hold nothing but their own number."""

    def __init__(self, num_rows: int) -> None:
        self.num_rows = num_rows

    def row(self, index: int) -> Row:
        number = np.full(4, index, dtype=np.int64)
        return Row(number, number, (0,))


def mixture(num_target: int, replay: float, seed: int = 0, num_source: int = 7) -> Mixture:
    return Mixture(Numbered(10_000), num_target, Numbered(num_source), replay, seed)


@given(st.integers(0, 300), SHARES, st.integers(0, 5))
def test_target_rows_come_once_and_in_order(num_target: int, replay: float, seed: int):
    mixed = mixture(num_target, min(replay, 0.95), seed)
    origins = [mixed.origin(index) for index in range(mixed.num_rows)]
    assert [origin.row for origin in origins if origin.source == "target"] == list(range(num_target))
    assert not origins or origins[-1].source == "target"


@given(st.integers(0, 10**9), SHARES)
def test_the_share_of_source_rows_is_exact_at_every_point(index: int, replay: float):
    mixed = mixture(1, replay)
    assert abs(mixed.source_rows_before(index) - index * replay) <= 0.5 + index * 1e-15
    assert mixed.target_rows_before(index) + mixed.source_rows_before(index) == index


@given(st.integers(1, 10**9), SHARES)
def test_the_end_of_a_budget_is_the_first_point_that_holds_it(num_target: int, replay: float):
    mixed = mixture(1, replay)
    end = mixed.rows_for_target(num_target)
    assert mixed.target_rows_before(end) == num_target
    assert mixed.target_rows_before(end - 1) == num_target - 1
    assert abs(end * (1 - replay) - num_target) <= 1


@given(st.integers(0, 10**6), st.integers(1, 500), st.integers(1, 500), SHARES, st.integers(0, 5))
def test_a_row_does_not_depend_on_the_budget(index: int, one: int, other: int, replay: float, seed: int):
    assert mixture(one, replay, seed).origin(index) == mixture(other, replay, seed).origin(index)


@given(SHARES.filter(lambda share: share > 0.05), st.integers(0, 5), st.integers(1, 9))
def test_source_rows_go_round_evenly(replay: float, seed: int, num_source: int):
    mixed = mixture(1, replay, seed, num_source)
    rows = [origin.row for origin in map(mixed.origin, range(400)) if origin.source == "source"]
    assert all(after == (before + 1) % num_source for before, after in pairwise(rows))
    seen = Counter(rows)
    assert max(seen.values()) - min(seen.get(row, 0) for row in range(num_source)) <= 1


def test_the_seed_picks_where_the_source_begins():
    firsts = {mixture(1, 0.5, seed, num_source=100).origin(0).row for seed in range(20)}
    assert len(firsts) > 10


def test_a_decimal_share_is_taken_as_written():
    mixed = mixture(80, 0.2)
    assert mixed.num_rows in (99, 100)
    assert [mixed.source_rows_before(10 * tens) for tens in range(1, 11)] == [2 * tens for tens in range(1, 11)]


def test_rows_come_from_where_their_origin_says():
    mixed = mixture(20, 0.3)
    for index in range(mixed.num_rows):
        assert mixed.row(index).ids[0] == mixed.origin(index).row


def test_without_replay_the_mixture_is_the_target():
    mixed = Mixture(Numbered(5), 5, None, 0.0, 0)
    assert mixed.num_rows == 5
    assert [mixed.origin(index) for index in range(5)] == [("target", index) for index in range(5)]


def test_what_cannot_be_mixed_is_refused():
    with pytest.raises(ValueError, match="a target that has 5"):
        Mixture(Numbered(5), 6, None, 0.0, 0)
    with pytest.raises(ValueError, match="without rows"):
        Mixture(Numbered(5), 5, None, 0.1, 0)


@given(st.integers(0, 200), st.integers(0, 3), st.integers(0, 3))
def test_an_epoch_reads_every_row_once(num_rows: int, seed: int, epoch: int):
    assert sorted(epoch_order(num_rows, seed, epoch).tolist()) == list(range(num_rows))


def test_epochs_and_seeds_differ_and_are_the_same_everywhere():
    orders = {tuple(epoch_order(50, seed, epoch).tolist()) for seed in range(3) for epoch in range(3)}
    assert len(orders) == 9
    assert epoch_order(8, 0, 0).tolist() == [7, 2, 1, 6, 5, 4, 3, 0]
