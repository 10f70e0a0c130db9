"""A study of several languages at once: corpora and instructions by shares, and questions that stand in the text."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from loanword.inputs import each
from loanword.protocols import Work
from loanword.records import Execution, Overlap, read_lines
from loanword.tokens.rows import ConversationRows, TokenRows
from tests import studies

STUDY = """
name = "several"
[recipe]
target = "zh"
base = { model = "base" }
[recipe.corpus.zh]
files = ["zh.jsonl"]
held_out_documents = 20
[recipe.corpus.sw]
files = ["sw.jsonl"]
held_out_documents = 20
[recipe.corpus.en]
files = ["en.jsonl"]
held_out_documents = 20
[recipe.instructions.zh]
files = ["instructions-zh.jsonl"]
[recipe.instructions.sw]
files = ["instructions-sw.jsonl"]
[recipe.conversations]
row_tokens = 256
[recipe.pretraining]
budget = { bytes = 4_000 }
shares = { zh = 3, sw = 1 }
replay = 0.25
steps = { peak_learning_rate = 1e-2, row_tokens = 64, batch_tokens = 128, warmup_steps = 2, precision = "float32" }
[recipe.tuning]
steps = { peak_learning_rate = 1e-2, row_tokens = 256, batch_tokens = 512, precision = "float32" }
[recipe.benchmarks.planted]
folder = "planted"
split = "test"
[recipe.benchmarks.planted.description]
language = "zh"
files = { test = "questions.csv" }
question = "{question}"
options = ["A", "B"]
answer = "answer"
letters = ["A", "B"]
id = "id"
[[runs]]
name = "small"
set = { "tokenizer.num_new_pieces" = 30 }
[[runs]]
name = "large"
[runs.set]
"tokenizer.num_new_pieces" = 30
"pretraining.budget" = { bytes = 8_000 }
"tuning.num_conversations" = 40
"conversations.shares" = { zh = 2, sw = 1 }
"responses.benchmarks" = ["planted"]
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runs of the study, as links to what was built for each."""
    root = tmp_path_factory.mktemp("several")
    studies.write_small_root(root)
    first, second = studies.PHRASES["zh"][:2]
    planted = "，".join(studies.PHRASES["zh"] * 2)
    with (root / "zh.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps({"id": "planted", "text": f"前言。{planted}。后记。"}, ensure_ascii=False) + "\n")
    (root / "planted").mkdir()
    rows = [
        f"in,{planted},{first},{second},A",
        "out,山上的雪什么时候融化成为溪流并且流向遥远的大海呢,春天来临之前,秋天结束之后,B",
    ]
    (root / "planted/questions.csv").write_text("\n".join(["id,question,A,B,answer", *rows]) + "\n", encoding="utf-8")
    (root / "several.toml").write_text(STUDY, encoding="utf-8")
    done = studies.run(studies.command("run", root, root / "store", study=root / "several.toml"))
    assert done.returncode == 0, done.stderr
    return root / "store/studies/several/runs"


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def test_both_languages_are_read_by_their_shares_of_text(runs: Path) -> None:
    small, large = (read(runs / run / "pretraining/summary.json") for run in ("small", "large"))
    assert 4_000 <= small["num_target_bytes"] <= 4_000 + 2 * 200
    assert 8_000 <= large["num_target_bytes"] <= 8_000 + 2 * 200
    counted = {name: TokenRows(runs / f"large/tokens.target.{name}", 64).num_bytes for name in ("sw", "zh")}
    assert set(counted) == {"sw", "zh"}


def test_a_larger_budget_goes_on_from_the_cut_of_a_smaller_one(runs: Path) -> None:
    small, large = (read(runs / run / "trunk/manifest.json") for run in ("small", "large"))
    assert large["provenance"]["continued_from"] == small["name"]


def test_new_pieces_are_learned_from_both_languages_and_measured_on_each(runs: Path) -> None:
    measures = [json.loads(line) for line in (runs / "small/tokenizer/measures.jsonl").read_text().splitlines()]
    assert [one["language"] for one in measures] == ["sw", "zh", "en"]
    base = [json.loads(line) for line in (runs / "small/tokenizer/base_measures.jsonl").read_text().splitlines()]
    assert all(one["num_tokens"] < before["num_tokens"] for one, before in list(zip(measures, base, strict=True))[:2])


def test_conversations_of_both_languages_are_packed_by_their_shares(runs: Path) -> None:
    counts = read(runs / "large/conversations/counts.json")
    assert counts["num_conversations"] + counts["num_removed"]["longer_than_row"] == 40
    rows = ConversationRows(runs / "large/conversations")
    assert sum(len(rows.row(index).starts) for index in range(rows.num_rows)) >= counts["num_conversations"]


def test_a_question_that_stands_in_the_text_is_found_there_and_nowhere_else(runs: Path) -> None:
    found = {
        path.name.removeprefix("overlap.planted."): list(read_lines(Overlap, path / "overlap.jsonl"))
        for path in (runs / "large").glob("overlap.planted.*")
    }
    assert set(found) == {"en", "sw", "zh", "instructions.sw", "instructions.zh"}
    touched = Counter(text for text, examples in found.items() for example in examples if example.touched)
    assert touched == {"zh": 1}
    (example,) = (example for example in found["zh"] if example.touched)
    assert example.document == "planted" and example.id.endswith("in")


def test_inputs_of_a_role_are_given_in_order_of_their_names() -> None:
    folders = {"target.zh": Path("z"), "target.sw": Path("s"), "targets": Path("t"), "source": Path("e")}
    work = Work(folders, Path(), 0, Execution())
    assert list(each(work, "target").items()) == [("sw", Path("s")), ("zh", Path("z"))]
    assert list(each(work, "source").items()) == [("", Path("e"))]
