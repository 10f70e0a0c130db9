"""The language filter keeps text in a corpus's language, and sets aside text in others."""

import gzip
import json
from pathlib import Path

import pytest

from loanword.corpus.language import language_filter
from loanword.errors import UserError
from loanword.recipe.text import LanguageFilterConfig

LANGUAGES = ("ar", "bn", "en", "gu", "hi", "id", "ml", "mr", "ne", "sw", "ta", "te", "ur", "vi", "zh")


def five_together(shared_data: Path, language: str, count: int) -> list[str]:
    path = shared_data / "parallel" / "flores200-devtest" / f"{language}.txt"
    lines = path.read_text(encoding="utf-8").splitlines()
    return [" ".join(lines[start : start + 5]) for start in range(0, 5 * count, 5)]


def test_short_documents_of_fifteen_languages_are_kept_for_their_own_language_alone(shared_data: Path):
    texts = {language: five_together(shared_data, language, 12) for language in LANGUAGES}
    for language in LANGUAGES:
        keep = language_filter(LanguageFilterConfig(), language)
        for other, documents in texts.items():
            found = [keep(text) for text in documents]
            assert [kept for kept, _ in found] == [other == language] * len(documents), (language, other, found)
            assert other != language or all(what.startswith(f"{language} ") for _, what in found)


def test_real_documents_are_kept_for_their_own_language(shared_data: Path):
    for language in ("zh", "id", "ur", "ne"):
        keep = language_filter(LanguageFilterConfig(), language)
        with gzip.open(shared_data / "text" / f"{language}.jsonl.gz", "rt", encoding="utf-8") as file:
            texts = [json.loads(line)["text"] for line, _ in zip(file, range(100), strict=False)]
        assert sum(keep(text)[0] for text in texts) >= 97


def test_what_was_found_is_said_with_its_probability():
    kept, found = language_filter(LanguageFilterConfig(), "hi")("The children walked along the river to their school.")
    assert not kept
    assert found.startswith("en 0.") or found == "en 1.00"


def test_a_threshold_says_how_sure_it_must_be():
    text = "Pemerintah mengumumkan bahwa sekolah akan dibuka kembali pada hari Senin."  # not far from Malay
    found = [language_filter(LanguageFilterConfig(min_probability=limit), "id")(text) for limit in (0.3, 0.999)]
    assert [kept for kept, _ in found] == [True, False]
    assert found[0][1] == found[1][1]


def test_the_start_of_a_document_decides():
    text = "The children walked along the river. " * 5 + "बच्चे नदी के किनारे चलकर स्कूल गए। " * 50
    assert language_filter(LanguageFilterConfig(sample_characters=150), "en")(text)[0]
    assert not language_filter(LanguageFilterConfig(sample_characters=2_000), "en")(text)[0]


def test_code_tags_and_addresses_are_in_no_language():
    keep = language_filter(LanguageFilterConfig(), "sw")
    text = "Fungua kivinjari na uweke `the value of the first input` kwenye <a href='the page of the team'>ukurasa</a>."
    assert keep(text)[0]
    assert language_filter(LanguageFilterConfig(), "en")("`the value of the first input of the page`")[0]


@pytest.mark.parametrize("text", ["", "12 345", "???", "\n"])
def test_text_without_letters_is_in_no_language(text: str):
    assert not language_filter(LanguageFilterConfig(), "en")(text)[0]


def test_varieties_belong_to_the_language_that_they_are_part_of():
    text = "我哋今日去咗街市買餸，啲菜好新鮮，又平又靚。"
    for language in ("zh", "zh-Hant", "yue"):
        assert language_filter(LanguageFilterConfig(), language)(text)[0]
    norwegian = "Barna gikk langs elven til skolen sammen med moren sin tidlig om morgenen."
    assert language_filter(LanguageFilterConfig(), "nb")(norwegian)[0]


@pytest.mark.parametrize(("language", "expected"), [("tlh", "cannot|no library"), ("und", "does not say")])
def test_a_language_that_no_library_knows_is_refused(language: str, expected: str):
    with pytest.raises(UserError, match=expected) as caught:
        language_filter(LanguageFilterConfig(), language)
    assert "mi, " in caught.value.expected  # of lingua
    assert "ne, " in caught.value.expected  # of py3langid


def test_a_language_that_only_the_second_library_knows_is_told(shared_data: Path):
    keep = language_filter(LanguageFilterConfig(), "mi")
    assert keep("Ko te reo te mauri o te mana Māori, ko te kupu te mauri o te reo Māori.")[0]
    assert not keep("The children walked along the river to their school.")[0]
