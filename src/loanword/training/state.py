"""Where an interrupted training stage continues: checkpoints of its whole state, written while it goes on.

Out: `row-000000001234/`, or `anchor-...` for one that a run which goes wrong returns to, with `shard-*.safetensors`
(what each process held, in DCP's layout: any number of processes reads it), `position.json`, and `digests.json` with
the sha256 of the others. A folder of such a name is whole: it is filled as `NAME.part`, brought to the disk, and
renamed last. No pickle is written or read.
"""

import os
import re
import shutil
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.checkpoint.default_planner import DefaultLoadPlanner, DefaultSavePlanner
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader, HuggingFaceStorageWriter
from torch.distributed.checkpoint.metadata import MetadataIndex, TensorStorageMetadata
from torch.distributed.checkpoint.planner import SavePlan
from torch.distributed.tensor import DTensor

from loanword.errors import UserError
from loanword.protocols import Say
from loanword.records import Count, CurvePoint, ProbePoint, Record, SkippedRows, file_sha256, read_json
from loanword.store.disk import is_full
from loanword.training.parallel import Ranks

POSITION, DIGESTS = "position.json", "digests.json"
NUM_KEPT = 2
"""Checkpoints that stay, beside the newest anchor: where the newest is damaged there is one before it."""
FILE_BYTES = 2**30
"""About what one file holds: safetensors puts it together in memory before it is written."""
COPYING_SHARE = 0.02
"""Share of the time for which copies of the state may hold training up."""
T = TypeVar("T")


@dataclass
class Position:
    """How far training is: the next row to read, a curve point a step so far, rows left out, and probes."""

    next_row: int
    curve: list[CurvePoint] = field(default_factory=list)
    skipped: list[SkippedRows] = field(default_factory=list)
    probes: list[ProbePoint] = field(default_factory=list)

    @property
    def num_tokens(self) -> int:
        """Predictions counted so far."""
        return self.curve[-1].tokens if self.curve else 0

    def advance(self, point: CurvePoint) -> None:
        """Moves behind the step that `point` tells of."""
        self.curve.append(point)
        self.next_row = point.rows

    def skip(self, rows: SkippedRows) -> None:
        """Moves behind rows that are left out."""
        self.skipped.append(rows)
        self.next_row = rows.last_row


class _Reached(Record):
    """A Position as it stands in a checkpoint."""

    next_row: Count
    curve: tuple[CurvePoint, ...]
    skipped: tuple[SkippedRows, ...]
    probes: tuple[ProbePoint, ...]


class _Sealed(Record):
    """sha256 of every other file of a checkpoint, by name."""

    digests: dict[str, str]


class Checkpoints:
    """The checkpoints of one training stage, in a folder of their own that all processes see.

    `tensors` are the live tensors of a state by name, plain or DTensor, the same names in every call and every
    process. The newest two checkpoints are kept, and the newest anchor. All processes call every method but `due`
    together, from one thread, which is also the one that `say` is called in.
    """

    def __init__(self, folder: Path, ranks: Ranks, say: Say) -> None:
        self._folder, self._ranks, self._say = folder, ranks, say
        # Writing goes on beside training, so that its messages must not meet those of a step.
        self._group = dist.new_group(backend="gloo") if ranks.size > 1 else None
        self._thread = ThreadPoolExecutor(1, "checkpoint")
        self._writing: tuple[str, Future[bool]] | None = None
        self._wrote = True
        self._plan: SavePlan | None = None
        self._copies: dict[str, Tensor] = {}
        self._taken, self._held_seconds = time.monotonic(), 0.0
        if ranks.first:
            for part in folder.glob("*.part"):
                shutil.rmtree(part)

    def due(self, seconds: float) -> bool:
        """Whether it is time for a checkpoint by this process's clock: `seconds` after the one before.

        It is later where copying the state would hold training up for more than `COPYING_SHARE` of the time.
        """
        return time.monotonic() - self._taken >= max(seconds, self._held_seconds / COPYING_SHARE)

    def save(
        self, tensors: Mapping[str, Tensor], position: Position, *, anchor: bool = False, wait: bool = False
    ) -> None:
        """Copies the state and writes the copy while training goes on; returns after the copy, or at the end (`wait`).

        One checkpoint is written at a time: while one is, another is left out, but an anchor, or one that is waited
        for, comes after it. Where the disk is full nothing is written: that is said at the next call, once until one
        fits again, and what was there before stays.
        """
        busy = self._writing is not None and not self._writing[1].done()
        if not (anchor or wait) and self._ranks.any(busy):
            return
        self.finish()
        name = f"{'anchor' if anchor else 'row'}-{position.next_row:012}"
        if not self._ranks.any(self._ranks.first and (self._folder / name).is_dir()):
            began = time.monotonic()
            plan = self._planned(tensors)
            self._copy(tensors, plan)
            reached = _Reached(
                next_row=position.next_row,
                curve=tuple(position.curve),
                skipped=tuple(position.skipped),
                probes=tuple(position.probes),
            )
            self._writing = name, self._thread.submit(self._write, name, plan, reached)
            self._held_seconds = time.monotonic() - began
        self._taken = time.monotonic()
        if wait:
            self.finish()

    def finish(self) -> None:
        """Waits for the write that is under way."""
        if self._writing is None:
            return
        name, writing = self._writing
        self._writing = None
        written, wrote_before = writing.result(), self._wrote
        self._wrote = written
        if not written and wrote_before and self._ranks.first:
            self._say(f"no space left for checkpoint {name} in {self._folder}: training goes on without it")

    def load(self, tensors: Mapping[str, Tensor], *, anchor: bool = False) -> Position | None:
        """Puts the newest whole checkpoint, or anchor, into the tensors in place; None where there is none.

        One whose digests do not hold is refused before anything is copied, that is said, and the one before it counts.

        Raises:
            UserError: a checkpoint of another model.
        """
        self.finish()
        found = self._exchange(self._names("anchor" if anchor else "row|anchor"))[0]
        for name in reversed(found):
            folder = self._folder / name
            damage = next((said for said in self._exchange(self._damage(folder)) if said), "")
            if not damage:
                _read(folder, tensors)
                reached = read_json(_Reached, folder / POSITION)
                return Position(reached.next_row, list(reached.curve), list(reached.skipped), list(reached.probes))
            if self._ranks.first:
                self._say(f"{folder}: {damage}; this checkpoint is refused, and the one before it counts")
                self._remove(name)
        if found and not anchor and self._ranks.first:
            self._say(f"{self._folder}: no checkpoint is whole; training starts again at its first row")
        return None

    def _names(self, kinds: str) -> list[str]:
        """Checkpoints, the newest last."""
        names = [path.name for path in self._folder.glob("*-*") if re.fullmatch(rf"({kinds})-\d{{12}}", path.name)]
        return sorted(names, key=lambda name: (name.rpartition("-")[2], name))

    def _exchange(self, mine: T) -> list[T]:
        """What each process has to say, by rank."""
        if self._group is None:
            return [mine]
        all_of_them: list[Any] = [None] * self._ranks.size
        dist.all_gather_object(all_of_them, mine, group=self._group)
        return all_of_them

    def _planned(self, tensors: Mapping[str, Tensor]) -> SavePlan:
        """What of the state this process writes: all processes together write each number once."""
        if self._plan is None:
            planner = DefaultSavePlanner(flatten_state_dict=False, flatten_sharded_tensors=False)
            planner.set_up_planner(dict(tensors), is_coordinator=self._ranks.first)
            plans, _ = planner.create_global_plan(self._exchange(planner.create_local_plan()))
            files = _files(tensors, self._ranks.size)
            writer = HuggingFaceStorageWriter(str(self._folder), files, save_distributed=True)
            self._plan = writer.prepare_global_plan(plans)[self._ranks.rank]
        return self._plan

    def _copy(self, tensors: Mapping[str, Tensor], plan: SavePlan) -> None:
        for item in plan.items:
            tensor = tensors[item.index.fqn].detach()
            local = tensor.to_local() if isinstance(tensor, DTensor) else tensor
            if item.index.fqn not in self._copies:
                self._copies[item.index.fqn] = torch.empty(local.shape, dtype=local.dtype)
            self._copies[item.index.fqn].copy_(local)

    def _write(self, name: str, plan: SavePlan, reached: _Reached) -> bool:
        """Whether the checkpoint is there; it is not where the disk is full."""
        part = self._folder / f"{name}.part"
        digests = self._exchange(_if_it_fits(lambda: self._fill(part, plan, reached)))
        sealed = False
        if all(one is not None for one in digests):
            whole = _Sealed(digests={file: digest for one in digests if one for file, digest in one.items()})
            first = self._ranks.first
            sealed = self._exchange(first and _if_it_fits(lambda: self._seal(part, name, whole)) is not None)[0]
        if not sealed and self._ranks.first:
            shutil.rmtree(part, ignore_errors=True)
        return sealed

    def _fill(self, part: Path, plan: SavePlan, reached: _Reached) -> dict[str, str]:
        """Digests of this process's files, which are on the disk."""
        part.mkdir(parents=True, exist_ok=True)
        writer = HuggingFaceStorageWriter(str(part), plan.storage_data["fqn_to_index_mapping"], save_distributed=True)
        writer.write_data(plan, _Copies(self._copies)).wait()
        written = list(part.glob(f"shard-{self._ranks.rank + 1:05}-*"))
        if self._ranks.first:
            _write_synced(part / POSITION, reached)
            written.append(part / POSITION)
        return {path.name: file_sha256(path) for path in written}

    def _seal(self, part: Path, name: str, sealed: _Sealed) -> str:
        _write_synced(part / DIGESTS, sealed)
        _sync(part)
        part.rename(self._folder / name)
        _sync(self._folder)
        kept = {*self._names("row|anchor")[-NUM_KEPT:], *self._names("anchor")[-1:]}
        for other in self._names("row|anchor"):
            if other not in kept:
                self._remove(other)
        return name

    def _remove(self, name: str) -> None:
        # Renamed first: half a folder must not have the name of a whole one.
        part = (self._folder / name).rename(self._folder / f"{name}.part")
        shutil.rmtree(part)

    def _damage(self, folder: Path) -> str:
        """What this process finds wrong with its share of a checkpoint's files; empty where nothing is."""
        try:
            digests = read_json(_Sealed, folder / DIGESTS).digests
        except (UserError, FileNotFoundError):
            return f"{DIGESTS} is missing or damaged"
        if POSITION not in digests:
            return f"{DIGESTS} is damaged"
        for file in sorted(digests)[self._ranks.rank :: self._ranks.size]:
            if not (folder / file).is_file():
                return f"{file} is missing"
            if file_sha256(folder / file) != digests[file]:
                return f"{file} is damaged, its sha256 is not the one that was written"
        return ""


class _Copies(DefaultSavePlanner):
    """Writes copies where the plan names live tensors."""

    def __init__(self, copies: Mapping[str, Tensor]) -> None:
        super().__init__()
        self._copies = copies

    def lookup_object(self, index: MetadataIndex) -> Tensor:
        return self._copies[index.fqn]


def _files(tensors: Mapping[str, Tensor], num_processes: int) -> dict[str, int]:
    """Number of the file, counted from 1, that holds each tensor: about `FILE_BYTES` in each process's."""
    files: dict[str, int] = {}
    num_bytes = 0
    for name, tensor in tensors.items():
        files[name] = 1 + num_bytes // (FILE_BYTES * num_processes)
        num_bytes += tensor.nbytes
    return files


@torch.no_grad()
def _read(folder: Path, tensors: Mapping[str, Tensor]) -> None:
    reader = HuggingFaceStorageReader(str(folder))
    metadata = reader.read_metadata()
    held = {
        name: _kind(one.size, one.properties.dtype)
        for name, one in metadata.state_dict_metadata.items()
        if isinstance(one, TensorStorageMetadata)
    }
    wanted = {name: _kind(tensor.shape, tensor.dtype) for name, tensor in tensors.items()}
    if held != wanted:
        name = min(name for name in held.keys() | wanted.keys() if held.get(name) != wanted.get(name))
        raise UserError(
            folder,
            f"{name} is {held.get(name, 'not there')}, and in training {wanted.get(name, 'not there')}",
            expected="the state of this very training",
            do="remove the folder that holds the checkpoints, to start this stage again from its first row",
        )
    planner = DefaultLoadPlanner(flatten_state_dict=False, flatten_sharded_tensors=False)
    # In place: a state that lies in memory as a fresh one does rounds as a fresh one.
    planner.set_up_planner(dict(tensors), metadata)
    reader.set_up_storage_reader(metadata, is_coordinator=True)
    reader.read_data(planner.finish_plan(reader.prepare_local_plan(planner.create_local_plan())), planner).wait()


def _kind(shape: torch.Size, kind: torch.dtype) -> str:
    return f"{str(kind).removeprefix('torch.')} {list(shape)}"


def _if_it_fits(write: Callable[[], T]) -> T | None:
    """What writing gives; None where the disk, or a quota on it, is full."""
    try:
        return write()
    except OSError as error:
        if not is_full(error):
            raise
        return None


def _write_synced(path: Path, record: Record) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(record.to_json())
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Brings a folder's entries to the disk."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
