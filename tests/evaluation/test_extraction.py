"""What is read from a response: a table of responses of our own invention, and the rules behind it as sentences."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from loanword.evaluation.extraction import read_letter, read_letter_list, read_letter_set, read_text
from loanword.evaluation.extraction_text import cut, plain
from loanword.evaluation.extraction_words import WORDS

TABLE: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent.parent / "golden" / "extraction.json").read_text(encoding="utf-8")
)
ROWS = [(group, text) for group in TABLE for text in group["texts"]]
LANGUAGES = ("ar", "bn", "en", "gu", "hi", "id", "ml", "mr", "ne", "sw", "ta", "te", "ur", "vi", "zh")
LETTERS = ("A", "B", "C", "D")


def read(group: dict[str, Any], text: str) -> object:
    letters = tuple(group.get("letters", ""))
    if group["read"] == "letter":
        return read_letter(text, letters, group.get("options", ()))
    if group["read"] == "set":
        return read_letter_set(text, letters)
    if group["read"] == "list":
        return read_letter_list(text, letters, group["number"])
    return read_text(text)


@pytest.mark.parametrize(("group", "text"), ROWS, ids=[f"{group['about']}-{text[:30]!r}" for group, text in ROWS])
def test_a_response_is_read_as_the_table_says(group: dict[str, Any], text: str):
    expected = group["expected"]
    assert read(group, text) == (tuple(expected) if isinstance(expected, list) else expected)


def test_the_table_has_at_least_150_responses_and_every_language_of_the_project():
    assert len(ROWS) >= 150
    assert set(LANGUAGES) <= {group["about"] for group in TABLE if group["expected"] is not None}
    assert set(LANGUAGES) <= set(WORDS["answer"])


# Rules.


@pytest.mark.parametrize(
    "said", ["The answer is B.", "答案是B。", "Jibu sahihi ni B", "उत्तर: ख", "الإجابة هي ب", r"\boxed{B}"]
)
def test_the_last_statement_wins(said: str):
    assert read_letter(f"The answer is A.\n{said}", LETTERS) == "B"


@pytest.mark.parametrize("said", ["Answer: C", "故选：C", "Đáp án: C", "உத்தரம்\nபதில்: C"])
def test_options_that_are_repeated_first_are_no_answers(said: str):
    repeated = "A. one\nB. two\nC. three\nD. four"
    assert read_letter(repeated, LETTERS) is None
    assert read_letter(f"{repeated}\n{said}", LETTERS) == "C"


def test_a_letter_and_the_text_of_another_option_give_neither():
    options = ("tea", "milk", "salt", "bread")
    assert read_letter("B. milk", LETTERS, options) == "B"
    assert read_letter("B. salt", LETTERS, options) is None
    assert read_letter("The answer is B. salt", LETTERS, options) is None


def test_the_text_of_an_option_names_its_letter_only_where_it_is_the_only_one():
    assert read_letter("Milk.", LETTERS, ("tea", "milk", "salt", "bread")) == "B"
    assert read_letter("Milk.", LETTERS, ("tea", "milk", "milk", "bread")) is None
    assert read_letter("Milk and salt", LETTERS, ("tea", "milk", "salt", "bread")) is None


def test_a_later_denial_takes_a_statement_back():
    assert read_letter("The answer is A. Then again, the answer is not A.", LETTERS) is None


def test_what_is_only_called_right_gives_way_to_what_is_said_to_be_the_answer():
    assert read_letter("B is correct.", LETTERS) == "B"
    assert read_letter("答案：C。A正确，B正确，D正确，C错误。", LETTERS) == "C"


def test_a_first_thought_counts_only_where_nothing_else_is_said():
    assert read_letter("I thought the answer was A.", LETTERS) == "A"
    assert read_letter("I thought the answer was A. B is right.", LETTERS) == "B"


def test_a_bare_letter_counts_in_a_short_text_only():
    assert read_letter("Sure! B.", LETTERS) == "B"
    assert read_letter("Sure! B. " + "Rivers run to the sea. " * 20, LETTERS) is None


def test_an_answer_outside_the_letters_is_none_of_them():
    assert read_letter("The answer is A. No: the answer is F.", LETTERS) is None
    assert read_letter("Answer: F", (*LETTERS, "E", "F")) == "F"


def test_native_letters_and_latin_ones_stand_for_each_other():
    assert read_letter("উত্তর: গ", LETTERS) == "C"
    assert read_letter("উত্তর: C", tuple("কখগঘ")) == "গ"
    assert read_letter("الإجابة: ا", tuple("أبجد")) == "أ"


def test_a_letter_that_two_alphabets_number_differently_is_read_by_its_neighbours_only():
    assert read_letter("Варианты: А, Б, В, Г. Ответ: В", LETTERS) == "C"
    assert read_letter("Answer: В", LETTERS) == "B"  # a Cyrillic letter in an English text
    assert read_letter("Ответ: В", LETTERS) is None


def test_a_set_needs_no_order_and_an_alternative_is_no_set():
    assert read_letter_set("Answer: D and B", LETTERS) == ("B", "D")
    assert read_letter_set("Answer: D or B", LETTERS) is None


def test_a_list_has_exactly_as_many_letters_as_were_asked_for():
    assert read_letter_list("1. B 2. B 3. D", LETTERS, 3) == ("B", "B", "D")
    assert read_letter_list("1. B 2. B 3. D", LETTERS, 4) is None


def test_the_later_of_two_numberings_is_read():
    text = "1. It may be A or B.\n2. It may be C.\nSo:\n1. B\n2. C"
    assert read_letter_list(text, LETTERS, 2) == ("B", "C")


# Anything at all.

PIECES = (
    "A B C D E a b DNA answer Answer: the is not if wrong correct option choose but or and because therefore first "
    "答案 答案是 选 不 故选： 正确 错误 选项 A。 、 【答案】 उत्तर नहीं है ख উত্তর খ জবাব الإجابة هي ب jibu si ni đáp án là "
    "\\boxed{ } \\text{ $ ** __ ~~ ( ) . , : ; ? ! - / = \" ' ` # <answer> </answer> <b> 1. (2) 3 B. A) A, \n \n\n"
)
FRAGMENTS = tuple(PIECES.split(" "))
anything = st.one_of(st.text(max_size=60), st.lists(st.sampled_from(FRAGMENTS), max_size=25).map(" ".join))
thought = st.one_of(anything, st.lists(st.sampled_from((*FRAGMENTS, "<think>", "</think>")), max_size=25).map("".join))


@settings(max_examples=300)
@given(thought, st.lists(anything, max_size=4))
@example("1. A 2. B \U00010d40. C", [])  # a digit that is younger than some tables of Unicode
def test_reading_gives_letters_that_were_asked_for_or_nothing(text: str, options: list[str]):
    assert read_letter(text, LETTERS, options[:4]) in (*LETTERS, None)
    several = read_letter_set(text, LETTERS)
    assert several is None or (several and several == tuple(letter for letter in LETTERS if letter in several))
    listed = read_letter_list(text, LETTERS, 3)
    assert listed is None or (len(listed) == 3 and set(listed) <= set(LETTERS))
    assert read_text(text) != ""


@settings(max_examples=300)
@given(
    anything,
    st.sampled_from(LETTERS),
    st.sampled_from(["The answer is {}.", "答案是{}。", "उत्तर: {}", "\\boxed{{{}}}"]),
)
def test_a_statement_at_the_end_counts_whatever_stands_before_it(text: str, letter: str, said: str):
    assert read_letter(f"{text}\n\n{said.format(letter)}", LETTERS) == letter
    assert read_letter_set(f"{text}\n\n{said.format(letter)}", LETTERS) == (letter,)


@given(anything, st.sampled_from(LETTERS))
def test_thinking_is_not_read(text: str, letter: str):
    assert read_letter(f"<think>{text}</think>{letter}", LETTERS) == letter
    assert read_letter(f"{letter} <think>{text}", LETTERS) is None
    assert read_text(f"<think>{text}</think>\\boxed{{7}}") == "7"


@given(thought)
def test_a_text_has_at_most_one_token_a_character(text: str):
    said = plain(text)
    tokens = cut(said, LETTERS)
    assert len(tokens) <= len(said)
    assert all(before.end <= after.start for before, after in pairwise(tokens))


@pytest.mark.parametrize(
    "piece",
    [
        "answer is ",
        "Answer: A or B, ",
        "A. ",
        "答案是",
        "\\boxed{",
        "<think",
        "1A ",
        "(",
        "A, ",
        "not ",
        "~~a",
        "$",
    ],
)
def test_a_response_of_50000_characters_that_repeats_itself_gives_nothing(piece: str):
    text = piece * (50_000 // len(piece))
    assert read_letter(text, LETTERS, ("a b", "c d", "answer", "the")) is None
    assert read_letter_list(text, LETTERS, 3) is None
