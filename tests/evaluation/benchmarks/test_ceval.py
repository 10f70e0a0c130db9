import hashlib
import json
from collections import Counter
from pathlib import Path

import pytest

from loanword.errors import UserError
from loanword.evaluation.benchmarks.ceval import CEVAL, SUBJECTS
from loanword.recipe import BenchmarkConfig

GOLDEN = Path(__file__).parents[2] / "golden"


def config(**settings: object) -> BenchmarkConfig:
    return BenchmarkConfig.model_validate({"name": "ceval", "folder": "ceval", "num_shots": 2} | settings)


def test_the_prompt_is_the_official_one(ceval_folder: Path):
    (questions,) = CEVAL.load(ceval_folder, config(subjects=("logic",)))
    (prompt,) = CEVAL.prompts(questions)
    text = prompt.header + "".join(prompt.shots) + prompt.question
    assert text.encode() == (GOLDEN / "ceval_prompt.txt").read_bytes()
    assert prompt.choices == ("A", "B", "C", "D")


def test_51_of_52_subjects_are_an_error_that_names_the_missing_one(ceval_folder: Path):
    (ceval_folder / "val" / "law_val.csv").unlink()
    with pytest.raises(UserError, match=r"51 of 52 subjects found, missing: law"):
        CEVAL.load(ceval_folder, config())


def test_a_subject_without_shots_is_an_error_unless_none_are_asked(ceval_folder: Path):
    (ceval_folder / "dev" / "law_dev.csv").unlink()
    with pytest.raises(UserError, match=r"dev - 51 of 52 subjects found, missing: law"):
        CEVAL.load(ceval_folder, config())
    asked = CEVAL.load(ceval_folder, config(num_shots=0))
    assert all(not prompt.shots for questions in asked for prompt in CEVAL.prompts(questions))


def test_more_shots_than_there_are_is_an_error(ceval_folder: Path):
    with pytest.raises(UserError, match="2 examples, num_shots is 5"):
        CEVAL.load(ceval_folder, config(num_shots=5))


def test_a_missing_folder_says_what_belongs_there(tmp_path: Path):
    with pytest.raises(UserError, match=r"(?s)folder not found.*val/\*_val\.csv.*52 subjects"):
        CEVAL.load(tmp_path / "nowhere", config())


def test_withheld_labels_are_said_to_be_withheld(ceval_folder: Path):
    (ceval_folder / "test").mkdir()
    rows = "id,question,A,B,C,D\n0,问题,甲,乙,丙,丁\n"
    for name in SUBJECTS:
        (ceval_folder / "test" / f"{name}_test.csv").write_text(rows, encoding="utf-8")
    with pytest.raises(UserError, match=r"_test\.csv:1 - the labels are withheld"):
        CEVAL.load(ceval_folder, config(split="test"))


def test_a_wrong_column_is_named(ceval_folder: Path):
    path = ceval_folder / "val" / "law_val.csv"
    path.write_text(path.read_text(encoding="utf-8").replace("question", "frage"), encoding="utf-8")
    with pytest.raises(UserError, match=r"law_val\.csv:1 - no column question among id, frage"):
        CEVAL.load(ceval_folder, config())


def test_a_file_that_is_not_utf8_says_where(ceval_folder: Path):
    (ceval_folder / "val" / "law_val.csv").write_bytes("id,question\n0,法".encode("gb18030"))
    with pytest.raises(UserError, match=r"law_val\.csv - not UTF-8 at byte 14"):
        CEVAL.load(ceval_folder, config())


def test_an_empty_subject_is_an_error(ceval_folder: Path):
    (ceval_folder / "val" / "law_val.csv").write_text("id,question,A,B,C,D,answer\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"law_val\.csv - no questions"):
        CEVAL.load(ceval_folder, config())


def test_the_shots_are_not_asked(ceval_folder: Path):
    with pytest.raises(UserError, match="split dev with num_shots 2"):
        CEVAL.load(ceval_folder, config(split="dev"))


def test_fewer_examples_can_be_asked_of_each_subject(shared_data: Path):
    asked = CEVAL.load(shared_data / "benchmarks/ceval", config(limit_examples=3))
    assert [len(questions.examples) for questions in asked] == [3] * 52


def test_subjects_are_those_of_the_published_mapping(shared_data: Path):
    published = json.loads((shared_data / "benchmarks/ceval/subject_mapping.json").read_text(encoding="utf-8"))
    assert {name: (subject.title, subject.category) for name, subject in SUBJECTS.items()} == {
        name: (title, category) for name, (_, title, category) in published.items()
    }
    assert Counter(subject.hard for subject in SUBJECTS.values()) == {False: 44, True: 8}


def test_prompts_of_the_published_questions_are_those_of_the_official_script(shared_data: Path):
    # Digest of the prompts that generate_few_shot_prompt and format_example of hkust-nlp/ceval,
    # code/evaluator_series/evaluators/llama.py, commit 802229fee547c3a0807b44e5df88581790f9ee88, give with the
    # Chinese names of subject_mapping.json on rows read as text; subjects in alphabetical order.
    asked = CEVAL.load(shared_data / "benchmarks/ceval", config(num_shots=5))
    digest = hashlib.sha256()
    for questions in sorted(asked, key=lambda questions: questions.subject.name):
        for prompt in CEVAL.prompts(questions):
            digest.update((prompt.header + "".join(prompt.shots) + prompt.question).encode() + b"\0")
    assert sum(len(questions.examples) for questions in asked) == 1346
    assert digest.hexdigest() == "9080dad61cdf2d5744772d5b9358764d305797102920d26d53684424f6d147a3"
