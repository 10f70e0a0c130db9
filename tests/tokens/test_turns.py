"""Turns by weight: exact shares at every point, nested, and the same from wherever one looks."""

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loanword.errors import UserError
from loanword.tokens.turns import TurnOrder, drawn, parts, tempered, whole_weights

WEIGHTS = st.lists(st.integers(1, 9), min_size=1, max_size=5)


def merged(weights: list[int], ends: list[int] | None, number: int) -> list[tuple[int, int]]:
    """The order by its definition: every item with its time, sorted."""
    items = [
        ((2 * item + 1) / weight, source, item)
        for source, weight in enumerate(weights)
        for item in range(number if ends is None else ends[source])
    ]
    return [(source, item) for _, source, item in sorted(items)][:number]


@given(WEIGHTS, st.integers(1, 60))
def test_places_are_those_of_all_items_sorted_by_their_times(weights: list[int], number: int):
    order = TurnOrder(weights)
    assert [order.place(index) for index in range(number)] == merged(weights, None, number)


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 12)), min_size=1, max_size=5))
def test_a_source_that_ends_leaves_its_turns_to_the_others(sources: list[tuple[int, int]]):
    weights, ends = [weight for weight, _ in sources], [end for _, end in sources]
    order = TurnOrder(weights, ends)
    assert [order.place(index) for index in range(sum(ends))] == merged(weights, ends, sum(ends))
    with pytest.raises(IndexError):
        order.place(sum(ends))


@given(WEIGHTS, st.integers(0, 10**20))
def test_no_source_departs_from_its_share_by_a_whole_item_for_each_source_beside_it(weights: list[int], index: int):
    before = TurnOrder(weights).before(index)
    assert sum(before) == index
    for count, weight in zip(before, weights, strict=True):
        assert abs(count * sum(weights) - index * weight) <= len(weights) * sum(weights)


@given(WEIGHTS, st.integers(0, 10**20))
def test_an_item_stands_where_its_index_says(weights: list[int], index: int):
    order = TurnOrder(weights)
    assert order.index(*order.place(index)) == index
    source, item = order.place(index)
    assert order.before(index)[source] == item


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=6))
def test_whole_weights_are_the_shares_to_a_part_in_thousands(shares: list[float]):
    weights = whole_weights(shares)
    for weight, share in zip(weights, shares, strict=True):
        assert weight / sum(weights) == pytest.approx(share / sum(shares), abs=1e-4)


@given(st.integers(0, 10**12), st.lists(st.floats(0.001, 100), min_size=1, max_size=6))
def test_parts_add_up_and_stay_within_one_of_their_shares(total: int, shares: list[float]):
    made = parts(total, shares)
    assert sum(made) == total
    for part, share in zip(made, shares, strict=True):
        assert abs(part - total * share / sum(shares)) < 1 + 1e-3


def test_temperature_brings_shares_closer_to_each_other():
    assert tempered([8, 2], 1) == pytest.approx((0.8, 0.2))
    # Exponent 1/2: weights 4 : 2 become 2 : 1.41.
    assert tempered([4, 2], 2) == pytest.approx((0.585786, 0.414214), abs=1e-6)
    assert tempered([100, 1], 1e9) == pytest.approx((0.5, 0.5))


@given(st.integers(0, 40), st.integers(0, 40))
def test_fewer_conversations_are_the_start_of_more(one: int, other: int):
    sources = {"zh": [f"zh {number}" for number in range(40)], "sw": [f"sw {number}" for number in range(20)]}
    sizes = {name: len(items) for name, items in sources.items()}
    few, more = (list(drawn(sources, sizes, {"zh": 2, "sw": 1}, number)) for number in sorted((one, other)))
    assert more[: len(few)] == few


def test_conversations_without_shares_come_as_sources_are_large_and_all_of_them_once():
    sources = {"zh": [f"zh {number}" for number in range(300)], "sw": [f"sw {number}" for number in range(101)]}
    sizes = {name: len(items) for name, items in sources.items()}
    taken = list(drawn(sources, sizes, {}, 401))
    assert sorted(taken) == sorted([*sources["zh"], *sources["sw"]])
    assert 24 <= sum(one.startswith("sw") for one in islice(taken, 100)) <= 26


def test_a_source_without_its_share_is_named():
    sources = {"zh": ["a"] * 90, "sw": ["b"] * 10}
    with pytest.raises(UserError, match="10 usable conversations in sw"):
        drawn(sources, {"zh": 90, "sw": 10}, {"zh": 1, "sw": 1}, 40)
    with pytest.raises(UserError, match="100 usable conversations, and 101"):
        drawn(sources, {"zh": 90, "sw": 10}, {}, 101)
