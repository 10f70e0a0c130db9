"""A run's responses and those of its control, compared by a judge in both orders.

Judges tend to prefer what they are shown first. So each pair is asked about twice, and a preference counts only where
it is the same response that is preferred (see `rate.preferred`).

Source: lm-sys/FastChat, llm_judge (both orders, a win has to survive the swap).
"""

from collections.abc import Callable, Sequence
from typing import Literal

from loanword.evaluation.judging.asking import Asker, Question
from loanword.evaluation.judging.prompt import VERDICT_SCHEMA, pair_prompt
from loanword.evaluation.judging.replies import Reading, read_verdict
from loanword.evaluation.judging.rubrics import RUBRICS
from loanword.evaluation.judging.said import turn_texts, was_not_answered
from loanword.protocols import LanguageModel, Work
from loanword.recipe.judging import JudgementsConfig
from loanword.records import Judgement, Response

Shown = Literal["arm", "control"]
ORDERS: tuple[Shown, Shown] = ("arm", "control")
EQUAL_REPLY = '{"better": "tie", "reason": "the responses are the same"}'
"""What stands for the reply to a pair of equal responses: nobody is asked about those."""


def judge_pairs(
    model: Callable[[], LanguageModel] | None,
    arm: Sequence[Response],
    control: Sequence[Response],
    config: JudgementsConfig,
    work: Work,
    *,
    language: str,
) -> list[Judgement]:
    """What a judge says of every pair of responses to one question, in the arm's order, both orders of each repeat.

    `model` opens it. Pairs of which one response was never given are left out.

    Raises:
        UserError: a judge that cannot be asked, see `Asker.judgements`.
    """
    assert model is not None, "only models compare responses"
    others = {response.id: response for response in control}
    pairs = [(one, others[one.id]) for one in arm if one.id in others]
    pairs = [pair for pair in pairs if not any(map(was_not_answered, pair))]
    if len(pairs) < len(arm):
        work.say(f"{len(arm) - len(pairs):,} of {len(arm):,} responses have none to be compared with")
    places: list[tuple[int, Shown]] = [(repeat, shown) for repeat in range(config.repeats) for shown in ORDERS]
    questions = [
        _question(one, other, config, language, repeat, shown)
        for one, other in pairs
        if turn_texts(one) != turn_texts(other)
        for repeat, shown in places
    ]
    asked = iter(Asker(model, config, language, work).judgements(questions))
    return [
        Judgement(id=one.id, repeat=repeat, shown_first=shown, replies=(EQUAL_REPLY,))
        if turn_texts(one) == turn_texts(other)
        else next(asked)
        for one, other in pairs
        for repeat, shown in places
    ]


def _question(
    arm: Response, control: Response, config: JudgementsConfig, language: str, repeat: int, shown: Shown
) -> Question:
    def read(reply: str) -> Reading:
        return read_verdict(reply, [*arm.texts, *control.texts])

    first, second = (arm, control) if shown == "arm" else (control, arm)
    prompt = pair_prompt(first, second, RUBRICS[config.rubric], language, chat=config.chat)
    return Question(arm.id, repeat, prompt, VERDICT_SCHEMA, read, shown)
