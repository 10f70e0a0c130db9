"""Several processes that train one model together, one a device.

Who started them is torchrun's matter; here they find each other, share out rows, and shard parameters with FSDP2.
A step reads the same rows in the same order whatever the number of processes: each takes a run of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor
from transformers import PreTrainedModel

from loanword.recipe import StepsConfig
from loanword.records import Execution
from loanword.tokens.rows import NOT_COUNTED, Row


@dataclass(frozen=True)
class Ranks:
    """This process among those that train together; alone, it is the first of one."""

    rank: int = 0
    size: int = 1
    mesh: DeviceMesh | None = None

    @property
    def first(self) -> bool:
        """Whether this process writes what all have made."""
        return self.rank == 0

    def share(self, rows: Sequence[Row]) -> list[Row]:
        """This process's run of a step's rows: as many as any other has, rows that count nothing filling up.

        Sharded models are gathered together, so every process must take as many forward passes as the others.
        """
        if self.size == 1:
            return list(rows)
        each = -(-len(rows) // self.size)
        mine = list(rows[self.rank * each : (self.rank + 1) * each])
        return mine + [_empty(len(rows[0].ids))] * (each - len(mine))

    def total(self, *numbers: float) -> list[float]:
        """Each number summed over all processes."""
        if self.size == 1:
            return list(numbers)
        summed = torch.tensor(numbers, dtype=torch.float64)
        dist.all_reduce(summed)
        return summed.tolist()

    def any(self, flag: bool) -> bool:
        """Whether the flag is up in any process."""
        return self.total(float(flag))[0] > 0


ALONE = Ranks()


def ranks(execution: Execution) -> Ranks:
    """The processes that torchrun started, joined to a group; one alone where it did not."""
    if not dist.is_initialized():
        return ALONE
    kind = torch.device(execution.device).type
    size, machines = dist.get_world_size(), dist.get_world_size() // execution.processes
    if execution.sharding == "hybrid" and machines > 1:
        mesh = init_device_mesh(kind, (machines, execution.processes), mesh_dim_names=("copies", "shards"))
    else:
        mesh = init_device_mesh(kind, (size,), mesh_dim_names=("shards",))
    return Ranks(dist.get_rank(), size, mesh)


def shard(learner: nn.Module, layers: Sequence[nn.Module], steps: StepsConfig, ranks: Ranks) -> None:
    """Leaves each process its part of every parameter, layer by layer; a layer is gathered while it is used.

    Under bf16 a layer travels in bf16, which is what its products are taken in; gradients are summed in float32.
    Embeddings, head and last norm form one unit in the precision they have, so that the residual stream keeps it.
    """
    if ranks.mesh is None:
        return
    half = torch.bfloat16 if steps.precision in ("bf16", "float8") else None
    travelling = MixedPrecisionPolicy(param_dtype=half, reduce_dtype=torch.float32, cast_forward_inputs=False)
    for layer in layers:
        fully_shard(layer, mesh=ranks.mesh, mp_policy=travelling)
    whole = MixedPrecisionPolicy(reduce_dtype=torch.float32, cast_forward_inputs=False)
    fully_shard(learner, mesh=ranks.mesh, mp_policy=whole, reshard_after_forward=False)


def whole_model(model: PreTrainedModel, ranks: Ranks) -> PreTrainedModel | None:
    """The model with every parameter whole, in the first process; None in the others. Every process has to ask.

    It is the model itself, which is not trained any more afterwards.
    """
    if ranks.size == 1:
        return model
    made: dict[int, nn.Parameter | None] = {}
    for module in model.modules():
        for name, parameter in module._parameters.items():
            if not isinstance(parameter, DTensor):
                continue
            if id(parameter) not in made:  # a tied one is met twice
                whole = parameter.full_tensor().detach()
                kept = nn.Parameter(whole.cpu(), parameter.requires_grad) if ranks.first else None
                made[id(parameter)] = kept
            if (kept := made[id(parameter)]) is not None:
                module._parameters[name] = kept
    return model if ranks.first else None


def _empty(row_tokens: int) -> Row:
    return Row(np.zeros(row_tokens, np.int64), np.full(row_tokens, NOT_COUNTED, np.int64), (0,))
