import pytest

from loanword.writing import Writing, script_letters, writing

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


@pytest.mark.parametrize("language", ["dv", "ks", "fa", "yi", "ff-Adlm", "man-Nkoo", "syc-Syrc", "xx-Thaa", "az-Arab"])
def test_other_scripts_that_run_from_right_to_left_are_known(language: str):
    assert writing(language).right_to_left
    assert not writing(f"{language.partition('-')[0]}-Latn").right_to_left


@pytest.mark.parametrize(
    ("language", "letters"),
    [("dv", "\u0787\u0788"), ("syc-Syrc", "\u0710"), ("ff-Adlm", "\U0001e900"), ("man-Nkoo", "\u07ca")],
)
def test_their_letters_are_counted_as_theirs(language: str, letters: str):
    assert script_letters(letters) == {writing(language).scripts[0]: len(letters)}


def test_an_unknown_language_is_latin_with_spaces_and_a_script_subtag_decides():
    assert writing("xx") == Writing(("Latin",))
    assert writing("sr-Latn-RS").scripts == ("Latin",)
    assert writing("zh-Hant") == writing("zh")
