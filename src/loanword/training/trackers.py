"""Where else the numbers of a run may be watched: TensorBoard, Weights & Biases, Trackio.

Each is an optional package, looked for when it is asked for. Addresses and keys are the packages' own settings (their
environment variables, `wandb login`); nothing is asked for here.
"""

import importlib
import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from loanword.errors import UserError

PROJECT = "loanword"


class Tracker(Protocol):
    """Draws numbers by name over the step that they belong to."""

    def log(self, step: int, numbers: Mapping[str, float], /) -> None: ...

    def close(self) -> None: ...


def check_trackers(names: Sequence[str]) -> None:
    """Nothing, where every tracker's package is installed.

    Raises:
        UserError: a package that is not.
    """
    for name in names:
        if importlib.util.find_spec(name) is None:
            raise UserError(
                f"tracker {name}",
                f"the package {name} is not installed",
                expected="an installed package for every tracker",
                do=f"pip install 'loanword[{name}]', or run without --tracker {name}",
            )


def open_trackers(
    names: Sequence[str], folder: Path, *, run: str, first_step: int, settings: Mapping[str, Any]
) -> tuple[Tracker, ...]:
    """The trackers of one run, which goes on where it was opened before under the same name.

    `run` names it, in letters, digits, points and dashes. TensorBoard's files go to `folder`, and points from
    `first_step` on that an interrupted run left there are hidden. The others keep such points.

    Raises:
        UserError: a package that is not installed, or a server that lets nobody in.
    """
    check_trackers(names)
    made: list[Tracker] = []
    for name in names:
        match name:
            case "tensorboard":
                made.append(_TensorBoard(folder, first_step))
            case "wandb":
                made.append(_wandb(folder, run, settings))
            case _:
                made.append(_trackio(run, settings))
    return tuple(made)


class _TensorBoard:
    def __init__(self, folder: Path, first_step: int) -> None:
        from torch.utils.tensorboard.writer import SummaryWriter

        self._writer = SummaryWriter(str(folder), purge_step=first_step)

    def log(self, step: int, numbers: Mapping[str, float], /) -> None:
        for name, number in numbers.items():
            self._writer.add_scalar(name, number, step)

    def close(self) -> None:
        self._writer.close()


class _Run:
    """A run of wandb or of trackio, whose calls are the same."""

    def __init__(self, run: Any) -> None:
        self._run = run

    def log(self, step: int, numbers: Mapping[str, float], /) -> None:
        self._run.log(dict(numbers), step=step)

    def close(self) -> None:
        self._run.finish()


def _wandb(folder: Path, run: str, settings: Mapping[str, Any]) -> _Run:
    # Any, because the package need not be there.
    wandb: Any = importlib.import_module("wandb")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        made = wandb.init(
            project=PROJECT, id=run, name=run, dir=str(folder), resume="allow", config=dict(settings), save_code=False
        )
    except wandb.Error as error:
        raise UserError(
            "tracker wandb",
            str(error),
            expected="a machine that is logged in, or one that stays offline",
            do="wandb login, or set WANDB_MODE=offline",
        ) from None
    return _Run(made)


def _trackio(run: str, settings: Mapping[str, Any]) -> _Run:
    trackio: Any = importlib.import_module("trackio")
    return _Run(trackio.init(project=PROJECT, name=run, resume="allow", config=dict(settings), embed=False))
