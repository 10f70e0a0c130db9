from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest

from loanword.evaluation.answering import answer, batches, decoding
from loanword.evaluation.benchmark import (
    Asking,
    Example,
    Prompt,
    Subject,
    SubjectQuestions,
    letter_chance,
    no_chance,
    single_mark,
)
from loanword.protocols import ChoicePrompt, Generated, OpenPrompt, Progress, silent
from loanword.recipe import BenchmarkConfig, DecodingConfig
from loanword.records import Decoding
from tests.evaluation.models import Ruled

RIVERS = Subject("rivers", "rivers", "")
CONFIG = BenchmarkConfig(name="world", folder="world", answering="likelihood", num_shots=0)


def questions(number: int, subject: Subject = RIVERS) -> SubjectQuestions:
    examples = tuple(
        Example(f"{subject.name}/{index}", f"Question {index}", ("one", "two"), ("B",), points=2.0)
        for index in range(number)
    )
    return SubjectQuestions(subject, (), examples)


def one_part(asked: SubjectQuestions, _: BenchmarkConfig) -> Sequence[Prompt]:
    return [ChoicePrompt(one.id, "", (), one.question, (" A", " B")) for one in asked.examples]


def two_parts(asked: SubjectQuestions, config: BenchmarkConfig) -> Sequence[Prompt]:
    return [prompt for prompt in one_part(asked, config) for _ in range(2)]


def opened(asked: SubjectQuestions, _: BenchmarkConfig) -> Sequence[Prompt]:
    return [OpenPrompt(one.id, "", (), one.question) for one in asked.examples]


SCORED = Asking(one_part, single_mark, letter_chance)
WRITTEN = Asking(opened, single_mark, no_chance, read=lambda response: (response.texts[-1],), max_new_tokens=9)


def test_batches_hold_every_example_once_and_never_two_subjects():
    asked = [questions(5), questions(3, replace(RIVERS, name="towns"))]
    made = batches(asked, size=2)
    assert [len(batch.examples) for batch in made] == [2, 2, 1, 2, 1]
    assert [one.id for batch in made for one in batch.examples] == [
        one.id for of_subject in asked for one in of_subject.examples
    ]
    assert [batch.subject.name for batch in made] == ["rivers"] * 3 + ["towns"] * 2


def test_a_response_holds_what_its_grade_needs():
    (batch,) = batches([questions(2)])
    first, second = answer(Ruled(), "world", batch, SCORED, CONFIG)
    assert (first.id, second.id) == ("rivers/0", "rivers/1")
    assert (first.benchmark, first.subject, first.answers, first.options) == ("world", "rivers", ("B",), ("one", "two"))
    assert (first.points, first.ended) == (2.0, "scored")
    assert first.scores[0].log_likelihoods_nats == (-1.0, -2.0)


def test_parts_of_an_example_are_one_response():
    (batch,) = batches([questions(2)])
    model = Ruled()
    first, _ = answer(model, "world", batch, replace(SCORED, prompts=two_parts), CONFIG)
    assert len(first.scores) == 2
    assert len(model.asked) == 1, "all parts of a batch are asked at once, so that they share what they begin with"


@dataclass
class Shortsighted(Ruled):
    """Cannot read questions that end in 1."""

    def nats(self, prompt: ChoicePrompt) -> tuple[float, ...]:
        return () if prompt.question.endswith("1") else super().nats(prompt)

    def generate(
        self, prompts: Sequence[OpenPrompt], decoding: Decoding, progress: Progress = silent
    ) -> list[Generated]:
        said = super().generate(prompts, decoding, progress)
        blank = Generated("", 0, 0, "too long")
        return [blank if prompt.question.endswith("1") else one for prompt, one in zip(prompts, said, strict=True)]


@pytest.mark.parametrize("asking", [SCORED, WRITTEN])
def test_what_does_not_fit_is_a_response_too(asking: Asking):
    (batch,) = batches([questions(3)])
    config = CONFIG if asking is SCORED else CONFIG.model_copy(update={"answering": "generation"})
    answered = answer(Shortsighted(), "world", batch, asking, config)
    assert [response.ended == "too long" for response in answered] == [False, True, False]
    assert [response.id for response in answered] == [example.id for example in batch.examples]


def test_a_second_call_reads_what_the_first_brought():
    def again(prompt: OpenPrompt, said: str) -> OpenPrompt:
        return replace(prompt, question=f"{prompt.question} {said} so")

    (batch,) = batches([questions(3)])
    model = Shortsighted()
    config = CONFIG.model_copy(update={"answering": "chain-of-thought"})
    answered = answer(model, "world", batch, replace(WRITTEN, follow_up=again), config)
    assert model.asked == [["rivers/0", "rivers/1", "rivers/2"], ["rivers/0", "rivers/2"]]
    assert [response.texts for response in answered] == [("A", "A"), (), ("A", "A")]
    assert answered[0].num_new_tokens == 2


def test_the_first_of_two_calls_leaves_room_for_the_second():
    (batch,) = batches([questions(1)])
    model = Ruled()
    config = CONFIG.model_copy(update={"answering": "chain-of-thought"})
    asking = replace(WRITTEN, follow_up=lambda prompt, said: prompt, follow_up_tokens=4)
    answer(model, "world", batch, asking, config)
    assert [(how.max_new_tokens, how.kept_tokens) for how in model.decoded] == [(9, 8), (4, 0)]


def test_decoding_is_the_protocols_unless_the_config_says_otherwise():
    asking = replace(WRITTEN, stop=("\n",))
    assert decoding(asking, CONFIG) == Decoding(max_new_tokens=9, stop=("\n",))
    config = CONFIG.model_copy(update={"decoding": DecodingConfig(max_new_tokens=3, temperature=0.5, seed=4)})
    assert decoding(asking, config) == Decoding(max_new_tokens=3, stop=("\n",), temperature=0.5, seed=4)
