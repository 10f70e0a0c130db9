"""Guessing scores what we say guessing scores: every benchmark as published, every way of asking, every number."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loanword.evaluation.answering import answer, batches
from loanword.evaluation.benchmark import SubjectQuestions
from loanword.evaluation.benchmarks import BENCHMARKS, USUAL, asking_of, benchmark_of, settled
from loanword.evaluation.facts import benchmark_facts
from loanword.evaluation.grading import grade
from loanword.recipe import BenchmarkConfig, GradesConfig
from loanword.records import Grade, canonical_json
from loanword.report.facts import BenchmarkFacts
from loanword.report.knowledge import KnowledgeScore, score_grades
from tests.evaluation.models import AlwaysA, Dice, Ruled

PUBLISHED = ("ceval", "mmlu", "agieval", "gaokao")
WAYS = [
    (name, protocol, answering)
    for name in PUBLISHED
    for protocol, ways in BENCHMARKS[name].protocols.items()
    for answering in ways
    # One letter is no answer to the several questions of an example of GAOKAO-Bench, nor a chain of thought.
    if answering == "likelihood" or (answering == "generation" and name != "gaokao")
]


@pytest.fixture(scope="module")
def asked(shared_data: Path) -> Callable[..., tuple[BenchmarkConfig, list[SubjectQuestions]]]:
    read: dict[BenchmarkConfig, list[SubjectQuestions]] = {}

    def ask(name: str, protocol: str, answering: str) -> tuple[BenchmarkConfig, list[SubjectQuestions]]:
        values: dict[str, Any] = {
            "name": name, "folder": USUAL[name].folder, "split": USUAL[name].split,
            "protocol": protocol, "answering": answering, "num_shots": 0,
        }  # fmt: skip
        config = settled(BenchmarkConfig.model_validate(values))
        if config not in read:
            read[config] = benchmark_of(config).load(shared_data / USUAL[name].folder, config)
        return config, read[config]

    return ask


def graded(model: Ruled, config: BenchmarkConfig, questions: list[SubjectQuestions]) -> list[Grade]:
    asking = asking_of(config)
    answered = (
        response for batch in batches(questions, size=5000) for response in answer(model, "x", batch, asking, config)
    )
    return [grade(response, asking, GradesConfig()) for response in answered if response.answers]


def facts(config: BenchmarkConfig, questions: list[SubjectQuestions]) -> BenchmarkFacts:
    made = benchmark_facts(benchmark_of(config), config, asking_of(config), questions)
    return BenchmarkFacts.model_validate_json(canonical_json(made))


@pytest.mark.parametrize(("name", "protocol", "answering"), WAYS)
def test_guessing_scores_what_the_report_says_of_it(name: str, protocol: str, answering: str, asked):
    config, questions = asked(name, protocol, answering)
    grades = graded(Dice(), config, questions)
    scored: KnowledgeScore = score_grades(grades, facts(config, questions))
    assert len(grades) == sum(len(one.examples) for one in questions)
    assert scored.num_unparsed == 0 or answering == "generation", "only open mathematics cannot be read from a letter"
    assert scored.scores
    for one in scored.scores:
        assert one.chance is not None
        # Four standard errors: some of the sixty numbers would miss a 95 % interval.
        error = max((one.estimate.high - one.estimate.low) / 3.92, 1e-9)
        assert abs(one.estimate.value - one.chance) < 4 * error + 1e-9, one.facts.name


@pytest.mark.parametrize(
    ("name", "protocol"),
    [
        ("ceval", "official"),
        ("mmlu", "official"),
        ("mmlu", "harness"),
        ("ceval", "options-only"),
        ("mmlu", "options"),
    ],
)
def test_always_saying_a_scores_exactly_the_share_of_a(name: str, protocol: str, asked):
    config, questions = asked(name, protocol, "likelihood")
    scored = score_grades(graded(AlwaysA(), config, questions), facts(config, questions))
    examples = [one for of_subject in questions for one in of_subject.examples]
    by_subject = [
        sum(one.answers == ("A",) for one in of_subject.examples) / len(of_subject.examples) for of_subject in questions
    ]
    expected = {
        "questions": sum(one.answers == ("A",) for one in examples) / len(examples),
        "subjects": sum(by_subject) / len(by_subject),
    }
    for one in scored.scores:
        if not one.facts.is_part and len(one.facts.subjects) == len(questions):
            assert one.estimate.value == pytest.approx(expected[one.facts.over], abs=1e-12)
