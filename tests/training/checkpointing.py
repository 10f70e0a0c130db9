"""Writes checkpoints in child processes that are killed at every point of the writing, or in two that share a state.

`python -m tests.training.checkpointing FOLDER` prints what it found as one line of JSON.
"""

import errno
import json
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor, Shard, distribute_tensor

from loanword.training.parallel import ALONE, Ranks
from loanword.training.state import Checkpoints, Position

POINTS = ("fsync", "rename", "replace", "unlink", "rmdir")
"""Where a checkpoint touches the disk: what comes between two of these is not seen by anyone else."""


def state(seed: int) -> dict[str, Tensor]:
    """A small state of every kind and shape that occurs, the same for the same seed."""
    chance = torch.Generator().manual_seed(seed)
    return {
        "weights/table": torch.randn(7, 3, generator=chance),
        "weights/norm": torch.randn(1, generator=chance),
        "weights/half": torch.randn(5, 2, generator=chance).bfloat16(),
        "first_moment/codes": torch.randint(0, 256, (9,), generator=chance, dtype=torch.uint8),
        "num_steps/table": torch.tensor(float(seed)),
        "num_steps/norm": torch.tensor([seed, seed + 1]),
        "second_moment/nothing": torch.empty(0, 3),
    }


def nothing() -> dict[str, Tensor]:
    return {name: torch.zeros_like(tensor) for name, tensor in state(0).items()}


def is_state(tensors: dict[str, Tensor], seed: int) -> bool:
    return all(torch.equal(tensors[name], tensor) for name, tensor in state(seed).items())


def forked(act: Callable[[], None]) -> int:
    """Process id of a child that acts."""
    child = os.fork()
    if child:
        return child
    failed = 1
    try:
        act()
        failed = 0
    finally:  # a child never goes on to what the parent does next
        if failed:
            traceback.print_exc()
        os._exit(failed)


def status(child: int) -> int:
    return os.waitpid(child, 0)[1]


def call_at(point: int, act: Callable[[], None]) -> None:
    """From now on the process acts before it touches the disk for the `point`th time, counted from 0."""
    calls = iter(range(10**6))

    def counted(call: Callable[..., object]) -> Callable[..., object]:
        def touch(*arguments, **options):
            if next(calls) == point:
                act()
            return call(*arguments, **options)

        return touch

    for name in POINTS:
        setattr(os, name, counted(getattr(os, name)))


def killed(folder: Path) -> dict[str, list[str]]:
    """What was found after a kill at each point: the seeds of the checkpoint and the anchor, and what was said."""
    before = folder / "before"

    def begin() -> None:
        checkpoints = Checkpoints(before, ALONE, print)
        for row, anchor in ((1, True), (2, False), (3, False)):
            checkpoints.save(state(row), Position(row), anchor=anchor, wait=True)

    def write(place: Path, point: int, anchor: bool) -> None:
        call_at(point, lambda: os.kill(os.getpid(), signal.SIGKILL))
        Checkpoints(place, ALONE, print).save(state(4), Position(4), anchor=anchor, wait=True)

    def look(place: Path) -> None:
        for path in place.glob("*-*[0-9]"):
            digests = json.loads((path / "digests.json").read_text())["digests"]
            assert {file.name for file in path.iterdir()} == {"digests.json", *digests}, f"{path} is half a checkpoint"
        said: list[str] = []
        found, checkpoints = [], Checkpoints(place, ALONE, said.append)
        for anchor in (False, True):
            tensors = nothing()
            position = checkpoints.load(tensors, anchor=anchor)
            assert position is not None and is_state(tensors, position.next_row)
            found.append(str(position.next_row))
        checkpoints.save(state(5), Position(5), wait=True)
        names = sorted(path.name for path in place.iterdir())
        (folder / "found").write_text(json.dumps([*found, *said, *names]))

    assert status(forked(begin)) == 0
    story: dict[str, list[str]] = {}
    for kind in ("row", "anchor"):
        for point in range(100):
            place = folder / f"{kind}-at-{point}"
            shutil.copytree(before, place)
            ended = status(forked(partial(write, place, point, kind == "anchor")))
            assert status(forked(partial(look, place))) == 0
            story[f"{kind} {point}"] = json.loads((folder / "found").read_text())
            if ended == 0:
                break
            assert ended == signal.SIGKILL
    return story


def sharded(tensors: dict[str, Tensor], ranks: Ranks) -> dict[str, Tensor]:
    """The tensors cut over the processes, but some left whole in each as they are."""
    assert ranks.mesh is not None
    return {
        name: tensor if name.startswith("num_steps") else distribute_tensor(tensor, ranks.mesh, [Shard(0)])
        for name, tensor in tensors.items()
    }


def is_whole_state(tensors: dict[str, Tensor], seed: int) -> bool:
    whole = {name: one.full_tensor() if isinstance(one, DTensor) else one for name, one in tensors.items()}
    return is_state(whole, seed)


def share(folder: Path, rank: int) -> None:
    """One of two processes: saves, loads, goes on after a full disk and after damage; leaves what it found."""
    dist.init_process_group("gloo", init_method=f"file://{folder / 'meeting'}", rank=rank, world_size=2)
    ranks = Ranks(rank, 2, init_device_mesh("cpu", (2,)))
    said: list[str] = []
    found: dict[str, object] = {"said": said}
    checkpoints = Checkpoints(folder / "state", ranks, said.append)

    def loaded() -> int:
        tensors = sharded(nothing(), ranks)
        position = checkpoints.load(tensors)
        return position.next_row if position is not None and is_whole_state(tensors, position.next_row) else -1

    found["nothing"] = checkpoints.load(sharded(nothing(), ranks)) is None
    for row in (1, 2):
        checkpoints.save(sharded(state(row), ranks), Position(row), anchor=row == 1, wait=True)
    found["newest"] = loaded()

    real = os.fsync
    if rank == 1:
        os.fsync = no_space
    checkpoints.save(sharded(state(3), ranks), Position(3), wait=True)
    os.fsync = real
    found["after a full disk"] = loaded()

    if rank == 0:
        damaged = next((folder / "state" / "row-000000000002").glob("shard-00002*"))
        damaged.write_bytes(damaged.read_bytes()[:-1])
    ranks.total(0.0)
    found["after damage"] = loaded()
    checkpoints.save(sharded(state(4), ranks), Position(4), wait=True)
    (folder / f"found-{rank}").write_text(json.dumps(found))
    dist.destroy_process_group()


def no_space(opened: int) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def shared(folder: Path) -> list[Any]:
    """What both found, and whether one process reads what they left, and they what it leaves."""
    children = [forked(partial(share, folder, rank)) for rank in range(2)]
    assert [status(child) for child in children] == [0, 0]
    tensors = nothing()
    position = Checkpoints(folder / "state", ALONE, print).load(tensors)
    alone = {"newest": position.next_row if position is not None and is_state(tensors, position.next_row) else -1}
    return [*(json.loads((folder / f"found-{rank}").read_text()) for rank in range(2)), alone]


def main() -> None:
    torch.set_num_threads(1)
    found: dict[str, object] = {}
    for look in (killed, shared):
        folder = Path(sys.argv[1]) / look.__name__
        folder.mkdir()
        found[look.__name__] = look(folder)
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
