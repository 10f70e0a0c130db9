from pathlib import Path
from typing import Any

import pytest

from loanword.errors import UserError
from tests.evaluation.descriptions import (
    BELEBELE,
    BENGALI,
    GLOBAL_MMLU,
    INCLUDE,
    SWAHILI,
    URDU,
    config,
    csv,
    lines,
    loaded,
)


def test_an_answer_may_be_the_text_of_an_option(tmp_path: Path):
    lines(tmp_path / "swh_Latn.jsonl", [SWAHILI[0] | {"correct_answer_num": "Hakuna"}])
    (questions,) = loaded(tmp_path, config(description=BELEBELE | {"answer_is": "text"}))
    assert questions.examples[0].answers == ("D",)


def test_files_may_be_patterns_and_are_read_in_order(tmp_path: Path):
    (tmp_path / "sw").mkdir()
    for number, row in enumerate(SWAHILI):
        lines(tmp_path / "sw" / f"test-{number}.jsonl", [row])
    (questions,) = loaded(tmp_path, config(description=BELEBELE | {"files": {"test": ["sw/test-*.jsonl"]}}))
    assert [example.answers for example in questions.examples] == [("B",), ("A",)]


def test_the_folder_may_be_the_file_itself_and_then_there_are_no_shots(tmp_path: Path):
    path = tmp_path / "swh.jsonl"
    lines(path, SWAHILI)
    described = {key: value for key, value in BELEBELE.items() if key != "files"}
    (questions,) = loaded(path, config(description=described))
    assert len(questions.examples) == 2
    with pytest.raises(UserError, match=r"shots from what is asked \(swh\.jsonl\)"):
        loaded(path, config(description=described, num_shots=1))


def test_subjects_and_a_limit_choose_examples(tmp_path: Path):
    csv(tmp_path / "bn.csv", BENGALI)
    (bridges,) = loaded(tmp_path, config(description=GLOBAL_MMLU, subjects=["bridges"]))
    assert [example.id for example in bridges.examples] == ["bridges/test/0"]
    assert [len(one.examples) for one in loaded(tmp_path, config(description=GLOBAL_MMLU, limit_examples=1))] == [1, 1]
    with pytest.raises(UserError, match="no subject is called rivers"):
        loaded(tmp_path, config(description=GLOBAL_MMLU, subjects=["rivers"]))


def test_shots_may_be_shared_by_all_subjects(tmp_path: Path):
    csv(tmp_path / "bn.csv", BENGALI)
    csv(tmp_path / "bn-dev.csv", [BENGALI[1]])
    with pytest.raises(UserError, match=r"(?s)0 rows of subject 'harbours', num_shots is 1.*shots_of"):
        loaded(tmp_path, config(description=GLOBAL_MMLU, num_shots=1))
    shared = GLOBAL_MMLU | {"shots_of": "benchmark"}
    assert {len(one.shots) for one in loaded(tmp_path, config(description=shared, num_shots=1))} == {1}
    with pytest.raises(UserError, match="1 rows, num_shots is 2"):
        loaded(tmp_path, config(description=shared, num_shots=2))


def test_an_answer_whose_option_stands_twice_is_listed_and_asked(tmp_path: Path):
    lines(tmp_path / "swh_Latn.jsonl", [SWAHILI[0] | {"mc_answer4": "Tisa "}, SWAHILI[1]])
    (questions,) = loaded(tmp_path, config(description=BELEBELE))
    assert dict(questions.malformed) == {"all/test/0": "the right option stands twice"}
    assert len(questions.examples) == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"correct_answer_num": "5"}, r"holds the answer '5'\n.*a number from 1 to 4"),
        ({"correct_answer_num": "0"}, "holds the answer '0'"),
        ({"correct_answer_num": "B"}, "holds the answer 'B'"),
        ({"correct_answer_num": "9" * 5000}, "holds the answer"),
        ({"correct_answer_num": None}, "column 'correct_answer_num' holds nothing"),
        ({"mc_answer2": " "}, "option mc_answer2 is empty"),
        ({"mc_answer2": None}, "column 'mc_answer2' holds nothing"),
        ({"mc_answer2": ["a"]}, "column 'mc_answer2' holds a list"),
        ({"question": "", "flores_passage": " "}, "the question is empty"),
    ],
)
def test_a_row_that_is_no_question_is_an_error_with_its_line(tmp_path: Path, change: dict[str, Any], said: str):
    lines(tmp_path / "swh_Latn.jsonl", [SWAHILI[1], SWAHILI[0] | change])
    with pytest.raises(UserError, match=rf"swh_Latn\.jsonl:2 - .*{said}"):
        loaded(tmp_path, config(description=BELEBELE))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"choices": ["شمال"]}, "1 options"),
        ({"choices": ["a", "b", "c", "d", "e", "f"]}, "6 options"),
        ({"choices": ["a", ""]}, r"option choices\[1\] is empty"),
        ({"choices": "شمال"}, "column 'choices' holds no list"),
        ({"answer": 3}, "holds the answer '3'"),
        ({"answer": -1}, "holds the answer '-1'"),
        ({"answer": "ج"}, "holds the answer 'ج'"),
        ({"id": "u0"}, r"id 'u0' stands at .*urdu\.jsonl:1 already"),
    ],
)
def test_a_list_of_options_that_cannot_be_asked_is_an_error(tmp_path: Path, change: dict[str, Any], said: str):
    lines(tmp_path / "urdu.jsonl", [URDU[1] | {"id": "u0"}, URDU[0] | change])
    asked = config(split="val", description=INCLUDE | {"files": {"val": "urdu.jsonl"}})
    with pytest.raises(UserError, match=rf"urdu\.jsonl:2 - .*{said}"):
        loaded(tmp_path, asked)


@pytest.mark.parametrize("answer", ["E", "a", "ক", ""])
def test_a_letter_outside_the_options_is_an_error(tmp_path: Path, answer: str):
    csv(tmp_path / "bn.csv", [[*BENGALI[0][:-1], answer]])
    with pytest.raises(UserError, match=r"(?s)bn\.csv:2 - .*holds the answer.*one of A, B, C, D"):
        loaded(tmp_path, config(description=GLOBAL_MMLU))


def test_columns_that_are_not_there_are_named_all_at_once(tmp_path: Path):
    csv(tmp_path / "bn.csv", BENGALI)
    wrong = GLOBAL_MMLU | {"question": "{passage} {question}", "options": ["option_a", "option_e"], "id": "key"}
    with pytest.raises(UserError, match=r"(?s)bn\.csv:2 - no column 'passage', 'option_e', 'key'.*'subject_category'"):
        loaded(tmp_path, config(description=wrong))


def test_a_subject_has_a_name_and_one_category(tmp_path: Path):
    csv(tmp_path / "bn.csv", [BENGALI[0], ["harbours", "Belk", *BENGALI[1][2:]]])
    with pytest.raises(UserError, match=r"bn\.csv:3 - subject 'harbours' is of category 'Belk' here, 'Orrin' before"):
        loaded(tmp_path, config(description=GLOBAL_MMLU))
    csv(tmp_path / "bn.csv", [["", "Belk", *BENGALI[1][2:]]])
    with pytest.raises(UserError, match=r"bn\.csv:2 - column 'subject' is empty"):
        loaded(tmp_path, config(description=GLOBAL_MMLU))


def test_files_that_are_not_there_are_named(tmp_path: Path):
    with pytest.raises(UserError, match=r"no file bn\.csv"):
        loaded(tmp_path, config(description=GLOBAL_MMLU))
    csv(tmp_path / "bn.csv", BENGALI)
    with pytest.raises(UserError, match=r"no file bn-dev\.csv"):
        loaded(tmp_path, config(description=GLOBAL_MMLU, num_shots=1))
    with pytest.raises(UserError, match=r"no file x/\*\.csv"):
        loaded(tmp_path, config(description=GLOBAL_MMLU | {"files": {"test": "x/*.csv"}}))
    with pytest.raises(UserError, match=r"description\.files names no file of split dev"):
        loaded(tmp_path, config(description=GLOBAL_MMLU | {"files": {"test": "bn.csv"}}, num_shots=1))


def test_the_shots_are_never_what_is_asked(tmp_path: Path):
    csv(tmp_path / "bn.csv", BENGALI)
    for change in ({"shots_from": "test"}, {"files": {"test": "*.csv", "dev": "bn.csv"}}):
        with pytest.raises(UserError, match=r"shots from what is asked \(bn\.csv\)"):
            loaded(tmp_path, config(description=GLOBAL_MMLU | change, num_shots=1))
