"""Whether a step's gradient moves the weights: steps that went wrong are skipped, three in a row are rolled back.

A judgement follows from the step's loss and norm, which all processes see alike, and from the curve and the skipped
rows so far, which a checkpoint keeps. There is no clock and no memory of its own in it, so a resumed run judges as the
undisturbed one.
"""

import math
from statistics import median
from typing import Literal, NamedTuple

from loanword.errors import UserError
from loanword.protocols import Say
from loanword.recipe import StepsConfig
from loanword.records import SkippedRows
from loanword.training.state import Position

EXPLODING = 50.0
"""Norms this many times the recent median explode. The largest of 15 healthy runs of ours was 8 times it, in a last
step of few rows; clipping takes care of what lies between."""
RECENT_STEPS, ENOUGH_STEPS = 32, 16
"""Applied steps whose norms make the median, and how few of them say nothing yet."""
BAD_STEPS = 3
"""One bad step may be its rows' fault; three in a row, over other rows each, are the weights'."""
ANCHOR_STEPS = 200
"""Steps from anchor to anchor: a roll back loses 100 steps in the mean.

Source: Chowdhery et al. 2022 (arXiv 2204.02311), section 5.1: about 100 steps back, and over the rows of the spike.
"""
APPLIED_STEPS = 50
"""Applied steps between two roll backs, or else the second cures nothing."""


class Slope(NamedTuple):
    """Loss of one optimizer batch, and the norm of its gradient before clipping."""

    nats_per_token: float
    num_tokens: int
    norm: float


class Verdict(NamedTuple):
    """What becomes of a step, for which reason, and what was seen of it, in words."""

    action: Literal["apply", "skip", "roll back"]
    reason: Literal["not finite", "exploding"] | None = None
    seen: str = ""


def judge(slope: Slope, position: Position, last_row: int, steps: StepsConfig) -> Verdict:
    """What to do with the gradient of rows [position.next_row, last_row).

    A step is wrong whose loss or norm is not finite, or whose norm explodes.

    Raises:
        UserError: a wrong step with no right one before it, or a roll back that did not help.
    """
    usual = _usual_norm(position, steps)
    if not (math.isfinite(slope.nats_per_token) and math.isfinite(slope.norm)):
        reason = "not finite"
    elif usual is not None and slope.norm > EXPLODING * usual:
        reason = "exploding"
    else:
        return Verdict("apply")
    seen = f"loss {slope.nats_per_token:g} with gradient norm {slope.norm:g}"
    if usual is not None:
        seen += f", where {usual:g} was usual"
    if not (position.curve or position.skipped):
        raise hopeless(position, last_row, steps, seen)
    if _skipped_in_a_row(position) + 1 < BAD_STEPS:
        return Verdict("skip", reason, seen)
    if _applied_since_roll_back(position) < APPLIED_STEPS:
        raise hopeless(position, last_row, steps, f"{seen}, again after a roll back")
    return Verdict("roll back", reason, seen)


def pass_over(position: Position, last_row: int, verdict: Verdict, say: Say) -> SkippedRows:
    """The rows up to `last_row`, which leave the weights alone and which `position` is then behind.

    For a roll back `position` is that of the anchor: every row since then is passed over.
    """
    assert verdict.reason is not None
    rolled_back = verdict.action == "roll back"
    reason = "rolled back" if rolled_back else verdict.reason
    skipped = SkippedRows(first_row=position.next_row, last_row=last_row, reason=reason)
    position.skip(skipped)
    rows = f"rows {skipped.first_row:,} to {last_row - 1:,} are skipped"
    if rolled_back:
        say(
            f"{BAD_STEPS} steps in a row went wrong ({verdict.seen}): the weights return to an earlier step, and {rows}"
        )
    else:
        say(f"a step went wrong ({verdict.seen}): {rows}")
    return skipped


def is_anchor(position: Position, steps: StepsConfig) -> bool:
    """Whether a roll back may return to here: behind every 200th step, unless that was skipped."""
    applied = bool(position.curve) and position.curve[-1].rows == position.next_row
    return applied and position.next_row % (ANCHOR_STEPS * steps.batch_rows) == 0


def _usual_norm(position: Position, steps: StepsConfig) -> float | None:
    """The median norm of recent applied steps, None where there are too few of them."""
    alone = _trains_new_rows_alone(position.next_row // steps.batch_rows, steps)
    recent = [
        point.gradient_norm
        for point in position.curve[-RECENT_STEPS:]
        # Norms over other parameters do not compare, and a step that counts no token has none.
        if _trains_new_rows_alone(point.step, steps) == alone and point.gradient_norm > 0
    ]
    return median(recent) if len(recent) >= ENOUGH_STEPS else None


def _trains_new_rows_alone(step: int, steps: StepsConfig) -> bool:
    return step < steps.only_new_rows_steps


def _skipped_in_a_row(position: Position) -> int:
    """Steps that were skipped one by one, right before the position."""
    count, row = 0, position.next_row
    for skipped in reversed(position.skipped):
        if skipped.last_row != row or skipped.reason == "rolled back":
            break
        count, row = count + 1, skipped.first_row
    return count


def _applied_since_roll_back(position: Position) -> float:
    behind = (skipped.last_row for skipped in reversed(position.skipped) if skipped.reason == "rolled back")
    last_row = next(behind, None)
    return math.inf if last_row is None else sum(point.rows > last_row for point in position.curve)


def hopeless(position: Position, last_row: int, steps: StepsConfig, seen: str) -> UserError:
    """What is said of rows [position.next_row, last_row) where training cannot go on."""
    return UserError(
        f"training step {position.next_row // steps.batch_rows} (rows {position.next_row} to {last_row - 1})",
        seen,
        expected="finite numbers, and no norm far above the steps before",
        do=f"lower peak_learning_rate (now {steps.peak_learning_rate:g}), raise warmup_steps, or check the weights "
        "that training starts from",
    )
