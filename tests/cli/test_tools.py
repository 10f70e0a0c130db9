import io
import sys
from pathlib import Path

import pytest

from loanword.cli.chat import converse, printable


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
    assert printable("a\u202eb\u200b") == "a\\u202eb\\u200b"
    assert printable("क्‍ष 答案 👩‍🔬") == "क्‍ष 答案 👩‍🔬"


@pytest.mark.parametrize(("flag", "value"), [("--top-p", "0"), ("--temperature", "-1"), ("--max-new-tokens", "0")])
def test_chat_refuses_numbers_that_make_no_sense(flag: str, value: str, checkpoint: Path, loanword):
    answer = loanword("chat", checkpoint, f"{flag}={value}")
    assert answer.code == 2
    assert "makes no sense" in answer.err
