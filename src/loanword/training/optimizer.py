"""AdamW over groups of parameters and of rows of tables, its clipping, and its state as plain tensors.

In / Out: a safetensors file with `first_moment/NAME`, `second_moment/NAME` and `num_steps/NAME` of every trained
parameter, and scales of the moments that are in 8 bits; no pickle is written or read.

A table is cut into slices, its old rows and its new rows, which are views into it: one optimizer moves them as if
each were a parameter of its own, and nothing is copied or masked. Where a parameter is sharded, slices are cut from
the rows that lie in this process.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from types import EllipsisType
from typing import Any, NamedTuple

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.distributed.tensor._utils import compute_local_shape_and_global_offset
from transformers import PreTrainedModel

from loanword.errors import UserError
from loanword.model.embeddings import input_table, output_table
from loanword.recipe import GroupConfig, GroupsConfig, StepsConfig
from loanword.training.adamw import adamw, moments
from loanword.training.parallel import Ranks

ROWS, HEAD_ROWS = ("old_rows", "new_rows"), ("old_head_rows", "new_head_rows")
NEW_ROWS = (ROWS[1], HEAD_ROWS[1])

KINDS = {
    "exp_avg": "first_moment",
    "exp_avg_sq": "second_moment",
    "exp_avg_scale": "first_moment_scale",
    "exp_avg_sq_scale": "second_moment_scale",
}
"""What the state under a key of torch's is called here; scales go with moments in 8 bits."""


class Part(NamedTuple):
    """Rows [first, last) of a whole parameter, all of one group."""

    group: str
    first: int
    last: int


@dataclass(frozen=True, eq=False)
class Slice:
    """What of a part lies in this process, perhaps nothing: `here` cuts it out, `weight` is a view of it.

    `num_copies` processes hold these very rows.
    """

    group: str
    parameter: nn.Parameter
    here: slice | EllipsisType
    weight: nn.Parameter
    num_steps: Tensor
    num_copies: int


@dataclass(frozen=True, eq=False)
class Trained:
    """A parameter of which at least one slice is trained, and its state, which is zero where it is not.

    `moments`, by torch's keys, are of the rows that lie here, from `first_row` of the whole on; `num_steps` has an
    entry for every part of the whole.
    """

    parameter: nn.Parameter
    first_row: int
    moments: dict[str, Tensor]
    num_steps: Tensor
    slices: tuple[Slice, ...]


class Optimizer:
    """Moves the trained parameters of a model: for every step `begin`, backward passes, `clip`, `step`.

    Matrices of the backbone decay by `steps.weight_decay`; norms, biases and tables do not, unless their group says
    so. A decaying embedding row shrinks in every step in which its piece does not occur: new and rare pieces would
    pay for being rare. Rows from `num_old_rows` on, padding included, are new; where it is None, all are old.

    Frozen rows take no part in steps, norm or clipping. A parameter of which nothing moves asks for no gradient.
    `compiled`: see `adamw`.

    Raises:
        UserError: the groups leave nothing to train.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        steps: StepsConfig,
        *,
        num_old_rows: int | None,
        seed: int = 0,
        compiled: bool = False,
    ) -> None:
        self._steps = steps
        self._trained: dict[str, Trained] = {}
        # A tied head is the input table.
        tables = {id(output_table(model)): HEAD_ROWS, id(input_table(model)): ROWS}
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                parts = _parts(parameter, tables.get(id(parameter)), num_old_rows)
                if all(_group(steps, part.group).frozen for part in parts):
                    parameter.requires_grad_(False)
                else:
                    self._trained[name] = _trained(parameter, parts, steps)
        _check(steps, {one.group for one in self._slices()})
        self._adamw = adamw(self._param_groups(), steps, seed, compiled=compiled)
        for trained in self._trained.values():
            for one in trained.slices:
                state = {key: moment[one.here] for key, moment in trained.moments.items()}
                self._adamw.state[one.weight] = state | {"step": one.num_steps}
        self._moving: list[Slice] = []

    def begin(self, step_index: int) -> None:
        """Forgets all gradients, and lets only those parameters ask for one of which something moves in this step."""
        only_new = step_index < self._steps.only_new_rows_steps
        self._moving = [one for one in self._slices() if not only_new or one.group in NEW_ROWS]
        moving = {id(one.parameter) for one in self._moving}
        for trained in self._trained.values():
            trained.parameter.requires_grad_(id(trained.parameter) in moving)
        self.zero_grad()

    def zero_grad(self) -> None:
        """Forgets all gradients."""
        for one in self._slices():
            one.parameter.grad = one.weight.grad = None

    def clip(self, ranks: Ranks) -> float:
        """The norm of all gradients that move something in this step, which are shortened to `clip_norm` if longer.

        Over all processes; a norm that is not finite shortens nothing.
        """
        handed = self._hand_over()
        squares = [
            torch.linalg.vector_norm(gradient, dtype=torch.float32).double().square() / one.num_copies
            for one, gradient in handed
        ]
        norm = math.sqrt(ranks.total(float(torch.stack(squares).sum()) if squares else 0.0)[0])
        if math.isfinite(norm) and norm > self._steps.clip_norm:
            weights = [one.weight for one, _ in handed]
            torch.nn.utils.clip_grads_with_norm_(weights, self._steps.clip_norm, torch.tensor(norm))
        return norm

    def step(self, learning_rate: float) -> None:
        """Moves what this step moves, each group at its share of `learning_rate`, and forgets all gradients."""
        for one, gradient in self._hand_over():
            if not gradient.numel():  # the rows lie in other processes, which count their step
                one.num_steps.add_(1)
        for group in self._adamw.param_groups:
            group["lr"] = learning_rate * _group(self._steps, group["name"]).learning_rate_factor
        self._adamw.step()
        self.zero_grad()

    def tensors(self) -> dict[str, Tensor]:
        """The state by what it is and the parameter's name, live: moments are sharded as their parameter is."""
        return {
            f"{kind}/{name}": state
            for name, trained in self._trained.items()
            for kind, state in (
                *((KINDS[key], _as_sharded(moment, trained.parameter)) for key, moment in trained.moments.items()),
                ("num_steps", trained.num_steps),
            )
        }

    def save(self, path: Path, ranks: Ranks) -> None:
        """Writes the whole state, in the first process; every process has to ask. Equal states give equal bytes."""
        whole: dict[str, Tensor] = {}
        for name, tensor in self.tensors().items():
            tensor = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
            if ranks.first:
                whole[name] = tensor.cpu().contiguous()
        if ranks.first:
            save_file(whole, path)

    @torch.no_grad()
    def load(self, path: Path) -> None:
        """Puts back what `save` wrote, whatever the number of processes was.

        Raises:
            UserError: a state of another model.
        """
        mine = self.tensors()
        with safe_open(path, framework="pt") as file:
            if differing := sorted(mine.keys() ^ set(file.keys())):
                has = "is missing" if differing[0] in mine else "is of nothing that the model trains"
                raise _foreign(path, f"optimizer state {differing[0]} {has}")
            for name, tensor in mine.items():
                shape = tuple(file.get_slice(name).get_shape())
                if shape != tuple(tensor.shape):
                    raise _foreign(
                        path, f"optimizer state {name} has shape {shape}, the model's is {tuple(tensor.shape)}"
                    )
            for name, tensor in mine.items():
                # In place, so that the state is aligned in memory as a fresh one: kernels round by alignment.
                if isinstance(tensor, DTensor):
                    here, first_row = _local(tensor), self._trained[name.partition("/")[2]].first_row
                    here.copy_(file.get_slice(name)[first_row : first_row + here.shape[0]])
                else:
                    tensor.copy_(file.get_tensor(name))

    def _slices(self) -> list[Slice]:
        return [one for trained in self._trained.values() for one in trained.slices]

    def _param_groups(self) -> list[dict[str, Any]]:
        return [
            {
                "params": [one.weight for one in self._slices() if one.group == name and one.weight.numel()],
                "name": name,
                "weight_decay": _weight_decay(self._steps, name),
            }
            for name in GroupsConfig.model_fields
        ]

    def _hand_over(self) -> list[tuple[Slice, Tensor]]:
        """Gives the optimizer the gradient of every slice that moves; a parameter outside the loss has none."""
        handed: list[tuple[Slice, Tensor]] = []
        for one in self._moving:
            if one.parameter.grad is not None:
                one.weight.grad = _local(one.parameter.grad)[one.here]
                handed.append((one, one.weight.grad))
        return handed


def _parts(parameter: nn.Parameter, groups: tuple[str, str] | None, num_old_rows: int | None) -> list[Part]:
    num_rows = parameter.shape[0] if parameter.ndim else 1
    if groups is None:
        return [Part("backbone" if parameter.ndim >= 2 else "norms", 0, num_rows)]
    cut = num_rows if num_old_rows is None else min(num_old_rows, num_rows)
    parts = Part(groups[0], 0, cut), Part(groups[1], cut, num_rows)
    return [part for part in parts if part.last > part.first]


@torch.no_grad()
def _trained(parameter: nn.Parameter, parts: list[Part], steps: StepsConfig) -> Trained:
    local = _local(parameter)
    first_row, num_copies = 0, 1
    if isinstance(parameter, DTensor):
        mesh, placements = parameter.device_mesh, parameter.placements
        first_row = compute_local_shape_and_global_offset(parameter.shape, mesh, placements)[1][0]
        num_copies = math.prod(mesh.size(i) for i, placed in enumerate(placements) if placed.is_replicate())
    num_steps = torch.zeros(len(parts), device=local.device)
    slices: list[Slice] = []
    for index, part in enumerate(parts):
        if not _group(steps, part.group).frozen:
            here = ... if len(parts) == 1 else slice(*(max(row - first_row, 0) for row in part[1:]))
            weight = nn.Parameter(local[here], requires_grad=False)
            slices.append(Slice(part.group, parameter, here, weight, num_steps[index], num_copies))
    return Trained(parameter, first_row, moments(local, steps), num_steps, tuple(slices))


def _check(steps: StepsConfig, groups: set[str]) -> None:
    if not groups:
        raise UserError(
            "steps.groups",
            "every group that the model has is frozen",
            expected="a group that is trained",
            do="set frozen to false in one of them, or leave the stage out",
        )
    if steps.only_new_rows_steps and not groups & set(NEW_ROWS):
        raise UserError(
            "steps.only_new_rows_steps",
            f"{steps.only_new_rows_steps} steps train only rows of new pieces, and the model has none that are trained",
            expected="new pieces whose rows are trained",
            do="set it to 0, or give tokenizer.num_new_pieces and leave their groups unfrozen",
        )


def _group(steps: StepsConfig, name: str) -> GroupConfig:
    return getattr(steps.groups, name)


def _weight_decay(steps: StepsConfig, name: str) -> float:
    own = _group(steps, name).weight_decay
    if own is not None:
        return own
    return steps.weight_decay if name == "backbone" else 0.0


@torch.no_grad()
def _local(tensor: Tensor) -> Tensor:
    """What of a tensor lies in this process, sharing its memory."""
    return tensor.to_local().detach() if isinstance(tensor, DTensor) else tensor.detach()


def _as_sharded(moment: Tensor, parameter: nn.Parameter) -> Tensor:
    if not isinstance(parameter, DTensor):
        return moment
    shape = torch.Size((parameter.shape[0], *moment.shape[1:]))
    stride = torch.empty(shape, device="meta").stride()
    return DTensor.from_local(moment, parameter.device_mesh, parameter.placements, shape=shape, stride=stride)


def _foreign(path: Path, what: str) -> UserError:
    return UserError(
        path,
        what,
        expected="the state of this very model",
        do="build the trunk and its branches from the same base and tokenizer",
    )
