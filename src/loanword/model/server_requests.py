"""What is asked of servers: bodies of requests, and what their refusals mean.

Likelihoods are always asked for at one generated token. Those of the prompt itself (`echo`, `prompt_logprobs`) make
vLLM leave its prefix cache unused and compute every prompt anew.

Source: vllm-project/vllm 00388f6573cc, vllm/sampling_params.py (`skip_reading_prefix_cache`, `logprob_token_ids`).
"""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

from loanword.model.open_prompts import messages, plain_text
from loanword.model.prompts import Ids, reserved_tokens
from loanword.model.server_answers import Kind, ModelCard
from loanword.model.server_transport import Refusal
from loanword.protocols import OpenPrompt
from loanword.records import Decoding

NUM_LIKELY_TOKENS = (20, 10, 5)
"""How many of the likeliest tokens are asked for, and what instead where a server refuses so many.

Source: vLLM's `max_logprobs` is 20 by default; OpenAI's completions gave 5.
"""

LIMIT_NAMES = ("max_tokens", "max_completion_tokens")
"""What the most new tokens are called: the second where a server refuses the first, as OpenAI's does for models that
think before they answer, whose thoughts count."""

# A server may sample as the checkpoint's generation_config or its own defaults say, greedily decoded text included:
# what a Decoding does not name is switched off, by the names that each server knows.
_NO_PENALTIES = {"presence_penalty": 0.0, "frequency_penalty": 0.0}
_PLAIN_SAMPLING: dict[Kind, dict[str, Any]] = {
    "vllm": {**_NO_PENALTIES, "top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0},
    "sglang": {**_NO_PENALTIES, "top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0},
    "llamacpp": {**_NO_PENALTIES, "top_k": 0, "min_p": 0.0, "repeat_penalty": 1.0},
    "other": {},
}

_TOKENIZE_PATHS: dict[Kind, str] = {"vllm": "/tokenize", "sglang": "/v1/tokenize", "llamacpp": "/tokenize"}

_TOO_LONG = (
    "context length",
    "context_length",
    "context size",
    "context_size",
    "context window",
    "maximum model length",
)


def tokenize_request(card: ModelCard, text: str, *, special: bool) -> tuple[str, dict[str, Any]] | None:
    """Path and body that ask for a text's ids, with BOS where `special` and the model has one.

    None where no id can be asked for: at software that is not known, and at SGLang's adapters, whose route for ids
    would answer for the model below.
    """
    path = _TOKENIZE_PATHS.get(card.kind)
    if path is None or (card.kind == "sglang" and card.adapts is not None):
        return None
    if card.kind == "llamacpp":
        return path, {"content": text, "add_special": special, "parse_special": False}
    return path, {"model": card.id, "prompt": text, "add_special_tokens": special}


def choice_request(
    card: ModelCard, prompt: str | Ids, ids: Sequence[int], num_likely: int
) -> tuple[str, dict[str, Any]]:
    """Path and body that ask for the log-probabilities of the token after a prompt, of `ids` by name where possible."""
    if card.kind == "sglang" and ids:
        return "/generate", {
            "input_ids": list(prompt),
            "sampling_params": {"max_new_tokens": 1, "temperature": 0.0, **_PLAIN_SAMPLING["sglang"]},
            "return_logprob": True,
            "logprob_start_len": -1,
            "token_ids_logprob": list(dict.fromkeys(ids)),
        }
    body: dict[str, Any] = {
        "model": card.id,
        "prompt": prompt if isinstance(prompt, str) else list(prompt),
        "max_tokens": 1,
        "temperature": 0.0,
        "logprobs": num_likely,
        **_PLAIN_SAMPLING[card.kind],
    }
    if card.kind == "vllm" and ids:
        # Two pieces may have one text ("▁A" and "A"), and the answer is a mapping from texts: only ids tell them apart.
        body |= {"logprob_token_ids": list(dict.fromkeys(ids)), "return_tokens_as_token_ids": True}
    if card.kind == "llamacpp":
        body["n_probs"] = num_likely
    return "/v1/completions", body


def completion_request(
    card: ModelCard,
    prompt: OpenPrompt,
    num_shots: int,
    max_new_tokens: int,
    decoding: Decoding,
    *,
    limit_name: str = LIMIT_NAMES[0],
) -> tuple[str, dict[str, Any]]:
    """Path and body that ask for a response; `limit_name` is what the server calls its most tokens."""
    body: dict[str, Any] = {
        "model": card.id,
        limit_name: max_new_tokens,
        "temperature": decoding.temperature,
        **_PLAIN_SAMPLING[card.kind],
    }
    if decoding.stop:
        body["stop"] = list(decoding.stop)
    if decoding.temperature > 0:
        body |= {"top_p": decoding.top_p, "seed": prompt_seed(decoding.seed, prompt.id)}
    if not prompt.chat:
        return "/v1/completions", {**body, "prompt": plain_text(prompt, num_shots)}
    said = [{"role": message.role, "content": message.content} for message in messages(prompt, num_shots)]
    return "/v1/chat/completions", {**body, "messages": said}


def prompt_seed(seed: int, id: str) -> int:
    """The seed of one prompt's draws, in 32 bits: whatever else is asked, and in which order, does not move it."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{id}".encode()).digest()[:4], "big")


def rooms(num_shots: int, max_new_tokens: int, context_tokens: int | None) -> Iterator[tuple[int, int]]:
    """Shots and new tokens to try until a prompt fits.

    New tokens are halved down to what is reserved, then a shot is dropped. Where the context is not known, all shots
    are dropped before new tokens are halved.
    """
    reserved = max_new_tokens if context_tokens is None else reserved_tokens(context_tokens, max_new_tokens)
    for shots in range(num_shots, -1, -1):
        least = 1 if context_tokens is None and not shots else reserved
        asked = max_new_tokens
        while asked > least:
            yield shots, asked
            asked //= 2
        yield shots, least


def says_too_long(refusal: Refusal) -> bool:
    """Whether a prompt was refused because it does not fit the context."""
    said = refusal.text.lower()
    return refusal.status in (400, 413, 422) and any(words in said for words in _TOO_LONG)


def says_filtered(refusal: Refusal) -> bool:
    """Whether a prompt was refused for what it speaks of: only other words would be answered.

    Source: Azure OpenAI, content filtering (a prompt that is filtered gives HTTP 400 with the code `content_filter`).
    """
    return refusal.status == 400 and "content_filter" in refusal.text


def says_other_limit(refusal: Refusal) -> bool:
    """Whether a request was refused because it names the most new tokens as most servers do.

    vLLM names both where a prompt is too long.
    """
    return refusal.status in (400, 422) and LIMIT_NAMES[1] in refusal.text and not says_too_long(refusal)


def says_own_trouble(refusal: Refusal) -> bool:
    """Whether a refusal may lie in what was asked: not in the route, the key, or money that ran out (402)."""
    return refusal.status in (400, 413, 422, 451)


def says_too_many_likely(refusal: Refusal) -> bool:
    """Whether a request was refused because it asks for the log-probabilities of too many tokens."""
    return refusal.status in (400, 422) and "logprobs" in refusal.text.lower()
