import io
import json
import sys
from pathlib import Path

import pytest

from loanword.cli.chat import converse, printable
from loanword.evaluation.benchmarks.mmlu import SUBJECTS

SUBJECT = next(iter(SUBJECTS))


@pytest.fixture
def mmlu(data: Path) -> Path:
    for split, number in (("dev", 5), ("test", 4)):
        folder = data / "benchmarks" / "mmlu" / "data" / split
        folder.mkdir(parents=True)
        rows = [f"Which letter is it {index}?,one,two,three,four,{'ABCD'[index % 4]}" for index in range(number)]
        (folder / f"{SUBJECT}_{split}.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return data


def test_evaluate_prints_accuracy_and_bits_per_byte_for_machines(mmlu: Path, checkpoint: Path, loanword):
    text = mmlu / "parallel" / "flores200-devtest" / "en.txt"
    answer = loanword(
        "evaluate", checkpoint, "--data", mmlu, "--benchmarks", "mmlu", "--subjects", SUBJECT,
        "--texts", f"en={text}", "--json",
    )  # fmt: skip
    assert answer.code == 0
    measured = json.loads(answer.out)
    knowledge, english = measured["benchmarks"]["mmlu"], measured["texts"]["en"]
    assert knowledge["num_questions"] == 4
    assert knowledge["mean_shots"] == 5
    assert (
        knowledge["over_questions"]["low"]
        <= knowledge["over_questions"]["value"]
        <= knowledge["over_questions"]["high"]
    )
    assert english["num_bytes"] == len(text.read_bytes()) - 3  # line breaks are not text
    # An untrained model gives every one of its 300 pieces nearly the same probability.
    assert 250 < english["perplexity"]["value"] < 350


def test_evaluate_prints_a_table_for_people(mmlu: Path, checkpoint: Path, loanword):
    answer = loanword(
        "evaluate", checkpoint, "--data", mmlu, "--benchmarks", "mmlu", "--subjects", SUBJECT, "--limit", 2
    )
    assert answer.code == 0
    assert "mmlu test" in answer.out
    assert "25.0" in answer.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "nothing to ask"),
        (("--benchmarks", "mmlu", "--subjects", "alchemy"), "unknown: alchemy"),
        (("--benchmarks", "mmlu", "ceval", "--subjects", SUBJECT), "names no subject of ceval"),
        (("--texts", "en.txt"), "no language"),
        (("--benchmarks", "mmlu"), "subjects found"),
    ],
)
def test_evaluate_says_what_is_wrong_before_it_loads_a_model(words: tuple[str, ...], said: str, mmlu: Path, loanword):
    answer = loanword("evaluate", "no/model", "--data", mmlu, *words)
    assert answer.code == 2
    assert said in answer.err


def test_a_model_that_is_not_there_is_a_user_error(data: Path, loanword):
    text = data / "parallel" / "flores200-devtest" / "en.txt"
    answer = loanword("evaluate", "./nowhere", "--texts", f"en={text}")
    assert answer.code == 2
    assert "no such checkpoint" in answer.err


def test_tokenizer_measure_measures_each_language_under_each_tokenizer(data: Path, checkpoint: Path, loanword):
    flores = data / "parallel" / "flores200-devtest"
    answer = loanword("tokenizer", "measure", checkpoint, checkpoint / "tokenizer.model", "--flores", flores, "--json")
    assert answer.code == 0
    measured = json.loads(answer.out)
    assert measured[str(checkpoint)] == measured[str(checkpoint / "tokenizer.model")]
    by_language = {one["language"]: one for one in measured[str(checkpoint)]}
    assert set(by_language) == {"en", "zh"}
    assert by_language["en"]["num_bytes"] == 3 * len("The rain falls on the hill.")
    assert by_language["zh"]["tokens_per_word"] is None


def test_tokenizer_measure_wants_text(checkpoint: Path, loanword):
    answer = loanword("tokenizer", "measure", checkpoint)
    assert answer.code == 2
    assert "no text to measure on" in answer.err


def test_chat_answers_each_line_of_its_input_and_ends_with_it(
    checkpoint: Path, loanword, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sys, "stdin", io.StringIO("Which letter?\n/new\nIs it A?\n"))
    answer = loanword("chat", checkpoint, "--max-new-tokens", 3)
    assert answer.code == 0
    assert answer.out.count("\n") >= 2


def test_chat_refuses_a_model_without_a_template_and_says_how_to_go_on(checkpoint: Path, tmp_path: Path, loanword):
    bare = tmp_path / "bare"
    bare.mkdir()
    for path in checkpoint.iterdir():
        if path.name != "chat_template.jinja":
            (bare / path.name).symlink_to(path)
    answer = loanword("chat", bare)
    assert answer.code == 2
    assert "--template alpaca" in answer.err


def test_a_conversation_grows_by_what_was_said_before_ctrl_c_and_new_begins_again(
    monkeypatch: pytest.MonkeyPatch, capsys
):
    monkeypatch.setattr(sys, "stdin", io.StringIO("one\ntwo\n/new\nthree\n"))
    heard: list[list[str]] = []

    def respond(messages):
        heard.append([message.content for message in messages])
        yield "said"
        if len(heard) == 1:
            raise KeyboardInterrupt
        yield " more"

    converse(respond, system="be brief")
    assert heard == [
        ["be brief", "one"],
        ["be brief", "one", "said", "two"],
        ["be brief", "three"],
    ]
    assert capsys.readouterr().out == "said [stopped]\nsaid more\nsaid more\n"


def test_what_a_model_says_cannot_steer_the_terminal():
    assert printable("a\x1b[2Jb\rc\td\n") == "a\\x1b[2Jb\\rc\td\n"
    assert printable("क्‍ष 答案 👩‍🔬") == "क्‍ष 答案 👩‍🔬"


@pytest.mark.parametrize(("flag", "value"), [("--top-p", "0"), ("--temperature", "-1"), ("--max-new-tokens", "0")])
def test_chat_refuses_numbers_that_make_no_sense(flag: str, value: str, checkpoint: Path, loanword):
    answer = loanword("chat", checkpoint, f"{flag}={value}")
    assert answer.code == 2
    assert "makes no sense" in answer.err
