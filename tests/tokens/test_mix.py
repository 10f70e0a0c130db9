"""The mixture, and the turns that sources take, are exact, nested, and pure functions of seed and index."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loanword.tokens.mix import Mixture, Turns, epoch_order
from loanword.tokens.rows import Row

SIZES = st.lists(st.integers(1, 12), min_size=1, max_size=5)
SHARES = st.integers(0, 99).map(lambda percent: percent / 100) | st.sampled_from([1 / 3, 0.999, 1e-5])


class Numbered:
    """Rows that hold nothing but their own number, counted from `first`; there is none beyond `num_rows`."""

    def __init__(self, num_rows: int, first: int = 0) -> None:
        self.num_rows = num_rows
        self.first = first

    def row(self, index: int) -> Row:
        assert 0 <= index < self.num_rows
        number = np.full(4, self.first + index, dtype=np.int64)
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


def turns(sizes: list[int]) -> Turns:
    """Sources of so many rows; those of source s are numbered from 1,000 s."""
    return Turns([Numbered(size, 1_000 * place) for place, size in enumerate(sizes)])


@given(SIZES, st.integers(0, 10**30), st.integers(0, 200))
def test_sources_take_turns_evenly_from_wherever_one_begins(sizes: list[int], first: int, num_rows: int):
    taken = Counter(turns(sizes).place(index)[0] for index in range(first, first + num_rows))
    counts = [taken[source] for source in range(len(sizes))]
    assert max(counts) - min(counts) <= 1


@given(SIZES, st.integers(0, 10**30))
def test_every_source_goes_round_in_its_own_order(sizes: list[int], first: int):
    taken = [turns(sizes).place(index) for index in range(first, first + 60)]
    for source, size in enumerate(sizes):
        rows = [row for place, row in taken if place == source]
        assert all(after == (before + 1) % size for before, after in pairwise(rows))


@given(SIZES)
def test_all_sources_end_where_the_turns_begin_again(sizes: list[int]):
    taking = turns(sizes)
    seen = Counter(taking.place(index) for index in range(taking.num_rows))
    for source, size in enumerate(sizes):
        times = {seen[source, row] for row in range(size)}
        assert times == {taking.num_rows // len(sizes) // size}
    assert taking.place(taking.num_rows) == taking.place(0)


def test_turns_that_no_integer_of_a_machine_can_count_are_read_all_the_same():
    taking = Turns([Numbered(10**6 + more) for more in range(20)])
    assert taking.num_rows > 2**64
    mixed = Mixture(Numbered(10), 10, taking, 0.5, 3)
    assert [len(mixed.row(index).ids) for index in range(mixed.num_rows)] == [4] * mixed.num_rows


@given(st.integers(1, 9), st.integers(0, 100))
def test_the_turns_of_one_source_are_that_source(num_rows: int, index: int):
    assert turns([num_rows]).num_rows == num_rows
    assert turns([num_rows]).place(index) == (0, index % num_rows)


@given(SIZES, SHARES.filter(lambda share: share > 0), st.integers(0, 5), st.integers(0, 3_000))
def test_each_source_of_a_mixture_has_its_part_of_the_share_at_every_point(
    sizes: list[int], replay: float, seed: int, end: int
):
    taking = turns(sizes)
    mixed = Mixture(Numbered(5_000), 5_000, taking, replay, seed)
    origins = [mixed.origin(index) for index in range(end)]
    taken = Counter(taking.place(origin.row)[0] for origin in origins if origin.source == "source")
    for source in range(len(sizes)):
        # Half a row for rounding the share, one for whose turn it is.
        assert abs(taken[source] - end * replay / len(sizes)) <= 0.5 / len(sizes) + 1 + 1e-9


@given(SIZES, st.integers(0, 5), st.lists(st.integers(0, 10**6), max_size=20))
def test_a_row_of_the_turns_depends_on_no_row_before_it(sizes: list[int], seed: int, indices: list[int]):
    def mixed() -> Mixture:
        return Mixture(Numbered(10**6), 10**6, turns(sizes), 0.5, seed)

    reader = mixed()
    for index in indices:
        assert reader.row(index).ids.tolist() == mixed().row(index).ids.tolist()


def test_rows_of_the_turns_come_from_whose_turn_it_is():
    taking = turns([3, 1, 2])
    assert [int(taking.row(index).ids[0]) for index in range(9)] == [0, 1000, 2000, 1, 1000, 2001, 2, 1000, 2000]


def test_the_seed_picks_whose_turn_is_first():
    taking = turns([7, 7, 7])
    firsts = [Mixture(Numbered(9), 9, taking, 0.5, seed).origin(0) for seed in range(20)]
    assert {taking.place(first.row)[0] for first in firsts} == {0, 1, 2}


@given(st.integers(0, 200), st.integers(0, 3), st.integers(0, 3))
def test_an_epoch_reads_every_row_once(num_rows: int, seed: int, epoch: int):
    assert sorted(epoch_order(num_rows, seed, epoch).tolist()) == list(range(num_rows))


def test_epochs_and_seeds_differ_and_are_the_same_everywhere():
    orders = {tuple(epoch_order(50, seed, epoch).tolist()) for seed in range(3) for epoch in range(3)}
    assert len(orders) == 9
    assert epoch_order(8, 0, 0).tolist() == [7, 2, 1, 6, 5, 4, 3, 0]
