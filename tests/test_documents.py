"""What the documents claim about the project is true of it."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from loanword.cli import VERBS
from loanword.evaluation.benchmarks import asking_of, benchmark_of, settled
from loanword.recipe import BenchmarkConfig

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_between_documents_leads_somewhere(document: Path):
    for target in re.findall(r"\]\(([^)#]+)", document.read_text(encoding="utf-8")):
        if not target.startswith("https://"):
            assert (document.parent / target).exists(), target


def test_the_readme_lists_every_verb_and_no_other():
    listed = {row.split("`")[1].split()[0] for row in README.splitlines() if row.startswith("| `")}
    assert listed == set(VERBS)


def test_the_readme_names_every_room():
    package = ROOT / "src" / "loanword"
    rooms = {path.parent.name + "/" for path in package.glob("*/__init__.py")}
    modules = {path.name for path in package.glob("*.py") if not path.name.startswith("__")}
    tree = README.split("```")[README.count("```", 0, README.index("src/loanword/\n"))]
    assert sorted(name for name in rooms | modules if name not in tree) == []


def test_the_stage_of_the_documents_can_be_planned(tmp_path: Path):
    text = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
    code = next(
        block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if block.startswith("# mine/stages.py")
    )
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "stages.py").write_text(code, encoding="utf-8")
    lines = "".join(f'{{"text": "document {number}"}}\n' for number in range(30))
    (tmp_path / "sw.jsonl").write_text(lines, encoding="utf-8")
    (tmp_path / "study.toml").write_text(STUDY, encoding="utf-8")
    stages = ["--stages", "mine.stages"]
    command = [sys.executable, "-m", "loanword.cli", "plan", "study.toml", *stages]
    answer = subprocess.run(command, cwd=tmp_path, env=_environment(), capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    assert "lengths" in answer.stdout


def test_the_described_benchmark_of_the_documents_can_be_asked(tmp_path: Path):
    text = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
    block = next(block for block in re.findall(r"```toml\n(.*?)```", text, re.DOTALL) if "belebele" in block)
    (table,) = tomllib.loads(block)["recipe"]["benchmarks"].values()
    config = settled(BenchmarkConfig.from_json(json.dumps({"name": "belebele-sw", **table}), where="docs"))
    row = {"flores_passage": "Mto ni mrefu.", "question": "Mto ni nini?", "correct_answer_num": "2"}
    row |= {f"mc_answer{number}": word for number, word in enumerate(("mfupi", "mrefu", "mpana", "mdogo"), start=1)}
    (tmp_path / "swh_Latn.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    (questions,) = benchmark_of(config).load(tmp_path, config)
    (prompt,) = asking_of(config).prompts(questions, config)
    assert prompt.question == "Mto ni mrefu.\nSwali: Mto ni nini?\nA. mfupi\nB. mrefu\nC. mpana\nD. mdogo\nJibu:"
    assert questions.examples[0].answers == ("B",)


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT / "src")}


STUDY = """
name = "lengths"
[recipe]
target = "sw"
[recipe.base]
model = "org/model"
[recipe.corpus.sw]
files = ["sw.jsonl"]
held_out_documents = 5
[recipe.pretraining]
budget = { documents = 10 }
steps = { peak_learning_rate = 1e-4 }
"""
