"""Documents and parallel sentences: what they say, and what they never say."""

from itertools import pairwise

import py3langid
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loanword.microworld.phrasebook import phrasebooks
from loanword.microworld.telling import asked_form, documents, parallel_form, parallel_sentences, state, told_forms
from loanword.microworld.world import Truth, elsewhere, make_world
from loanword.tokenizer.extend import extend
from loanword.tokenizer.learn import continue_bpe, learn

BOOKS = phrasebooks()
WORLD = make_world(5)
NUM_DOCUMENTS = 3000
TEXTS = {code: [d.text for d in documents(WORLD, book, NUM_DOCUMENTS)] for code, book in BOOKS.items()}
ELSEWHERE = {code: [d.text for d in documents(elsewhere(WORLD), book, 500)] for code, book in BOOKS.items()}
codes = pytest.mark.parametrize("code", BOOKS)


def said_anywhere(truth: Truth, code: str, texts: str) -> list[int]:
    """The forms of a truth that stand in some texts."""
    forms = range(len(BOOKS[code].phrases[truth.about].sentences))
    return [form for form in forms if state(truth, form, BOOKS[code]) in texts]


@codes
def test_held_out_sentences_stand_in_no_document(code: str):
    book, joined = BOOKS[code], "\n".join(TEXTS[code])
    assert not [sentence for sentence in parallel_sentences(WORLD, book) if sentence in joined]
    assert not [fact for fact in WORLD.facts if state(fact, asked_form(fact, book), book) in joined]


@codes
def test_no_document_tells_a_fact_that_its_language_does_not_tell(code: str):
    joined = "\n".join(TEXTS[code])
    assert not [fact for fact in set(WORLD.facts) - set(WORLD.told_in(code)) if said_anywhere(fact, code, joined)]


@codes
def test_no_document_tells_a_held_out_comparison_or_sum(code: str):
    joined = "\n" + "\n".join(TEXTS[code])
    assert not [order for order in WORLD.orders if order.held_out and said_anywhere(order, code, joined)]
    # `3 plus 4 is 7` stands in `13 plus 4 is 7...`: a sum is said only where no digit comes before it.
    for one in WORLD.sums:
        if one.held_out:
            sentences = [state(one, form, BOOKS[code]) for form in told_forms(one, BOOKS[code])]
            assert not [s for s in sentences if f" {s}" in joined or f"\n{s}" in joined or f".{s}" in joined]


@codes
def test_every_told_fact_is_told_in_several_forms(code: str):
    joined = "\n".join(TEXTS[code])
    assert not [fact for fact in WORLD.told_in(code) if len(said_anywhere(fact, code, joined)) < 3]


@codes
def test_documents_elsewhere_name_nobody_of_this_world(code: str):
    words = {word.strip(".,।۔؟?") for text in ELSEWHERE[code] for word in text.split()}
    assert not words & set(WORLD.kinds)


@codes
def test_documents_have_few_repetitions_and_no_loose_spaces(code: str):
    assert len(set(TEXTS[code])) > 0.97 * NUM_DOCUMENTS
    assert not [text for text in TEXTS[code] if text != text.strip() or "  " in text or "{" in text]


@codes
def test_names_and_numbers_have_a_space_before_them_everywhere(code: str):
    for text in TEXTS[code]:
        starts = [after for before, after in pairwise(text) if after.isalnum() and not before.isascii()]
        # Vietnamese words mix letters of both kinds.
        assert code == "vi" or not [character for character in starts if character.isascii()]


@codes
def test_documents_come_back_from_a_base_s_tokenizer_and_from_an_extended_one(code: str):
    english = TEXTS["en"]
    base = learn(english, 512)
    texts = (*TEXTS[code][:100], *ELSEWHERE[code][:100])
    assert [text for text in texts if base.decode(base.encode(text)) != text] == []
    if code != "en":
        extended = extend(base, continue_bpe(base, TEXTS[code], 100, english))
        assert [text for text in texts if extended.decode(extended.encode(text)) != text] == []
        assert sum(map(len, map(extended.encode, texts))) < 0.8 * sum(map(len, map(base.encode, texts)))


def test_parallel_lines_have_one_meaning():
    told = [fact for fact in WORLD.facts if fact.told == "bridge"]
    lines = {code: parallel_sentences(WORLD, book) for code, book in BOOKS.items()}
    assert {len(each) for each in lines.values()} == {len(told)}
    for place, fact in enumerate(told):
        assert len({parallel_form(fact, book) for book in BOOKS.values()}) == 1
        assert all(fact.subject in each[place] for each in lines.values())


@codes
def test_a_language_identifier_names_the_language_of_documents(code: str):
    """Among the world's own languages; over all that it knows, a tenth of the Indonesian is called Malay."""
    py3langid.set_languages(list(BOOKS))
    try:
        named = [py3langid.classify(text)[0] for text in TEXTS[code][:200]]
    finally:
        py3langid.set_languages(None)
    assert named.count(code) >= 0.95 * len(named)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 50), st.integers(0, 50))
def test_fewer_documents_are_the_start_of_more(few: int, more: int):
    first, second = (list(documents(WORLD, BOOKS["zh"], count)) for count in sorted((few, more)))
    assert second[: len(first)] == first
