"""MT-Bench: two turns, and reference answers where its judge wants them."""

import json
from pathlib import Path
from typing import Any

import pytest

from loanword.errors import UserError
from loanword.evaluation.benchmark import SubjectQuestions
from loanword.evaluation.benchmarks.mt_bench import MT_BENCH, SUBJECTS
from loanword.recipe import BenchmarkConfig
from loanword.records import OpenQuestion

CONFIG = BenchmarkConfig(name="mt_bench", folder="-", subjects=("math",))
ASKED = {"question_id": 7, "category": "math", "turns": ["1 + 1?", "And 2 more?"], "reference": ["a hint", ""]}


def write(path: Path, *lines: object) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def answered(id: object, *turns: str) -> dict[str, Any]:
    return {"question_id": id, "model_id": "gpt-4", "choices": [{"index": 0, "turns": list(turns)}], "tstamp": 1.5}


def load(folder: Path) -> SubjectQuestions:
    (questions,) = MT_BENCH.load(folder, CONFIG)
    return questions


def test_the_published_folder_holds_80_conversations_with_references_to_30(shared_data: Path):
    folder = shared_data / "benchmarks/mt-bench"
    loaded = MT_BENCH.load(folder, CONFIG.model_copy(update={"subjects": ()}))
    assert [questions.subject.name for questions in loaded] == list(SUBJECTS)
    assert {len(questions.examples) for questions in loaded} == {10}
    examples = {example.id: example.asked for questions in loaded for example in questions.examples}
    rows = [json.loads(line) for line in (folder / "question.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {id: list(one.turns) for id, one in examples.items() if one} == {
        str(row["question_id"]): row["turns"] for row in rows
    }
    with_references = {
        questions.subject.name
        for questions in loaded
        for example in questions.examples
        if example.asked is not None and len(example.asked.references) == 2
    }
    # Source: NEED_REF_CATS of FastChat's llm_judge/common.py.
    assert with_references == {"math", "reasoning", "coding"}
    assert sum(bool(one.references) for one in examples.values() if one) == 30


@pytest.mark.parametrize("name", ["reference_gpt4.jsonl", "reference_answer/gpt-4.jsonl"])
def test_a_reference_is_the_answer_that_the_authors_judge_is_shown(tmp_path: Path, name: str):
    write(tmp_path / "question.jsonl", ASKED)
    write(tmp_path / name, answered(7, "2", "4"))
    (example,) = load(tmp_path).examples
    assert example.asked == OpenQuestion(turns=("1 + 1?", "And 2 more?"), references=("2", "4"))
    assert (example.id, example.text) == ("7", "1 + 1?\nAnd 2 more?")


@pytest.mark.parametrize(
    ("lines", "what"),
    [
        ([answered(7, "2")], r"gpt4\.jsonl:1 - 1 turns"),
        ([answered(7, "2", "4"), answered(8, "2", "4")], r"gpt4\.jsonl:2 - question_id 8 is no question's"),
        ([answered(7, "2", "4"), answered(7, "2", "4")], r"gpt4\.jsonl:2 - question_id 7 stands at .*:1 already"),
        ([{"question_id": 7, "choices": []}], r"gpt4\.jsonl:1 - choices"),
    ],
)
def test_answers_that_fit_no_question_are_named(tmp_path: Path, lines: list[object], what: str):
    write(tmp_path / "question.jsonl", ASKED)
    write(tmp_path / "reference_gpt4.jsonl", *lines)
    with pytest.raises(UserError, match=what):
        load(tmp_path)


def test_missing_files_are_named(tmp_path: Path):
    with pytest.raises(UserError, match="no reference answers"):
        load(tmp_path)
    write(tmp_path / "reference_gpt4.jsonl", answered(7, "2", "4"))
    with pytest.raises(UserError, match=r"question\.jsonl - no such file"):
        load(tmp_path)


def test_a_file_is_no_folder(tmp_path: Path):
    write(tmp_path / "question.jsonl", ASKED)
    with pytest.raises(UserError) as caught:
        load(tmp_path / "question.jsonl")
    assert caught.value.what == "a file"
    assert caught.value.expected == "the folder that holds question.jsonl"
