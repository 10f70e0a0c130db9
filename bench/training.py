"""Our training loop against transformers' Trainer: tokens per CPU-second of one tiny LLaMA on the same rows.

Both take the same optimizer steps in float32, on one thread, one row at a time, and the losses of these steps must
agree before anything is timed. The Trainer packs as transformers documents it, by `position_ids`, with the cache off,
without which documents would leak into each other.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.utils.data import Dataset, SequentialSampler
from transformers import LlamaForCausalLM, Trainer, TrainingArguments
from transformers.trainer_callback import PrinterCallback

from loanword.model.attention import documents_of
from loanword.model.load import new_model
from loanword.recipe import ArchitectureConfig, StepsConfig
from loanword.records import Execution
from loanword.tokens.rows import NOT_COUNTED, Row
from loanword.training.loop import train
from loanword.training.schedule import constant_rate

GOAL = 1.5
NUM_PIECES = 4096
SHAPE = ArchitectureConfig(
    width=192,
    num_layers=3,
    num_heads=3,
    num_key_value_heads=1,
    feed_forward_width=512,
    context_tokens=2048,
    tied_embeddings=False,
)


class Measurement(NamedTuple):
    """Losses of the steps in nats per token, and how fast they went."""

    losses: list[float]
    tokens_per_cpu_second: float


class DocumentRows:
    """Rows of documents of about 600 tokens, a pure function of the index."""

    def row(self, index: int, /) -> Row:
        random = np.random.default_rng(index)
        stream = random.zipf(1.3, SHAPE.context_tokens + 1) % NUM_PIECES
        ends = np.cumsum(random.lognormal(6.2, 0.6, 40).astype(np.int64) + 2)
        starts = (0, *(int(end) for end in ends if end < SHAPE.context_tokens))
        labels = stream[1:].copy()
        labels[[start - 1 for start in starts[1:]]] = NOT_COUNTED
        return Row(stream[:-1], labels, starts)


class TrainerRows(Dataset):
    """The same rows as the Trainer wants them; labels are shifted already."""

    def __init__(self, num_rows: int) -> None:
        self.num_rows = num_rows

    def __len__(self) -> int:
        return self.num_rows

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        row = DocumentRows().row(index)
        labels = torch.from_numpy(row.labels)
        positions = documents_of([row.starts], SHAPE.context_tokens).position_ids_BT[0]
        return {
            "input_ids": torch.from_numpy(row.ids),
            "position_ids": positions,
            "labels": labels,
            "shift_labels": labels,
        }


class OrderedTrainer(Trainer):
    """The Trainer, reading rows in order."""

    def _get_train_sampler(self, train_dataset: Any = None) -> SequentialSampler:
        rows: Any = train_dataset or self.train_dataset
        return SequentialSampler(rows)


def run(quick: bool) -> dict[str, Any]:
    """Tokens per CPU-second of ours over the Trainer's, median over interleaved rounds."""
    batch_rows, num_steps, num_rounds = (2, 2, 1) if quick else (8, 2, 3)
    steps = StepsConfig(
        peak_learning_rate=1e-3,
        row_tokens=SHAPE.context_tokens,
        batch_tokens=batch_rows * SHAPE.context_tokens,
        warmup_steps=0,
        weight_decay=0.0,
        precision="float32",
    )
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        arms: dict[str, Callable[[StepsConfig, int], Measurement]] = {"loanword": _ours, "Trainer": _theirs}
        rounds = [{name: arm(steps, num_steps) for name, arm in arms.items()} for _ in range(num_rounds)]
    finally:
        torch.set_num_threads(num_threads)
    for measured in rounds:
        np.testing.assert_allclose(measured["loanword"].losses, measured["Trainer"].losses, rtol=1e-4)
    speeds = {name: statistics.median(each[name].tokens_per_cpu_second for each in rounds) for name in arms}
    ratios = [each["loanword"].tokens_per_cpu_second / each["Trainer"].tokens_per_cpu_second for each in rounds]
    return {
        "name": "training",
        "ratio": statistics.median(ratios),
        "goal": GOAL,
        "rows": [
            {"arm": name, "tokens per CPU-second": round(speed), "last loss": rounds[0][name].losses[-1]}
            for name, speed in speeds.items()
        ],
    }


def _model() -> LlamaForCausalLM:
    return new_model(SHAPE, NUM_PIECES, 0, bos_id=1, eos_id=2)


def _ours(steps: StepsConfig, num_steps: int) -> Measurement:
    num_rows = num_steps * steps.batch_rows
    model = _model()
    with tempfile.TemporaryDirectory() as folder:
        started = time.process_time()
        training = train(
            model,
            DocumentRows(),
            first_row=0,
            last_row=num_rows,
            steps=steps,
            learning_rate=constant_rate(steps),
            state_folder=Path(folder),
            execution=Execution(micro_batch_tokens=steps.row_tokens),
        )
        seconds = time.process_time() - started
    return Measurement([point.nats_per_token for point in training.curve], num_rows * steps.row_tokens / seconds)


def _theirs(steps: StepsConfig, num_steps: int) -> Measurement:
    num_rows = num_steps * steps.batch_rows
    model = _model()
    model.config.use_cache = False
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=1,
            gradient_accumulation_steps=steps.batch_rows,
            max_steps=num_steps,
            learning_rate=steps.peak_learning_rate,
            lr_scheduler_type="constant",
            optim="adamw_torch_fused",
            adam_beta1=steps.beta1,
            adam_beta2=steps.beta2,
            weight_decay=steps.weight_decay,
            max_grad_norm=steps.clip_norm,
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            remove_unused_columns=False,
            use_cpu=True,
        )
        trainer = OrderedTrainer(model, arguments, train_dataset=TrainerRows(num_rows))
        trainer.remove_callback(PrinterCallback)
        started = time.process_time()
        trainer.train()
        seconds = time.process_time() - started
    losses = [float(log["loss"]) for log in trainer.state.log_history if "loss" in log]
    return Measurement(losses, num_rows * steps.row_tokens / seconds)
