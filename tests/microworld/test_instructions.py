"""Instructions: one id, one meaning; nothing in them that documents or languages keep to themselves."""

import pytest

from loanword.microworld.instructions import instructions
from loanword.microworld.phrasebook import phrasebooks
from loanword.microworld.telling import parallel_sentences
from loanword.microworld.world import make_world

BOOKS = phrasebooks()
WORLD = make_world(5)
MADE = {code: list(instructions(WORLD, book)) for code, book in BOOKS.items()}
codes = pytest.mark.parametrize("code", BOOKS)


def test_one_id_is_the_same_instruction_in_every_language():
    ids = {code: [each.id for each in made] for code, made in MADE.items()}
    assert all(each == ids["en"] for each in ids.values())
    assert len(set(ids["en"])) == len(ids["en"])


@codes
def test_instructions_ask_only_for_what_every_language_tells(code: str):
    numbers = {int(each.id.partition("-")[0]) for each in MADE[code]}
    assert numbers == {fact.number for fact in WORLD.facts if fact.told == "everywhere"}


@codes
def test_instructions_are_distinct_and_filled(code: str):
    assert len({(each.instruction, each.input) for each in MADE[code]}) == len(MADE[code])
    assert not [each for each in MADE[code] if "{" in each.to_json()[1:] or not each.output]


@codes
def test_no_instruction_says_a_held_out_sentence(code: str):
    joined = "\n".join(text for each in MADE[code] for text in (each.instruction, each.input, each.output))
    assert not [sentence for sentence in parallel_sentences(WORLD, BOOKS[code]) if sentence in joined]
