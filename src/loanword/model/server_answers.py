"""What servers answer, read into values: models, ids, likely next tokens, texts.

vLLM and SGLang answer log-probabilities as OpenAI's completions did (a mapping from a token's text), llama.cpp as its
chat completions do (a list of tokens), SGLang's own route as triples. Anything else is Malformed, never read halfway.

Source: vllm-project/vllm 030ea52effcb, vllm/entrypoints/openai/completion/serving.py (mapping; `token_id:` keys);
ggml-org/llama.cpp, tools/server/README.md (list of tokens with ids); sgl-project/sglang, meta_info of /generate.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeGuard, cast

from loanword.model.server_transport import Malformed

Kind = Literal["vllm", "sglang", "llamacpp", "other"]
_OWNERS: dict[str, Kind] = {"vllm": "vllm", "sglang": "sglang", "llamacpp": "llamacpp"}

MISSING_NATS = -100.0
"""Log-likelihood of a choice that is not among the likeliest tokens. Source: hendrycks/test, evaluate.py."""

_FILTERED = frozenset({"content_filter", "safety"})
_CUT = frozenset({"length", "max_tokens", "model_length"}) | _FILTERED
_BROKEN = frozenset({"abort", "error", "cancelled"})
"""What servers say of answers that did not come to an end; all else says that they did ("stop", "eos", "end_turn")."""

_ID_KEY = re.compile(r"token_id:(\d+)")
_ROUNDING_NATS = 1e-3


@dataclass(frozen=True)
class ModelCard:
    """A model as a server lists it; `kind` is the software that serves it, `adapts` the model that it is an adapter of.

    `context_tokens` is None where the list does not say.
    """

    id: str
    kind: Kind = "other"
    context_tokens: int | None = None
    adapts: str | None = None


@dataclass(frozen=True)
class LikelyToken:
    """A token that may come next, by its text and, where the server tells it, its id."""

    nats: float
    text: str
    id: int | None = None


@dataclass(frozen=True)
class Completion:
    """A text that a server generated; `is_whole` says that it ended by itself or before a stop string, `refused` that
    a filter ended it, or that it is the model's refusal to answer, given apart from a text.

    Tokens are 0 where the server does not count them, and `model` is empty where it does not say which one answered.
    """

    text: str
    is_whole: bool
    num_tokens: int
    num_prompt_tokens: int
    model: str = ""
    refused: bool = False


def read_models(payload: Any) -> list[ModelCard]:
    """The models of a /v1/models."""
    return [
        _model_card(_mapping(card, "a model")) for card in _sequence(_mapping(payload, "models").get("data"), "data")
    ]


def read_served_context(payload: Any) -> int:
    """The context in tokens of a llama.cpp /props."""
    settings = _mapping(_mapping(payload, "properties").get("default_generation_settings"), "settings")
    return _count(settings.get("n_ctx"), "n_ctx")


def read_version(payload: Any) -> str:
    """The version that a server tells of itself, by any of the names that it has."""
    told = _mapping(payload, "facts")
    version = told.get("version") or told.get("build_info")
    if not isinstance(version, str):
        raise Malformed("no version")
    return version


def read_ids(payload: Any) -> tuple[int, ...]:
    """The ids of a /tokenize."""
    return tuple(_count(id, "a token") for id in _sequence(_mapping(payload, "tokens").get("tokens"), "tokens"))


def read_model_name(payload: Any) -> str | None:
    """The model that an answer says it is of; None where it does not say."""
    name = payload.get("model") if isinstance(payload, dict) else None
    return name if isinstance(name, str) and name else None


def read_likely_tokens(payload: Any) -> list[LikelyToken] | None:
    """The likeliest tokens at the first generated position; None where the server gives no log-probabilities."""
    if isinstance(payload, dict) and "meta_info" in payload:
        return _named_tokens(_mapping(payload["meta_info"], "meta_info"))
    logprobs = _only_choice(payload).get("logprobs")
    if logprobs is None:
        return None
    told = _mapping(logprobs, "logprobs")
    if told.get("content") is not None:
        return _listed_tokens(_sequence(told["content"], "content"))
    if told.get("top_logprobs") is None:
        return None
    positions = _sequence(told["top_logprobs"], "top_logprobs")
    if not positions or positions[0] is None:
        raise Malformed("no position in top_logprobs")
    return [_keyed_token(key, nats) for key, nats in _mapping(positions[0], "top_logprobs[0]").items()]


def read_completion(payload: Any) -> Completion:
    """The text of a completion or of a chat completion; a chat's empty content is an empty text."""
    choice = _only_choice(payload)
    message = _mapping(choice["message"], "message") if "message" in choice else None
    refusal = message.get("refusal") if message is not None else None
    text = message.get("content", 0) if message is not None else choice.get("text", 0)
    if text is None and message is not None:
        text = refusal if isinstance(refusal, str) else ""
    if not isinstance(text, str):
        raise Malformed("no text in the answer")
    ended = choice.get("finish_reason")
    if not isinstance(ended, str) or ended.lower() in _BROKEN:
        raise Malformed(f"finish_reason is {ended!r}, which ends no answer")
    used = payload.get("usage")
    counts = [used.get(name) if isinstance(used, dict) else None for name in ("completion_tokens", "prompt_tokens")]
    num_tokens, num_prompt_tokens = (count if _is_count(count) else 0 for count in counts)
    model = read_model_name(payload) or ""
    return Completion(
        _whole_characters(text),
        ended.lower() not in _CUT,
        num_tokens,
        num_prompt_tokens,
        model,
        refused=ended.lower() in _FILTERED or (bool(refusal) and text == refusal),
    )


def nats_by_id(likely: Sequence[LikelyToken], ids: Sequence[int]) -> tuple[float, ...]:
    """Log-likelihood of each id; MISSING_NATS where it is not among the tokens."""
    told = {token.id: token.nats for token in likely if token.id is not None}
    return tuple(told.get(id, MISSING_NATS) for id in ids)


def nats_by_text(likely: Sequence[LikelyToken], choices: Sequence[str]) -> tuple[float, ...]:
    """Log-likelihood of the token that says a choice; MISSING_NATS where none does, the likeliest where several do.

    A token says a choice whose text it has. Some servers drop the space that a token begins with: where none of the
    tokens begins with one, a choice's own is not looked for either.
    """
    told = [(_plain(token.text), token.nats) for token in likely]
    keeps_spaces = any(text.startswith(" ") for text, _ in told)
    sought = choices if keeps_spaces else [choice.strip() for choice in choices]
    return tuple(max((nats for text, nats in told if text == choice), default=MISSING_NATS) for choice in sought)


def before_stop(text: str, stop: Sequence[str]) -> tuple[str, bool]:
    """A text up to its first stop string, and whether there was one."""
    ends = [place for place in (text.find(end) for end in stop) if place >= 0]
    return (text[: min(ends)], True) if ends else (text, False)


def _plain(text: str) -> str:
    # A space as SentencePiece's and byte-level pieces write it.
    return text.replace("▁", " ").replace("Ġ", " ")


def _whole_characters(text: str) -> str:
    # JSON can hold half a surrogate pair, which no file can.
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _model_card(card: Mapping[str, Any]) -> ModelCard:
    id, owner, adapts, context = (card.get(name) for name in ("id", "owned_by", "parent", "max_model_len"))
    if not isinstance(id, str) or not id:
        raise Malformed("a model without an id")
    return ModelCard(
        id,
        kind=_OWNERS.get(owner, "other") if isinstance(owner, str) else "other",
        context_tokens=context if _is_count(context) and context else None,
        adapts=adapts if isinstance(adapts, str) else None,
    )


def _only_choice(payload: Any) -> Mapping[str, Any]:
    choices = _sequence(_mapping(payload, "the answer").get("choices"), "choices")
    if len(choices) != 1:
        raise Malformed(f"{len(choices)} choices where one was asked for")
    return _mapping(choices[0], "choices[0]")


def _named_tokens(meta: Mapping[str, Any]) -> list[LikelyToken] | None:
    positions = meta.get("output_token_ids_logprobs")
    if positions is None:
        return None
    listed = _sequence(positions, "output_token_ids_logprobs")
    if not listed:
        raise Malformed("no position in output_token_ids_logprobs")
    tokens: list[LikelyToken] = []
    for token in _sequence(listed[0], "output_token_ids_logprobs[0]"):
        told = _sequence(token, "a token")
        if len(told) < 2:
            raise Malformed("a token without its id")
        tokens.append(LikelyToken(_nats(told[0]), "", _count(told[1], "a token's id")))
    return tokens


def _listed_tokens(positions: Sequence[Any]) -> list[LikelyToken]:
    if not positions:
        raise Malformed("no position in the log-probabilities")
    first = _mapping(positions[0], "content[0]")
    tokens = _sequence(first.get("top_logprobs"), "top_logprobs")
    return [_listed_token(_mapping(token, "a token")) for token in tokens]


def _listed_token(token: Mapping[str, Any]) -> LikelyToken:
    text, id = token.get("token"), token.get("id")
    if not isinstance(text, str):
        raise Malformed("a token without its text")
    return LikelyToken(_nats(token.get("logprob")), text, None if id is None else _count(id, "a token's id"))


def _keyed_token(key: str, nats: Any) -> LikelyToken:
    named = _ID_KEY.fullmatch(key)
    return LikelyToken(_nats(nats), key, int(named[1]) if named else None)


def _nats(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not -math.inf < value <= _ROUNDING_NATS:
        raise Malformed(f"a log-probability is {value!r}")
    try:
        return float(value)
    except OverflowError:
        raise Malformed("a log-probability of more digits than a number has") from None


def _count(value: Any, name: str) -> int:
    if not _is_count(value):
        raise Malformed(f"{name} is {value!r}, not a number from 0")
    return value


def _is_count(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _mapping(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise Malformed(f"{name}: not a JSON object")
    return cast("dict[str, Any]", value)


def _sequence(value: Any, name: str) -> Sequence[Any]:
    if not isinstance(value, list):
        raise Malformed(f"{name}: not a JSON list")
    return cast("list[Any]", value)
