"""Multiple-choice prompts as ids: how many shots fit a context, and which ids stand for the choices.

In: ChoicePrompts. Out: one PromptIds a prompt, None for a question that is longer than the context by itself.
A prompt is BOS and the ids of its whole text: shots are never encoded apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from loanword.errors import UserError
from loanword.protocols import ChoicePrompt
from loanword.recipe import ChoiceIds
from loanword.tokenizer.interface import Tokenizer
from loanword.tokenizer.sentence_pieces import SentencePieceTokenizer

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
    encoder = Encoder(tokenizer)
    fitted: list[PromptIds | None] = [None] * len(prompts)
    waiting = {index: len(prompt.shots) for index, prompt in enumerate(prompts)}
    while waiting:
        stems = [prompt_text(prompts[index], num_shots, with_question=False) for index, num_shots in waiting.items()]
        texts = [(stem, prompts[index].question) for stem, index in zip(stems, waiting, strict=True)]
        contexts = [_begin(tokenizer, ids) for ids in encoder.encode(texts)]
        short = [place for place, context in enumerate(contexts) if len(context) <= context_tokens]
        indices = list(waiting)
        asked = [(texts[place], contexts[place], prompts[indices[place]].choices) for place in short]
        continued = _isolated(tokenizer, asked) if choice_ids == "isolated" else _in_context(tokenizer, encoder, asked)
        for place, (context, continuations) in zip(short, continued, strict=True):
            index = indices[place]
            made = PromptIds(context, continuations, waiting[index])
            if made.longest <= context_tokens:
                fitted[index] = made
                del waiting[index]
        waiting = {index: num_shots - 1 for index, num_shots in waiting.items() if num_shots}
    return fitted


def reserved_tokens(context_tokens: int, max_new_tokens: int) -> int:
    """Tokens that the prompt of a response leaves for it, whoever responds; it may find more."""
    return min(max_new_tokens, max(1, context_tokens // 4))


def prompt_text(prompt: ChoicePrompt, num_shots: int, *, with_question: bool = True) -> str:
    """The text that the choices follow, or what stands before the question."""
    return prompt.header + "".join(prompt.shots[:num_shots]) + (prompt.question if with_question else "")


def common_prefix(sequences: Sequence[Ids]) -> int:
    """Number of leading ids that all sequences share."""
    # The smallest and the largest in lexicographic order part first.
    low, high = min(sequences), max(sequences)
    if high[: len(low)] == low:
        return len(low)
    return next(place for place, (a, b) in enumerate(zip(low, high, strict=False)) if a != b)


class Encoder:
    """Ids of many texts that begin alike: what they share is encoded once, and the ids are those of the whole texts.

    SentencePiece merges neighbours into pieces and nothing else, so where no piece holds two characters side by side
    the ids of what stands before and after are independent of each other. Other tokenizers encode every text.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._ids: dict[str, list[int]] = {"": []}
        self._stems: dict[str, tuple[str, int]] = {}
        self._apart: dict[str, bool] = {}
        # Without byte fallback a run of unknown characters is one piece, which the vocabulary does not show.
        self._can_cut = isinstance(tokenizer, SentencePieceTokenizer) and "<0x0A>" in tokenizer.pieces
        self._all_pieces = "\0".join(tokenizer.pieces)

    def encode(self, texts: Sequence[tuple[str, ...]]) -> list[list[int]]:
        """Ids of each text, given in parts of which the first ones recur, without BOS."""
        if not self._can_cut:
            return self._tokenizer.encode_batch(["".join(parts) for parts in texts])
        spans = [self._spans(parts) for parts in texts]
        new = list(dict.fromkeys(span for some in spans for span in some if span not in self._ids))
        self._ids.update(zip(new, self._tokenizer.encode_spans(new), strict=True))
        return [[id for span in some for id in self._ids[span]] for some in spans]

    def _spans(self, parts: Sequence[str]) -> list[str]:
        """The normalised text, cut at or before the end of each part but the last where nothing merges across."""
        (text,) = self._tokenizer.spans("".join(parts))
        cuts = [0]
        for number in range(1, len(parts)):
            stem, cut = self._stem("".join(parts[:number]))
            cuts.append(max(cuts[-1], cut) if text.startswith(stem) else cuts[-1])
        return [text[start:stop] for start, stop in zip(cuts, [*cuts[1:], len(text)], strict=True)]

    def _stem(self, text: str) -> tuple[str, int]:
        if text not in self._stems:
            (normal,) = self._tokenizer.spans(text)
            self._stems[text] = normal, self._cut(normal)
        return self._stems[text]

    def _cut(self, text: str) -> int:
        """The last place inside of a text whose two neighbours no piece holds side by side; 0 where there is none."""
        for place in range(len(text) - 1, 0, -1):
            pair = text[place - 1 : place + 1]
            if pair not in self._apart:
                self._apart[pair] = pair not in self._all_pieces
            if self._apart[pair]:
                return place
        return 0


def _begin(tokenizer: Tokenizer, ids: Sequence[int]) -> Ids:
    return (tokenizer.bos_id, *ids)


Asked = Sequence[tuple[tuple[str, str], Ids, tuple[str, ...]]]
"""(stem and question, the ids of both, choices)."""


def _isolated(tokenizer: Tokenizer, asked: Asked) -> list[tuple[Ids, tuple[Ids, ...]]]:
    first = {choice: tuple(tokenizer.encode(choice.strip())[:1]) for _, _, choices in asked for choice in choices}
    for _, _, choices in asked:
        if len({first[choice] for choice in choices}) < len(choices):
            raise UserError(
                f"choice_ids isolated: {', '.join(map(repr, choices))}",
                "begin with the same id, so that nothing tells them apart",
                expected="choices that are pieces of their own",
                do='set choice_ids = "in-context"',
            )
    return [(context, tuple(first[choice] for choice in choices)) for _, context, choices in asked]


def _in_context(tokenizer: Tokenizer, encoder: Encoder, asked: Asked) -> list[tuple[Ids, tuple[Ids, ...]]]:
    """Context and continuations of each."""
    encoded = iter(encoder.encode([(*text, choice) for text, _, choices in asked for choice in choices]))
    made: list[tuple[Ids, tuple[Ids, ...]]] = []
    for _, context, choices in asked:
        whole = [_begin(tokenizer, next(encoded)) for _ in choices]
        # One boundary for all choices, or their likelihoods would be conditioned on different texts.
        boundary = min(common_prefix([context, ids]) for ids in whole)
        made.append((context[:boundary], tuple(ids[boundary:] for ids in whole)))
    return made
