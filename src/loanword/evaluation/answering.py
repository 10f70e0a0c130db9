"""What a model answers to the examples of a benchmark, batch by batch.

In: the questions of a benchmark, and one way of asking them. Out: one Response an example, in order.
A batch is a function of its examples alone: whoever writes batches down can stop between two and go on there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from loanword.evaluation.benchmark import Asking, Example, Prompt, SubjectQuestions
from loanword.protocols import ChoicePrompt, ChoiceScores, Generated, LanguageModel, OpenPrompt, Progress, silent
from loanword.recipe import BenchmarkConfig
from loanword.records import ChoiceScore, Decoding, Response, read_lines, write_lines

BATCH_EXAMPLES = 256
"""Examples of one batch: what an interruption loses at most. Prompts share what they begin with inside of one."""


def batches(asked: Sequence[SubjectQuestions], size: int = BATCH_EXAMPLES) -> list[SubjectQuestions]:
    """All examples, in order; a batch never reaches across subjects."""
    return [
        replace(questions, examples=questions.examples[first : first + size])
        for questions in asked
        for first in range(0, len(questions.examples), size)
    ]


def answer_all(
    model: LanguageModel,
    asked: Sequence[SubjectQuestions],
    asking: Asking,
    config: BenchmarkConfig,
    folder: Path,
    progress: Progress = silent,
) -> list[Response]:
    """One response to every example, in order; batches that are in a folder are not asked again, others put there."""
    todo = batches(asked)
    parts = [folder / f"{number:06}.jsonl" for number in range(len(todo))]
    total, done = sum(len(batch.examples) for batch in todo), 0
    for batch, part in zip(todo, parts, strict=True):

        def within(number: int, _: int, __: str, before: int = done) -> None:
            progress(before + number, total, "examples")

        if not part.is_file():
            write_lines(answer(model, config.name, batch, asking, config, within), part)
        done += len(batch.examples)
        progress(done, total, "examples")
    return [response for part in parts for response in read_lines(Response, part)]


def answer(
    model: LanguageModel,
    benchmark: str,
    batch: SubjectQuestions,
    asking: Asking,
    config: BenchmarkConfig,
    progress: Progress = silent,
) -> list[Response]:
    """One response to each example of a batch, in order."""
    prompts = asking.prompts(batch, config)
    if config.answering == "likelihood":
        answered = _scored(model, [prompt for prompt in prompts if isinstance(prompt, ChoicePrompt)], progress)
    else:
        asked = [prompt for prompt in prompts if isinstance(prompt, OpenPrompt)]
        answered = _generated(model, asked, asking, decoding(asking, config), progress)
    subject = batch.subject.name
    return [answered[example.id].model_copy(update=_facts(example, benchmark, subject)) for example in batch.examples]


def decoding(asking: Asking, config: BenchmarkConfig) -> Decoding:
    """How responses are generated: as the config says, else as the protocol does."""
    asked = config.decoding
    return Decoding(
        max_new_tokens=asked.max_new_tokens or asking.max_new_tokens,
        stop=asking.stop if config.chat else (*asking.stop, *asking.plain_stop),
        temperature=asked.temperature,
        top_p=asked.top_p,
        seed=asked.seed,
    )


def choice_prompts(asking: Asking, batch: SubjectQuestions, config: BenchmarkConfig) -> list[ChoicePrompt]:
    """The prompts of a batch that likelihoods are asked for."""
    return [prompt for prompt in asking.prompts(batch, config) if isinstance(prompt, ChoicePrompt)]


def _facts(example: Example, benchmark: str, subject: str) -> dict[str, object]:
    return {
        "benchmark": benchmark,
        "subject": subject,
        "answers": example.answers,
        "options": example.options,
        "points": example.points,
        # Whoever judges what has no label reads the records alone.
        "asked": example.asked,
    }


def _blank(prompt: Prompt) -> Response:
    return Response(id=prompt.id, benchmark="", subject="", num_shots=0, answers=(), ended="too long")


def _scored(model: LanguageModel, prompts: Sequence[ChoicePrompt], progress: Progress) -> dict[str, Response]:
    """By id; an example of which any part is too long for the context is too long."""
    parts: dict[str, list[tuple[ChoicePrompt, ChoiceScores]]] = {}
    for prompt, scores in zip(prompts, model.choose(prompts, progress), strict=True):
        parts.setdefault(prompt.id, []).append((prompt, scores))
    answered: dict[str, Response] = {}
    for id, scored in parts.items():
        fits = all(scores.log_likelihoods_nats for _, scores in scored)
        answered[id] = _blank(scored[0][0]).model_copy(
            update={
                "num_shots": min(scores.num_shots for _, scores in scored),
                "scores": tuple(_score(prompt, scores) for prompt, scores in scored),
                "ended": "scored" if fits else "too long",
            }
        )
    return answered


def _score(prompt: ChoicePrompt, scores: ChoiceScores) -> ChoiceScore:
    return ChoiceScore(
        choices=prompt.choices, log_likelihoods_nats=scores.log_likelihoods_nats, choice_ids=scores.choice_ids
    )


def _generated(
    model: LanguageModel, prompts: Sequence[OpenPrompt], asking: Asking, how: Decoding, progress: Progress
) -> dict[str, Response]:
    short = asking.follow_up_tokens
    first = how.model_copy(update={"kept_tokens": 2 * short})
    last = how.model_copy(update={"max_new_tokens": min(how.max_new_tokens, short or how.max_new_tokens)})
    calls = [[said] for said in model.generate(prompts, first, progress)]
    going_on = dict(enumerate(prompts))
    while going_on := _next_prompts(going_on, calls, asking):
        for index, said in zip(going_on, model.generate(list(going_on.values()), last, progress), strict=True):
            calls[index].append(said)
        going_on = {index: prompt for index, prompt in going_on.items() if prompt.later}
    return {prompt.id: _said(prompt, said) for prompt, said in zip(prompts, calls, strict=True)}


def _next_prompts(
    asked: Mapping[int, OpenPrompt], calls: Sequence[Sequence[Generated]], asking: Asking
) -> dict[int, OpenPrompt]:
    """What follows each prompt that has been answered, by its place; nothing where one did not fit the context."""
    if asking.follow_up is None:
        return {}
    answered = {index: prompt for index, prompt in asked.items() if calls[index][-1].ended != "too long"}
    made = {index: asking.follow_up(prompt, calls[index][-1].text) for index, prompt in answered.items()}
    return {index: prompt for index, prompt in made.items() if prompt is not None}


def _said(prompt: OpenPrompt, calls: Sequence[Generated]) -> Response:
    last = calls[-1]
    return _blank(prompt).model_copy(
        update={
            "num_shots": min(said.num_shots for said in calls),
            "texts": tuple(said.text for said in calls if said.ended != "too long"),
            "num_new_tokens": sum(said.num_tokens for said in calls),
            "ended": last.ended,
        }
    )
