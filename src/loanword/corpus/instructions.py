"""Conversations of instruction files, cleaned of what cannot be learned from, in a seeded nested order.

In: files as `lines` reads them, one instruction a line, in one of two shapes:
    instruction, input, output     Source: Stanford Alpaca (tatsu-lab/stanford_alpaca); BELLE's later files; Bactrian-X
    input, target                  Source: BELLE's first files (LianjiaTech/BELLE), `Human: ... Assistant:` in `input`
Out: Conversations of one user message and one response, the first n of an order in which 1,000 are the start of 5,000.
"""

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from loanword.corpus.lines import SourceLine, name_stem, source_lines
from loanword.corpus.order import order_key, text_digest
from loanword.errors import UserError
from loanword.protocols import Progress, silent
from loanword.records import Conversation, Message


class Instructions(NamedTuple):
    """What instruction files hold once the unusable is out.

    `num_removed` counts what was not usable by reason; what is only beyond the first n is in neither.
    """

    conversations: list[Conversation]
    num_read: int
    num_removed: dict[str, int]


class _Instruction(NamedTuple):
    instruction: str
    input: str
    response: str


def read_instructions(
    files: Sequence[Path], *, seed: int, num_conversations: int | None = None, progress: Progress = silent
) -> Instructions:
    """The first `num_conversations` conversations of the seeded order, all of them where it is None.

    The order follows from the texts alone: neither other conversations nor the order of files move it. Removed are,
    in this order, an `empty_instruction`, an `empty_response`, and a `duplicate` of instruction, input and response.

    Raises:
        UserError: a file or a line that cannot be read, or fewer usable conversations than were asked for.
    """
    num_read, num_removed = 0, Counter({"empty_instruction": 0, "empty_response": 0, "duplicate": 0})

    def usable() -> Iterator[tuple[int, bytes, Conversation]]:
        nonlocal num_read
        seen: set[bytes] = set()
        for line in source_lines(files, progress):
            num_read += 1
            instruction = _instruction(line)
            digest = text_digest(*instruction)
            reason = _reason_to_remove(instruction, digest, seen)
            if reason:
                num_removed[reason] += 1
            else:
                seen.add(digest)
                yield order_key(seed, digest), digest, _conversation(line, instruction)

    # A heap of n keeps memory at what was asked for, however large the files are.
    first = sorted(usable()) if num_conversations is None else heapq.nsmallest(num_conversations, usable())
    num_usable = num_read - num_removed.total()
    if not num_usable or (num_conversations is not None and num_usable < num_conversations):
        raise _too_few(files, num_usable, num_conversations, num_removed)
    return Instructions([conversation for _, _, conversation in first], num_read, dict(num_removed))


def _reason_to_remove(instruction: _Instruction, digest: bytes, seen: set[bytes]) -> str:
    if not instruction.instruction.strip():
        return "empty_instruction"
    if not instruction.response.strip():
        return "empty_response"
    return "duplicate" if digest in seen else ""


def _instruction(line: SourceLine) -> _Instruction:
    if line.fault is not None:
        raise line.fault
    if "instruction" in line.fields and "output" in line.fields:
        return _Instruction(_text(line, "instruction"), _text(line, "input"), _text(line, "output"))
    if "input" in line.fields and "target" in line.fields:
        asked = _text(line, "input").strip().removeprefix("Human:").removesuffix("Assistant:")
        return _Instruction(asked.strip(), "", _text(line, "target"))
    raise UserError(
        line.where,
        f"the fields are {', '.join(line.fields) or 'none'}",
        expected="instruction, input and output, or input and target",
        do="rename the fields",
    )


def _text(line: SourceLine, field: str) -> str:
    # Translated sets write null where a translation failed; that is empty, not broken.
    value = line.fields.get(field)
    if value is None:
        return ""
    if not isinstance(value, str) or any("\ud800" <= character <= "\udfff" for character in value):
        raise UserError(line.where, f"field {field!r} holds {value!r:.60}", expected="text", do="mend the line")
    return value


def _conversation(line: SourceLine, instruction: _Instruction) -> Conversation:
    # Source: ymcui/Chinese-LLaMA-Alpaca, scripts/training/build_dataset.py at 70538f6: the input on a line of its own.
    asked = f"{instruction.instruction}\n{instruction.input}" if instruction.input.strip() else instruction.instruction
    return Conversation(
        id=_id(line.fields) or f"{name_stem(line.path)}-{line.number}",
        messages=(Message(role="user", content=asked), Message(role="assistant", content=instruction.response)),
    )


def _id(fields: Mapping[str, object]) -> str:
    value = fields.get("id")
    return str(value) if isinstance(value, str | int) else ""


def _too_few(files: Sequence[Path], num_usable: int, num_asked: int | None, removed: Mapping[str, int]) -> UserError:
    reasons = ", ".join(f"{number:,} {reason}" for reason, number in removed.items())
    return UserError(
        ", ".join(map(str, files)),
        f"{num_usable:,} usable conversations; removed: {reasons}",
        expected="at least one" if num_asked is None else f"at least num_conversations = {num_asked:,}",
        do="give more instructions, or lower num_conversations",
    )
