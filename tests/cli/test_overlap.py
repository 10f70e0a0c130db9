"""`loanword overlap` as its users call it."""

import csv
import hashlib
import json
from pathlib import Path

import pytest

from loanword.corpus.overlap import FrozenList

QUESTIONS = (
    "Which gas do plants take in from the air while the sun shines on their leaves?",
    "What does a barometer measure when it is carried up a tall mountain?",
    "Who was the first to sail around the southern tip of the continent of Africa?",
)


@pytest.fixture
def mmlu(data: Path) -> Path:
    """Three questions a split of every subject, told apart by the subject's name."""
    from loanword.evaluation.benchmarks.mmlu import MMLU

    folder = data / "benchmarks" / "mmlu" / "data"
    for split, question in zip(("dev", "val", "test"), QUESTIONS, strict=True):
        (folder / split).mkdir(parents=True)
        for name in MMLU.subjects:
            with (folder / split / f"{name}_{split}.csv").open("w", newline="") as file:
                words = name.replace("_", " ")
                csv.writer(file).writerows([f"Of {words}, {n}: {question}", "w", "x", "y", "z", "A"] for n in range(3))
    return folder


def test_a_list_holds_every_question_of_every_split_and_is_what_corpora_read(mmlu: Path, data: Path, loanword):
    file = data / "without.jsonl"
    answer = loanword("overlap", "list", file, "--data", data, "--benchmarks", "mmlu")
    assert answer.code == 0, answer.err
    assert hashlib.sha256(file.read_bytes()).hexdigest() in answer.out
    listed = [json.loads(line) for line in file.read_text().splitlines()]
    assert len(listed) == 57 * 3 * 3
    assert "513 questions, 0 of them too short" in answer.out
    assert {one["id"].split("/")[2] for one in listed} == {"dev", "val", "test"}
    assert FrozenList(file).holds(f"They asked: {listed[7]['text']}") == listed[7]["id"]


def test_a_list_is_never_written_over(mmlu: Path, data: Path, loanword):
    file = data / "without.jsonl"
    file.write_text("mine\n")
    answer = loanword("overlap", "list", file, "--data", data, "--benchmarks", "mmlu")
    assert (answer.code, file.read_text()) == (2, "mine\n")
    assert "is there already" in answer.err


def test_only_the_splits_that_are_named_are_listed(mmlu: Path, data: Path, loanword):
    file = data / "without.jsonl"
    loanword("overlap", "list", file, "--data", data, "--benchmarks", "mmlu", "--splits", "val")
    assert {json.loads(line)["id"].split("/")[2] for line in file.read_text().splitlines()} == {"val"}


def test_a_text_is_measured_by_the_questions_that_are_usually_asked(mmlu: Path, data: Path, loanword):
    text = data / "mine.jsonl"
    planted = f"Of philosophy, 1: {QUESTIONS[2]} (A) w (B) x"
    other = f"Of philosophy, 1: {QUESTIONS[0]}"
    text.write_text(
        json.dumps({"id": "a\x1b[2J", "body": f"Quiz. {planted}"}) + "\n" + json.dumps({"id": "b", "body": other})
    )
    call = ("overlap", "measure", text, "--data", data, "--benchmarks", "mmlu", "--text-field", "body")
    measured = json.loads(loanword(*call, "--json").out)["mmlu"]
    assert measured["num_examples"] == 57 * 3
    assert measured["num_touched"] == len(measured["touched"]) == 1
    assert measured["touched"][0]["id"] == "philosophy/test/1"
    assert measured["touched"][0]["document"] == "a\x1b[2J"
    shown = loanword(*call, "--workers", "2").out
    assert "philosophy/test/1" in shown
    assert "a\\x1b[2J" in shown
    assert max(map(len, shown.splitlines())) <= 120
    val = json.loads(loanword(*call, "--json", "--splits", "dev").out)["mmlu"]
    assert [one["document"] for one in val["touched"]] == ["b"]


def test_what_a_study_asks_is_listed(mmlu: Path, data: Path, loanword):
    study, file = data / "study.toml", data / "without.jsonl"
    study.write_text(
        'name = "small"\n[recipe]\nsource = "en"\ntarget = "zh"\nbase.model = "folder"\n'
        '[recipe.benchmarks.mmlu]\nfolder = "benchmarks/mmlu/data"\nsplit = "test"\nlimit_examples = 1\n'
        'subjects = ["philosophy", "virology"]\n'
    )
    answer = loanword("overlap", "list", file, "--data", data, "--study", study)
    assert answer.code == 0, answer.err
    assert len(file.read_text().splitlines()) == 2 * 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("list", "new.jsonl"), "no questions to look for"),
        (("list", "none/new.jsonl", "--benchmarks", "mmlu"), "no such folder"),
        (("measure", "text/en.jsonl", "--benchmarks", "mmlu", "--workers", "0"), "not a positive number"),
        (("measure", "text/en.jsonl", "--benchmarks", "mmlu", "--folder", "ceval=x"), "names none of the benchmarks"),
        (("measure", "text/none.jsonl", "--benchmarks", "mmlu"), "no such file"),
        (("measure", "text/en.jsonl", "--benchmarks", "mmlu", "--text-field", "body"), "--text-field"),
        (("measure", "text/en.jsonl", "--benchmarks", "ceval"), "folder not found"),
    ],
)
def test_what_is_wrong_is_said(words: tuple[str, ...], said: str, mmlu: Path, data: Path, loanword, monkeypatch):
    monkeypatch.chdir(data)
    answer = loanword("overlap", *words)
    assert answer.code == 2
    assert said in answer.err


def test_real_questions_are_found_in_real_text(shared_data: Path, tmp_path: Path, loanword):
    text = tmp_path / "text.txt"
    question = "The largest ocean on Earth by area is the Pacific, which covers more than all of the land together"
    text.write_text(question)
    answer = loanword(
        "overlap", "measure", text, "--data", shared_data, "--benchmarks", "mmlu", "ceval", "--splits", "val", "--json"
    )
    measured = json.loads(answer.out)
    assert {name: one["num_examples"] for name, one in measured.items()} == {"mmlu": 1531, "ceval": 1346}
    assert sum(one["num_touched"] for one in measured.values()) == 0
