"""One judge and the responses to one benchmark's open questions -> what it says of each.

Whoever it is, its judgements are replies in one form, read by one function (`rate`): a model's are as it gave them, and
rules and people say theirs in the JSON that models are asked for.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from loanword.evaluation.judging.asking import Asker, Question
from loanword.evaluation.judging.pairs import judge_pairs
from loanword.evaluation.judging.people import people_judgements
from loanword.evaluation.judging.prompt import rating_prompt, rating_schema
from loanword.evaluation.judging.replies import Reading, read_scores
from loanword.evaluation.judging.rubrics import PROMPT_VERSION, RUBRICS, Rubric
from loanword.evaluation.judging.rules import rule_judgements
from loanword.evaluation.judging.said import was_not_answered
from loanword.protocols import LanguageModel, Work
from loanword.recipe.judging import JudgementsConfig
from loanword.records import JudgeFacts, Judgement, Response

__all__ = ["judge_facts", "judge_pairs", "judge_responses"]

TITLES = {
    "rules": "Rules: accepted answers, asked properties, words of the reference. No model, and no understanding",
    "model": "A language model",
    "people": "People",
}


def judge_responses(
    model: Callable[[], LanguageModel] | None,
    answered: Sequence[Response],
    config: JudgementsConfig,
    work: Work,
    *,
    language: str,
    people: Path | None = None,
) -> list[Judgement]:
    """What a judge says of every response, in their order, all repeats of one together; `model` opens one.

    Not judged are responses that were never given, as the question did not fit the model's context; by rules, those to
    questions that say nothing of their answer; by people, those that nobody has rated.

    Raises:
        UserError: a judge that cannot be asked, see `Asker.judgements`; a file of ratings with a wrong line.
    """
    if config.kind == "people":
        assert people is not None, "ratings of people are in a file"
        return people_judgements(people, answered, RUBRICS[config.rubric], work.say)
    given = [response for response in answered if not was_not_answered(response)]
    if config.kind == "rules":
        return rule_judgements(given, work.say)
    assert model is not None, "a judge that is a model"
    rubric = RUBRICS[config.rubric]
    questions = [
        _question(response, rubric, language, repeat, chat=config.chat)
        for response in given
        for repeat in range(config.repeats)
    ]
    return Asker(model, config, language, work).judgements(questions)


def judge_facts(config: JudgementsConfig, judged: Sequence[Judgement]) -> JudgeFacts:
    """Who judged, by which rubric, under which names it answered, and what it took."""
    rubric = RUBRICS[config.rubric]
    asked = [judgement for judgement in judged if config.kind == "model" and judgement.model]
    # By the names that are kept with the replies: they are the same whenever they are read.
    by_repeat = {judgement.model: judgement.repeat for judgement in judged if judgement.model}
    models = sorted(by_repeat, key=by_repeat.__getitem__ if config.kind == "people" else None)
    return JudgeFacts(
        name=", ".join(models) if models and config.kind == "model" else config.kind,
        kind=config.kind,
        title=TITLES[config.kind],
        rubric=config.rubric,
        items=rubric.records,
        prompt_version=PROMPT_VERSION if config.kind == "model" else 0,
        repeats=max([config.repeats, *(judgement.repeat + 1 for judgement in judged)]),
        models=tuple(models),
        num_requests=sum(len(judgement.replies) for judgement in asked),
        num_prompt_tokens=sum(judgement.num_prompt_tokens for judgement in asked),
        num_new_tokens=sum(judgement.num_new_tokens for judgement in asked),
    )


def _question(response: Response, rubric: Rubric, language: str, repeat: int, *, chat: bool) -> Question:
    def read(reply: str) -> Reading:
        return read_scores(reply, rubric, response.points, response.texts)

    prompt = rating_prompt(response, rubric, language, chat=chat)
    return Question(response.id, repeat, prompt, rating_schema(rubric, response.points), read)
