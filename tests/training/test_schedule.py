"""A branch agrees with its trunk, row by row."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from loanword.recipe import StepsConfig
from loanword.training.schedule import constant_rate, decay_start, decaying_rate


def steps(warmup_steps: int = 5, decay_share: float = 0.2) -> StepsConfig:
    return StepsConfig(
        peak_learning_rate=0.01, row_tokens=8, batch_tokens=32, warmup_steps=warmup_steps, decay_share=decay_share
    )


some_steps = st.builds(steps, st.integers(0, 50), st.floats(0, 0.99))


@given(some_steps, st.integers(0, 5_000))
def test_a_branch_leaves_its_trunk_at_a_whole_step_and_agrees_with_it_until_then(
    config: StepsConfig, num_rows: int
) -> None:
    cut = decay_start(num_rows, config)
    assert cut % config.batch_rows == 0 and 0 <= cut <= num_rows
    assert (1 - config.decay_share) * num_rows - config.batch_rows <= cut + 1e-6
    trunk, branch = constant_rate(config), decaying_rate(config, num_rows)
    assert all(branch(row) == trunk(row) for row in range(0, min(cut + 1, num_rows), config.batch_rows))


@given(some_steps, st.integers(1, 5_000))
def test_the_decay_falls_and_every_step_still_moves(config: StepsConfig, num_rows: int) -> None:
    factors = [
        decaying_rate(config, num_rows)(row) / constant_rate(config)(row)
        for row in range(decay_start(num_rows, config), num_rows, config.batch_rows)
    ]
    assert all(later < earlier for earlier, later in pairwise(factors))
    assert all(0 < factor <= 1 for factor in factors)


def test_warm_up_rises_evenly_to_the_peak_and_stays() -> None:
    rate = constant_rate(steps(warmup_steps=4))
    assert [rate(4 * step) for step in range(6)] == [0.0025, 0.005, 0.0075, 0.01, 0.01, 0.01]


def test_without_warm_up_the_first_step_is_at_the_peak() -> None:
    assert constant_rate(steps(warmup_steps=0))(0) == 0.01


def test_a_decay_is_linear_to_zero_at_the_end() -> None:
    rate = decaying_rate(steps(warmup_steps=0, decay_share=0.5), 32)
    assert [round(rate(row), 9) for row in range(0, 32, 4)] == [0.01] * 5 + [0.0075, 0.005, 0.0025]
