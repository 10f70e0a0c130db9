"""Trains small models in two processes that share out rows, and share out or copy parameters.

`python -m tests.training.sharded_optimizer FOLDER` leaves in FOLDER/sharded and FOLDER/copied, for each recipe, the
weights, the state and the norms of every step.
"""

import json
import os
import sys
import traceback
from pathlib import Path

import torch
import torch.distributed as dist
from safetensors.torch import save_file
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor
from transformers import LlamaForCausalLM

from loanword.model.load import new_model
from loanword.recipe import GroupConfig, GroupsConfig, StepsConfig
from loanword.training.optimizer import Optimizer
from loanword.training.parallel import Ranks, shard
from tests.training.small import NUM_PIECES, SHAPE, STEPS

NUM_OLD = 50
"""Of 61 rows two processes have 31 and 30: the first has old rows only, the second has both."""

NUM_STEPS = 4
SHORTENED = STEPS.model_copy(update={"clip_norm": 0.05})
ROWS = GroupsConfig(
    backbone=GroupConfig(learning_rate_factor=0.5),
    old_rows=GroupConfig(frozen=True),
    new_rows=GroupConfig(learning_rate_factor=3.0, weight_decay=0.1),
    old_head_rows=GroupConfig(learning_rate_factor=0.2),
)
RECIPES = {
    "plain": SHORTENED,
    "groups": SHORTENED.model_copy(update={"groups": ROWS, "only_new_rows_steps": 2}),
    "8-bit": SHORTENED.model_copy(update={"groups": ROWS, "optimizer_state": "8-bit"}),
}


def learner(steps: StepsConfig) -> LlamaForCausalLM:
    shape = SHAPE.model_copy(update={"tied_embeddings": steps.groups == GroupsConfig(), "width": 32})
    return new_model(shape, NUM_PIECES, 0, bos_id=1, eos_id=2).eval()


def take_steps(model: LlamaForCausalLM, optimizer: Optimizer, indices: range, ranks: Ranks) -> list[float]:
    """Steps on the mean loss of four rows, of which every process has its share."""
    norms: list[float] = []
    for index in indices:
        rows_BT = torch.randint(NUM_PIECES, (4, 12), generator=torch.Generator().manual_seed(index))
        mine_BT = rows_BT.chunk(ranks.size)[ranks.rank]
        optimizer.begin(index)
        model(input_ids=mine_BT, labels=mine_BT).loss.backward()
        norms.append(optimizer.clip(ranks))
        optimizer.step(0.01)
    return norms


def train(folder: Path, recipe: str, ranks: Ranks) -> None:
    steps = RECIPES[recipe]
    model = learner(steps)
    shard(model, list(model.model.layers), steps, ranks)
    optimizer = Optimizer(model, steps, num_old_rows=NUM_OLD)
    norms = take_steps(model, optimizer, range(NUM_STEPS), ranks)
    optimizer.save(folder / f"{recipe}.optimizer.safetensors", ranks)
    whole = {name: weight.full_tensor() for name, weight in model.named_parameters() if isinstance(weight, DTensor)}
    if ranks.first:
        save_file(whole, folder / f"{recipe}.weights.safetensors")
        (folder / f"{recipe}.norms.json").write_text(json.dumps(norms))
    ranks.total(0.0)
    again = Optimizer(model, steps, num_old_rows=NUM_OLD)
    again.load(folder / f"{recipe}.optimizer.safetensors")
    again.save(folder / f"{recipe}.again.safetensors", ranks)


def train_all(folder: Path, rank: int) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    meshes = {
        "sharded": init_device_mesh("cpu", (2,), mesh_dim_names=("shards",)),
        "copied": init_device_mesh("cpu", (2, 1), mesh_dim_names=("copies", "shards")),
    }
    for name, mesh in meshes.items():
        for recipe in RECIPES:
            train(folder / name, recipe, Ranks(rank, 2, mesh))
    dist.destroy_process_group()


def main() -> None:
    folder = Path(sys.argv[1])
    for name in ("sharded", "copied"):
        (folder / name).mkdir()
    children: list[int] = []
    for rank in range(2):
        child = os.fork()
        if not child:
            failed = 1
            try:
                train_all(folder, rank)
                failed = 0
            finally:  # a child never goes on to what the parent does next
                if failed:
                    traceback.print_exc()
                os._exit(failed)
        children.append(child)
    statuses = [os.waitpid(child, 0)[1] for child in children]
    sys.exit(any(statuses))


if __name__ == "__main__":
    main()
