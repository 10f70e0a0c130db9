"""Phrasebooks: the package's own are whole, and one that is not says what is wrong with it."""

from pathlib import Path

import pytest

from loanword.errors import UserError
from loanword.microworld import phrasebook
from loanword.microworld.phrasebook import phrasebooks, read_phrasebook
from loanword.writing import script_letters, writing

BOOKS = phrasebooks()
FILES = Path(phrasebook.__file__).parent / "languages"


def test_the_source_language_comes_first():
    assert next(iter(BOOKS)) == "en"
    assert set(BOOKS) >= {"en", "zh"}


@pytest.mark.parametrize("code", BOOKS)
def test_words_and_sentences_are_in_the_language_s_own_script(code: str):
    book = BOOKS[code]
    sentences = [form for phrases in book.attributes.values() for form in (*phrases.sentences, *phrases.questions)]
    filled = "".join(form.format(subject="", value="") for form in sentences)
    letters = script_letters(filled + "".join(book.words.values()))
    assert sum(letters[script] for script in writing(code).scripts if script in letters) == sum(letters.values())


@pytest.mark.parametrize("code", BOOKS)
def test_no_two_sentence_forms_of_a_fact_are_equal(code: str):
    for phrases in BOOKS[code].attributes.values():
        assert len(set(phrases.sentences)) == len(phrases.sentences)


@pytest.mark.parametrize("code", BOOKS)
def test_words_of_one_attribute_differ(code: str):
    assert len(set(BOOKS[code].words.values())) == len(BOOKS[code].words)


def changed(tmp_path: Path, old: str, new: str) -> Path:
    text = (FILES / "en.toml").read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "xx.toml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('baker = "baker"\n', "", "words.baker: missing"),
        ('baker = "baker"\n', 'baker = "baker"\nbroker = "broker"\n', "words.broker: unknown key"),
        ("{subject} has {value} fur.", "{subject} has fur.", "attributes.colour.sentences: {value} stands 0 times"),
        ("That is not all.", "{subject} has more.", "prose.links: {subject} stands 1 times, not 0"),
        ('join = " "', "join = 1", "join: input should be a valid string (got 1)"),
        ('join = " "', "join = ", "not TOML"),
    ],
)
def test_a_broken_phrasebook_says_what_is_wrong(tmp_path: Path, old: str, new: str, said: str):
    with pytest.raises(UserError) as caught:
        read_phrasebook(changed(tmp_path, old, new))
    assert said in str(caught.value)
    assert "xx.toml" in str(caught.value)
