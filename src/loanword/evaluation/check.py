"""Whether reading prompts together gave what reading each by itself gives: looked at in every run.

In: what was asked and what was recorded. Out: a SelfCheck (check.json), or an error that names the example.
"""

import random
from collections.abc import Sequence

from loanword.errors import UserError
from loanword.evaluation.answering import batches, choice_prompts
from loanword.evaluation.benchmark import Asking, SubjectQuestions
from loanword.protocols import ChoicePrompt, LanguageModel
from loanword.recipe import BenchmarkConfig
from loanword.records import ChoiceScore, Count, Record, Response

NUM_EXAMPLES = 8
LARGEST_NATS = {"float32": 1e-3, "bf16": 0.5}
"""Differences that another order of sums explains, an id of a choice, by the precision of the model's body."""


class SelfCheck(Record):
    """Examples, drawn by a fixed seed, that were read again one by one, and by how much their likelihoods differ."""

    num_examples: Count
    largest_difference_nats: float


def check(
    model: LanguageModel,
    asked: Sequence[SubjectQuestions],
    asking: Asking,
    config: BenchmarkConfig,
    recorded: Sequence[Response],
) -> SelfCheck | None:
    """How far likelihoods are from those of reading each prompt by itself; None where a model shares nothing.

    Raises:
        UserError: further than rounding explains.
    """
    scored = [response for response in recorded if response.ended == "scored"]
    drawn = random.Random(len(scored)).sample(scored, min(NUM_EXAMPLES, len(scored)))
    wanted = {response.id for response in drawn}
    prompts: dict[str, list[ChoicePrompt]] = {id: [] for id in wanted}
    for batch in batches(asked):
        if wanted & {example.id for example in batch.examples}:
            for prompt in choice_prompts(asking, batch, config):
                if prompt.id in wanted:
                    prompts[prompt.id].append(prompt)
    largest = 0.0
    for response in drawn:
        alone = model.choose_singly(prompts[response.id])
        if alone is None:
            return None
        for score, again in zip(response.scores, alone, strict=True):
            largest = max(largest, _difference(response.id, score, again.log_likelihoods_nats, config.precision))
    return SelfCheck(num_examples=len(drawn), largest_difference_nats=largest)


def _difference(id: str, score: ChoiceScore, again: Sequence[float], precision: str) -> float:
    largest = max(abs(a - b) for a, b in zip(score.log_likelihoods_nats, again, strict=True))
    allowed = LARGEST_NATS[precision] * max(1, *(len(ids) for ids in score.choice_ids))
    if not largest <= allowed:
        raise UserError(
            id,
            f"read together with other prompts its choices' likelihoods differ by {largest:.3g} nats from those of"
            " reading it by itself",
            expected=f"at most {allowed:.3g}, which rounding explains",
            do="this model's attention is not what we take it for: please report it with the model's config.json",
        )
    return largest
