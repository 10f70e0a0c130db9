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

FAULT_POINTS = 40
"""About as often do three checkpoints touch the disk, and what is tidied before them."""


def train_whole(out: Path, num_rows: int, heard: int, fault_point: int | None) -> None:
    """Trains to the end, telling every step; dies where it touches the disk for the `fault_point`th time."""
    if fault_point is not None:
        call_at(fault_point, lambda: os.kill(os.getpid(), signal.SIGKILL))

    def tell(done: int, total: int, unit: str) -> None:
        os.write(heard, f"{done // (STEPS.batch_rows * ROW_TOKENS)}\n".encode())

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


def live(out: Path, num_rows: int, chance: random.Random, longest: int) -> list[int]:
    """First and last step and exit status of a child that lives for about `longest` steps at most.

    Unless it dies at a fault point, it leaves a checkpoint for the next child.
    """
    fault_point = chance.randrange(FAULT_POINTS) if chance.random() < 0.5 else None
    wanted = longest if fault_point is not None else chance.randint(1, longest)
    hear, heard = os.pipe()
    child = forked(lambda: train_whole(out, num_rows, heard, fault_point))
    os.close(heard)
    steps: list[int] = []
    with os.fdopen(hear) as told:
        for line in told:
            steps.append(int(line))
            if len(steps) >= wanted and any(out.glob(".scratch/**/row-*[0-9]")):
                time.sleep(chance.random() * 0.02)
                os.kill(child, signal.SIGKILL)
                break
    return [*(steps[:1] or [0]), *(steps[-1:] or [0]), status(child)]


def main() -> None:
    folder = Path(sys.argv[1])
    seed, kills, steps = map(int, sys.argv[2:])
    chance, num_rows = random.Random(seed), steps * STEPS.batch_rows
    died = [live(folder / "disturbed", num_rows, chance, steps // kills - 1) for _ in range(kills)]
    for name in ("disturbed", "undisturbed"):
        nobody = os.open(os.devnull, os.O_WRONLY)
        assert status(forked(lambda: train_whole(folder / name, num_rows, nobody, None))) == 0  # noqa: B023
        os.close(nobody)
    sys.stdout.write(json.dumps(died))


if __name__ == "__main__":
    main()
