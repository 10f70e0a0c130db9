"""Where an interrupted training stage continues.

Out: `state.safetensors`: the weights, the optimizer's state, the next row and the curve so far. The file is replaced
whole, so a kill at any moment leaves this state or the one before.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.optim import AdamW
from transformers import PreTrainedModel

from loanword.records import CurvePoint
from loanword.training.optimizer import optimizer_tensors, restore_optimizer

FILE = "state.safetensors"
CURVE = tuple(CurvePoint.model_fields)


@dataclass
class Position:
    """How far training is: the next row to read, and one curve point a step so far."""

    next_row: int
    curve: list[CurvePoint] = field(default_factory=list)

    @property
    def num_tokens(self) -> int:
        """Predictions counted so far."""
        return self.curve[-1].tokens if self.curve else 0

    def advance(self, point: CurvePoint) -> None:
        """Moves behind the step that `point` tells of."""
        self.curve.append(point)
        self.next_row = point.rows


def save_state(folder: Path, model: PreTrainedModel, optimizer: AdamW, position: Position) -> None:
    """Replaces the state in `folder`."""
    tensors = {f"weights/{name}": parameter.detach() for name, parameter in model.named_parameters()}
    tensors |= optimizer_tensors(optimizer, model)
    tensors["next_row"] = torch.tensor(position.next_row)
    # Integers of a curve stay below 2**53, so float64 holds every field exactly.
    tensors["curve"] = torch.tensor(
        [[float(getattr(point, name)) for name in CURVE] for point in position.curve], dtype=torch.float64
    ).view(-1, len(CURVE))
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{FILE}.part"
    save_file({name: tensor.cpu().contiguous() for name, tensor in tensors.items()}, part)
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(folder / FILE)


@torch.no_grad()
def load_state(folder: Path, model: PreTrainedModel, optimizer: AdamW) -> Position | None:
    """The position that `save_state` left, with weights and optimizer put back; None where there is none."""
    path = folder / FILE
    if not path.is_file():
        return None
    tensors = load_file(path)
    for name, parameter in model.named_parameters():
        parameter.copy_(tensors[f"weights/{name}"])
    restore_optimizer(optimizer, model, tensors, path)
    return Position(int(tensors["next_row"]), _curve(tensors["curve"]))


def _curve(curve: Tensor) -> list[CurvePoint]:
    whole = {name for name, info in CurvePoint.model_fields.items() if info.annotation is int}
    return [
        CurvePoint(**{name: int(x) if name in whole else x for name, x in zip(CURVE, line, strict=True)})
        for line in curve.tolist()
    ]
