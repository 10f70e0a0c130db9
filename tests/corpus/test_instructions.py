"""Instruction files become conversations in a nested order."""

import gc
import gzip
import json
import random
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loanword.corpus.instructions import (
    build_instructions,
    conversations,
    counts,
    read_instructions,
    removed,
)
from loanword.corpus.read import QuarantinedLine
from loanword.corpus.sources import local_files
from loanword.errors import UserError
from loanword.recipe.text import InstructionsConfig
from loanword.records import Conversation, InstructionCounts, read_lines


def source(folder: Path, values: Sequence[Mapping[str, object]], name: str = "source.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(value) + "\n" for value in values), encoding="utf-8")
    return path


def alpaca(instruction: object, input: object = "", output: object = "yes", **more: object) -> dict[str, object]:
    return {"instruction": instruction, "input": input, "output": output, **more}


def build(files: Sequence[Path], out: Path, num_workers: int = 1, **settings: Any) -> InstructionCounts:
    out.mkdir(exist_ok=True)
    config = InstructionsConfig(files=("anywhere",), **settings)
    return build_instructions(
        config, [each for file in files for each in local_files(file)], out, num_workers=num_workers
    )


def contents(folder: Path) -> list[list[str]]:
    return [[message.content for message in each.messages] for each in conversations(folder)]


MANY = [alpaca(f"do {number}", id=f"i{number}") for number in range(60)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=12)
@given(n=st.integers(1, 60), seed=st.integers(0, 3), random=st.randoms())
def test_fewer_are_the_start_of_more_in_any_order_of_reading(tmp_path: Path, n: int, seed: int, random: random.Random):
    build([source(tmp_path, MANY)], tmp_path / "whole", order_seed=seed)
    whole = list(conversations(tmp_path / "whole"))
    shuffled = source(tmp_path, random.sample(MANY, len(MANY)), "shuffled.jsonl")
    build([shuffled], tmp_path / "out", order_seed=seed)
    assert list(islice(conversations(tmp_path / "out"), n)) == whole[:n]
    assert read_instructions([shuffled], seed=seed, num_conversations=n).conversations == whole[:n]


def test_dropping_instructions_moves_no_other(tmp_path: Path):
    build([source(tmp_path, MANY)], tmp_path / "whole")
    build([source(tmp_path, MANY[::2], "half.jsonl")], tmp_path / "half")
    left = {each["id"] for each in MANY[::2]}
    assert list(conversations(tmp_path / "half")) == [c for c in conversations(tmp_path / "whole") if c.id in left]


def test_another_seed_gives_another_order(tmp_path: Path):
    files = [source(tmp_path, MANY)]
    for seed in (1, 2):
        build(files, tmp_path / str(seed), order_seed=seed)
    one, two = contents(tmp_path / "1"), contents(tmp_path / "2")
    assert one != two and sorted(one) == sorted(two)


def test_what_cannot_be_learned_from_is_removed_by_name(tmp_path: Path):
    values = [
        *MANY,
        alpaca("  "),
        alpaca(None),
        alpaca("", input="only an input"),
        alpaca("do", output="\n"),
        alpaca("do", output=None),
        alpaca("do", output="<noinput>"),
        alpaca("do 3", id="another id"),
        alpaca("do\t3 ", id="the same but for white space"),
        alpaca("do 3", output="no"),
    ]
    made = build([source(tmp_path, values)], tmp_path / "out")
    assert made.num_removed == {"empty_instruction": 3, "empty_response": 3, "duplicate": 2}
    assert (made.num_read, made.num_conversations) == (69, 61)
    assert counts(tmp_path / "out") == made
    assert {one.rule for one in removed(tmp_path / "out")} == set(made.num_removed)


def test_of_texts_that_differ_in_white_space_the_same_one_stays_in_any_order(tmp_path: Path):
    same = [alpaca("do  it", id="b"), alpaca("do it", id="z"), alpaca("do it", id="a"), alpaca(" do it", id="c")]
    kept = set[str]()
    for place, values in enumerate((same, same[::-1], same[2:] + same[:2])):
        build([source(tmp_path, values)], tmp_path / str(place))
        kept |= {each.to_json() for each in conversations(tmp_path / str(place))}
    assert len(kept) == 1
    reasons = [one.because for one in removed(tmp_path / "0")]
    (left,) = (Conversation.from_json(line, where="test") for line in kept)
    assert reasons == [f"as {left.id}"] * 3


def test_conversations_that_share_an_id_get_their_own(tmp_path: Path):
    build([source(tmp_path, [alpaca(f"do {n}", id=7) for n in range(5)])], tmp_path / "out")
    ids = [each.id for each in conversations(tmp_path / "out")]
    assert ids[0] == "7" and len(set(ids)) == 5
    assert all(name.startswith("7~") for name in ids[1:])


RULES = ("refusals", "untranslated", "translated-code", "broken-text", "repeated-text", "missing-input", "echo")


def test_the_same_files_come_out_of_any_number_of_workers(tmp_path: Path, shared_data: Path):
    with gzip.open(shared_data / "instructions" / "chinese.jsonl.gz", "rt", encoding="utf-8") as file:
        values = [json.loads(line) for line in islice(file, 35_000, 36_500)]
    files = [source(tmp_path, values[n::3], f"{n}.jsonl") for n in range(3)]
    made = [
        build(order, tmp_path / f"{n}", n, language="zh", rules=RULES, near_duplicates=0.8)
        for n, order in ((1, files), (2, files), (3, files[::-1]))
    ]
    assert made[0] == made[1] == made[2]
    assert made[0].num_removed["near_duplicate"] > 0
    for name in ("conversations.jsonl", "removed.jsonl", "counts.json", "quarantine.jsonl"):
        assert len({(tmp_path / str(n) / name).read_bytes() for n in (1, 2, 3)}) == 1


def test_what_an_earlier_try_left_is_not_in_the_way(tmp_path: Path):
    left = tmp_path / "out" / ".scratch" / "instructions"
    left.mkdir(parents=True)
    (left / "spool").write_bytes(b"half a line")
    build([source(tmp_path, MANY)], tmp_path / "out")
    assert sorted(contents(tmp_path / "out")) == sorted([[str(each["instruction"]), "yes"] for each in MANY])


def test_nearly_the_same_instruction_is_kept_once_where_that_is_asked_for(tmp_path: Path):
    answer = (
        "First fill the kettle, then wait until it boils, and pour the water over the leaves; wait for three minutes."
    )
    values = [alpaca("How is tea made?", output=answer), alpaca("How is tea made?", output=answer + " Enjoy!")]
    passage = " ".join(f"Sentence number {n} says something about a place." for n in range(60))
    questions = [alpaca(f"{passage}\n{asked}", output=said) for asked, said in
                 (("Who was born there, and when did that happen?", "Ada, in 1815."),
                  ("What do travellers eat on the long way back home?", "Bread and cheese."))]  # fmt: skip
    files = [source(tmp_path, [*values, *questions])]
    assert build(files, tmp_path / "all").num_conversations == 4
    made = build(files, tmp_path / "out", near_duplicates=0.8)
    assert made.num_removed["near_duplicate"] == 1
    assert sum(passage in said[0] for said in contents(tmp_path / "out")) == 2


class Listed:
    """A list of one text."""

    def held(self, texts: Sequence[str]) -> list[str | None]:
        return ["q7" if "do 7" in text else None for text in texts]


def test_what_holds_a_listed_text_is_removed(tmp_path: Path):
    (tmp_path / "out").mkdir()
    config = InstructionsConfig(files=("anywhere",), without="list.jsonl")
    files = local_files(source(tmp_path, MANY))
    made = build_instructions(config, files, tmp_path / "out", without=Listed())
    assert made.num_removed["listed"] == 1
    assert [(one.rule, one.id, one.because) for one in removed(tmp_path / "out")] == [("listed", "i7", "q7")]


def test_a_broken_line_is_fatal_or_set_aside(tmp_path: Path):
    path = source(tmp_path, [*MANY, {"a": 1, "b": 2}])
    path.write_bytes(path.read_bytes() + b"{\n")
    with pytest.raises(UserError, match=r"source\.jsonl:61 - the fields are a, b"):
        build([path], tmp_path / "fatal")
    made = build([path], tmp_path / "out", broken_lines="quarantine")
    assert (made.num_conversations, made.num_quarantined_lines) == (60, 2)
    lines = [json.loads(line) for line in (tmp_path / "out" / "quarantine.jsonl").read_text().splitlines()]
    assert [(line["file"], line["line"]) for line in lines] == [("source.jsonl", 61), ("source.jsonl", 62)]


def test_too_few_conversations_say_why(tmp_path: Path):
    with pytest.raises(UserError, match="60 usable conversations; removed: 1 empty_instruction") as caught:
        read_instructions([source(tmp_path, [*MANY, alpaca("")])], seed=0, num_conversations=61)
    assert caught.value.expected == "at least num_conversations = 61"
    with pytest.raises(UserError, match="0 usable"):
        build([source(tmp_path, [alpaca("")])], tmp_path / "out")


def test_a_file_that_is_one_list_says_so_even_where_lines_are_set_aside(tmp_path: Path):
    path = tmp_path / "alpaca.json"
    path.write_text(json.dumps(MANY, indent=4), encoding="utf-8")
    with pytest.raises(UserError, match=r"0 usable .*set aside, the first \(line 1\): not JSON Lines"):
        build([path], tmp_path / "out", broken_lines="quarantine")


def test_reading_alone_gives_what_building_without_rules_gives(tmp_path: Path):
    files = [source(tmp_path, [*MANY, *MANY[:7], alpaca(" do  3"), alpaca("")])]
    made, read = build(files, tmp_path / "out", order_seed=5), read_instructions(files, seed=5)
    assert read.conversations == list(conversations(tmp_path / "out"))
    assert (read.num_read, read.num_removed) == (made.num_read, made.num_removed)


@pytest.mark.parametrize(
    ("rules", "values", "became"),
    [
        ((), [alpaca("Say A.", "<noinput>")], [["Say A.", "yes"]]),
        ((), [alpaca("说A。", "&lt;无输入&gt;。")], [["说A。", "yes"]]),
        (("broken-text",), [alpaca("说\u200b\u200bA。", output="a &lt; b &amp; c")], [["说A。", "a < b & c"]]),
        (("unanswered",), [{"messages": [{"role": r, "content": r[0]} for r in ("user", "assistant", "user")]}],
         [["u", "a"]]),
    ],
)  # fmt: skip
def test_what_a_rule_changes_is_shown_before_and_after(
    tmp_path: Path, rules: tuple[str, ...], values: list[dict[str, object]], became: list[list[str]]
):
    build([source(tmp_path, values)], tmp_path / "out", language="zh", rules=rules)
    assert contents(tmp_path / "out") == became
    assert all(one.became is not None for one in removed(tmp_path / "out"))


Report = Callable[[int, int, str], None]


def test_progress_goes_through_the_bytes_of_all_files_and_then_the_conversations(tmp_path: Path):
    seen: list[tuple[int, int, str]] = []
    files = [each for name in "ab" for each in local_files(source(tmp_path, MANY, f"{name}.jsonl"))]
    out = tmp_path / "out"
    out.mkdir()
    build_instructions(InstructionsConfig(files=("x",)), files, out, lambda *report: seen.append(report))
    num_bytes = [done for done, total, unit in seen if unit == "bytes" and total == sum(f.num_bytes for f in files)]
    assert num_bytes == sorted(num_bytes) and num_bytes[-1] == sum(file.num_bytes for file in files)


def test_real_vietnamese_instructions_with_their_nulls(tmp_path: Path, shared_data: Path):
    files = [shared_data / "instructions" / "vietnamese_lima.jsonl.gz"]
    made = build(files, tmp_path / "out", language="vi", rules=RULES)
    assert made.num_read == 1074
    assert made.num_removed["empty_instruction"] == 15
    assert made.num_removed["untranslated"] > 150
    assert made.num_conversations + sum(made.num_removed.values()) == made.num_read
    assert not any("TRANSLATION_FAILED" in said for each in contents(tmp_path / "out") for said in each)


def test_lines_that_are_set_aside_are_not_held_in_memory(tmp_path: Path):
    path = source(tmp_path, [*MANY, *({"a": number} for number in range(2000))])
    config, held = InstructionsConfig(files=("anywhere",), broken_lines="quarantine"), list[int]()

    def report(done: int, total: int, unit: str) -> None:
        if unit == "conversations":
            held.append(sum(type(each) is QuarantinedLine for each in gc.get_objects()))

    (tmp_path / "out").mkdir()
    made = build_instructions(config, local_files(path), tmp_path / "out", report)
    assert held and max(held) <= 1
    aside = list(read_lines(QuarantinedLine, tmp_path / "out" / "quarantine.jsonl"))
    assert [line.line for line in aside] == list(range(61, 2061))
    assert made.num_quarantined_lines == 2000


def test_half_of_a_surrogate_pair_in_a_key_is_set_aside(tmp_path: Path):
    path = source(tmp_path, [*MANY, {"\ud800": "x"}])
    assert build([path], tmp_path / "out", broken_lines="quarantine").num_quarantined_lines == 1
