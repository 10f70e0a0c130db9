"""The arms of the training benches: our loop, transformers' Trainer and TRL's SFTTrainer, each over the very same rows.

All take the same optimizer steps on one thread and in the precision that the processor is fastest in. The peers pack as
their documents say: rows with `position_ids`, the cache off, without which documents would leak into each other.
"""

import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

import numpy as np
import torch
from datasets import Dataset as Table
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from torch.utils.data import Dataset, SequentialSampler
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast, Trainer, TrainingArguments
from transformers.trainer_callback import PrinterCallback
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from loanword.model.attention import documents_of
from loanword.model.load import new_model
from loanword.protocols import Work
from loanword.recipe import ArchitectureConfig, StepsConfig
from loanword.records import Execution
from loanword.tokens.rows import Row
from loanword.training.loop import train
from loanword.training.schedule import constant_rate
from loanword.training.state import Position


class Problem(NamedTuple):
    """A model's shape, its vocabulary, rows to read, and how steps are taken."""

    shape: ArchitectureConfig
    num_pieces: int
    rows: Sequence[Row]
    steps: StepsConfig

    @property
    def num_tokens(self) -> int:
        """Tokens of the rows, padding left out."""
        return sum(_length(row) for row in self.rows)

    def model(self) -> LlamaForCausalLM:
        """The untrained model."""
        return new_model(self.shape, self.num_pieces, 0, bos_id=1, eos_id=2)


class Measurement(NamedTuple):
    """Losses of the steps in nats per token, and what they took."""

    losses: list[float]
    cpu_seconds: float
    seconds: float


Arms = Mapping[str, tuple[Callable[[Problem, int], Measurement], int]]
"""How each arm is measured, and how many rows it takes at once."""


def precision() -> Literal["bf16", "float32"]:
    """bf16 where the processor multiplies it in hardware; float32 is faster elsewhere."""
    has = torch.cpu.get_capabilities()
    return "bf16" if any(has.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16")) else "float32"


def tolerance() -> float:
    """How far losses of the same steps may lie apart, relative: products in bf16 are rounded in another order."""
    return 1e-4 if precision() == "float32" else 1e-2


@contextmanager
def one_thread() -> Iterator[None]:
    """Inside the block torch has one thread: processor seconds are then those of work, not of waiting."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def compare(name: str, goal: float, arms: Arms, problems: Mapping[str, Problem], *, quick: bool) -> dict[str, Any]:
    """A bench's result: ours, the first arm, against the fastest other one, by processor seconds.

    Arms take turns in every round, and a problem's ratio is the median over rounds; the smallest of all problems'
    counts. Losses must agree first.
    """
    rows: list[dict[str, Any]] = []
    ratios: list[float] = []
    for parameters, problem in problems.items():
        with one_thread():
            rounds = [
                {arm: measure(problem, at_once) for arm, (measure, at_once) in arms.items()}
                for _ in range(1 if quick else 3)
            ]
        ours, *others = arms
        for measured in rounds:
            for other in others:
                np.testing.assert_allclose(measured[ours].losses, measured[other].losses, rtol=tolerance())
        ratios.append(
            statistics.median(min(each[arm].cpu_seconds for arm in others) / each[ours].cpu_seconds for each in rounds)
        )
        for arm in arms:
            cpu_seconds = statistics.median(each[arm].cpu_seconds for each in rounds)
            rows.append(
                {
                    "parameters": parameters,
                    "arm": arm,
                    "tokens per CPU-second": round(problem.num_tokens / cpu_seconds),
                    "tokens per second": round(
                        problem.num_tokens / statistics.median(each[arm].seconds for each in rounds)
                    ),
                    "last loss": rounds[0][arm].losses[-1],
                }
            )
    return {"name": name, "ratio": min(ratios), "goal": goal, "rows": rows}


def loanword(problem: Problem, rows_at_once: int) -> Measurement:
    """Our loop."""

    class Read:
        def row(self, index: int, /) -> Row:
            return problem.rows[index]

    model = problem.model()
    with tempfile.TemporaryDirectory() as folder:
        tokens = rows_at_once * problem.steps.row_tokens
        work = Work({}, Path(folder), 0, Execution(micro_batch_tokens=tokens, checkpoint_seconds=1e6))
        started = time.process_time(), time.perf_counter()
        training = train(
            model,
            Read(),
            Position(0),
            len(problem.rows),
            steps=problem.steps,
            learning_rate=constant_rate(problem.steps),
            work=work,
        )
        taken = time.process_time() - started[0], time.perf_counter() - started[1]
    return Measurement([point.nats_per_token for point in training.position.curve], *taken)


def transformers_trainer(problem: Problem, rows_at_once: int) -> Measurement:
    """transformers' Trainer, over rows in order."""
    return _measured(
        _Ordered,
        TrainingArguments,
        problem,
        rows_at_once,
        train_dataset=_Rows(problem.rows),
        remove_unused_columns=False,
    )


def trl_packing(problem: Problem, rows_at_once: int) -> Measurement:
    """TRL's SFTTrainer over the same packed rows: as its `packing` would make them, but that nothing is cut."""
    table = Table.from_list([_packed(row) for row in problem.rows])
    more = {"packing": True, "dataset_kwargs": {"skip_prepare_dataset": True}, "max_length": problem.steps.row_tokens}
    return _measured(_OrderedSFT, SFTConfig, problem, rows_at_once, train_dataset=table, **more)


class _Rows(Dataset[dict[str, torch.Tensor]]):
    """Rows as the Trainer wants them; labels are shifted already."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        row = self.rows[index]
        positions = documents_of([row.starts], len(row.ids)).position_ids_BT[0]
        labels = torch.from_numpy(row.labels)
        return {
            "input_ids": torch.from_numpy(row.ids),
            "position_ids": positions,
            "labels": labels,
            "shift_labels": labels,
        }


class _Ordered(Trainer):
    def _get_train_sampler(self, train_dataset: Any = None) -> SequentialSampler:
        rows: Any = train_dataset or self.train_dataset
        return SequentialSampler(rows)


class _OrderedSFT(SFTTrainer):
    def _get_train_sampler(self, train_dataset: Any = None) -> SequentialSampler:
        rows: Any = train_dataset or self.train_dataset
        return SequentialSampler(rows)


def _packed(row: Row) -> dict[str, list[int]]:
    end = _length(row)
    # Theirs are labels of the tokens themselves, which they shift.
    labels = np.concatenate([[-100], row.labels[: end - 1]])
    lengths = np.diff([*(start for start in row.starts if start < end), end])
    return {"input_ids": row.ids[:end].tolist(), "labels": labels.tolist(), "seq_lengths": lengths.tolist()}


def _length(row: Row) -> int:
    """Tokens of a row without the padding, which is what follows the last counted label's token."""
    counted = np.flatnonzero(row.labels >= 0)
    return min(int(counted[-1]) + 2, len(row.ids)) if len(counted) else 0


def _measured(
    trainer_class: type[Trainer],
    arguments_class: type[TrainingArguments],
    problem: Problem,
    rows_at_once: int,
    *,
    train_dataset: Any,
    **more: Any,
) -> Measurement:
    model, steps = problem.model(), problem.steps
    model.config.use_cache = False
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        arguments = arguments_class(
            output_dir=folder,
            per_device_train_batch_size=rows_at_once,
            gradient_accumulation_steps=steps.batch_rows // rows_at_once,
            max_steps=len(problem.rows) // steps.batch_rows,
            learning_rate=steps.peak_learning_rate,
            lr_scheduler_type="constant",
            optim="adamw_torch_fused",
            adam_beta1=steps.beta1,
            adam_beta2=steps.beta2,
            weight_decay=steps.weight_decay,
            max_grad_norm=steps.clip_norm,
            bf16=steps.precision == "bf16",
            gradient_checkpointing=False,
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=True,
            **more,
        )
        # With a tokenizer the Trainer's collator makes a mask of ones, which lets packed documents leak.
        tokenizer = _tokenizer() if arguments_class is SFTConfig else None
        trainer = trainer_class(model, arguments, train_dataset=train_dataset, processing_class=tokenizer)
        trainer.remove_callback(PrinterCallback)
        started = time.process_time(), time.perf_counter()
        trainer.train()
        taken = time.process_time() - started[0], time.perf_counter() - started[1]
    losses = [float(log["loss"]) for log in cast("list[dict[str, Any]]", trainer.state.log_history) if "loss" in log]
    return Measurement(losses, *taken)


def _tokenizer() -> PreTrainedTokenizerFast:
    """SFTTrainer asks for one, though its rows are ids already."""
    pieces = Tokenizer(WordLevel({"<unk>": 0, "<s>": 1, "</s>": 2}, unk_token="<unk>"))
    return PreTrainedTokenizerFast(tokenizer_object=pieces, bos_token="<s>", eos_token="</s>", pad_token="</s>")
