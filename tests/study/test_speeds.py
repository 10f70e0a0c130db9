"""Speeds: what is learned of finished artifacts, and what a plan makes of it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loanword.study.estimate import Estimate
from loanword.study.hardware import FEW, HardwareProfile, Learned, ShapeSpeed
from loanword.study.speeds import USUAL, Took, learned_from, seconds_of, work_of

SIZE = 10**6


def measured(*speeds: tuple[int, int, float]) -> HardwareProfile:
    """A machine that trained shapes of so many parameters, in rows of so many tokens, at so many FLOP/s."""
    shapes = tuple(
        ShapeSpeed(
            name=str(size),
            num_parameters=size,
            precision="float32",
            recipe="float32",
            activations="keep",
            row_tokens=row_tokens,
            micro_batch_tokens=row_tokens,
            tokens_per_second=10.0,
            flops_per_token=flops / 10,
            causal_flops_per_token=flops / 10,
            whole_flops_per_token=flops / 10,
            peak_bytes=1,
            estimated_bytes=1,
        )
        for size, row_tokens, flops in speeds
    )
    return HardwareProfile(
        machine="a machine",
        device="cpu",
        threads=1,
        versions={},
        products={"float32": 1e12, "bf16": 1e12},
        shapes=shapes,
    )


# Work is none, or an amount that a machine can tell from none.
works = st.just(0.0) | st.floats(1e-6, 1e6)
pairs = st.lists(st.tuples(works, st.floats(0.01, 1e4)), min_size=1, max_size=20)


@given(pairs)
def test_a_line_meets_the_sum_of_what_it_was_fitted_to_and_is_never_negative(took: list[tuple[float, float]]):
    fixed, slope = Learned.of(took).line()
    assert fixed >= 0 and slope >= 0
    planned = sum(fixed + slope * work for work, _ in took)
    assert planned == pytest.approx(sum(seconds for _, seconds in took), rel=1e-6)


@given(st.floats(0.1, 10), st.floats(1e-3, 10))
def test_artifacts_that_lie_on_a_line_give_that_line(fixed: float, slope: float):
    took = [(work, fixed + slope * work) for work in (1.0, 10.0, 50.0, 100.0, 400.0)]
    assert Learned.of(took).line() == pytest.approx((fixed, slope), rel=1e-4)


def test_of_a_few_artifacts_only_their_ratio_to_what_is_usual_is_learned():
    few = Learned.of([(1.0, 3.0), (2.0, 4.0)][: FEW - 1])
    fixed, slope = few.line((0.5, 2.0))
    assert fixed / slope == pytest.approx(0.25)
    assert 2 * fixed + 3 * slope == pytest.approx(7.0)
    assert few.line()[0] == 0.0


def test_what_was_learned_before_counts_half():
    before, after = Learned.of([(100.0, 100.0)]), Learned.of([(100.0, 400.0)])
    _, slope = after.after(before).line()
    assert slope == pytest.approx((400 + 0.5 * 100) / 150)


def test_a_kind_that_was_learned_is_planned_so_and_others_as_usual():
    took = [Took("tokens", work, 1.0 + work / 1e6) for work in (1e5, 5e5, 1e6, 4e6, 9e6)]
    machine = learned_from(measured((SIZE, 512, 1e9)), took)
    assert seconds_of(machine, Estimate(kind="tokens", work=2e6)) == pytest.approx(3.0)
    fixed, slope = USUAL["instructions"]
    assert seconds_of(machine, Estimate(kind="instructions", work=1e6)) == pytest.approx(fixed + 1e6 * slope)


def test_what_cannot_be_known_takes_no_number_of_seconds():
    machine = measured((SIZE, 512, 1e9))
    assert seconds_of(machine, Estimate(kind="judgements, by a server", work=5)) is None
    assert seconds_of(machine, Estimate(kind="tokens", unknown="the size of a file")) is None


def test_work_on_a_model_is_flops_at_the_speed_of_training_shared_by_what_works_at_once():
    machine, made = measured((SIZE, 512, 1e9)), Estimate(kind="base", flops=4e9, num_parameters=SIZE, row_tokens=512)
    assert work_of(machine, made) == pytest.approx(4.0)
    assert work_of(machine, made, parallel=2) == pytest.approx(2.0)


def test_a_measured_shape_has_its_own_speed_and_others_lie_between():
    machine = measured((SIZE, 512, 1e9), (100 * SIZE, 512, 4e9))
    assert machine.flops_per_second(SIZE, 512) == pytest.approx(1e9, rel=1e-3)
    assert machine.flops_per_second(100 * SIZE) == pytest.approx(4e9, rel=1e-3)
    middle = machine.flops_per_second(10 * SIZE, 512)
    assert math.isclose(middle, 2e9, rel_tol=1e-6)
    assert machine.flops_per_second(3 * SIZE) < middle


def test_of_one_size_the_nearer_rows_decide():
    machine = measured((SIZE, 128, 1e9), (SIZE, 2048, 2e9))
    assert (
        machine.flops_per_second(SIZE, 128) < machine.flops_per_second(SIZE, 512) < machine.flops_per_second(SIZE, 2048)
    )
