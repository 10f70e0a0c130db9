"""Ticks are round and enclose the data; labels keep their order and their distance."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loanword.report.axes import amount_axis, budget_axis, growth_axis, linear_axis, nice_ticks, spread, tick_text
from loanword.report.wording import bytes_text

FINITE = st.floats(-1e6, 1e6, allow_subnormal=False)


@given(FINITE, st.floats(1e-3, 1e6))
def test_ticks_enclose_both_ends_evenly(low: float, span: float):
    ticks = nice_ticks(low, low + span)
    steps = {round((after - before) / (ticks[1] - ticks[0]), 6) for before, after in pairwise(ticks)}
    assert 2 <= len(ticks) <= 6
    assert ticks[0] <= low + 1e-6 * span + 1e-9
    assert ticks[-1] >= low + span - 1e-6 * span - 1e-9
    assert steps == {1.0}


def test_one_value_still_has_an_axis():
    axis = linear_axis(2.5, 2.5, tick_text)
    assert 0 < axis.place(2.5) < 1


def test_near_budgets_lie_on_a_linear_axis_that_shows_zero():
    axis = budget_axis([0, 400_321, 2_000_321], bytes_text)
    assert [text for _, text in axis.ticks] == ["0", "0.5\u202fMB", "1\u202fMB", "1.5\u202fMB", "2\u202fMB"]
    assert (axis.place(0), axis.place(2_000_321), axis.broken_at) == (0, 1, None)


def test_amounts_that_grow_by_doubling_lie_evenly_and_are_ticked_between_their_ends():
    axis = growth_axis([250_000, 500_000, 1_000_000, 8_000_000], bytes_text)
    assert [text for _, text in axis.ticks] == ["500\u202fkB", "1\u202fMB", "2\u202fMB", "5\u202fMB"]
    assert [axis.place(amount) for amount in (250_000, 500_000, 8_000_000)] == pytest.approx([0, 0.2, 1])
    assert len(growth_axis([1e6, 1e12], bytes_text).ticks) <= 6


def test_far_budgets_lie_on_a_logarithmic_axis_with_a_break_for_zero():
    axis = budget_axis([0, 1.01e6, 1e7, 1e8], bytes_text)
    assert [text for _, text in axis.ticks] == ["0", "1\u202fMB", "10\u202fMB", "100\u202fMB"]
    assert axis.place(0) == 0 < axis.broken_at < axis.place(1.01e6) < axis.place(1e7) < axis.place(1e8) == 1  # type: ignore[operator]


def test_amounts_stand_in_one_unit():
    assert [text for _, text in amount_axis(1.9e6, bytes_text).ticks][1] == "0.5\u202fMB"


@given(st.lists(st.floats(0, 300), min_size=1, max_size=12), st.floats(1, 40))
def test_labels_keep_order_and_distance_inside_their_bounds(wanted: list[float], gap: float):
    places = spread(wanted, gap, 0, 320)
    possible = min(gap, 320 / (len(wanted) - 1)) if len(wanted) > 1 else gap
    ordered = sorted(places)
    assert all(after - before >= possible - 1e-6 for before, after in pairwise(ordered))
    assert all(-1e-6 <= place <= 320 + 1e-6 for place in places)
    for one, other in pairwise(range(len(wanted))):
        if wanted[one] < wanted[other]:
            assert places[one] < places[other]


def test_labels_with_room_stay_where_they_are():
    assert spread([10, 200, 100], 20, 0, 300) == [10, 200, 100]
