"""What budgets that share a trunk cost, counted in the steps that were trained, and that sharing changes nothing."""

import json
from pathlib import Path

import numpy as np
import pytest

from loanword.store.artifacts import file_name
from tests import studies

LARGEST = 20_000
"""Tokens; a hundredth of them is the smallest budget, as 10K is of 1M."""
TWELVE = [round(float(budget)) for budget in np.geomspace(LARGEST / 100, LARGEST, 12)]
THREE = [LARGEST // 100, LARGEST // 10, LARGEST]
STUDY = """
name = "{name}"
[recipe]
target = "zh"
base = {{ model = "base" }}
[recipe.corpus.zh]
files = ["zh.jsonl"]
held_out_documents = 20
[recipe.corpus.en]
files = ["en.jsonl"]
held_out_documents = 20
[recipe.pretraining]
budget = {{ tokens = {largest} }}
[recipe.pretraining.steps]
peak_learning_rate = 1e-2
row_tokens = 32
batch_tokens = 32
warmup_steps = 2
decay_share = 0.1
precision = "float32"
[axes]
"pretraining.budget" = [{budgets}]
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with a small checkpoint and two corpora."""
    root = tmp_path_factory.mktemp("budgets")
    studies.write_small_root(root)
    return root


def trained(root: Path, name: str, budgets: list[int]) -> tuple[int, list[Path]]:
    """Optimizer steps that a study of these budgets took in an empty store, and what was made for each budget."""
    file, store = root / f"{name}.toml", root / name
    listed = ", ".join(f"{{ tokens = {budget} }}" for budget in budgets)
    file.write_text(STUDY.format(name=name, largest=LARGEST, budgets=listed), encoding="utf-8")
    done = studies.run(studies.command("run", root, store, "--no-report", study=file))
    assert done.returncode == 0, done.stderr
    # A line a step, written as it was taken.
    num_steps = sum(len(log.read_text().splitlines()) for log in (store / "logs").glob("*/steps.jsonl"))
    runs = store / "studies" / name / "runs"
    made = [runs / file_name(f"budget={budget} tokens") / "pretraining" for budget in budgets]
    return num_steps, made


def content(artifact: Path) -> str:
    """The digest of everything that an artifact holds, provenance left out."""
    return json.loads((artifact / "manifest.json").read_text(encoding="utf-8"))["content"]


def rows(artifact: Path) -> int:
    return json.loads((artifact / "summary.json").read_text(encoding="utf-8"))["num_rows"]


@pytest.fixture(scope="module")
def alone(root: Path) -> tuple[int, Path]:
    """Steps of the largest budget by itself, and what was made of it."""
    num_steps, (largest,) = trained(root, "alone", [LARGEST])
    assert num_steps == rows(largest)
    return num_steps, largest


@pytest.mark.slow
def test_three_decades_cost_a_fiftieth_more_than_the_largest_and_end_in_the_same_bytes(
    root: Path, alone: tuple[int, Path]
):
    num_steps, made = trained(root, "three", THREE)
    assert num_steps / alone[0] <= 1.02
    _, (between,) = trained(root, "between", [THREE[1]])
    assert [content(made[1]), content(made[2])] == [content(between), content(alone[1])]


@pytest.mark.simulation
def test_twelve_budgets_cost_a_quarter_more_than_the_largest_and_end_in_the_same_bytes(
    root: Path, alone: tuple[int, Path]
):
    num_steps, made = trained(root, "twelve", TWELVE)
    assert sum(map(rows, made)) / alone[0] == pytest.approx(2.9, abs=0.05)
    assert num_steps / alone[0] <= 1.25
    _, (between,) = trained(root, "middle", [TWELVE[6]])
    assert [content(made[6]), content(made[-1])] == [content(between), content(alone[1])]
