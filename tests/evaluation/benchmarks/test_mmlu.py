import hashlib
from collections import Counter
from pathlib import Path

import pytest

from loanword.errors import UserError
from loanword.evaluation.benchmarks.mmlu import MMLU, SUBJECTS
from loanword.recipe import BenchmarkConfig

GOLDEN = Path(__file__).parents[2] / "golden"


def config(**settings: object) -> BenchmarkConfig:
    return BenchmarkConfig.model_validate({"name": "mmlu", "folder": "mmlu", "num_shots": 2} | settings)


def test_the_prompt_is_the_official_one(mmlu_folder: Path):
    (questions,) = MMLU.load(mmlu_folder, config(subjects=("high_school_geography",)))
    (prompt,) = MMLU.prompts(questions)
    text = prompt.header + "".join(prompt.shots) + prompt.question
    assert text.encode() == (GOLDEN / "mmlu_prompt.txt").read_bytes()
    assert prompt.choices == (" A", " B", " C", " D")


def test_all_57_subjects_are_asked_in_published_order_and_ids_are_distinct(mmlu_folder: Path):
    asked = MMLU.load(mmlu_folder, config())
    assert [questions.subject for questions in asked] == list(SUBJECTS.values())
    ids = [example.id for questions in asked for example in questions.examples]
    assert len(set(ids)) == len(ids) == 57
    assert ids[0] == "abstract_algebra/val/0"


def test_five_subjects_can_be_asked_where_the_others_are_absent(mmlu_folder: Path):
    (mmlu_folder / "val" / "virology_val.csv").unlink()
    five = ("anatomy", "astronomy", "marketing", "nutrition", "world_religions")
    asked = MMLU.load(mmlu_folder, config(subjects=five))
    assert {questions.subject.name for questions in asked} == set(five)


def test_an_unknown_subject_is_refused_by_name(mmlu_folder: Path):
    with pytest.raises(UserError, match="no subject is called anatomie"):
        MMLU.load(mmlu_folder, config(subjects=("anatomy", "anatomie")))


def test_an_answer_that_is_no_letter_names_file_and_line(mmlu_folder: Path):
    path = mmlu_folder / "val" / "anatomy_val.csv"
    path.write_text('"one\nquestion",a,b,c,d,A\nanother,a,b,c,d,E\n', encoding="utf-8")
    with pytest.raises(UserError, match=r"anatomy_val\.csv:3 - answer 'E'"):
        MMLU.load(mmlu_folder, config())


def test_a_row_of_another_width_names_file_and_line(mmlu_folder: Path):
    (mmlu_folder / "dev" / "anatomy_dev.csv").write_text("q,a,b,c,d,A\nq,a,b,c,A\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"anatomy_dev\.csv:2 - 5 columns\n  expected: 6 columns"):
        MMLU.load(mmlu_folder, config())


def test_categories_have_the_published_sizes():
    sizes = Counter(subject.category for subject in SUBJECTS.values())
    assert sizes == {"STEM": 18, "Humanities": 13, "Social Sciences": 12, "Other": 14}


def test_prompts_of_the_published_questions_are_those_of_the_official_script(shared_data: Path):
    # Digest of the prompts that gen_prompt and format_example of hendrycks/test, evaluate.py, commit
    # 0f23bce36fb9d6a6dd13d0d84f3f244821d9e646, give on rows read as text; subjects in alphabetical order.
    asked = MMLU.load(shared_data / "benchmarks/mmlu/data", config(num_shots=5))
    digest = hashlib.sha256()
    for questions in sorted(asked, key=lambda questions: questions.subject.name):
        for prompt in MMLU.prompts(questions):
            digest.update((prompt.header + "".join(prompt.shots) + prompt.question).encode() + b"\0")
    assert sum(len(questions.examples) for questions in asked) == 1531
    assert digest.hexdigest() == "f85d7d80560c6834b1d7306cf1eb8caf2867443ec93abaf001eb2822a5754387"
