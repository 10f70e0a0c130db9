"""Several processes train as one does: the same rows in the same order, the same losses and weights to rounding."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from loanword.model.embeddings import input_table
from loanword.records import CurvePoint, Execution, read_lines
from loanword.training.parallel import Ranks
from tests.training.small import NUM_OLD_ROWS, CountingRows, small_model
from tests.training.together import train_together

REPOSITORY = Path(__file__).parents[2]
NUM_ROWS, STOP_ROW = 30, 16


def together(*words: object, machines: int = 1, processes: int = 2) -> list[int]:
    """Exit codes of torchrun on each machine, all of which are this one."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": f"{REPOSITORY / 'src'}:{REPOSITORY}"}
    command = [sys.executable, "-m", "torch.distributed.run", f"--nnodes={machines}", f"--nproc-per-node={processes}"]
    where = [
        "--rdzv-backend=c10d",
        "--rdzv-endpoint=localhost:0" if machines == 1 else f"--rdzv-endpoint=localhost:{_port()}",
    ]
    run = [*command, *where, "-m", "tests.training.together", *map(str, words)]
    started = [
        subprocess.Popen(
            run, cwd=REPOSITORY, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        for _ in range(machines)
    ]
    said = [process.communicate(timeout=180)[1] for process in started]
    codes = [process.returncode for process in started]
    assert all(code in (0, 1) for code in codes), said
    return codes


def _port() -> int:
    import socket

    with socket.socket() as free:
        free.bind(("localhost", 0))
        return free.getsockname()[1]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("alone")
    train_together(folder, NUM_ROWS, 0, False, Execution())
    return folder


def assert_same(one: Path, other: Path) -> None:
    curves = [list(read_lines(CurvePoint, folder / "curve.jsonl")) for folder in (one, other)]
    assert [point.rows for point in curves[0]] == [point.rows for point in curves[1]]
    assert [point.tokens for point in curves[0]] == [point.tokens for point in curves[1]]
    for mine, theirs in zip(*curves, strict=True):
        assert mine.nats_per_token == pytest.approx(theirs.nats_per_token, rel=1e-4)
        assert mine.gradient_norm == pytest.approx(theirs.gradient_norm, rel=1e-3)
    for file in ("checkpoint/model.safetensors", "optimizer.safetensors"):
        mine, theirs = load_file(one / file), load_file(other / file)
        assert mine.keys() == theirs.keys()
        for name, tensor in mine.items():
            torch.testing.assert_close(
                tensor, theirs[name], rtol=1e-3, atol=2e-5, msg=lambda said, n=name: f"{n}: {said}"
            )


@pytest.mark.parametrize("micro_batch_rows", [1, 2])
def test_accumulation_changes_nothing_but_rounding(tmp_path: Path, alone: Path, micro_batch_rows: int) -> None:
    train_together(tmp_path, NUM_ROWS, 0, False, Execution(micro_batch_tokens=32 * micro_batch_rows))
    assert_same(tmp_path, alone)


def test_two_processes_train_as_one_does(tmp_path: Path, alone: Path) -> None:
    assert together(tmp_path, NUM_ROWS, 0, "full") == [0]
    assert_same(tmp_path, alone)


def test_old_rows_that_are_frozen_stay_as_they_were(alone: Path) -> None:
    table = load_file(alone / "checkpoint" / "model.safetensors")["model.embed_tokens.weight"]
    fresh = input_table(small_model())
    assert torch.equal(table[:NUM_OLD_ROWS], fresh[:NUM_OLD_ROWS])
    assert not torch.equal(table[NUM_OLD_ROWS:], fresh[NUM_OLD_ROWS:])


def test_what_two_processes_were_stopped_in_one_process_goes_on_with(tmp_path: Path, alone: Path) -> None:
    together(tmp_path, NUM_ROWS, STOP_ROW, "full")
    assert not (tmp_path / "checkpoint").exists()
    train_together(tmp_path, NUM_ROWS, 0, False, Execution())
    assert_same(tmp_path, alone)


def test_adapters_are_merged_after_two_processes_as_after_one(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    train_together(tmp_path / "one", NUM_ROWS, 0, True, Execution())
    assert together(tmp_path / "two", NUM_ROWS, 0, "lora") == [0]
    assert_same(tmp_path / "one", tmp_path / "two")


def test_machines_hold_copies_of_shards(tmp_path: Path, alone: Path) -> None:
    assert together(tmp_path, NUM_ROWS, 0, "full", machines=2, processes=1) == [0, 0]
    assert_same(tmp_path, alone)


@pytest.mark.parametrize("size", [1, 2, 3, 8])
def test_rows_are_shared_out_in_order_and_evenly(size: int) -> None:
    rows = [CountingRows().row(index) for index in range(5)]
    shares = [Ranks(rank, size).share(rows) for rank in range(size)]
    assert len({len(share) for share in shares}) == 1
    counted = [row for share in shares for row in share if (row.labels >= 0).any()]
    assert [row.ids.tolist() for row in counted] == [row.ids.tolist() for row in rows]
