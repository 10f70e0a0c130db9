from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loanword.writing import Writing, script_letters, script_runs, writing

LANGUAGES = ["en", "zh", "ar", "bn", "gu", "hi", "id", "ml", "mr", "ne", "sw", "ta", "te", "ur", "vi"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_real_text_is_in_the_script_of_its_language(language, shared_data):
    text = (shared_data / f"parallel/flores200-devtest/{language}.txt").read_text(encoding="utf-8")
    letters = script_letters(text)
    assert max(letters, key=letters.__getitem__) == writing(language).scripts[0]


@pytest.mark.parametrize("language", LANGUAGES)
def test_spaced_languages_have_words_of_a_few_letters(language, shared_data):
    text = (shared_data / f"parallel/flores200-devtest/{language}.txt").read_text(encoding="utf-8")
    assert (len(text) / len(text.split()) < 12) == writing(language).spaced


def test_arabic_script_runs_from_right_to_left():
    assert [language for language in LANGUAGES if writing(language).right_to_left] == ["ar", "ur"]


def test_an_unknown_language_is_latin_with_spaces_and_a_script_subtag_decides():
    assert writing("xx") == Writing(("Latin",))
    assert writing("sr-Latn-RS").scripts == ("Latin",)
    assert writing("zh-Hant") == writing("zh")


def test_runs_change_with_the_script_and_keep_their_punctuation():
    assert list(script_runs("(«GPT-4» 模型, 한국어 2")) == [
        ("Latin", "(«GPT-4» "),
        ("Han", "模型, "),
        ("Hangul", "한국어 2"),
    ]
    assert list(script_runs("42!")) == [("Common", "42!")]


@given(st.text())
def test_runs_join_to_the_text_and_neighbours_differ(text):
    runs = list(script_runs(text))
    assert "".join(run for _, run in runs) == text
    assert all(run for _, run in runs)
    assert all(one[0] != two[0] for one, two in pairwise(runs))
