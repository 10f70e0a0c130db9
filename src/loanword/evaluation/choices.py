"""Multiple-choice questions: what a model gives each letter, and which letter that is.

In: the questions of a benchmark. Out: one ChoiceResponse an example (responses.jsonl), what they are answers to
(benchmark.json); later, without a model, one Grade a response (grades.jsonl).
Responses come subject by subject, so that whoever writes them can stop between two and go on there.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from loanword.evaluation.benchmark import Benchmark, SubjectQuestions
from loanword.protocols import LanguageModel, Progress, silent
from loanword.recipe import BenchmarkConfig
from loanword.records import ChoiceResponse, Grade


def responses(
    model: LanguageModel, benchmark: Benchmark, asked: Sequence[SubjectQuestions], progress: Progress = silent
) -> Iterator[tuple[str, list[ChoiceResponse]]]:
    """Name and responses of each subject, in the order asked; within a subject in the order of its examples."""
    total = sum(len(questions.examples) for questions in asked)
    done = 0
    for questions in asked:
        before = done

        def within(number: int, _: int, unit: str, before: int = before) -> None:
            progress(before + number, total, unit)

        yield questions.subject.name, subject_responses(model, benchmark, questions, within)
        done += len(questions.examples)


def subject_responses(
    model: LanguageModel, benchmark: Benchmark, questions: SubjectQuestions, progress: Progress = silent
) -> list[ChoiceResponse]:
    """One response an example of one subject, in order."""
    prompts = benchmark.prompts(questions)
    scores = model.choose(prompts, progress=progress)
    return [
        ChoiceResponse(
            id=example.id,
            benchmark=benchmark.name,
            subject=questions.subject.name,
            num_shots=score.num_shots,
            choices=prompt.choices,
            log_likelihoods_nats=score.log_likelihoods_nats,
            choice_ids=score.choice_ids,
            answer=example.answer,
        )
        for example, prompt, score in zip(questions.examples, prompts, scores, strict=True)
    ]


def benchmark_facts(benchmark: Benchmark, config: BenchmarkConfig, asked: Sequence[SubjectQuestions]) -> dict[str, Any]:
    """What the responses are answers to: the benchmark, how it was asked, and its subjects with their sizes."""
    return {
        "name": benchmark.name,
        "language": benchmark.language,
        "chance": benchmark.chance,
        "licence": benchmark.licence,
        "source": benchmark.source,
        "split": config.split,
        "num_shots": config.num_shots,
        "protocol": config.protocol,
        "prompt_version": config.prompt_version,
        "choice_ids": config.choice_ids,
        "hard_subjects": [questions.subject.name for questions in asked if questions.subject.hard],
        "subjects": {
            questions.subject.name: {
                "category": questions.subject.category,
                "num_examples": len(questions.examples),
            }
            for questions in asked
        },
    }


def grade_choice(response: ChoiceResponse) -> Grade:
    """Correct where the likeliest choice is the answer, incorrect where it is another.

    Unparsed, with nothing given, where the two likeliest choices tie exactly (to name one would be a guess), or
    where there are no likelihoods because the question is longer than the model's context.
    """
    given = _likeliest(response)
    outcome = "unparsed" if not given else "correct" if given == response.answer else "incorrect"
    return Grade(
        id=response.id,
        benchmark=response.benchmark,
        subject=response.subject,
        outcome=outcome,
        score=float(outcome == "correct"),
        given=given,
        answer=response.answer,
        num_shots=response.num_shots,
    )


def _likeliest(response: ChoiceResponse) -> str:
    nats = response.log_likelihoods_nats
    if not nats or nats.count(max(nats)) > 1:
        return ""
    return response.choices[nats.index(max(nats))].strip()
