"""The paper's six studies: planned from nothing, and of the same shape as their replicas on the invented world."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest

from loanword.cli import main
from loanword.report.published.figures import read_published
from loanword.study.file import Cell, Published, cells, read_study
from tests import studies

PAPER = studies.ROOT / "studies" / "paper"
NAMES = ("table1", "table2", "table3", "knowledge", "switching", "vocabulary")
LANGUAGES = ("ar", "bn", "gu", "hi", "id", "ml", "mr", "ne", "sw", "ta", "te", "ur", "vi")


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What `plan` says of each study in an empty folder, and whether that imported torch."""
    empty = tmp_path_factory.mktemp("empty")
    script = (
        "import sys; from loanword.cli import main; code = main(sys.argv[1:]); "
        "assert not {'torch', 'transformers'} & set(sys.modules); sys.exit(code)"
    )
    found: dict[str, dict[str, Any]] = {}
    for name in NAMES:
        words = [sys.executable, "-c", script, "plan", str(PAPER / f"{name}.toml"), "--on", "h200", "--json"]
        done = subprocess.run(words, cwd=empty, env=studies.environment(), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        found[name] = json.loads(done.stdout)
    assert list(empty.iterdir()) == []
    return found


def shape_of(path: Path) -> tuple[object, ...]:
    """What of a study decides which rows, columns and comparisons its report has."""
    study = read_study(path)
    made = [(cell.label, dict(cell.position), measured(cell)) for cell in cells(study, path)]
    compared = [(pair.arm, pair.control, pair.question, pair.on) for pair in study.compare]
    return made, compared, study.published.table if study.published else None


def measured(cell: Cell) -> tuple[object, ...]:
    recipe = cell.recipe
    asked = [(name, recipe.benchmarks[name].name, recipe.benchmarks[name].chat) for name in recipe.responses.benchmarks]
    return recipe.target, asked, sorted(recipe.likelihoods.texts), bool(recipe.tuning.num_conversations)


@pytest.mark.parametrize("name", NAMES)
def test_a_replica_has_the_shape_of_the_study_that_it_stands_for(name: str):
    assert shape_of(PAPER / f"{name}.toml") == shape_of(PAPER / "replicas" / f"{name}.toml")


def test_nothing_but_these_is_there():
    assert {path.stem for path in PAPER.glob("*.toml")} == set(NAMES)
    assert {path.stem for path in (PAPER / "replicas").glob("*.toml")} == set(NAMES)
    assert set(get_args(Published.model_fields["table"].annotation)) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_published_run_is_a_run_of_the_study(name: str):
    path = PAPER / f"{name}.toml"
    study = read_study(path)
    assert study.published is not None
    table = read_published(study.published.table)
    named = [row.run for row in table.rows] + [side for one in table.statements for side in (one.arm, one.control)]
    made = {cell.label: cell.recipe for cell in cells(study, path)}
    assert named and set(named) <= set(made)
    for one in table.statements:
        assert set(one.benchmarks) <= set(made[one.arm].responses.benchmarks)


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_folder_is_enough_to_plan(name: str, plans: dict[str, dict[str, Any]]):
    plan = plans[name]
    stages = {stage["stage"]: stage for stage in plan["stages"]}
    assert all(stage["to_build"] == stage["artifacts"] > 0 for stage in stages.values())
    # What is trained has a price, whatever is still unknown of the texts.
    assert all(stages[of]["flops"] > 0 for of in ("trunk", "pretraining", "tuning") if of in stages)
    assert plan["absent"] and all(path.startswith(("benchmarks/", "held-out/")) for path in plan["absent"])


@pytest.mark.parametrize("name", NAMES)
def test_every_study_has_a_price_on_one_device_that_it_fits(name: str, plans: dict[str, dict[str, Any]]):
    plan = plans[name]
    assert 0 < plan["time"]["device_hours"] < 1_440
    assert all("does not fit" not in line for line in plan["memory"])
    trained = [stage for stage in plan["stages"] if stage["stage"] in ("trunk", "pretraining", "tuning")]
    assert all(not stage["unknown"] for stage in trained)


def test_a_plan_says_what_the_paper_took(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any):
    monkeypatch.chdir(tmp_path)
    assert main(["plan", str(PAPER / "knowledge.toml"), "--on", "h200"]) == 0
    said = capsys.readouterr().out
    assert "over 1,440 GPU-hours" in said
    assert "benchmarks/ceval: not below the data root yet" in said


def test_equal_work_of_two_studies_has_one_name(plans: dict[str, dict[str, Any]]):
    runs = {name: plan["runs"] for name, plan in plans.items()}
    assert runs["table1"]["1K, LLaMA + 1M"]["pretraining"] == runs["table2"]["LLaMA + 1M"]["pretraining"]
    assert runs["switching"]["Chinese"]["tuning"] == runs["table1"]["1K, LLaMA"]["tuning"]
    assert runs["switching"]["Swahili"]["tuning"] == runs["table3"]["1K, Swahili"]["tuning"]
    assert runs["switching"]["Swahili"]["responses.LLM-Eval"] == runs["table3"]["1K, Swahili"]["responses.LLM-Eval"]
    cell = "+17,953, 1M, no replay, 950K SFT"
    assert runs["vocabulary"][cell]["tuning"] == runs["table1"]["950K, LLaMA-EXT + 1M"]["tuning"]
    assert runs["vocabulary"]["base"]["base"] == runs["knowledge"]["LLaMA 7B"]["base"]


def test_every_run_of_a_table_is_an_artifact_of_its_own(plans: dict[str, dict[str, Any]]):
    for name, last in (("table1", "tuning"), ("table3", "tuning"), ("switching", "tuning"), ("knowledge", "base")):
        made = [roles[last] for roles in plans[name]["runs"].values()]
        assert len(set(made)) == len(made), name


def test_the_studies_are_those_of_the_paper():
    def labels(name: str) -> list[str]:
        return [cell.label for cell in cells(read_study(PAPER / f"{name}.toml"), name)]

    assert len(labels("table1")) == 19 + 2
    made = cells(read_study(PAPER / "table3.toml"), "table3")
    assert [cell.recipe.target for cell in made] == [*LANGUAGES, *LANGUAGES]
    assert {cell.recipe.tuning.num_conversations for cell in made} == {1_000, 65_000}
    assert len(labels("switching")) == len(LANGUAGES) + 1
    assert labels("knowledge")[:3] == ["LLaMA 7B", "LLaMA 13B", "LLaMA2 7B"]
