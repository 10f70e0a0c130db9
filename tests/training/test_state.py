"""The last whole checkpoint always loads, bit for bit, and nothing that happens to the disk ends training."""

import errno
import json
import os
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from loanword.errors import UserError
from loanword.records import CurvePoint, ProbePoint, SkippedRows
from loanword.training import state as written_state
from loanword.training.parallel import ALONE
from loanword.training.state import Checkpoints, Position
from tests.training.checkpointing import POINTS, is_state, nothing, state

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def checkpoints(tmp_path: Path, said: list[str]) -> Checkpoints:
    return Checkpoints(tmp_path / "state", ALONE, said.append)


def save(checkpoints: Checkpoints, row: int, *, anchor: bool = False) -> None:
    checkpoints.save(state(row), Position(row), anchor=anchor, wait=True)


def loaded(checkpoints: Checkpoints, *, anchor: bool = False) -> int | None:
    """The row whose state was loaded, bit for bit; None where there was nothing to load."""
    tensors = nothing()
    position = checkpoints.load(tensors, anchor=anchor)
    if position is None:
        assert all(torch.equal(tensors[name], zeros) for name, zeros in nothing().items())
        return None
    assert is_state(tensors, position.next_row)
    return position.next_row


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "state").iterdir())


@pytest.fixture(scope="module")
def children(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What processes that were killed while writing left, and what two found that share a state."""
    command = [sys.executable, "-m", "tests.training.checkpointing", str(tmp_path_factory.mktemp("children"))]
    paths = {**os.environ, "PYTHONPATH": f"{REPOSITORY / 'src'}{os.pathsep}{REPOSITORY}"}
    done = subprocess.run(command, cwd=REPOSITORY, env=paths, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_state_comes_back_bit_for_bit_into_the_tensors_that_were_there(checkpoints: Checkpoints) -> None:
    save(checkpoints, 3)
    weight = torch.nn.Parameter(torch.zeros(7, 3))
    tensors: dict[str, Tensor] = {**nothing(), "weights/table": weight}
    places = {name: tensor.data_ptr() for name, tensor in tensors.items()}
    assert checkpoints.load(tensors) == Position(3)
    assert is_state(tensors, 3)
    assert {name: tensor.data_ptr() for name, tensor in tensors.items()} == places
    assert tensors["weights/table"] is weight and weight.requires_grad


def test_a_position_comes_back_whole(checkpoints: Checkpoints) -> None:
    position = Position(0)
    position.advance(
        CurvePoint(step=0, rows=4, tokens=90, learning_rate=1e-3 / 3, nats_per_token=2 / 3, gradient_norm=7e-9)
    )
    position.skip(SkippedRows(first_row=4, last_row=8, reason="not finite"))
    position.probes.append(ProbePoint(rows=8, tokens=90, language="zh", bits_per_byte=0.1 + 0.2))
    checkpoints.save(state(8), position, wait=True)
    found = checkpoints.load(nothing())
    assert found is not None and found == position
    assert (found.next_row, found.num_tokens) == (8, 90)


def test_before_the_first_checkpoint_there_is_nothing(checkpoints: Checkpoints, said: list[str]) -> None:
    assert loaded(checkpoints) is None
    assert loaded(checkpoints, anchor=True) is None
    assert said == []


def test_the_newest_two_are_kept_and_the_newest_anchor(checkpoints: Checkpoints, tmp_path: Path) -> None:
    for row, anchor in ((1, True), (2, False), (3, True), (4, False), (5, False), (6, False)):
        save(checkpoints, row, anchor=anchor)
    assert names(tmp_path) == ["anchor-000000000003", "row-000000000005", "row-000000000006"]
    assert (loaded(checkpoints), loaded(checkpoints, anchor=True)) == (6, 3)


def test_a_checkpoint_that_is_there_is_not_written_again(checkpoints: Checkpoints, tmp_path: Path) -> None:
    save(checkpoints, 2)
    before = (tmp_path / "state" / "row-000000000002").stat()
    save(checkpoints, 2)
    save(checkpoints, 2, anchor=True)
    after = (tmp_path / "state" / "row-000000000002").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert names(tmp_path) == ["anchor-000000000002", "row-000000000002"]


def test_large_states_are_spread_over_files(
    checkpoints: Checkpoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(written_state, "FILE_BYTES", 80)
    save(checkpoints, 2)
    assert len(list((tmp_path / "state" / "row-000000000002").glob("shard-*"))) == 2
    assert loaded(checkpoints) == 2


def test_training_goes_on_while_a_copy_of_its_state_is_written(
    checkpoints: Checkpoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, mkdir = threading.Event(), os.mkdir
    monkeypatch.setattr(os, "mkdir", lambda *arguments: (disk.wait(30), mkdir(*arguments)))
    live = state(1)
    checkpoints.save(live, Position(1))
    for name, tensor in state(2).items():
        live[name].copy_(tensor)
    checkpoints.save(live, Position(2))  # left out: the one before is not yet there
    threading.Timer(0.1, disk.set).start()
    checkpoints.save(live, Position(2), anchor=True)  # never left out
    checkpoints.finish()
    assert names(tmp_path) == ["anchor-000000000002", "row-000000000001"]
    assert loaded(checkpoints, anchor=True) == 2
    (tmp_path / "state" / "anchor-000000000002" / "digests.json").unlink()
    assert loaded(checkpoints) == 1


@pytest.mark.parametrize("file", ["shard-00001-model-00001-of-00001.safetensors", "position.json", "digests.json"])
@pytest.mark.parametrize("harm", ["truncated", "flipped", "missing", "empty"])
def test_a_damaged_checkpoint_is_refused_and_the_one_before_it_counts(
    checkpoints: Checkpoints, tmp_path: Path, said: list[str], file: str, harm: str
) -> None:
    save(checkpoints, 1)
    save(checkpoints, 2)
    path = tmp_path / "state" / "row-000000000002" / file
    whole = path.read_bytes()
    middle = len(whole) // 2
    path.write_bytes(
        {
            "truncated": whole[:-1],
            "flipped": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
            "missing": b"",
            "empty": b"",
        }[harm]
    )
    if harm == "missing":
        path.unlink()
    assert loaded(checkpoints) == 1
    assert len(said) == 1 and "row-000000000002" in said[0] and "refused" in said[0]
    if not (file == "digests.json" and harm == "flipped"):  # then another file is not what it says
        assert file in said[0]
    save(checkpoints, 2)
    assert loaded(checkpoints) == 2


def test_where_all_are_damaged_training_starts_again_and_says_so(
    checkpoints: Checkpoints, tmp_path: Path, said: list[str]
) -> None:
    save(checkpoints, 1)
    save(checkpoints, 2)
    for path in (tmp_path / "state").glob("*/shard-*"):
        path.write_bytes(path.read_bytes()[:-1])
    assert loaded(checkpoints) is None
    assert len(said) == 3 and "first row" in said[-1]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_is_full_at_any_point_costs_one_checkpoint_at_most(
    tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    touches = {name: getattr(os, name) for name in ("mkdir", "fsync", "rename")}
    for point in range(100):
        checkpoints = Checkpoints(tmp_path / str(point), ALONE, said.append)
        save(checkpoints, 1)
        said.clear()
        calls = iter(range(100))

        def touch(name: str, *arguments, calls=calls, point=point, **options):
            if next(calls) == point:
                raise OSError(number, os.strerror(number))
            return touches[name](*arguments, **options)

        with monkeypatch.context() as patch:
            for name in touches:
                patch.setattr(os, name, partial(touch, name))
            save(checkpoints, 2)
        if next(calls) <= point:
            break
        assert len(said) == 1 and "no space left for checkpoint row-000000000002" in said[0]
        assert not list((tmp_path / str(point)).glob("*.part"))
        assert loaded(checkpoints) in (1, 2)
        save(checkpoints, 3)
        assert loaded(checkpoints) == 3
    assert point > 5 and said == []


def test_a_disk_that_stays_full_is_said_once_until_a_checkpoint_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    checkpoints = Checkpoints(tmp_path / "full", ALONE, said.append)

    def full(opened: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        save(checkpoints, 1)
        save(checkpoints, 2)
    assert len(said) == 1
    save(checkpoints, 3)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        save(checkpoints, 4)
    assert len(said) == 2 and loaded(checkpoints) == 3


def test_another_error_of_the_disk_is_not_survived(checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(opened: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match="Input/output error"):
        save(checkpoints, 1)


@pytest.mark.parametrize(
    ("name", "tensor", "what"),
    [
        ("weights/norm", torch.zeros(2), r"weights/norm is float32 \[1\], and in training float32 \[2\]"),
        ("weights/norm", torch.zeros(1).bfloat16(), r"float32 \[1\], and in training bfloat16 \[1\]"),
        ("weights/other", torch.zeros(1), r"weights/other is not there, and in training float32 \[1\]"),
    ],
)
def test_the_checkpoint_of_another_model_is_refused(
    checkpoints: Checkpoints, name: str, tensor: Tensor, what: str
) -> None:
    save(checkpoints, 1)
    tensors = {**nothing(), name: tensor}
    with pytest.raises(UserError, match=what):
        checkpoints.load(tensors)
    assert not tensors["weights/table"].any()


def test_a_checkpoint_is_due_by_the_clock_and_never_takes_much_of_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]

    def clock() -> float:  # a machine on which a copy takes a second
        now[0] += 1.0
        return now[0]

    monkeypatch.setattr(time, "monotonic", clock)
    checkpoints = Checkpoints(tmp_path, ALONE, print)
    assert not checkpoints.due(10.0)
    now[0] += 10.0
    assert checkpoints.due(10.0)
    save(checkpoints, 1)
    now[0] += 30.0
    assert not checkpoints.due(10.0)
    now[0] += 30.0
    assert checkpoints.due(10.0)


def test_a_kill_at_any_point_of_the_writing_leaves_this_checkpoint_or_the_one_before(children: dict[str, Any]) -> None:
    story: dict[str, list[str]] = children["killed"]
    for kind, new in (("row", ["4", "1"]), ("anchor", ["4", "4"])):
        found = [story[key][:2] for key in story if key.startswith(kind)]
        changed = found.index(new)
        assert found == [["3", "1"]] * changed + [new] * (len(found) - changed)
        assert changed >= 5 and len(found) - changed > len(POINTS)  # synced five times before, tidied after
    for key, (_, anchor, *rest) in story.items():
        at = ["anchor-000000000001"] if anchor == "1" else []
        newest = [name for name in rest if name not in at]
        assert len(newest) == 2 and newest[-1] == "row-000000000005", (key, rest)  # nothing said, nothing left over


def test_two_processes_save_what_one_loads(children: dict[str, Any]) -> None:
    first, second, alone = children["shared"]
    expected = {"nothing": True, "newest": 2, "after a full disk": 2, "after damage": 1}
    assert {name: first[name] for name in expected} == {name: second[name] for name in expected} == expected
    assert alone == {"newest": 4}
    full, damaged = first["said"]
    assert "no space left for checkpoint row-000000000003" in full
    assert "row-000000000002" in damaged and "shard-00002" in damaged and "refused" in damaged
    assert second["said"] == []
