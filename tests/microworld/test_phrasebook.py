"""Phrasebooks: the package's own are whole, and one that is not says what is wrong with it."""

import unicodedata
from pathlib import Path

import pytest

from loanword.errors import UserError
from loanword.microworld import phrasebook
from loanword.microworld.phrasebook import Phrasebook, phrasebooks, read_phrasebook
from loanword.writing import script_letters, writing

BOOKS = phrasebooks()
FILES = Path(phrasebook.__file__).parent / "languages"
OF_THE_PAPER = {"ar", "bn", "gu", "hi", "id", "ml", "mr", "ne", "sw", "ta", "te", "ur", "vi"}
codes = pytest.mark.parametrize("code", BOOKS)


def filled(book: Phrasebook) -> list[str]:
    """Every text of a phrasebook with nothing in its holes."""
    empty = dict.fromkeys(("subject", "value", "question", "more", "less", "first", "second"), "")
    prose = [*book.prose.openings, *book.prose.links, *book.prose.closings, *book.tasks.model_dump().values()]
    kinds = [form for forms in book.kinds.values() for form in forms]
    told = [form for phrases in book.phrases.values() for form in (*phrases.sentences, *phrases.questions)]
    answers = [phrases.answer for phrases in book.phrases.values()]
    return [
        text.format(**empty) for text in (*prose, *kinds, *told, *answers, *book.words.values(), *book.nouns.values())
    ]


def test_the_world_is_told_in_the_languages_of_the_study_the_source_first():
    assert next(iter(BOOKS)) == "en"
    assert set(BOOKS) >= {"en", "zh"} | OF_THE_PAPER
    assert len({book.flores for book in BOOKS.values()}) == len(BOOKS)


@codes
def test_letters_are_of_the_language_s_own_script(code: str):
    letters = script_letters("".join(filled(BOOKS[code])))
    own = sum(letters.get(script, 0) for script in writing(code).scripts)
    assert own >= 0.97 * sum(letters.values())


@codes
def test_text_is_composed_and_holds_nothing_invisible(code: str):
    for text in filled(BOOKS[code]):
        assert unicodedata.normalize("NFC", text) == text
        assert not [c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Co", "Cn")]


@codes
def test_names_stand_free_in_every_sentence(code: str):
    """A letter or mark before or after a name would be glued to it, and change its tokens."""
    book = BOOKS[code]
    holes = ("subject", "more", "less")
    for phrases in book.phrases.values():
        for form in (*phrases.sentences, *phrases.questions):
            for name in holes:
                before, hole, after = form.partition(f"{{{name}}}")
                if hole:
                    assert not before or before[-1] == " ", form
                    assert not after or not after[0].isalpha(), form


@codes
def test_questions_of_one_fact_differ(code: str):
    for phrases in BOOKS[code].phrases.values():
        assert len(set(phrases.questions)) == len(phrases.questions)


def test_languages_that_are_asked_for_come_with_the_source():
    assert list(phrasebooks(["zh"])) == ["en", "zh"]
    with pytest.raises(UserError, match="not told in tlh"):
        phrasebooks(["tlh"])


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
        ('baker = "baker"\n', 'baker = "weaver"\n', "words: 'weaver' twice"),
        ("{subject} has {value} fur.", "{subject} has fur.", "attributes.colour.sentences: '{subject} has fur.' must"),
        ("That is not all.", "{subject} has more.", "prose.links: '{subject} has more.' must hold no braces"),
        ("{first} plus {second} is {value}.", "{first} is {value}.", "sums.sentences"),
        ("{more} was founded before {less}.", "{more} is {less}{", "orders.founded.sentences"),
        (
            "{subject} works as a {value}.",
            "{subject} is a {value} by trade.",
            "'{subject} is a {value} by trade.' twice",
        ),
        ('join = " "', "join = 1", "join: input should be a valid string (got 1)"),
        ('join = " "', "join = ", "not TOML"),
        ('flores = "eng_Latn"', 'flores = "English"', "flores"),
    ],
)
def test_a_broken_phrasebook_says_what_is_wrong(tmp_path: Path, old: str, new: str, said: str):
    with pytest.raises(UserError) as caught:
        read_phrasebook(changed(tmp_path, old, new))
    assert said in str(caught.value)
    assert "xx.toml" in str(caught.value)


def test_a_language_with_fewer_sentences_than_the_source_is_refused(tmp_path: Path):
    text = (FILES / "en.toml").read_text(encoding="utf-8")
    more = text.replace(
        '    "{subject} works as a {value}.",\n', '    "{subject} works as a {value}.",\n    "{subject}, {value}.",\n'
    )
    path = tmp_path / "xx.toml"
    path.write_text(more, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        phrasebook.check_parallel(read_phrasebook(path), BOOKS["en"])
    assert "en.toml: trade, sentences - 9 of them" in str(caught.value)
    assert "8, as in en.toml" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "said"),
    [("fr", "fr.toml - code = 'en'"), ("en-GB", "flores = 'eng_Latn' is that of en.toml")],
)
def test_a_copy_that_still_says_another_language_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, said: str
):
    text = (FILES / "en.toml").read_text(encoding="utf-8")
    (tmp_path / "languages").mkdir()
    (tmp_path / "languages" / "en.toml").write_text(text, encoding="utf-8")
    copied = text if name == "fr" else text.replace('code = "en"', f'code = "{name}"')
    (tmp_path / "languages" / f"{name}.toml").write_text(copied, encoding="utf-8")
    monkeypatch.setattr(phrasebook.resources, "files", lambda _: tmp_path)
    with pytest.raises(UserError) as caught:
        phrasebooks()
    assert all(part in str(caught.value) for part in said.split(" - "))
