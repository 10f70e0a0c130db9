"""Conversations as ids, through a chat template that is stored with the model.

In: Conversation records, and a Jinja template such as `apply_chat_template` of transformers reads.
Out: ids from BOS to EOS, with a mark on the response tokens, each response's EOS included.

Prompt and response are encoded apart, when tuning and when generating: the prompt's ids never depend on the response,
the model goes on from exactly the ids it was tuned on, and the mask is exact without asking which characters a token
spans. BOS and EOS are the template's `bos_token` and `eos_token`; text that only reads like them stays text.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any, NoReturn

import jinja2
import jinja2.exceptions
import jinja2.ext
import jinja2.utils
from jinja2.sandbox import ImmutableSandboxedEnvironment, safe_range

from loanword.errors import UserError
from loanword.records import Conversation, Message
from loanword.tokenizer.interface import Tokenizer
from loanword.tokens.pack import EncodedConversation, Encoder

# Source: PROMPT_DICT["prompt_no_input"] in train.py of tatsu-lab/stanford_alpaca; an input is part of the instruction,
# as in ymcui/Chinese-LLaMA-Alpaca. Ours: a system message takes the preamble's place, and turns follow each other.
ALPACA_TEMPLATE = (
    "{{ bos_token }}"
    "{% if messages[0]['role'] == 'system' %}{{ messages[0]['content'] }}"
    "{% else %}Below is an instruction that describes a task. "
    "Write a response that appropriately completes the request.{% endif %}"
    "{% for message in messages %}"
    "{% if message['role'] == 'user' %}{{ '\\n\\n### Instruction:\\n' + message['content'] }}"
    "{% elif message['role'] == 'assistant' %}{{ '\\n\\n### Response:' + message['content'] + eos_token }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '\\n\\n### Response:' }}{% endif %}"
)
TEMPLATES = {"alpaca": ALPACA_TEMPLATE}

# Noncharacters, which Unicode keeps for use inside a program: no text that is exchanged holds them.
_BOS_MARK, _EOS_MARK = "\ufdd0", "\ufdd1"
_MARKS = re.compile(f"([{_BOS_MARK}{_EOS_MARK}])")
_BATCH_CONVERSATIONS = 1024

_Segment = tuple[str, bool]


def render(
    messages: Sequence[Message], template: str, *, bos_token: str, eos_token: str, add_generation_prompt: bool = False
) -> str:
    """The text of some messages under a chat template, as `apply_chat_template` of transformers renders it.

    A checkpoint's template is code, so it runs in a sandbox that changes nothing and knows no clock.

    Raises:
        UserError: a template that does not parse, refuses the messages, or leaves the sandbox.
    """
    try:
        return _compiled(template).render(
            messages=[message.model_dump() for message in messages],
            bos_token=bos_token,
            eos_token=eos_token,
            add_generation_prompt=add_generation_prompt,
        )
    except jinja2.TemplateError as error:
        raise UserError(
            "chat template",
            f"{type(error).__name__}: {error}",
            expected=f"a template for the roles {', '.join(message.role for message in messages)}",
            do="mend chat_template in the model's tokenizer_config.json or chat_template.jinja",
        ) from None


def prompt_encoder(tokenizer: Tokenizer) -> Callable[[Sequence[Message]], list[int]] | None:
    """How a conversation becomes the ids that a response follows, by the checkpoint's own chat template.

    None where it has none.
    """
    template = tokenizer.chat_template
    return None if template is None else lambda messages: encode_prompt(messages, tokenizer, template)


def encode_prompt(messages: Sequence[Message], tokenizer: Encoder, template: str) -> list[int]:
    """Ids that a response to `messages` is generated after."""
    segments = [(_render_marked(messages, template, add_generation_prompt=True), False)]
    return _encode([segments], tokenizer)[0].ids


def encode_conversation(conversation: Conversation, tokenizer: Encoder, template: str) -> EncodedConversation:
    """Ids of a conversation, and which of them are counted: those of every response, and its EOS."""
    return _encode([_segments(conversation, template)], tokenizer)[0]


def encode_conversations(
    conversations: Iterable[Conversation], tokenizer: Encoder, template: str
) -> Iterator[EncodedConversation]:
    """Each conversation as `encode_conversation` gives it, in order, many to a batch."""
    rest = iter(conversations)
    while batch := list(islice(rest, _BATCH_CONVERSATIONS)):
        yield from _encode([_segments(conversation, template) for conversation in batch], tokenizer)


def _segments(conversation: Conversation, template: str) -> list[_Segment]:
    segments: list[_Segment] = []
    done = ""
    for place, message in enumerate(conversation.messages):
        if message.role != "assistant":
            continue
        prompt = _render_marked(conversation.messages[:place], template, add_generation_prompt=True)
        whole = _render_marked(conversation.messages[: place + 1], template)
        response, end, _ = whole.removeprefix(prompt).partition(_EOS_MARK)
        if not (prompt.startswith(done) and whole.startswith(prompt) and end):
            raise _unfit_template(conversation)
        segments += [(prompt.removeprefix(done), False), (response + end, True)]
        done = prompt + response + end
    return segments


def _encode(conversations: Sequence[Sequence[_Segment]], tokenizer: Encoder) -> list[EncodedConversation]:
    parts = [
        [(part, counted) for text, counted in segments for part in _MARKS.split(text) if part]
        for segments in conversations
    ]
    texts = [part for each in parts for part, _ in each if part not in (_BOS_MARK, _EOS_MARK)]
    encoded = iter(tokenizer.encode_batch(texts))
    special = {_BOS_MARK: [tokenizer.bos_id], _EOS_MARK: [tokenizer.eos_id]}
    made: list[EncodedConversation] = []
    for each in parts:
        conversation = EncodedConversation([], [])
        for part, counted in each:
            ids = special[part] if part in special else next(encoded)
            conversation.ids.extend(ids)
            conversation.counted.extend([counted] * len(ids))
        made.append(conversation)
    return made


def _render_marked(messages: Sequence[Message], template: str, *, add_generation_prompt: bool = False) -> str:
    plain = [message.model_copy(update={"content": _MARKS.sub("", message.content)}) for message in messages]
    return render(
        plain, template, bos_token=_BOS_MARK, eos_token=_EOS_MARK, add_generation_prompt=add_generation_prompt
    )


def _unfit_template(conversation: Conversation) -> UserError:
    return UserError(
        "chat template",
        f"conversation {conversation.id!r}: the prompt is not the beginning of the conversation, "
        "or a response does not end with eos_token",
        expected="a template that writes turn after turn and ends each response with eos_token",
        do="tune with a template of ours: alpaca",
    )


@lru_cache(maxsize=16)
def _compiled(template: str) -> jinja2.Template:
    # Source: chat_template_utils.py of transformers, under whose settings published templates are written. The clock
    # is left out: a prompt that changes overnight cannot be reproduced.
    # Any, because jinja2 gives no types to the values of its tables.
    environment: Any = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[jinja2.ext.loopcontrols]
    )
    environment.globals.clear()
    environment.globals.update(range=safe_range, dict=_dictionary, namespace=_Namespace, raise_exception=_refuse)
    environment.filters["tojson"] = _to_json
    return environment.from_string(template)


class _Namespace(jinja2.utils.Namespace):
    # Underscored names are the way out of a sandbox.

    def __init__(self, /, **values: object) -> None:
        for name in values:
            _refuse_underscore(name)
        super().__init__(values)

    def __setitem__(self, name: str, value: object) -> None:
        _refuse_underscore(name)
        super().__setitem__(name, value)


def _dictionary(**values: object) -> dict[str, object]:
    return values


def _to_json(value: object, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _refuse_underscore(name: str) -> None:
    if name.startswith("_"):
        raise jinja2.exceptions.SecurityError(f"{name!r} begins with an underscore")


def _refuse(message: str) -> NoReturn:
    raise jinja2.TemplateError(message)
