"""Instructions about the world: questions, brief questions, and reading a sentence.

They ask only for facts that all languages tell, so that tuning teaches how to answer and never carries a fact into
a language that does not tell it. One id is the same instruction in every language.
"""

from collections.abc import Iterator

from loanword.microworld.phrasebook import AttributePhrases, Phrasebook
from loanword.microworld.telling import say_value, state
from loanword.microworld.world import Fact, World
from loanword.records import Record


class Instruction(Record):
    """One line of an instruction file, with the fields of Stanford Alpaca."""

    id: str
    instruction: str
    input: str = ""
    output: str


def instructions(world: World, book: Phrasebook) -> Iterator[Instruction]:
    """Every instruction about every fact, in the world's order of facts.

    Responses are the fact's first sentence form, which is never held out, or its value or subject alone.
    """
    for fact in world.facts:
        if fact.told == "everywhere":
            yield from _about(fact, book, book.attributes[fact.attribute])


def _about(fact: Fact, book: Phrasebook, phrases: AttributePhrases) -> Iterator[Instruction]:
    questions = [question.format(subject=fact.subject) for question in phrases.questions]
    sentence = state(fact, 0, book)
    for number, question in enumerate(questions):
        yield Instruction(id=f"{fact.number}-question-{number}", instruction=question, output=sentence)
    brief = book.instructions.brief.format(question=questions[0])
    answer = phrases.answer.format(value=say_value(fact, book))
    yield Instruction(id=f"{fact.number}-brief", instruction=brief, output=answer)
    about = book.instructions.about
    yield Instruction(id=f"{fact.number}-about", instruction=about, input=sentence, output=fact.subject)
