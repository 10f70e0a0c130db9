"""What becomes of instructions by themselves: read, cleaned and judged line by line, the same in any process."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt
from pydantic_core import from_json, to_json

from loanword.corpus.examples import Examples, changed_example, removed_example
from loanword.corpus.instruction_rules import Ruled, ruler
from loanword.corpus.judge import TextList
from loanword.corpus.lines import SourceLine
from loanword.corpus.order import order_key, text_digest
from loanword.corpus.read import QuarantinedLine, quarantined
from loanword.corpus.shapes import Instruction, conversation_of, instruction_of
from loanword.errors import UserError
from loanword.recipe import InstructionsConfig
from loanword.records import Conversation, Message

_END_CHARACTERS = 100


class Kept(NamedTuple):
    """A conversation that no rule removed, and what its place in the order follows from.

    Texts that differ in white space alone have one `order` and one `digest`; of these the first is the one with the
    smaller `exact`.
    """

    order: int
    digest: bytes
    exact: bytes
    id: str
    line: bytes


class Told:
    """What became of lines that are not kept, and some of them."""

    def __init__(self) -> None:
        self.num_read = 0
        self.num_removed, self.num_changed = Counter[str](), Counter[str]()
        self.examples = Examples()
        self.num_quarantined = 0
        self.first_quarantined: QuarantinedLine | None = None

    def add(self, other: "Told") -> None:
        """Takes into account what another process saw."""
        self.num_read += other.num_read
        self.num_removed.update(other.num_removed)
        self.num_changed.update(other.num_changed)
        self.examples.merge(other.examples)
        self.num_quarantined += other.num_quarantined
        self.first_quarantined = self.first_quarantined or other.first_quarantined


class Sifted(NamedTuple):
    """What some lines held: conversations, their signatures where near duplicates are looked for, the rest told, and
    the lines that are set aside; or the fault of the first broken line, where that is fatal.
    """

    kept: list[Kept]
    signatures: npt.NDArray[np.uint32] | None
    told: Told
    quarantined: Sequence[QuarantinedLine] = ()
    fault: UserError | None = None


class _Judged(NamedTuple):
    read: Instruction
    ruled: Ruled
    kept: Kept
    text: str


class Sifter:
    """Lines into conversations, by the rules of a config."""

    def __init__(self, config: InstructionsConfig, without: TextList | None = None) -> None:
        self.config, self._without = config, without
        self._rule = ruler(config)
        self._sign: Callable[[str], npt.NDArray[np.uint32]] | None = None
        if config.near_duplicates is not None:
            # Imported late: it is a compiled library, and few need it.
            from loanword.corpus.near import signature

            self._sign = signature

    def __call__(self, lines: Sequence[SourceLine]) -> Sifted:
        """What becomes of lines; those behind a fatal one are not looked at."""
        told, judged, aside = Told(), list[_Judged](), list[QuarantinedLine]()
        for line in lines:
            read = self._read(line)
            if isinstance(read, Instruction):
                judged.append(self._judge(read))
            elif self.config.broken_lines == "fatal":
                return Sifted([], None, told, fault=read)
            else:
                aside.append(quarantined(line, read))
        told.num_read, told.num_quarantined = len(judged), len(aside)
        told.first_quarantined = aside[0] if aside else None
        left = [one for one in judged if one.ruled.removed_by is None]
        for one in judged:
            if one.ruled.removed_by is not None:
                _tell_removed(told, one, one.ruled.removed_by, one.ruled.because)
        if self._without is not None:
            listed = self._without.held([one.text for one in left])
            for one, id in zip(left, listed, strict=True):
                if id is not None:
                    _tell_removed(told, one, "listed", id)
            left = [one for one, id in zip(left, listed, strict=True) if id is None]
        for one in left:
            _tell_changed(told, one)
        signatures = (
            np.stack([self._sign(compared_text(one.kept.line)) for one in left]) if self._sign and left else None
        )
        return Sifted([one.kept for one in left], signatures, told, aside)

    def _read(self, line: SourceLine) -> Instruction | UserError:
        read = instruction_of(line)
        if isinstance(read, Instruction) and read.unanswered is not None and "unanswered" not in self.config.rules:
            return _unanswered(line)
        return read

    def _judge(self, read: Instruction) -> _Judged:
        ruled = self._rule(read)
        conversation = conversation_of(ruled.instruction)
        contents = [message.content for message in conversation.messages]
        marks = [f"{message.role} {message.counted}" for message in conversation.messages]
        digest = text_digest(*marks, *(" ".join(content.split()) for content in contents))
        order = order_key(self.config.order_seed, digest)
        kept = Kept(order, digest, text_digest(*contents), conversation.id, json_line(conversation))
        return _Judged(read, ruled, kept, "\n".join(contents))


def json_line(conversation: Conversation) -> bytes:
    """The line that `Conversation.to_json` gives, and its end."""
    # What records.canonical_json gives, five times as fast.
    messages = [_fields(message) for message in conversation.messages]
    return to_json({"id": conversation.id, "messages": messages}) + b"\n"


def compared_text(line: bytes) -> str:
    """What of a conversation, given as a line, is compared with others: responses, and both ends of what is asked.

    Of several questions about one long text each is a question of its own, though nearly all of what is said is the
    same.
    """
    messages = cast(list[dict[str, str]], from_json(line)["messages"])
    return "\n".join(_ends(message["content"], message["role"]) for message in messages)


def _ends(content: str, role: str) -> str:
    if role == "assistant" or len(content) <= 2 * _END_CHARACTERS:
        return content
    return f"{content[:_END_CHARACTERS]}\n{content[-_END_CHARACTERS:]}"


def shown(conversation: Conversation) -> str:
    """A conversation as people read it."""
    return "\n".join(f"[{message.role}] {message.content}" for message in conversation.messages)


def example_key(order: int, id: str) -> int:
    """A place among examples: of equal texts each has its own."""
    return order ^ int.from_bytes(text_digest(id)[:8])


def _fields(message: Message) -> dict[str, object]:
    return {"content": message.content, "counted": message.counted, "role": message.role}


def _tell_removed(told: Told, one: _Judged, rule: str, because: str) -> None:
    told.num_removed[rule] += 1
    told.examples.offer(
        rule,
        example_key(one.kept.order, one.kept.id),
        lambda: removed_example(rule, one.kept.id, shown(conversation_of(one.read)), because),
    )


def _tell_changed(told: Told, one: _Judged) -> None:
    for rule in one.ruled.changed_by:
        told.num_changed[rule] += 1
        told.examples.offer(
            rule,
            example_key(one.kept.order, one.kept.id),
            lambda rule=rule: changed_example(rule, one.kept.id, shown(conversation_of(one.read)), _became(one)),
        )


def _became(one: _Judged) -> str:
    return shown(conversation_of(one.ruled.instruction))


def _unanswered(line: SourceLine) -> UserError:
    return UserError(
        line.where,
        "the last message is the user's, and nobody answers it",
        expected="a conversation that ends with the assistant",
        do='name the rule "unanswered", which leaves such messages out, or set broken_lines = "quarantine"',
    )
