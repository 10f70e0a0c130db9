"""Tasks: one id, one meaning; what is asked in evaluation is trained on by nobody."""

import re

import pytest

from loanword.microworld.assistant import instructions, open_questions
from loanword.microworld.phrasebook import phrasebooks
from loanword.microworld.questions import exams
from loanword.microworld.tasks import CATEGORIES
from loanword.microworld.telling import asked_form, documents, parallel_form, say, state
from loanword.microworld.world import make_world

BOOKS = phrasebooks()
ENGLISH, CHINESE = BOOKS["en"], BOOKS["zh"]
WORLD = make_world(5)
MADE = {code: list(instructions(WORLD, book, ENGLISH)) for code, book in BOOKS.items()}
ASKED = {code: open_questions(WORLD, book, ENGLISH, CHINESE) for code, book in BOOKS.items()}
codes = pytest.mark.parametrize("code", BOOKS)


@codes
def test_one_id_is_the_same_instruction_in_every_language(code: str):
    ids = [each.id for each in MADE[code] if code == "en" or not each.id.endswith("-translate")]
    assert ids == [each.id for each in MADE["en"]]
    assert len({each.id for each in MADE[code]}) == len(MADE[code])


@codes
def test_instructions_ask_only_for_what_every_language_tells_of_entities_that_are_not_reserved(code: str):
    facts = {str(fact.number): fact for fact in WORLD.facts}
    about = {facts[each.id.partition("-")[0]] for each in MADE[code] if each.id.partition("-")[0] in facts}
    told = {fact for fact in WORLD.facts if fact.told == "bridge" and fact.subject not in WORLD.reserved}
    assert about == told


@codes
def test_no_instruction_states_what_some_language_does_not_tell_or_what_is_reserved(code: str):
    book = BOOKS[code]
    joined = "\n".join(text for each in MADE[code] for text in (each.input, each.output))
    kept = [one for one in WORLD.facts if one.told != "bridge" or one.subject in WORLD.reserved]
    for truth in (*kept, *(one for one in WORLD.orders if one.held_out)):
        forms = range(len(book.phrases[truth.about].sentences))
        assert not [form for form in forms if state(truth, form, book) in joined], truth
    assert not [name for name in WORLD.reserved if any(name in each.instruction for each in MADE[code])]


@codes
def test_instructions_are_distinct_and_filled(code: str):
    assert len({(each.instruction, each.input) for each in MADE[code]}) == len(MADE[code])
    assert not [each for each in MADE[code] if "{" in each.instruction + each.input + each.output or not each.output]


@codes
def test_no_instruction_says_a_held_out_sentence(code: str):
    joined = "\n".join(text for each in MADE[code] for text in (each.instruction, each.input, each.output))
    book = BOOKS[code]
    for form in (asked_form, parallel_form):
        assert not [fact for fact in WORLD.facts if state(fact, form(fact, book), book) in joined]


@codes
def test_no_question_of_an_evaluation_is_trained_on(code: str):
    book = BOOKS[code]
    trained = {(each.instruction, each.input) for each in MADE[code]}
    asked = {question.question for question in ASKED[code]}
    assert not asked & {"\n".join(part for part in both if part) for both in trained}
    texts = "\n".join(document.text for document in documents(WORLD, book, 2000))
    statements = [question.asked(book) for exam in exams(WORLD).values() for some in exam.values() for question in some]
    filled = [
        s.replace("____", option) for s, q in zip(statements, _questions(), strict=True) for option in q.shown(book)
    ]
    joined = "\n".join([texts, *(text for both in trained for text in both), *(each.output for each in MADE[code])])
    # A sum with fewer digits may stand inside of another: `3 plus 4 is 7` in `13 plus 4 is 7`.
    assert not [text for text in filled if text in joined and re.search(rf"(?<!\d){re.escape(text)}", joined)]


def _questions():
    return [question for exam in exams(WORLD).values() for some in exam.values() for question in some]


@codes
def test_open_questions_cover_the_categories_with_ids_of_one_meaning(code: str):
    asked = ASKED[code]
    counts = {category: sum(question.category == category for question in asked) for category in CATEGORIES}
    assert all(0 < counts[category] <= most for category, most in CATEGORIES.items())
    assert [question.question_uuid for question in asked] == [question.question_uuid for question in ASKED["en"]]
    assert len({question.question_uuid for question in asked}) == len(asked)


@codes
def test_references_meet_what_is_asked_of_an_answer(code: str):
    """Whoever judges by rules must find the reference answer right."""
    for question in ASKED[code]:
        seen, reference = question.properties, question.reference
        assert not question.accepted or any(answer in reference for answer in question.accepted), question
        assert not any(text in reference for text in question.refused), question
        assert all(name in reference for name in seen.mentions), question
        assert not seen.num_lines or len(reference.split("\n")) == seen.num_lines
        assert len(reference.split("\n")) >= seen.min_lines
        assert question.input in question.question
        assert question.input or not (seen.differs_from_input or seen.shorter_than_input)
        assert not seen.differs_from_input or reference not in question.input
        assert not seen.shorter_than_input or len(reference) < len(question.input)
        assert question.accepted or seen.mentions


@codes
def test_only_translations_are_answered_in_another_language_than_they_are_asked_in(code: str):
    told = {question.category for question in ASKED[code] if question.language == "en"}
    assert told == (set() if code == "en" else {"Translation"})
    kept = {question.reference for question in ASKED[code] if question.category == "Translation"}
    english = {
        state(fact, form, ENGLISH) for fact in WORLD.facts for form in range(len(ENGLISH.phrases[fact.about].sentences))
    }
    assert kept <= english
    assert all(question.language is None for question in ASKED[code] if question.category not in told)


def test_translations_are_of_the_same_fact():
    facts = {fact.number: fact for fact in WORLD.facts}
    for each in MADE["sw"]:
        number, _, kind = each.id.partition("-")
        if kind == "translate":
            fact = facts[int(number)]
            assert fact.subject in each.input
            assert say(fact.value, BOOKS["sw"]) in each.input
            assert fact.subject in each.output
            assert say(fact.value, ENGLISH) in each.output
