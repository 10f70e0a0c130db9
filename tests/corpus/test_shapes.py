"""The shapes in which instructions are published, and what is wrong with those that are not of one."""

import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loanword.corpus.lines import SourceLine
from loanword.corpus.shapes import Instruction, conversation_of, instruction_of
from loanword.errors import UserError


def line(fields: dict[str, Any]) -> SourceLine:
    return SourceLine(Path("file.jsonl"), 3, fields)


def read(fields: dict[str, Any]) -> list[tuple[str, str]]:
    found = instruction_of(line(fields))
    assert isinstance(found, Instruction), found
    return [(message.role, message.content) for message in conversation_of(found).messages]


ASKED = [("user", "Q"), ("assistant", "A")]
TWO = [("user", "Q"), ("assistant", "A"), ("user", "Q2"), ("assistant", "A2")]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"instruction": "Q", "input": "", "output": "A", "id": "1"}, ASKED),
        ({"instruction": "Q", "input": None, "output": "A"}, ASKED),
        ({"instruction": "Q", "input": "X", "output": "A"}, [("user", "Q\nX"), ASKED[1]]),
        ({"instruction": "Q", "context": "X", "response": "A", "category": "qa"}, [("user", "Q\nX"), ASKED[1]]),
        ({"instruction": "Q", "output": "A", "system": "S"}, [("system", "S"), *ASKED]),
        ({"instruction": "Q2", "input": "", "output": "A2", "history": [["Q", "A"]]}, TWO),
        ({"instruction": "Q", "input": "", "output": "A", "history": []}, ASKED),
        ({"input": "Human: Q\n\nAssistant:", "target": "A"}, ASKED),
        ({"input": "Q", "target": "A"}, ASKED),
        ({"instruction": "Human:Q\nAssistant:A\nHuman:Q2\nAssistant:", "input": "", "output": "A2"}, TWO),
        ({"inputs": "Q", "targets": "A", "language": "Hindi"}, ASKED),
        ({"prompt": "Q", "response": "A"}, ASKED),
        ({"prompt": "Q", "completion": "A"}, ASKED),
        ({"system_prompt": "S", "question": "Q", "answer": "A"}, [("system", "S"), *ASKED]),
        ({"messages": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]}, ASKED),
        ({"messages": [{"role": "developer", "content": "S"}, {"role": "user", "content": "Q"},
                       {"role": "assistant", "content": [{"type": "text", "text": "A"}]}]}, [("system", "S"), *ASKED]),
        ({"conversations": [{"from": "human", "value": "Q"}, {"from": "gpt", "value": "A"},
                            {"from": "human", "value": "Q2"}, {"from": "gpt", "value": "A2"}], "id": "x"}, TWO),
    ],
)  # fmt: skip
def test_every_shape_is_read(fields: dict[str, Any], expected: list[tuple[str, str]]):
    assert read(fields) == expected


@pytest.mark.parametrize("off", [{"weight": 0}, {"train": False}, {"training": False}])
def test_a_turn_that_is_not_to_be_learned_is_not_counted(off: dict[str, object]):
    said = [{"role": role, "content": "x"} for role in ("user", "assistant", "user", "assistant")]
    found = instruction_of(line({"messages": [said[0], said[1] | off, *said[2:]]}))
    assert isinstance(found, Instruction)
    assert [turn.counted for turn in found.turns] == [False, True]
    none = instruction_of(line({"messages": [said[0], said[1] | off]}))
    assert isinstance(none, UserError) and "learned from" in none.what


def test_a_last_message_that_nobody_answers_is_told_apart():
    found = instruction_of(line({"messages": [{"role": r, "content": r} for r in ("user", "assistant", "user")]}))
    assert isinstance(found, Instruction)
    assert (len(found.turns), found.unanswered) == (1, "user")


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"question_text": "a", "label": "b"}, "the fields are question_text, label"),
        ({}, "the fields are none"),
        ({"instruction": ["a"], "output": "b"}, "field 'instruction' holds ['a']"),
        ({"instruction": "a", "output": 3}, "field 'output' holds 3"),
        ({"instruction": "a\ud800", "output": "b"}, "field 'instruction'"),
        ({"messages": "hello"}, "field 'messages' holds 'hello'"),
        ({"messages": []}, "the roles in 'messages' are none"),
        ({"messages": ["hello"]}, "field 'messages' holds 'hello'"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "a role in 'messages' is 'tool'"),
        ({"messages": [{"role": "user", "content": "x"}, {"role": "user", "content": "x"}]}, "are user, user"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, "are assistant"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "has the part {'type': 'image_url'}"),
        ({"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y", "weight": 0.5}]},
         "'weight' of a message in 'messages' is 0.5"),
        ({"instruction": "a", "output": "b", "history": [["only asked"]]}, "field 'history' holds ['only asked']"),
        ({"input": "Human: a\nHuman: b\nAssistant:", "target": "c"}, "in 'input' Human, Human speak"),
    ],
)  # fmt: skip
def test_a_line_of_another_shape_is_named(fields: dict[str, Any], what: str):
    found = instruction_of(line(fields))
    assert isinstance(found, UserError)
    assert found.where == "file.jsonl:3" and what in found.what


def test_a_text_that_only_mentions_a_speaker_is_one_question():
    assert read({"instruction": "Who said this?\nHuman: hello", "output": "A"})[0] == (
        "user",
        "Who said this?\nHuman: hello",
    )


NAMES = ["instruction", "input", "output", "target", "messages", "id", "history"]
PARTS = st.sampled_from(["role", "content", "from"])
VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(PARTS, inner),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(NAMES), VALUES))
def test_whatever_a_line_holds_it_is_an_instruction_or_a_named_fault(fields: dict[str, Any]):
    found = instruction_of(line(fields))
    if isinstance(found, UserError):
        assert found.where == "file.jsonl:3"
    else:
        assert found.id and (found.turns or found.unanswered is not None)


def test_speakers_are_looked_for_behind_thousands_of_blank_lines_in_no_time():
    blank = "\n" * 20_000
    began = time.process_time()
    assert read({"input": f"Q{blank}Q", "target": "A"}) == [("user", f"Q{blank}Q"), ASKED[1]]
    assert read({"input": f"{blank} Human: Q{blank} Assistant: A{blank}Human: Q2", "target": "A2"}) == TWO
    assert time.process_time() - began < 1
