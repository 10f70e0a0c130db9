"""Instruction files become conversations in a nested order."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loanword.corpus.instructions import read_instructions
from loanword.errors import UserError


def source(folder: Path, values: Sequence[Mapping[str, object]], name: str = "source.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(value) + "\n" for value in values), encoding="utf-8")
    return path


def alpaca(instruction: object, input: object = "", output: object = "yes", **more: object) -> dict[str, object]:
    return {"instruction": instruction, "input": input, "output": output, **more}


MANY = [alpaca(f"do {number}", id=f"i{number}") for number in range(60)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(n=st.integers(1, 60), seed=st.integers(0, 3), random=st.randoms())
def test_fewer_are_the_start_of_more_in_any_order_of_reading(tmp_path: Path, n: int, seed: int, random):
    whole = read_instructions([source(tmp_path, MANY)], seed=seed).conversations
    shuffled = source(tmp_path, random.sample(MANY, len(MANY)), "shuffled.jsonl")
    assert read_instructions([shuffled], seed=seed, num_conversations=n).conversations == whole[:n]


def test_another_seed_gives_another_order(tmp_path: Path):
    files = [source(tmp_path, MANY)]
    assert read_instructions(files, seed=1).conversations != read_instructions(files, seed=2).conversations


def test_what_cannot_be_learned_from_is_removed_by_name(tmp_path: Path):
    values = [
        *MANY,
        alpaca("  "),
        alpaca(None),
        alpaca("", input="only an input"),
        alpaca("do", output="\n"),
        alpaca("do", output=None),
        alpaca("do 3", id="another id"),
        alpaca("do 3", output="no"),
    ]
    made = read_instructions([source(tmp_path, values)], seed=0)
    assert made.num_removed == {"empty_instruction": 3, "empty_response": 2, "duplicate": 1}
    assert (made.num_read, len(made.conversations)) == (67, 61)


def test_removals_do_not_depend_on_how_many_are_asked_for(tmp_path: Path):
    files = [source(tmp_path, [*MANY, *MANY[:7], alpaca("")])]
    few, whole = read_instructions(files, seed=0, num_conversations=5), read_instructions(files, seed=0)
    assert (few.num_read, few.num_removed) == (whole.num_read, whole.num_removed)


def test_an_input_stands_on_a_line_of_its_own_under_the_instruction(tmp_path: Path):
    made = read_instructions([source(tmp_path, [alpaca("Translate.", "Guten Tag", "Good day", id=4)])], seed=0)
    (conversation,) = made.conversations
    assert conversation.id == "4"
    assert [(message.role, message.content) for message in conversation.messages] == [
        ("user", "Translate.\nGuten Tag"),
        ("assistant", "Good day"),
    ]


def test_the_older_belle_shape_is_read(tmp_path: Path):
    value = {"input": "Human: 你好\n\nAssistant:", "target": "你好！"}
    (conversation,) = read_instructions([source(tmp_path, [value])], seed=0).conversations
    assert conversation.id == "source-1"
    assert [message.content for message in conversation.messages] == ["你好", "你好！"]


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ({"prompt": "a", "completion": "b"}, "the fields are prompt, completion"),
        (alpaca(["a"]), "field 'instruction' holds ['a']"),
        (alpaca("a", output=3), "field 'output' holds 3"),
        (alpaca("a\ud800"), "field 'instruction'"),
    ],
)
def test_a_line_of_another_shape_is_named(tmp_path: Path, value: dict[str, object], what: str):
    with pytest.raises(UserError) as caught:
        read_instructions([source(tmp_path, [*MANY, value])], seed=0)
    assert caught.value.where.endswith("source.jsonl:61")
    assert what in caught.value.what


def test_a_broken_line_is_fatal(tmp_path: Path):
    path = source(tmp_path, MANY)
    path.write_bytes(path.read_bytes() + b"{\n")
    with pytest.raises(UserError, match=r"source\.jsonl:61 - not JSON Lines"):
        read_instructions([path], seed=0)


def test_too_few_conversations_say_why(tmp_path: Path):
    with pytest.raises(UserError, match="60 usable conversations; removed: 1 empty_instruction") as caught:
        read_instructions([source(tmp_path, [*MANY, alpaca("")])], seed=0, num_conversations=61)
    assert caught.value.expected == "at least num_conversations = 61"
    with pytest.raises(UserError, match="0 usable"):
        read_instructions([source(tmp_path, [alpaca("")])], seed=0)


def test_real_vietnamese_instructions_with_their_nulls(shared_data: Path):
    made = read_instructions([shared_data / "instructions" / "vietnamese_lima.jsonl.gz"], seed=0)
    assert made.num_read == 1074
    assert made.num_removed["empty_instruction"] == 15
    assert len(made.conversations) + sum(made.num_removed.values()) == made.num_read
