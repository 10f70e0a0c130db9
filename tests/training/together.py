"""Trains a small model in the processes that torchrun starts; the first one leaves the checkpoint and the curve.

`python -m tests.training.together FOLDER LAST_ROW STOP_ROW LORA`: with STOP_ROW every process is asked to stop there,
by a signal, as a scheduler would.
"""

import os
import signal
import sys
from pathlib import Path

import torch
import torch.distributed as dist

from loanword.model.load import save_model
from loanword.model.lora import add_lora, merge_lora
from loanword.protocols import Work
from loanword.recipe import LoraConfig, StepsConfig
from loanword.records import Execution, write_lines
from loanword.training.loop import train
from loanword.training.parallel import whole_model
from loanword.training.schedule import constant_rate
from loanword.training.state import Position
from tests.training.small import NUM_OLD_ROWS, ROW_TOKENS, STEPS, CountingRows, small_model

GROUPED = {"groups": {"old_rows": {"frozen": True}, "new_rows": {"learning_rate_factor": 2.0}}}


def steps(lora: bool) -> StepsConfig:
    """Old rows frozen; or all matrices by LoRA, and whole tables."""
    made = StepsConfig.model_validate(STEPS.model_dump() | ({} if lora else GROUPED))
    return made.model_copy(update={"lora": LoraConfig(rank=2)}) if lora else made


def train_together(folder: Path, last_row: int, stop_row: int, lora: bool, execution: Execution) -> None:
    """Leaves `checkpoint` and `curve.jsonl` in the folder, which a run that was stopped before goes on in."""

    def progress(done: int, total: int, unit: str) -> None:
        if done == stop_row * ROW_TOKENS:
            os.kill(os.getpid(), signal.SIGTERM)

    taken, model = steps(lora), small_model()
    work = Work({}, folder, 0, execution, progress=progress)
    if lora:
        assert taken.lora is not None
        add_lora(model, taken.lora, 0)
    training = train(
        model,
        CountingRows(),
        Position(0),
        last_row,
        steps=taken,
        learning_rate=constant_rate(taken),
        work=work,
        num_old_rows=NUM_OLD_ROWS,
    )
    training.optimizer.save(folder / "optimizer.safetensors", training.ranks)
    whole = whole_model(model, training.ranks)
    if whole is not None:
        save_model(merge_lora(whole) if lora else whole, folder / "checkpoint")
        write_lines(training.position.curve, folder / "curve.jsonl")


def main() -> None:
    folder, last_row, stop_row, lora = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "lora"
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    processes, machines = int(os.environ["LOCAL_WORLD_SIZE"]), int(os.environ["GROUP_WORLD_SIZE"])
    sharding = "hybrid" if machines > 1 else "full"
    train_together(folder, last_row, stop_row, lora, Execution(processes=processes, sharding=sharding))
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
