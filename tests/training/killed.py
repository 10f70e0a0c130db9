"""Trains in child processes that are killed at random moments, and once in one that is left alone.

`python -m tests.training.killed FOLDER SEED` leaves `disturbed` and `undisturbed` in FOLDER and prints the
steps at which the children died.
"""

import json
import os
import random
import signal
import sys
import time
import traceback
from pathlib import Path

import torch

from loanword.model.load import save_model
from loanword.records import Execution, write_lines
from loanword.training.loop import train
from loanword.training.optimizer import save_optimizer
from loanword.training.schedule import decaying_rate
from tests.training.small import STEPS, CountingRows, small_model

NUM_ROWS = 142
KILLS = 3


def train_whole(out: Path, alive: int) -> None:
    def tell(done: int, total: int, unit: str) -> None:
        os.write(alive, b".")

    torch.set_num_threads(1)
    model = small_model()
    training = train(
        model,
        CountingRows(),
        first_row=0,
        last_row=NUM_ROWS,
        steps=STEPS.model_copy(update={"precision": "bf16"}),
        learning_rate=decaying_rate(STEPS, NUM_ROWS),
        state_folder=out / "state",
        execution=Execution(checkpoint_seconds=0.01, micro_batch_tokens=64),
        progress=tell,
    )
    save_model(model, out)
    save_optimizer(training.optimizer, model, out / "optimizer.safetensors")
    write_lines(training.curve, out / "curve.jsonl")


def start(out: Path) -> tuple[int, int]:
    """Process id of a child that trains, and the pipe on which it tells every step."""
    heard, told = os.pipe()
    child = os.fork()
    if child:
        os.close(told)
        return child, heard
    failed = 1
    try:
        train_whole(out, told)
        failed = 0
    finally:  # a child never goes on to what the parent does next
        if failed:
            traceback.print_exc()
        os._exit(failed)


def main() -> None:
    folder, seed = Path(sys.argv[1]), int(sys.argv[2])
    chance = random.Random(seed)
    died = []
    for _ in range(KILLS):
        child, heard = start(folder / "disturbed")
        wanted = chance.randint(1, 8)
        told = 0
        while told < wanted and (line := os.read(heard, 1)):
            told += len(line)
        time.sleep(chance.random() * 0.02)
        os.kill(child, signal.SIGKILL)
        died.append([told, os.waitpid(child, 0)[1]])
        os.close(heard)
    for name in ("disturbed", "undisturbed"):
        child, heard = start(folder / name)
        while os.read(heard, 4096):
            pass
        os.close(heard)
        assert os.waitpid(child, 0)[1] == 0
    sys.stdout.write(json.dumps(died))


main()
