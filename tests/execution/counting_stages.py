"""Stages that count to a number in a file, slowly enough to be killed: what the scheduler builds in these tests."""

import os
import sys
import time
from pathlib import Path

from safetensors import SafetensorError

from loanword.errors import UserError
from loanword.interruption import REQUEUE, noticed
from loanword.protocols import Stage, Work
from loanword.records import Record

LATER = ", once somebody listens"


class CountConfig(Record):
    """Counts to `amount`, resting after each number; `mishap` is what goes wrong on the way, at once or `LATER`."""

    amount: int
    rest_seconds: float = 0.0
    mishap: str = ""


def count(config: CountConfig, work: Work) -> None:
    """Appends a number at a time to a scratch file, continuing where a killed process stopped."""
    scratch = work.scratch / "numbers"
    start = len(scratch.read_text().split()) if scratch.exists() else 0
    with (work.scratch / "starts").open("a") as starts:
        starts.write(f"{start}\n")
    for number in range(start, config.amount):
        if config.mishap.endswith(LATER):
            _wait_for_listeners(work.out.parent)
        _mishap(config.mishap.removesuffix(LATER))
        with scratch.open("a") as file:
            file.write(f"{number}\n")
        work.progress(number + 1, config.amount, "numbers")
        time.sleep(config.rest_seconds)
    inputs = sorted(
        (role, (folder / "numbers").read_text()) for role, folder in work.inputs.items() if role != "nearest"
    )
    (work.out / "numbers").write_text(scratch.read_text() + "".join(text for _, text in inputs))


def listen(config: CountConfig, work: Work) -> None:
    """Counts as `count` does, and says so; asked to stop it notes how far it came, or with a mishap goes on."""
    work.say("counting")
    work.resize(7)
    with noticed() as stop:
        for number in range(config.amount):
            work.progress(number + 1, config.amount, "numbers")
            time.sleep(config.rest_seconds)
            if stop.asked and not config.mishap:
                time.sleep(1.0)  # as a checkpoint takes
                (work.scratch / "stopped").write_text(str(number))
                raise SystemExit(REQUEUE)
    (work.out / "numbers").write_text(str(config.amount))


def _wait_for_listeners(building: Path) -> None:
    end = time.monotonic() + 30
    while not any(building.glob("*/.scratch/said.json")) and time.monotonic() < end:
        time.sleep(0.02)
    time.sleep(0.5)  # what it says, it says before it listens


def _mishap(kind: str) -> None:
    if kind == "user":
        raise UserError("numbers", "run out", do="count slower")
    if kind == "bug":
        raise ZeroDivisionError("a bug")
    if kind == "killed":
        os.kill(os.getpid(), 9)
    if kind == "full":
        with Path("/dev/full").open("w") as full:
            full.write("x" * 100_000)
    if kind == "full for tensors":  # as safetensors 0.8 says it
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")
    if kind == "damaged tensors":
        raise SafetensorError("Error while deserializing header: incomplete metadata, file not fully covered")


def _position(config: CountConfig) -> tuple[int, CountConfig]:
    return config.amount, config.model_copy(update={"amount": 0})


def imports(config: CountConfig, work: Work) -> None:
    """Says whether torch was there before anybody asked for it."""
    (work.out / "torch").write_text("there" if "torch" in sys.modules else "not there")


STAGES = {
    "imports": Stage(imports),
    "count": Stage(count),
    "cut": Stage(count, position=_position),
    "ask": Stage(count, model_input="model"),
    "alone": Stage(count, whole_machine=True),
    "listen": Stage(listen, trains=lambda config: True),
}


def wire() -> None:
    """These tests make their jobs themselves."""
