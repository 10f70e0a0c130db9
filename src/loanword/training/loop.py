"""The loop that trains every model here: base, trunk, decay and tuning.

What a step does is decided by the weights, the optimizer's state and one integer, the row at which it starts. There
is no random draw and no clock in it, so a killed stage continues bit for bit.

Shapes: B rows, T tokens per row, D width.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.optim import AdamW
from transformers import PreTrainedModel

from loanword.errors import UserError
from loanword.model.attention import packed_attention
from loanword.protocols import Progress, silent
from loanword.recipe import StepsConfig
from loanword.records import CurvePoint, Execution
from loanword.tokens.rows import Row
from loanword.training.data import Batch, RowSource, count_predictions, micro_batches, read_rows
from loanword.training.loss import linear_cross_entropy, output_head
from loanword.training.optimizer import clip_gradients, load_optimizer, new_optimizer, take_step
from loanword.training.state import Position, load_state, save_state


@dataclass(frozen=True)
class Training:
    """What `train` leaves beside the weights, of rows [first_row, last_row).

    The curve has one point a step; tokens are those whose prediction was counted.
    """

    optimizer: AdamW
    curve: tuple[CurvePoint, ...]
    num_rows: int
    num_steps: int
    num_tokens: int


class Slope(NamedTuple):
    """Loss of one optimizer batch, and the norm of its gradient before clipping."""

    nats_per_token: float
    num_tokens: int
    norm: float


def train(
    model: PreTrainedModel,
    rows: RowSource,
    *,
    first_row: int,
    last_row: int,
    steps: StepsConfig,
    learning_rate: Callable[[int], float],
    state_folder: Path,
    execution: Execution,
    optimizer_file: Path | None = None,
    progress: Progress = silent,
) -> Training:
    """Trains `model` in place on rows [first_row, last_row), in order.

    A step covers `steps.batch_rows` rows, the last one what is left; its rate is `learning_rate` of its first row.
    `optimizer_file` is the state to start from, as a trunk saved it. Weights and state are float32; products are
    taken in `steps.precision`. The state for a resume goes to `state_folder` every `execution.checkpoint_seconds`,
    and what lies there is continued from. Curve points count steps and rows from row 0, tokens from `first_row`.

    Raises:
        UserError: the loss is not a finite number.
    """
    optimizer = new_optimizer(model, steps)
    position = load_state(state_folder, model, optimizer)
    if position is None:
        position = Position(first_row)
        if optimizer_file is not None:
            load_optimizer(optimizer, model, optimizer_file)
    saved = time.monotonic()
    # Evaluation mode switches dropout off: nothing in the loop is random.
    with packed_attention(model.eval()):
        while position.next_row < last_row:
            batch = read_rows(rows, position.next_row, min(position.next_row + steps.batch_rows, last_row))
            slope = batch_slope(model, batch, steps, execution.micro_batch_tokens)
            point = _point(position, len(batch), slope, steps, learning_rate(position.next_row))
            take_step(optimizer, point.learning_rate)
            position.advance(point)
            if time.monotonic() - saved >= execution.checkpoint_seconds:
                save_state(state_folder, model, optimizer, position)
                saved = time.monotonic()
            progress(position.next_row * steps.row_tokens, last_row * steps.row_tokens, "tokens")
    return Training(optimizer, tuple(position.curve), last_row - first_row, len(position.curve), position.num_tokens)


def batch_slope(model: PreTrainedModel, rows: Sequence[Row], steps: StepsConfig, micro_batch_tokens: int) -> Slope:
    """Leaves the clipped gradient of the mean loss over all counted tokens of `rows` in the model.

    The mean is over the whole optimizer batch: how rows fall into micro-batches weighs nothing.
    """
    num_tokens = count_predictions(rows)
    nats = 0.0
    for batch in micro_batches(rows, micro_batch_tokens, model.device):
        batch_nats = _nats(model, batch, steps.precision)
        (batch_nats / max(num_tokens, 1)).backward()
        nats += batch_nats.item()
    return Slope(nats / max(num_tokens, 1), num_tokens, clip_gradients(model, steps.clip_norm))


def _nats(model: PreTrainedModel, batch: Batch, precision: str) -> Tensor:
    with torch.autocast(model.device.type, torch.bfloat16, enabled=precision == "bf16"):
        hidden_BTD = model.base_model(
            input_ids=batch.ids_BT,
            position_ids=batch.documents.position_ids_BT,
            use_cache=False,
            documents=batch.documents,
        ).last_hidden_state
        return linear_cross_entropy(hidden_BTD.flatten(0, 1), output_head(model), batch.labels_BT.flatten())


def _point(position: Position, num_rows: int, slope: Slope, steps: StepsConfig, rate: float) -> CurvePoint:
    first, last = position.next_row, position.next_row + num_rows
    step = first // steps.batch_rows
    if not (math.isfinite(slope.nats_per_token) and math.isfinite(slope.norm)):
        raise UserError(
            f"training step {step} (rows {first} to {last - 1})",
            f"loss {slope.nats_per_token} with gradient norm {slope.norm} at learning rate {rate:g}",
            expected="finite numbers",
            do=f"lower peak_learning_rate (now {steps.peak_learning_rate:g}) or raise warmup_steps",
        )
    return CurvePoint(
        step=step,
        rows=last,
        tokens=position.num_tokens + slope.num_tokens,
        learning_rate=rate,
        nats_per_token=slope.nats_per_token,
        gradient_norm=slope.norm,
    )
