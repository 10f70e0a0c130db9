"""LLM-Eval: its categories, one file a language, and what rules can grade its responses by."""

import csv
import gzip
import io
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from loanword.errors import UserError
from loanword.evaluation.benchmark import Example
from loanword.evaluation.benchmarks.llmeval import CATEGORIES, LLMEVAL
from loanword.recipe import BenchmarkConfig
from loanword.records import Checks, OpenQuestion, Properties

SHORT = {"Math": "Math_Solving", "Reading": "Reading_Comprehension", "Paragraph": "Paragraph_Generation"}
SHORT |= {"Outline": "Outline_Generation", "Story": "Story_Generation"}


def line(uuid: str, **fields: object) -> dict[str, object]:
    return {"question_uuid": uuid, "question": f"Say {uuid}."} | fields


def write(path: Path, *lines: dict[str, Any]) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in lines), encoding="utf-8")
    return path


def examples(path: Path, **settings: object) -> dict[str, list[Example]]:
    config = BenchmarkConfig.model_validate({"name": "llmeval", "folder": "-"} | settings)
    return {one.subject.name: list(one.examples) for one in LLMEVAL.load(path, config)}


def test_categories_are_those_of_the_published_scores(shared_data: Path):
    packed = shared_data / "benchmarks/llmeval-1/item_scores_gpt4.csv.gz"
    rows = csv.DictReader(io.StringIO(gzip.decompress(packed.read_bytes()).decode("utf-8-sig")))
    ids = {row["question_uuid"] for row in rows}
    counts = Counter(re.sub(r"_\d+$", "", id) for id in ids)
    assert len(ids) == 453
    assert list(CATEGORIES) == list(LLMEVAL.subjects)
    # In the order of their sizes, as the authors' paper lists them.
    assert set(counts) == set(CATEGORIES)
    assert sorted(counts.values(), reverse=True) == [counts[name] for name in CATEGORIES]


def test_a_question_is_the_field_and_nothing_but_its_id_and_text_is_needed(tmp_path: Path):
    published = [line(f"{name}_1", dialog_uuid="x", answers=3) for name in CATEGORIES]
    (tmp_path / "dialogs.json").write_text(json.dumps(published), encoding="utf-8")
    found = examples(tmp_path)
    assert list(found) == list(CATEGORIES)
    (example,) = found["Math_Solving"]
    assert example == Example(
        "Math_Solving_1", "Say Math_Solving_1.", (), (), asked=OpenQuestion(turns=("Say Math_Solving_1.",))
    )


def test_short_names_of_categories_are_those_of_the_published_ones(tmp_path: Path):
    path = write(tmp_path / "zh.jsonl", *(line(f"{short}_1", category=short) for short in SHORT))
    found = examples(path, subjects=tuple(SHORT.values()))
    assert {name: [one.id for one in some] for name, some in found.items()} == {
        name: [f"{short}_1"] for short, name in SHORT.items()
    }


def test_what_rules_grade_by_is_kept_with_the_question(tmp_path: Path):
    seen = {"mentions": ["Ada"], "min_lines": 2}
    path = write(
        tmp_path / "zh.jsonl",
        line("Code_1", reference="4", accepted=["4"], refused=["5"], input="2 + 2"),
        line("Code_2", properties=seen, input="a text", reference=" "),
        line("Code_3", input="a text"),
    )
    kept = [one.asked for one in examples(path, subjects=("Code",))["Code"]]
    assert [one.checks for one in kept if one is not None] == [
        Checks(accepted=("4",), refused=("5",), input="2 + 2"),
        Checks(properties=Properties(mentions=("Ada",), min_lines=2), input="a text"),
        None,
    ]
    assert [one.references for one in kept if one is not None] == [("4",), (), ()]


def test_a_translation_is_answered_in_the_language_that_its_line_names(tmp_path: Path):
    path = write(tmp_path / "zh.jsonl", line("Translation_1", language="en"), line("Translation_2"))
    asked = [one.asked for one in examples(path, subjects=("Translation",))["Translation"]]
    assert [one.language for one in asked if one is not None] == ["en", None]


def test_a_property_that_no_rule_knows_is_named(tmp_path: Path):
    path = write(tmp_path / "zh.jsonl", line("Code_1", properties={"rhymes": True}))
    with pytest.raises(UserError, match=r"zh\.jsonl:1 - properties\.rhymes: unknown key"):
        examples(path, subjects=("Code",))


def test_the_language_picks_the_file(tmp_path: Path):
    for language in ("zh", "sw"):
        write(tmp_path / f"{language}.jsonl", line("Code_1", question=language))
    asked = {language: examples(tmp_path, subjects=("Code",), language=language)["Code"] for language in ("zh", "sw")}
    assert {language: [one.question for one in some] for language, some in asked.items()} == {
        "zh": ["zh"], "sw": ["sw"],
    }  # fmt: skip
    assert examples(tmp_path, subjects=("Code",))["Code"] == asked["zh"]
    with pytest.raises(UserError, match=r"no questions in 'hi': there is sw\.jsonl, zh\.jsonl"):
        examples(tmp_path, subjects=("Code",), language="hi")


def test_a_set_of_one_language_may_be_called_questions(tmp_path: Path):
    write(tmp_path / "questions.jsonl", line("Code_1"))
    for settings in ({}, {"language": "sw"}):
        assert len(examples(tmp_path, subjects=("Code",), **settings)["Code"]) == 1


def test_a_file_in_another_language_than_is_said_is_refused(tmp_path: Path):
    path = write(tmp_path / "sw.jsonl", line("Code_1"))
    with pytest.raises(UserError, match=r"is named as Swahili, and language is 'zh'(.|\n)*language = \"sw\""):
        examples(path, subjects=("Code",))
    assert examples(path, subjects=("Code",), language="sw")


def test_a_translated_set_that_lacks_questions_is_refused_unless_it_is_named_by_itself(tmp_path: Path):
    folder = tmp_path / "llmeval"
    write(folder / "zh.jsonl", *(line(f"Code_{number}") for number in range(9)), line("Poetry_1"))
    path = write(folder / "sw.jsonl", line("Code_1"), line("Code_77"))
    with pytest.raises(UserError, match=r"sw\.jsonl - lacks 8 ids that zh\.jsonl has: Code_0, Code_2, .*, \.\.\."):
        examples(folder, subjects=("Code",), language="sw")
    with pytest.raises(UserError, match=r"zh\.jsonl - lacks 1 ids that sw\.jsonl has: Code_77"):
        examples(folder, subjects=("Code",))
    assert len(examples(path, subjects=("Code",), language="sw")["Code"]) == 2


def test_only_what_is_asked_has_to_be_whole(tmp_path: Path):
    write(tmp_path / "zh.jsonl", line("Code_1"), line("Poetry_1"))
    write(tmp_path / "sw.jsonl", line("Code_1"))
    assert examples(tmp_path, subjects=("Code",), language="sw")
    assert examples(tmp_path, subjects=("Code",), language="sw", limit_examples=1)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(UserError, match=r"nowhere - no questions in 'zh': there is none of them"):
        examples(tmp_path / "nowhere")
