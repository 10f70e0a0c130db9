"""Multiple-choice prompts as ids: how many shots fit a context, and which ids stand for the choices.

In: ChoicePrompts. Out: one PromptIds a prompt, None for a question that is longer than the context by itself.
A prompt is BOS and the ids of its whole text: shots are never encoded apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from loanword.protocols import ChoicePrompt
from loanword.tokenizer.interface import Tokenizer

ChoiceIds = Literal["in-context", "isolated"]
Ids = tuple[int, ...]


@dataclass(frozen=True)
class PromptIds:
    """What a model reads and what it is asked for: each continuation follows `context`."""

    context: Ids
    continuations: tuple[Ids, ...]
    num_shots: int

    @property
    def longest(self) -> int:
        """Ids that the model must read to predict every continuation: the last id of one is never read."""
        return len(self.context) + max(map(len, self.continuations)) - 1


def fit_prompts(
    prompts: Sequence[ChoicePrompt], tokenizer: Tokenizer, context_tokens: int, choice_ids: ChoiceIds = "in-context"
) -> list[PromptIds | None]:
    """Each prompt with as many of its shots as fit, dropped from the end one by one.

    "in-context": a choice's ids are those of prompt and choice beyond those of the prompt, also where a piece
    reaches across the boundary. "isolated": the first id of the choice encoded by itself.

    Source: hendrycks/test, evaluate.py (dropping shots); hkust-nlp/ceval, evaluators/llama.py ("isolated").
    """
    fitted: list[PromptIds | None] = [None] * len(prompts)
    waiting = {index: len(prompt.shots) for index, prompt in enumerate(prompts)}
    while waiting:
        texts = [prompt_text(prompts[index], num_shots) for index, num_shots in waiting.items()]
        contexts = [_begin(tokenizer, ids) for ids in tokenizer.encode_batch(texts)]
        short = [place for place, context in enumerate(contexts) if len(context) <= context_tokens]
        indices = list(waiting)
        asked = [(texts[place], contexts[place], prompts[indices[place]].choices) for place in short]
        for place, (context, continuations) in zip(short, _continue(tokenizer, asked, choice_ids), strict=True):
            index = indices[place]
            made = PromptIds(context, continuations, waiting[index])
            if made.longest <= context_tokens:
                fitted[index] = made
                del waiting[index]
        waiting = {index: num_shots - 1 for index, num_shots in waiting.items() if num_shots}
    return fitted


def prompt_text(prompt: ChoicePrompt, num_shots: int) -> str:
    """The text that the choices follow."""
    return prompt.header + "".join(prompt.shots[:num_shots]) + prompt.question


def common_prefix(sequences: Sequence[Ids]) -> int:
    """Number of leading ids that all sequences share."""
    # The smallest and the largest in lexicographic order part first.
    low, high = min(sequences), max(sequences)
    pairs = zip(low, high, strict=False)
    return next((place for place, (a, b) in enumerate(pairs) if a != b), min(len(low), len(high)))


def _begin(tokenizer: Tokenizer, ids: Sequence[int]) -> Ids:
    return (tokenizer.bos_id, *ids)


def _continue(
    tokenizer: Tokenizer, asked: Sequence[tuple[str, Ids, tuple[str, ...]]], choice_ids: ChoiceIds
) -> list[tuple[Ids, tuple[Ids, ...]]]:
    """Context and continuations of each (text, its ids, choices)."""
    if choice_ids == "isolated":
        return [
            (context, tuple((ids[0],) for ids in tokenizer.encode_batch([choice.strip() for choice in choices])))
            for _, context, choices in asked
        ]
    encoded = iter(tokenizer.encode_batch([text + choice for text, _, choices in asked for choice in choices]))
    made: list[tuple[Ids, tuple[Ids, ...]]] = []
    for _, context, choices in asked:
        whole = [_begin(tokenizer, next(encoded)) for _ in choices]
        # One boundary for all choices, or their likelihoods would be conditioned on different texts.
        boundary = min(common_prefix([context, ids]) for ids in whole)
        made.append((context[:boundary], tuple(ids[boundary:] for ids in whole)))
    return made
