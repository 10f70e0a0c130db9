"""Conversations as ids, through a chat template that is stored with the model.

In: Conversation records, and a Jinja template such as `apply_chat_template` of transformers reads.
Out: ids up to the end of the last response, with a mark on the tokens that are learned: those of every response that
is counted, and the special token that ends it, which is EOS or an end of turn.

Special tokens come from the template alone; text that only reads like one stays text. A prompt's ids never depend on
the response, so that the model goes on from exactly the ids it was tuned on. Where the template puts white space
between the two, the response's ids are those that it has behind the prompt, as transformers gives them, as long as the
prompt's stay what they are; elsewhere ("### Response:") it begins a text of its own.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from loanword.errors import UserError
from loanword.records import Conversation, Message
from loanword.tokenizer.fast import Encoder
from loanword.tokenizer.interface import Tokenizer
from loanword.tokens.pack import EncodedConversation
from loanword.tokens.rendering import render
from loanword.tokens.templates import TEMPLATES

# Noncharacters, which Unicode keeps for use inside a program: no text that is exchanged holds them.
_BOS_MARK, _EOS_MARK, _TEXT_MARK = "\ufdd0", "\ufdd1", "\ufdd2"
_MARKS = re.compile(f"[{_BOS_MARK}{_EOS_MARK}{_TEXT_MARK}]")
_BATCH_CONVERSATIONS = 1024


class _Part(NamedTuple):
    """A run of a conversation: the id of a special token, or text, which follows other text or not."""

    text: str
    counted: bool
    special: int | None = None


def prompt_encoder(tokenizer: Tokenizer) -> Callable[[Sequence[Message]], list[int]] | None:
    """How a conversation becomes the ids that a response follows, by the checkpoint's own chat template.

    None where it has none.
    """
    template = tokenizer.chat_template
    return None if template is None else lambda messages: encode_prompt(messages, tokenizer, template)


def encode_prompt(messages: Sequence[Message], tokenizer: Encoder, template: str) -> list[int]:
    """Ids that a response to `messages` is generated after."""
    chat = _chat(tokenizer, template)
    return _encode([chat.parts(chat.rendered(messages, add_generation_prompt=True), counted=False)], tokenizer)[0].ids


def encode_conversation(conversation: Conversation, tokenizer: Encoder, template: str) -> EncodedConversation:
    """Ids of a conversation, and which of them are counted: those of every counted response, and its end.

    Raises:
        UserError: a template whose responses cannot be told, or a conversation without a counted one.
    """
    return _encode([_chat(tokenizer, template).conversation(conversation)], tokenizer)[0]


def encode_conversations(
    conversations: Iterable[Conversation], tokenizer: Encoder, template: str
) -> Iterator[EncodedConversation]:
    """Each conversation as `encode_conversation` gives it, in order, many to a batch."""
    rest, chat = iter(conversations), _chat(tokenizer, template)
    while batch := list(islice(rest, _BATCH_CONVERSATIONS)):
        yield from _encode([chat.conversation(conversation) for conversation in batch], tokenizer)


def end_of_turn(tokenizer: Encoder, template: str) -> int:
    """The id with which every response ends under a template: generating stops there."""
    turn = (Message(role="user", content="1"), Message(role="assistant", content="2"))
    return encode_conversation(Conversation(id="end of turn", messages=turn), tokenizer, template).ids[-1]


class _Chat:
    """A template under a tokenizer: messages as parts of text and special tokens."""

    def __init__(self, tokenizer: Encoder, template: str) -> None:
        self._template = template
        control: Mapping[str, int] = tokenizer.special_ids if isinstance(tokenizer, Tokenizer) else {}
        markers = _markers(tokenizer, template) if isinstance(tokenizer, Tokenizer) else {}
        named = {**markers, **{text: id for text, id in control.items() if len(text) > 1}}
        self._special = {_BOS_MARK: tokenizer.bos_id, _EOS_MARK: tokenizer.eos_id, **named}
        self._in_content, self._in_template = _any_of(named), _any_of(self._special)
        # A tokenizer that finds its markers in any text must not see them whole in a content.
        self._cut = _TEXT_MARK if markers.keys() - control.keys() else ""

    def rendered(self, messages: Sequence[Message], *, add_generation_prompt: bool = False) -> str:
        """The template's text, in which special tokens are found and those of contents are not."""
        plain = [message.model_copy(update={"content": self._as_text(message.content)}) for message in messages]
        return render(
            plain, self._template, bos_token=_BOS_MARK, eos_token=_EOS_MARK, add_generation_prompt=add_generation_prompt
        )

    def parts(self, text: str, *, counted: bool) -> list[_Part]:
        found = [part for part in self._in_template.split(text) if part]
        if self._cut:
            found = [part for each in found for part in each.split(self._cut) if part]
        return [_Part(part.replace(_TEXT_MARK, ""), counted, self._special.get(part)) for part in found]

    def conversation(self, conversation: Conversation) -> list[_Part]:
        parts: list[_Part] = []
        done, messages = "", conversation.messages
        for place, message in enumerate(messages):
            if message.role != "assistant":
                continue
            prompt = self.rendered(messages[:place], add_generation_prompt=True)
            whole = self.rendered(messages[: place + 1])
            end = self._in_template.search(whole, self._end_of_content(message, whole, len(prompt)))
            if not (prompt.startswith(done) and whole.startswith(prompt) and end):
                raise _unfit_template(conversation)
            parts += self.parts(prompt[len(done) :], counted=False)
            parts += self.parts(whole[len(prompt) : end.end()], counted=message.counted)
            done = whole[: end.end()]
        if not any(part.counted for part in parts):
            raise _nothing_counted(conversation)
        return parts

    def _as_text(self, content: str) -> str:
        content = _MARKS.sub("", content)
        return self._in_content.sub(lambda found: found[0][0] + _TEXT_MARK + found[0][1:], content)

    def _end_of_content(self, message: Message, whole: str, start: int) -> int:
        # Special tokens may stand before the content of a response; templates strip it, and some change it.
        content = self._as_text(message.content).strip()
        place = whole.find(content, start)
        return start if place < 0 else place + len(content)


@lru_cache(maxsize=4)
def _chat(tokenizer: Encoder, template: str) -> _Chat:
    # Prompts are encoded one by one, and looking through the pieces takes as long as a prompt.
    return _Chat(tokenizer, template)


_MARKUP = re.compile(r"<[^<>\s'\"{}%]{1,60}>|\[/?[A-Z_]{1,30}\]")


def _markers(tokenizer: Tokenizer, template: str) -> dict[str, int]:
    """Pieces that a template writes out, whether the tokenizer calls them special or, as Gemma's, its user's own."""
    written = set(_MARKUP.findall(template))
    return {piece: id for id, piece in enumerate(tokenizer.pieces) if piece in written}


def _any_of(texts: Mapping[str, int]) -> re.Pattern[str]:
    # The longest first, and nothing at all where there are none.
    found = "|".join(re.escape(text) for text in sorted(texts, key=len, reverse=True))
    return re.compile(f"({found})" if found else r"([^\s\S])")


def _encode(conversations: Sequence[Sequence[_Part]], tokenizer: Encoder) -> list[EncodedConversation]:
    texts = _Texts(tokenizer, conversations)
    made: list[EncodedConversation] = []
    for parts in conversations:
        conversation, before = EncodedConversation([], []), ""
        for part in parts:
            ids = [part.special] if part.special is not None else texts.ids(part.text, before)
            before = "" if part.special is not None else part.text
            conversation.ids.extend(ids)
            conversation.counted.extend([part.counted] * len(ids))
        made.append(conversation)
    return made


class _Texts:
    """Ids of the texts of many conversations, encoded at once."""

    def __init__(self, tokenizer: Encoder, conversations: Sequence[Sequence[_Part]]) -> None:
        self._tokenizer = tokenizer
        wanted: dict[str, None] = {}
        for parts in conversations:
            before = ""
            for part in parts:
                text = "" if part.special is not None else part.text
                wanted |= dict.fromkeys(filter(None, (before + text if _together(before, text) else text,)))
                before = text
        self._ids = dict(zip(wanted, tokenizer.encode_batch(list(wanted)), strict=True))

    def ids(self, text: str, before: str) -> list[int]:
        """Ids of a text; behind another they are what it adds to those of the other."""
        if _together(before, text):
            first, both = self._ids[before], self._ids[before + text]
            if both[: len(first)] == first:
                return both[len(first) :]
        if text not in self._ids:
            self._ids[text] = self._tokenizer.encode_batch([text])[0]
        return self._ids[text]


def _together(before: str, text: str) -> bool:
    return bool(before and text) and (before[-1].isspace() or text[0].isspace())


def _unfit_template(conversation: Conversation) -> UserError:
    return UserError(
        "chat template",
        f"conversation {conversation.id!r}: the prompt is not the beginning of the conversation, "
        "or a response does not end with a special token",
        expected="a template that writes turn after turn and ends each response with eos_token or an end of turn",
        do=f"tune with a template of ours: {', '.join(TEMPLATES)}",
    )


def _nothing_counted(conversation: Conversation) -> UserError:
    return UserError(
        f"conversation {conversation.id!r}",
        "no response of it is counted, so there is nothing to learn",
        expected="at least one assistant's message that is counted",
        do="leave the conversation out, or count a response",
    )
