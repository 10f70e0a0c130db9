"""Instructions of the shapes that data sets are published in.

In: the fields of a line. Out: an Instruction, whose turns keep what was asked, its input and the response apart; or
what is wrong with the line, as a value.

    instruction, input, output     Source: Stanford Alpaca (tatsu-lab/stanford_alpaca); BELLE; Bactrian-X; perhaps with
                                   `system`, and with `history` [[asked, answered], ...]
    instruction, context, response     Source: databricks/databricks-dolly-15k
    input, target                  Source: BELLE's first files (LianjiaTech/BELLE), `Human: ... Assistant:` in `input`
    inputs, targets                Source: CohereForAI/aya_dataset
    prompt, response; prompt, completion; question, answer
    messages [{role, content}]     Source: OpenAI's chat format; `weight` 0 or `train` false: not learned from
    conversations [{from, value}]  Source: ShareGPT
"""

import re
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, cast

from loanword.corpus.lines import SourceLine
from loanword.errors import UserError
from loanword.records import Conversation, Message


class Turn(NamedTuple):
    """What was asked, what it was asked of, and the response; one that is not `counted` is context only."""

    instruction: str
    input: str
    response: str
    counted: bool = True


class Instruction(NamedTuple):
    """A conversation before it is cleaned. `unanswered` is what was asked last, if nobody answered it."""

    id: str
    system: str
    turns: tuple[Turn, ...]
    unanswered: str | None = None


_PAIRS = (
    ("instruction", "output"),
    ("instruction", "response"),
    ("input", "target"),
    ("inputs", "targets"),
    ("prompt", "response"),
    ("prompt", "completion"),
    ("question", "answer"),
)
_INPUT = {("instruction", "output"): "input", ("instruction", "response"): "context"}
_SYSTEM = ("system", "system_prompt")
_ROLES: dict[str, Literal["system", "user", "assistant"]] = {
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("user", "human", "prompter"), "user"),
    **dict.fromkeys(("assistant", "gpt", "chatgpt", "bot", "model"), "assistant"),
}
SHAPES = (
    "instruction, input and output; instruction, context and response; input and target; inputs and targets; "
    "prompt and response, or completion; question and answer; messages; or conversations"
)
# Source: BELLE's files; a first speaker whose mark stands at the beginning, and a last one that is to answer.
_SPEAKERS = re.compile(r"(?:^|\n)[^\S\n]*(Human|Assistant)\s*[:：]")


def instruction_of(line: SourceLine) -> Instruction | UserError:
    """The instruction that a line holds, or what is wrong with it.

    Its id is the field `id`, or else `<file stem>-<line number>`. An input that is null, or only says that there is
    none, is still there: cleaning is not done here.
    """
    if line.fault is not None:
        return line.fault
    try:
        return _read(line)
    except UserError as error:
        return error.with_traceback(None)  # which would hold the frames of whoever reads, and all that is in them


def conversation_of(instruction: Instruction) -> Conversation:
    """The messages of an instruction: an input stands on a line of its own under what is asked of it."""
    messages = [Message(role="system", content=instruction.system)] if instruction.system.strip() else []
    for turn in instruction.turns:
        messages.append(Message(role="user", content=asked(turn)))
        messages.append(Message(role="assistant", content=turn.response, counted=turn.counted))
    return Conversation(id=instruction.id, messages=tuple(messages))


def asked(turn: Turn) -> str:
    """What a turn's user says."""
    # Source: ymcui/Chinese-LLaMA-Alpaca, scripts/training/build_dataset.py at 70538f6: the input on a line of its own.
    return f"{turn.instruction}\n{turn.input}" if turn.input.strip() else turn.instruction


def _read(line: SourceLine) -> Instruction:
    for field in ("messages", "conversations"):
        if line.fields.get(field) is not None:
            return _listed(line, field)
    for fields in _PAIRS:
        if all(field in line.fields for field in fields):
            return _paired(line, *fields, _INPUT.get(fields))
    raise _wrong(line, f"the fields are {', '.join(line.fields) or 'none'}", expected=SHAPES, do="rename the fields")


def _paired(line: SourceLine, instruction: str, response: str, input: str | None) -> Instruction:
    earlier, last = _spoken(line, instruction)
    system = next((_text(line, field) for field in _SYSTEM if field in line.fields), "")
    final = Turn(last, _text(line, input) if input else "", _text(line, response))
    return Instruction(_id(line), system, (*_history(line), *earlier, final))


def _spoken(line: SourceLine, field: str) -> tuple[list[Turn], str]:
    """Earlier turns that are written into one text, and what is asked last."""
    text = _text(line, field)
    marks = list(_SPEAKERS.finditer(text))
    if not marks or text[: marks[0].start()].strip() or marks[0][1] != "Human":
        return [], text
    ends = [*(mark.start() for mark in marks[1:]), len(text)]
    said = [(mark[1], text[mark.end() : end].strip()) for mark, end in zip(marks, ends, strict=True)]
    if said[-1] == ("Assistant", ""):
        said.pop()
    if (
        any(speaker != ("Human", "Assistant")[place % 2] for place, (speaker, _) in enumerate(said))
        or not len(said) % 2
    ):
        raise _wrong(
            line,
            f"in {field!r} {', '.join(speaker for speaker, _ in said)} speak",
            expected="Human and Assistant by turns, the last one Human",
        )
    texts = [text for _, text in said]
    return [Turn(asked, "", answered) for asked, answered in zip(texts[:-1:2], texts[1::2], strict=True)], texts[-1]


def _history(line: SourceLine) -> list[Turn]:
    turns: list[Turn] = []
    for pair in _items(line, "history"):
        if not isinstance(pair, Sequence) or isinstance(pair, str) or len(cast(Sequence[object], pair)) != 2:
            raise _wrong(line, f"field 'history' holds {pair!r:.60}", expected="pairs of what was asked and answered")
        asked, answered = cast(Sequence[object], pair)
        turns.append(Turn(_plain(line, "history", asked), "", _plain(line, "history", answered)))
    return turns


def _listed(line: SourceLine, field: str) -> Instruction:
    said = [_message(line, field, item) for item in _items(line, field)]
    system = next((_text(line, name) for name in _SYSTEM if name in line.fields), "")
    if said and said[0].role == "system":
        system = said.pop(0).content
    unanswered = said.pop().content if len(said) % 2 and said[-1].role == "user" else None
    roles = [message.role for message in said]
    if roles != ["user", "assistant"] * (len(roles) // 2) or not (roles or unanswered):
        given = ", ".join(_message(line, field, item).role for item in _items(line, field))
        raise _wrong(
            line,
            f"the roles in {field!r} are {given or 'none'}",
            expected="system first or not at all, then user and assistant by turns",
        )
    turns = [
        Turn(user.content, "", answer.content, answer.counted)
        for user, answer in zip(said[::2], said[1::2], strict=True)
    ]
    if turns and not any(turn.counted for turn in turns):
        raise _wrong(line, f"no assistant's message in {field!r} is learned from", expected="at least one that is")
    return Instruction(_id(line), system, tuple(turns), unanswered)


def _message(line: SourceLine, field: str, item: object) -> Message:
    if not isinstance(item, Mapping):
        raise _wrong(line, f"field {field!r} holds {item!r:.60}", expected="objects with role and content")
    message = cast(Mapping[str, object], item)
    said = message.get("role", message.get("from"))
    role = _ROLES.get(said) if isinstance(said, str) else None
    if role is None:
        known = ", ".join(_ROLES)
        raise _wrong(
            line, f"a role in {field!r} is {said!r:.40}", expected=f"one of {known}", do="leave out such turns"
        )
    content = message.get("content", message.get("value"))
    if isinstance(content, Sequence) and not isinstance(content, str):
        content = "".join(_part(line, field, part) for part in cast(Sequence[object], content))
    return Message(role=role, content=_plain(line, field, content), counted=_counted(line, field, message))


def _part(line: SourceLine, field: str, part: object) -> str:
    # Contents in parts, of which text is one kind; an image that is left out would make another question of it.
    if not isinstance(part, Mapping) or cast(Mapping[str, object], part).get("type") != "text":
        raise _wrong(line, f"a content in {field!r} has the part {part!r:.60}", expected="text")
    return _plain(line, field, cast(Mapping[str, object], part).get("text"))


def _counted(line: SourceLine, field: str, message: Mapping[str, object]) -> bool:
    # Source: OpenAI's fine-tuning format (`weight`, 0 or 1); axolotl's message lists (`train`, or `training`).
    for name in ("weight", "train", "training"):
        value = message.get(name)
        if value is None:
            continue
        if value not in (0, 1, False, True):
            raise _wrong(line, f"{name!r} of a message in {field!r} is {value!r:.20}", expected="0 or 1, true or false")
        return bool(value)
    return True


def _items(line: SourceLine, field: str) -> Sequence[object]:
    value = line.fields.get(field)
    if value is None:
        return ()
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise _wrong(line, f"field {field!r} holds {value!r:.60}", expected="a list")
    return cast(Sequence[object], value)


def _text(line: SourceLine, field: str) -> str:
    return _plain(line, field, line.fields.get(field))


def _plain(line: SourceLine, field: str, value: object) -> str:
    # Translated sets write null where a translation failed; that is empty, not broken.
    if value is None:
        return ""
    if not isinstance(value, str) or any("\ud800" <= character <= "\udfff" for character in value):
        raise _wrong(line, f"field {field!r} holds {value!r:.60}", expected="text")
    return value


def _id(line: SourceLine) -> str:
    value = line.fields.get("id")
    if isinstance(value, str | int) and not isinstance(value, bool) and str(value).isprintable() and str(value):
        return str(value)
    return f"{line.stem}-{line.number}"


def _wrong(line: SourceLine, what: str, *, expected: str, do: str = "mend the line") -> UserError:
    return UserError(line.where, what, expected=expected, do=f'{do}, or set broken_lines = "quarantine"')
