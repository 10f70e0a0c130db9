"""Trains in child processes that are killed at random moments and inside checkpoints, and in one that is left alone.

`python -m tests.training.killed FOLDER SEED KILLS STEPS` leaves `disturbed` and `undisturbed` in FOLDER and prints, of
every child that was killed, the steps after its first and its last step, and its exit status.
"""

import json
import os
import random
import signal
import sys
import time
from itertools import pairwise
from pathlib import Path

import torch

from loanword.model.load import save_model
from loanword.protocols import Work
from loanword.records import Execution, write_lines
from loanword.training.loop import train
from loanword.training.schedule import decaying_rate
from loanword.training.state import Position
from tests.training.checkpointing import call_at, forked, status
from tests.training.small import ROW_TOKENS, STEPS, CountingRows, small_model

FAULT_POINTS = 12
"""How often a checkpoint touches the disk, about."""


def train_whole(out: Path, num_rows: int, heard: int, moment: int | None, fault_point: int | None) -> None:
    """Trains to the end, telling every step; may die after step `moment`, at the `fault_point`th touch of the disk."""

    def tell(done: int, total: int, unit: str) -> None:
        step = done // (STEPS.batch_rows * ROW_TOKENS)
        if fault_point is not None and step == moment:
            call_at(fault_point, lambda: os.kill(os.getpid(), signal.SIGKILL))
        os.write(heard, f"{step}\n".encode())

    torch.set_num_threads(1)
    out.mkdir(exist_ok=True)
    model = small_model()
    training = train(
        model,
        CountingRows(),
        Position(0),
        num_rows,
        steps=STEPS.model_copy(update={"precision": "bf16"}),
        learning_rate=decaying_rate(STEPS, num_rows),
        work=Work({}, out, 0, Execution(checkpoint_seconds=0.01, micro_batch_tokens=64), tell),
    )
    save_model(model, out)
    training.optimizer.save(out / "optimizer.safetensors", training.ranks)
    write_lines(training.position.curve, out / "curve.jsonl")


def live(out: Path, num_rows: int, chance: random.Random, first: int, last: int) -> list[int]:
    """First and last step and exit status of a child that is killed in or after a step of [first, last)."""
    moment = chance.randrange(first, last)
    fault_point = chance.randrange(FAULT_POINTS) if chance.random() < 0.5 else None
    hear, heard = os.pipe()
    child = forked(lambda: train_whole(out, num_rows, heard, moment, fault_point))
    os.close(heard)
    steps: list[int] = []
    with os.fdopen(hear) as told:
        for line in told:
            steps.append(int(line))
            if steps[-1] >= (moment if fault_point is None else last):
                time.sleep(chance.random() * 0.02)
                os.kill(child, signal.SIGKILL)
                break
    return [*(steps[:1] or [0]), *(steps[-1:] or [0]), status(child)]


def main() -> None:
    folder = Path(sys.argv[1])
    seed, kills, steps = map(int, sys.argv[2:])
    chance, num_rows = random.Random(seed), steps * STEPS.batch_rows
    # All but the last tenth of the steps: a child must not come to its end before it is killed.
    moments = [1 + steps * 9 * kill // (10 * kills) for kill in range(kills + 1)]
    died = [live(folder / "disturbed", num_rows, chance, *between) for between in pairwise(moments)]
    for name in ("disturbed", "undisturbed"):
        nobody = os.open(os.devnull, os.O_WRONLY)
        assert status(forked(lambda: train_whole(folder / name, num_rows, nobody, None, None))) == 0  # noqa: B023
        os.close(nobody)
    sys.stdout.write(json.dumps(died))


if __name__ == "__main__":
    main()
