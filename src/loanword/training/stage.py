"""What training stages share: a model from an artifact, rows through it, a checkpoint into another.

In:  an artifact's `checkpoint/`, and `optimizer.safetensors`, `curve.jsonl`, `summary.json` where it is a cut.
Out: the same, the curve and the counts from the beginning of the trajectory.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from torch import nn
from transformers import PreTrainedModel

from loanword.model.embeddings import extend_embeddings
from loanword.model.load import count_parameters, load_model, save_model, train_flops_per_token
from loanword.protocols import Work
from loanword.recipe import StepsConfig
from loanword.records import CurvePoint, TrainingSummary, read_json, read_lines, write_json, write_lines
from loanword.tokenizer.load import load_tokenizer
from loanword.tokens.budget import Seen
from loanword.training import loop, optimizer
from loanword.training.data import RowSource

CHECKPOINT = "checkpoint"
OPTIMIZER = "optimizer.safetensors"


@dataclass(frozen=True)
class Trained:
    """A trained model, what the loop left, and the curve of the cut that it went on from."""

    model: PreTrainedModel
    training: loop.Training
    before: tuple[CurvePoint, ...]


def load(folder: Path) -> PreTrainedModel:
    """The model of an artifact."""
    return load_model(folder / CHECKPOINT)


def extended_base(work: Work) -> PreTrainedModel:
    """The base, with a row for every piece that the run's tokenizer adds."""
    model = load(work.inputs["base"])
    file = work.inputs["tokenizer"] / "constituents.json"
    if file.is_file():
        made_of = json.loads(file.read_text(encoding="utf-8"))["constituents"]
        num_pieces = load_tokenizer(work.inputs["tokenizer"]).num_pieces
        extend_embeddings(model, made_of, num_pieces - len(made_of))
    return model


def num_rows_seen(cut: Path) -> int:
    """Rows that a cut has read: the next one to read."""
    return read_json(TrainingSummary, cut / "summary.json").num_rows


def train(
    model: PreTrainedModel,
    rows: RowSource,
    first_row: int,
    last_row: int,
    steps: StepsConfig,
    rate: Callable[[int], float],
    work: Work,
    *,
    after: Path | None = None,
) -> Trained:
    """Trains on rows [first_row, last_row), with the optimizer of the cut `after` which it goes on from."""
    training = loop.train(
        cast("PreTrainedModel", nn.Module.to(model, work.execution.device)),
        rows,
        first_row=first_row,
        last_row=last_row,
        steps=steps,
        learning_rate=rate,
        state_folder=work.scratch,
        execution=work.execution,
        optimizer_file=None if after is None else after / OPTIMIZER,
        progress=work.progress,
    )
    before = () if after is None else tuple(read_lines(CurvePoint, after / "curve.jsonl"))
    return Trained(model, training, before)


def save(model: PreTrainedModel, tokenizer: Path, out: Path, chat_template: str | None = None) -> None:
    """Writes a checkpoint in the Hub's layout, its tokenizer with it."""
    save_model(model, out / CHECKPOINT)
    folder = tokenizer / CHECKPOINT if (tokenizer / CHECKPOINT).exists() else tokenizer
    load_tokenizer(folder).save(out / CHECKPOINT, chat_template=chat_template)


def save_optimizer(trained: Trained, out: Path) -> None:
    """Writes the state that a later cut or a decay goes on from."""
    optimizer.save_optimizer(trained.training.optimizer, trained.model, out / OPTIMIZER)


def save_trained(trained: Trained, tokenizer: Path, seen: Seen, out: Path, *, chat_template: str | None = None) -> None:
    """Writes a trained checkpoint, its whole curve, and what it has read."""
    save(trained.model, tokenizer, out, chat_template)
    num_before = trained.before[-1].tokens if trained.before else 0
    curve = [point.model_copy(update={"tokens": point.tokens + num_before}) for point in trained.training.curve]
    write_lines([*trained.before, *curve], out / "curve.jsonl")
    _write_summary(trained.model, seen, len(trained.before) + len(curve), out)


def save_untrained(model: PreTrainedModel, tokenizer: Path, out: Path) -> None:
    """Writes a checkpoint that has read nothing."""
    save(model, tokenizer, out)
    _write_summary(model, Seen(num_rows=0, num_tokens=0), 0, out)


def _write_summary(model: PreTrainedModel, seen: Seen, num_steps: int, out: Path) -> None:
    summary = TrainingSummary(
        num_rows=seen.num_rows,
        num_tokens=seen.num_tokens,
        num_target_bytes=seen.num_target_bytes,
        num_target_tokens=seen.num_target_tokens,
        num_replay_tokens=seen.num_replay_tokens,
        num_steps=num_steps,
        num_parameters=count_parameters(model),
        train_flops=train_flops_per_token(model) * seen.num_tokens,
    )
    write_json(summary, out / "summary.json")
