"""What responses are answers to: the benchmark, how it was asked, and which numbers are reported of it.

Out: benchmark.json, beside responses and grades, from which both can be read without the benchmark's files.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from loanword.evaluation.answering import decoding
from loanword.evaluation.benchmark import Asking, Benchmark, Example, Score, SubjectQuestions
from loanword.recipe import BenchmarkConfig
from loanword.records import Response

FRAGILE_NATS = {"float32": 1e-3, "bf16": 0.15}
"""Margin below which another order of the same sums may name another choice, by the precision of the model's body.

Measured in docs/performance.md, Knowledge.
"""


def benchmark_facts(
    benchmark: Benchmark,
    config: BenchmarkConfig,
    asking: Asking,
    asked: Sequence[SubjectQuestions],
    answered: Sequence[Response] = (),
) -> dict[str, Any]:
    """The facts of a benchmark as it was asked and answered; scores stand with what naming a letter at random earns."""
    by_name = {questions.subject.name: questions for questions in asked}
    chances = {
        name: [asking.chance(questions.subject, example) for example in questions.examples if example.answers]
        for name, questions in by_name.items()
    }
    subjects = [questions.subject for questions in asked]
    return {
        "name": benchmark.name,
        "title": benchmark.title,
        "language": config.language or benchmark.language,
        "licence": benchmark.licence,
        "source": benchmark.source,
        "split": config.split,
        "protocol": config.protocol,
        "answering": config.answering,
        "num_shots": config.num_shots,
        "chat": config.chat,
        "precision": config.precision,
        "choice_ids": config.choice_ids,
        "prompt_version": config.prompt_version,
        # What acted, the protocol's own settings with those that the config names.
        "decoding": None if config.answering == "likelihood" else decoding(asking, config).model_dump(mode="json"),
        "fragile_nats": FRAGILE_NATS[config.precision],
        "config": config.model_dump(mode="json", exclude={"folder"}),
        "scores": [
            _score(score, by_name, chances)
            for score in sorted(benchmark.scores(subjects), key=lambda score: score.name != asking.headline)
        ],
        "subjects": {
            name: {
                "category": questions.subject.category,
                "num_examples": len(questions.examples),
                "num_unlabelled": sum(not example.answers for example in questions.examples),
                "chance": _mean(chances[name]),
            }
            for name, questions in by_name.items()
        },
        "num_too_long": sum(response.ended == "too long" for response in answered),
        "num_cut": sum(response.ended == "cut" for response in answered),
        "malformed": {id: what for questions in asked for id, what in questions.malformed.items()},
    }


def _score(
    score: Score, by_name: Mapping[str, SubjectQuestions], chances: Mapping[str, Sequence[float]]
) -> dict[str, Any]:
    asked = [name for name in score.subjects if chances.get(name)]
    return {
        "name": score.name,
        "over": score.over,
        "measure": score.measure,
        "is_part": score.is_part,
        "subjects": asked,
        "chance": _chance(score, asked, by_name, chances),
    }


def _chance(
    score: Score,
    asked: Sequence[str],
    by_name: Mapping[str, SubjectQuestions],
    chances: Mapping[str, Sequence[float]],
) -> float | None:
    if not asked:
        return None
    if score.over == "subjects":
        return _mean([_mean(chances[name]) or 0.0 for name in asked])
    weights = [
        example.points if score.over == "points" else 1.0 for name in asked for example in _labelled(by_name[name])
    ]
    earned = [chance for name in asked for chance in chances[name]]
    return sum(w * c for w, c in zip(weights, earned, strict=True)) / sum(weights)


def _labelled(questions: SubjectQuestions) -> list[Example]:
    return [example for example in questions.examples if example.answers]


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
