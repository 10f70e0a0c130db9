"""A branch agrees with its trunk, row by row, whatever the schedule."""

import math
from itertools import pairwise
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loanword.recipe import StepsConfig
from loanword.training.schedule import constant_rate, decay_start, decaying_rate

SCHEDULES = get_args(StepsConfig.model_fields["schedule"].annotation)


def steps(warmup_steps: int = 5, decay_share: float = 0.2, schedule: str = "warmup-stable-decay") -> StepsConfig:
    return StepsConfig.model_validate(
        {
            "peak_learning_rate": 0.01,
            "row_tokens": 8,
            "batch_tokens": 32,
            "warmup_steps": warmup_steps,
            "decay_share": decay_share,
            "schedule": schedule,
        }
    )


some_steps = st.builds(steps, st.integers(0, 50), st.floats(0, 0.99))
any_steps = st.builds(steps, st.integers(0, 50), st.floats(0, 0.99), st.sampled_from(SCHEDULES))


@given(any_steps, st.integers(0, 5_000))
def test_a_branch_leaves_its_trunk_at_a_whole_step_and_agrees_with_it_until_then(
    config: StepsConfig, num_rows: int
) -> None:
    cut = decay_start(num_rows, config)
    assert cut % config.batch_rows == 0 and 0 <= cut <= num_rows
    trunk, branch = constant_rate(config), decaying_rate(config, num_rows)
    assert all(branch(row) == trunk(row) for row in range(0, min(cut + 1, num_rows), config.batch_rows))


@given(some_steps, st.integers(0, 5_000))
def test_a_trunk_is_as_long_as_the_share_of_the_decay_allows(config: StepsConfig, num_rows: int) -> None:
    cut = decay_start(num_rows, config)
    whole_steps = (1 - config.decay_share) * num_rows - config.batch_rows
    assert whole_steps <= cut + 1e-6 and cut <= (1 - config.decay_share) * num_rows + 1e-6


@given(any_steps, st.integers(1, 5_000))
def test_the_rate_never_rises_after_its_warm_up_and_every_step_moves(config: StepsConfig, num_rows: int) -> None:
    rate = decaying_rate(config, num_rows)
    rates = [rate(row) for row in range(0, num_rows, config.batch_rows)]
    assert all(0 < one <= config.peak_learning_rate for one in rates)
    assert all(later <= earlier for earlier, later in pairwise(rates[config.warmup_steps :]))


@given(some_steps, st.integers(1, 5_000))
def test_a_linear_decay_falls_in_every_step(config: StepsConfig, num_rows: int) -> None:
    factors = [
        decaying_rate(config, num_rows)(row) / constant_rate(config)(row)
        for row in range(decay_start(num_rows, config), num_rows, config.batch_rows)
    ]
    assert all(later < earlier for earlier, later in pairwise(factors))


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_warm_up_rises_evenly_to_the_peak(schedule: str) -> None:
    config = steps(warmup_steps=4, schedule=schedule)
    for rate in (constant_rate(config), decaying_rate(config, 10_000)):
        assert [rate(4 * step) for step in range(4)] == [0.0025, 0.005, 0.0075, 0.01]


def test_a_trunk_stays_at_the_peak() -> None:
    assert {constant_rate(steps(warmup_steps=4))(row) for row in (16, 1_000, 10**9)} == {0.01}


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_without_warm_up_the_first_step_is_at_the_peak(schedule: str) -> None:
    assert decaying_rate(steps(warmup_steps=0, schedule=schedule), 100)(0) == 0.01


def test_a_decay_is_linear_to_zero_at_the_end() -> None:
    rate = decaying_rate(steps(warmup_steps=0, decay_share=0.5), 32)
    assert [round(rate(row), 9) for row in range(0, 32, 4)] == [0.01] * 5 + [0.0075, 0.005, 0.0025]


def test_a_cosine_has_no_trunk_and_falls_from_the_end_of_the_warm_up_to_zero_at_the_end() -> None:
    config = steps(warmup_steps=2, schedule="cosine")
    rate = decaying_rate(config, 40)
    assert decay_start(40, config) == 0
    expected = [0.005, 0.01] + [0.005 * (1 + math.cos(math.pi * step / 8)) for step in range(8)]
    assert [rate(row) for row in range(0, 40, 4)] == pytest.approx(expected, rel=1e-12)
    assert rate(40) == 0.0


@given(st.integers(0, 50), st.integers(0, 5_000))
def test_a_constant_rate_is_its_trunk_to_the_last_whole_step_and_beyond(warmup_steps: int, num_rows: int) -> None:
    config = steps(warmup_steps, schedule="constant")
    assert num_rows - config.batch_rows < decay_start(num_rows, config) <= num_rows
    trunk, branch = constant_rate(config), decaying_rate(config, num_rows)
    assert all(branch(row) == trunk(row) for row in range(0, num_rows, config.batch_rows))
