"""Documents and parallel sentences: what they say, and what they never say."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loanword.microworld.phrasebook import phrasebooks
from loanword.microworld.telling import documents, held_out_form, parallel_sentences, state
from loanword.microworld.world import make_world

BOOKS = phrasebooks()
WORLD = make_world(5)
NUM_DOCUMENTS = 3000
TEXTS = {code: [d.text for d in documents(WORLD, book, NUM_DOCUMENTS)] for code, book in BOOKS.items()}
codes = pytest.mark.parametrize("code", BOOKS)


@codes
def test_held_out_sentences_stand_in_no_document(code: str):
    joined = "\n".join(TEXTS[code])
    assert not [sentence for sentence in parallel_sentences(WORLD, BOOKS[code]) if sentence in joined]


@codes
def test_no_document_tells_a_fact_that_its_language_does_not_tell(code: str):
    book, joined = BOOKS[code], "\n".join(TEXTS[code])
    for fact in set(WORLD.facts) - set(WORLD.told_in(code)):
        forms = range(len(book.attributes[fact.attribute].sentences))
        assert not [form for form in forms if state(fact, form, book) in joined]


@codes
def test_every_told_fact_is_told_in_several_forms(code: str):
    book, joined = BOOKS[code], "\n".join(TEXTS[code])
    for fact in WORLD.told_in(code):
        forms = range(len(book.attributes[fact.attribute].sentences))
        assert sum(state(fact, form, book) in joined for form in forms) >= 3


@codes
def test_documents_have_few_repetitions_and_no_loose_spaces(code: str):
    assert len(set(TEXTS[code])) > 0.98 * NUM_DOCUMENTS
    assert not [text for text in TEXTS[code] if text != text.strip() or "  " in text or "{" in text]


@codes
def test_names_and_numbers_have_a_space_before_them_everywhere(code: str):
    for text in TEXTS[code]:
        starts = [after for before, after in pairwise(text) if after.isalnum() and not before.isascii()]
        assert not [character for character in starts if character.isascii()]


def test_parallel_lines_have_one_meaning():
    told = [fact for fact in WORLD.facts if fact.told == "everywhere"]
    lines = {code: parallel_sentences(WORLD, book) for code, book in BOOKS.items()}
    assert {len(each) for each in lines.values()} == {len(told)}
    for place, fact in enumerate(told):
        assert len({held_out_form(fact, book) for book in BOOKS.values()}) == 1
        assert all(fact.subject in each[place] for each in lines.values())


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 50), st.integers(0, 50))
def test_fewer_documents_are_the_start_of_more(few: int, more: int):
    first, second = (list(documents(WORLD, BOOKS["zh"], count)) for count in sorted((few, more)))
    assert second[: len(first)] == first
