"""Responses of a model, token by token, after prompts given as ids.

Shapes: B rows, T ids of a row, V vocabulary. Rows are padded on the left.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from loanword.errors import UserError
from loanword.model.load import context_tokens
from loanword.tokenizer.interface import Tokenizer

_INCOMPLETE = "\ufffd"


@torch.inference_mode()
def generate(
    model: PreTrainedModel,
    tokenizer: Tokenizer,
    prompts: Sequence[Sequence[int]],
    *,
    max_new_tokens: int,
    micro_batch_tokens: int = 16_384,
) -> list[str]:
    """The response to each prompt, in order, every token the likeliest one.

    A response ends before EOS, after `max_new_tokens`, or where the model's context is full.

    Raises:
        UserError: a prompt that fills the model's context.
    """
    limit = context_tokens(model)
    for number, prompt in enumerate(prompts):
        _require_room(prompt, limit, f"conversation {number}")
    responses: list[list[int]] = [[] for _ in prompts]
    order = sorted(range(len(prompts)), key=lambda index: -len(prompts[index]))
    while order:
        widest = min(limit, len(prompts[order[0]]) + max_new_tokens)
        num_rows = max(1, micro_batch_tokens // widest)
        batch, order = order[:num_rows], order[num_rows:]
        generated = _greedy(model, [prompts[index] for index in batch], stop_ids(model, tokenizer), max_new_tokens)
        for index, ids in zip(batch, generated, strict=True):
            responses[index] = ids
    return [tokenizer.decode(ids) for ids in responses]


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
) -> Iterator[str]:
    """The response to one prompt in parts, as soon as a part's characters are whole.

    At temperature 0 every token is the likeliest; else it is drawn, from the likeliest tokens that hold `top_p` of
    the probability. Equal seeds give equal responses.

    Raises:
        UserError: a prompt that fills the model's context.
    """
    limit = context_tokens(model)
    _require_room(prompt, limit, "the conversation")
    generator = torch.Generator().manual_seed(seed)
    stops, cache = stop_ids(model, tokenizer), DynamicCache()
    unread, response, shown = list(prompt), list[int](), ""
    for _ in range(min(max_new_tokens, limit - len(prompt))):
        ids_1T = torch.tensor([unread], device=model.device)
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


def draw(logits_V: Tensor, temperature: float, top_p: float, generator: torch.Generator) -> int:
    """An id by temperature and nucleus sampling; the likeliest one at temperature 0.

    Source: arXiv 1904.09751, section 3.1 (nucleus sampling).
    """
    if temperature == 0:
        return int(logits_V.argmax())
    probabilities_V, ids_V = (logits_V / temperature).softmax(-1).sort(descending=True, stable=True)
    # The nucleus includes the token that reaches top_p, so it is never empty.
    outside_V = probabilities_V.cumsum(-1) - probabilities_V >= top_p
    return int(ids_V[torch.multinomial(probabilities_V.masked_fill(outside_V, 0.0), 1, generator=generator)])


def stop_ids(model: PreTrainedModel, tokenizer: Tokenizer) -> frozenset[int]:
    """Ids that end a response: the tokenizer's EOS and those of the checkpoint's generation settings."""
    named = model.generation_config.eos_token_id if model.generation_config is not None else None
    more = [named] if isinstance(named, int) else named or []
    return frozenset([tokenizer.eos_id, *more])


def _greedy(
    model: PreTrainedModel, prompts: Sequence[Sequence[int]], stops: frozenset[int], max_new_tokens: int
) -> list[list[int]]:
    """Ids of each response; a row leaves the batch when its response is over."""
    limit, device = context_tokens(model), model.device
    longest = max(map(len, prompts))
    unread_BT = torch.tensor([[0] * (longest - len(prompt)) + list(prompt) for prompt in prompts], device=device)
    mask_BT = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts], device=device)
    responses: list[list[int]] = [[] for _ in prompts]
    rows = list(range(len(prompts)))
    cache = DynamicCache()
    for _ in range(max_new_tokens):
        position_ids_BT = (mask_BT.cumsum(-1) - 1).clamp(min=0)[:, -unread_BT.shape[1] :]
        logits_B1V = model(
            unread_BT,
            attention_mask=mask_BT,
            position_ids=position_ids_BT,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits
        ids = logits_B1V[:, -1].float().argmax(-1).tolist()
        going: list[int] = []
        for place, (row, id) in enumerate(zip(rows, ids, strict=True)):
            if id in stops:
                continue
            responses[row].append(id)
            if len(prompts[row]) + len(responses[row]) < limit:
                going.append(place)
        if not going:
            break
        kept_B = torch.tensor(going, device=device)
        if len(going) < len(rows):
            cache.batch_select_indices(kept_B)
        rows = [rows[place] for place in going]
        unread_BT = torch.tensor([[ids[place]] for place in going], device=device)
        mask_BT = torch.cat([mask_BT[kept_B], torch.ones_like(unread_BT)], dim=-1)
    return responses


def _require_room(prompt: Sequence[int], limit: int, where: str) -> None:
    if len(prompt) >= limit:
        raise UserError(
            where,
            f"{len(prompt)} tokens leave no room for a response",
            expected=f"fewer than the {limit} tokens of the model's context",
            do="shorten it, or begin a new conversation",
        )
