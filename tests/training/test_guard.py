"""Steps that go wrong are skipped, three in a row are rolled back, and a resumed run judges alike."""

import math
from collections.abc import Callable
from copy import deepcopy

import pytest

from loanword.errors import UserError
from loanword.protocols import quiet
from loanword.recipe import StepsConfig
from loanword.records import CurvePoint, SkippedRows
from loanword.training.guard import ANCHOR_STEPS, EXPLODING, Slope, is_anchor, judge, pass_over
from loanword.training.state import Position

STEPS = StepsConfig(peak_learning_rate=1e-3, row_tokens=32, batch_tokens=128)
ROWS = STEPS.batch_rows
NORM = 2.0
Fault = Callable[[int, float], float]
"""The norm of a step's gradient, from the step and how many steps the weights have taken."""


def walk(num_steps: int, norm: Fault, steps: StepsConfig = STEPS, *, forgetful: bool = False) -> Position:
    """A loop whose weights are the number of steps they took; a forgetful one is killed after every third."""
    position, weights = Position(0), 0.0
    anchor = deepcopy((position, weights))
    while (step := position.next_row // ROWS) < num_steps:
        last_row = position.next_row + ROWS
        slope = Slope(1.0, 100, norm(step, weights))
        verdict = judge(slope, position, last_row, steps)
        if verdict.action == "apply":
            weights += 1
            position.advance(point(step, slope.norm))
        else:
            if verdict.action == "roll back":
                position, weights = deepcopy(anchor)
            pass_over(position, last_row, verdict, quiet)
        if is_anchor(position, steps):
            anchor = deepcopy((position, weights))
        if forgetful and step % 3 == 0:
            position = resumed(position)
    assert weights == len(position.curve)
    return position


def point(step: int, norm: float = NORM) -> CurvePoint:
    rows = (step + 1) * ROWS
    return CurvePoint(step=step, rows=rows, tokens=rows, learning_rate=1.0, nats_per_token=1.0, gradient_norm=norm)


def resumed(position: Position) -> Position:
    return Position(
        position.next_row,
        [CurvePoint.from_json(one.to_json(), where="") for one in position.curve],
        [SkippedRows.from_json(one.to_json(), where="") for one in position.skipped],
    )


def wrong_at(*bad: int, value: float = math.nan) -> Fault:
    return lambda step, weights: value if step in bad else NORM


def ranges(position: Position) -> list[tuple[int, int, str]]:
    return [(one.first_row // ROWS, one.last_row // ROWS, one.reason) for one in position.skipped]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_step_that_is_not_finite_is_skipped_with_its_rows(value: float) -> None:
    position = walk(12, wrong_at(3, 5, 6, value=value))
    assert ranges(position) == [(3, 4, "not finite"), (5, 6, "not finite"), (6, 7, "not finite")]
    assert [one.step for one in position.curve] == [0, 1, 2, 4, 7, 8, 9, 10, 11]


def test_a_loss_that_is_not_finite_counts_as_a_norm_does() -> None:
    position = walk(4, wrong_at())
    assert judge(Slope(math.nan, 100, NORM), position, 20, STEPS).reason == "not finite"


@pytest.mark.parametrize(("factor", "action"), [(0.999, "apply"), (1.001, "skip")])
def test_a_norm_explodes_beyond_a_multiple_of_the_recent_median(factor: float, action: str) -> None:
    # The median is over the last 32 steps: what came before, and one outlier, weigh nothing.
    position = Position(80 * ROWS, [point(step, 1e-6) for step in range(48)] + [point(step) for step in range(48, 80)])
    position.curve[60] = point(60, 90.0)
    verdict = judge(Slope(1.0, 100, factor * EXPLODING * NORM), position, 81 * ROWS, STEPS)
    assert verdict.action == action
    assert verdict.reason == (None if action == "apply" else "exploding")


def test_too_few_steps_say_nothing_of_what_is_usual() -> None:
    assert walk(15, wrong_at(14, value=1e6)).skipped == []
    assert ranges(walk(18, wrong_at(17, value=1e6))) == [(17, 18, "exploding")]


def test_norms_of_new_rows_alone_say_nothing_of_norms_of_all_parameters() -> None:
    steps = STEPS.model_copy(update={"only_new_rows_steps": 20})
    position = walk(60, lambda step, weights: 0.01 if step < 20 else NORM, steps)
    assert position.skipped == []
    assert walk(60, lambda step, weights: 0.01 if step < 20 else NORM).skipped != []


def test_steps_that_count_nothing_leave_what_is_usual_alone() -> None:
    position = walk(80, lambda step, weights: 0.0 if 20 <= step < 40 else NORM)
    assert position.skipped == []


def test_three_in_a_row_return_to_the_anchor_and_go_on_behind_them() -> None:
    first_bad = ANCHOR_STEPS + 30
    position = walk(first_bad + 40, wrong_at(7, *range(first_bad, first_bad + 3)))
    assert ranges(position) == [(7, 8, "not finite"), (ANCHOR_STEPS, first_bad + 3, "rolled back")]
    kept = [step for step in range(ANCHOR_STEPS) if step != 7] + list(range(first_bad + 3, first_bad + 40))
    assert [one.step for one in position.curve] == kept


def test_a_right_step_between_wrong_ones_keeps_them_from_being_rolled_back() -> None:
    assert {reason for *_, reason in ranges(walk(60, wrong_at(20, 21, 23, 24, 26)))} == {"not finite"}


def test_skipped_steps_around_a_roll_back_are_counted_apart() -> None:
    # Two wrong steps right behind the range that was rolled back are two, not three.
    position = walk(ANCHOR_STEPS + 90, wrong_at(*range(ANCHOR_STEPS + 10, ANCHOR_STEPS + 15)))
    assert [reason for *_, reason in ranges(position)] == ["rolled back", "not finite", "not finite"]


def test_a_second_roll_back_wants_fifty_steps_behind_the_first() -> None:
    first, behind = range(210, 213), range(213 + 50, 213 + 53)
    assert ranges(walk(300, wrong_at(*first, *behind))) == [(200, 266, "rolled back")]
    with pytest.raises(UserError, match=r"training step 264 \(rows 1056 to 1059\) - loss 1 (?s:.*)after a roll back"):
        walk(300, wrong_at(*first, *(step - 1 for step in behind)))


def test_a_run_that_a_roll_back_does_not_mend_ends_with_what_to_do() -> None:
    with pytest.raises(UserError, match=r"again after a roll back(?s:.*)lower peak_learning_rate \(now 0\.001\)"):
        walk(400, lambda step, weights: math.nan if step >= 150 else NORM)


def test_weights_that_were_wrong_from_the_start_end_training_at_once() -> None:
    with pytest.raises(UserError, match=r"training step 0 \(rows 0 to 3\) - loss nan(?s:.*)check the weights"):
        judge(Slope(math.nan, 100, math.nan), Position(0), ROWS, STEPS)


def test_an_anchor_never_stands_behind_a_skipped_step() -> None:
    period = ANCHOR_STEPS * ROWS
    assert is_anchor(Position(period, [point(ANCHOR_STEPS - 1)]), STEPS)
    assert not is_anchor(Position(period - ROWS, [point(ANCHOR_STEPS - 2)]), STEPS)
    assert not is_anchor(Position(period, [point(ANCHOR_STEPS - 2)]), STEPS)
    assert not is_anchor(Position(0), STEPS)


def test_a_run_killed_again_and_again_judges_as_the_undisturbed_one() -> None:
    bad = wrong_at(3, 50, 51, *range(230, 233), *range(290, 292), *range(310, 313))
    undisturbed, killed = walk(400, bad), walk(400, bad, forgetful=True)
    assert {reason for *_, reason in ranges(undisturbed)} == {"not finite", "rolled back"}
    assert killed == undisturbed


def test_what_was_skipped_is_said_in_rows_and_numbers() -> None:
    said: list[str] = []
    position = walk(40, wrong_at())
    verdict = judge(Slope(1.5, 100, 1e4), position, 41 * ROWS, STEPS)
    pass_over(position, 41 * ROWS, verdict, said.append)
    (sentence,) = said
    assert "rows 160 to 163 are skipped" in sentence
    assert "loss 1.5 with gradient norm 10000, where 2 was usual" in sentence
