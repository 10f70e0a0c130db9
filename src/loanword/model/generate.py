"""A response of a model, token by token, after a prompt given as ids.

Shapes: T ids, V vocabulary, K ids that are drawn from.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from loanword.errors import UserError
from loanword.model.load import context_tokens
from loanword.model.reading import reading
from loanword.tokenizer.interface import Tokenizer

_INCOMPLETE = "\ufffd"


@torch.inference_mode()
def stream(
    model: PreTrainedModel,
    tokenizer: Tokenizer,
    prompt: Sequence[int],
    *,
    max_new_tokens: int,
    temperature: float = 0.0,
    top_p: float = 1.0,
    seed: int = 0,
    end_of_turn: int | None = None,
) -> Iterator[str]:
    """The response to one prompt in parts, as soon as a part's characters are whole.

    It ends at an id of `stop_ids`, or at `end_of_turn`. At temperature 0 every token is the likeliest; else it is
    drawn, from the likeliest tokens that hold `top_p` of the probability. Equal seeds give equal responses.

    Raises:
        UserError: a prompt that fills the model's context.
    """
    limit = context_tokens(model)
    _require_room(prompt, limit, "the conversation")
    generator = torch.Generator().manual_seed(seed)
    stops, cache = stop_ids(model, tokenizer) | {end_of_turn}, DynamicCache()
    unread, response, shown = list(prompt), list[int](), ""
    for _ in range(min(max_new_tokens, limit - len(prompt))):
        ids_1T = torch.tensor([unread], device=model.device)
        with reading():
            logits_V = model(ids_1T, past_key_values=cache, use_cache=True, logits_to_keep=1).logits[0, -1]
        id = draw(logits_V.float().cpu(), temperature, top_p, generator)
        if id in stops:
            break
        response.append(id)
        unread = [id]
        text = tokenizer.decode(response)
        if len(text) > len(shown) and not text.endswith(_INCOMPLETE):
            yield text[len(shown) :]
            shown = text
    if rest := tokenizer.decode(response)[len(shown) :]:
        yield rest


def draw(logits_V: Tensor, temperature: float, top_p: float, generator: torch.Generator | None) -> int:
    """An id by temperature and nucleus sampling; the likeliest one at temperature 0.

    Source: arXiv 1904.09751, section 3.1 (nucleus sampling).
    """
    if temperature == 0:
        return int(logits_V.argmax())
    probabilities_V = (logits_V / temperature).softmax(-1)
    ids_K = _nucleus(probabilities_V, top_p)
    # In double, and in the order of ids: what rounds otherwise beside other prompts changes next to no draw.
    cumulative_K = probabilities_V[ids_K].double().cumsum(-1)
    drawn_1 = torch.rand(1, generator=generator, dtype=torch.double) * cumulative_K[-1]
    return int(ids_K[torch.searchsorted(cumulative_K, drawn_1, right=True).clamp(max=len(ids_K) - 1)])


def _nucleus(probabilities_V: Tensor, top_p: float) -> Tensor:
    """The fewest ids that hold `top_p` of the probability, ascending: the one that reaches it is among them."""
    num_ids = len(probabilities_V)
    if top_p == 1:
        return torch.arange(num_ids)
    num_likely = min(256, num_ids)
    # The likeliest are found ten times as fast as all are sorted.
    likely_K, ids_K = probabilities_V.topk(num_likely)
    if num_likely < num_ids and float(likely_K.sum()) < top_p:
        likely_K, ids_K = probabilities_V.sort(descending=True, stable=True)
    return ids_K[likely_K.cumsum(-1) - likely_K < top_p].sort().values


def stop_ids(model: PreTrainedModel, tokenizer: Tokenizer) -> frozenset[int]:
    """Ids that end a response: the tokenizer's EOS and those of the checkpoint's generation settings."""
    return frozenset([tokenizer.eos_id, *_named_stops(model)])


def stop_also_at(model: PreTrainedModel, end_of_turn: int) -> None:
    """Adds an id to those of the checkpoint's generation settings that end a response."""
    assert model.generation_config is not None
    model.generation_config.eos_token_id = list(dict.fromkeys([*_named_stops(model), end_of_turn]))


def _named_stops(model: PreTrainedModel) -> list[int]:
    named = model.generation_config.eos_token_id if model.generation_config is not None else None
    return [named] if isinstance(named, int) else named or []


def _require_room(prompt: Sequence[int], limit: int, where: str) -> None:
    if len(prompt) >= limit:
        raise UserError(
            where,
            f"{len(prompt)} tokens leave no room for a response",
            expected=f"fewer than the {limit} tokens of the model's context",
            do="shorten it, or begin a new conversation",
        )
