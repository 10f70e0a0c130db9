import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from loanword.evaluation.benchmarks import benchmark_of
from loanword.recipe import BenchmarkConfig
from tests.evaluation.conftest import write_csv, write_rows
from tests.evaluation.translating import TranslatingServer, spoken
from tests.model.serving import Fault

QUESTIONS = [
    {"id": "a1", "question": "Where does the {river} end after 120 km?", "class": "open", "std_answer": "In the sea."},
    {"id": "a2", "question": "Write `x = 1` in words.", "class": "code", "std_answer": ""},
    {"id": "a3", "question": "Where does the {river} end after 120 km?", "class": "open", "std_answer": "In the sea."},
]


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    path = tmp_path / "questions.jsonl"
    write_rows(path, QUESTIONS)
    return path


@pytest.fixture
def server() -> Iterator[TranslatingServer]:
    with TranslatingServer(kind="vllm") as running:
        yield running


def words(file: Path, server: TranslatingServer, *more: object) -> list[object]:
    asked: list[object] = ["translate", file, "--to", "sw", "--model", "toy", "--server", server.address]
    return [*asked, *([] if "--limit-tokens" in more else ["--yes"]), *more]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_set_is_translated_and_asked_for_once(questions: Path, server: TranslatingServer, loanword):
    answer = loanword(*words(questions, server, "--json"))
    assert answer.code == 0, answer.err
    found = json.loads(answer.out)
    out = questions.with_name("questions.sw.jsonl")
    assert lines(out) == [row | {"question": spoken(row["question"])} for row in QUESTIONS]
    assert (found["out"], found["num_places"], found["num_texts"]) == (str(out), 3, 2)
    assert [found[f"num_{kind}"] for kind in ("machine_translated", "corrected", "flagged")] == [2, 0, 0]
    assert found["median_chrf"] == 100.0
    assert Counter(server.texts).most_common(1)[0][1] == 1
    assert len(server.texts) == 4
    assert "3 texts (2 different ones) in question; left as they are: id, class, std_answer" in answer.err
    facts = json.loads(questions.with_name("questions.sw.translation.json").read_bytes())
    assert facts["config"]["model"] == "served:toy"
    again = loanword(*words(questions, server))
    assert again.code == 2
    assert "questions.sw.jsonl - is there already" in again.err
    out.unlink()
    assert loanword(*words(questions, server)).code == 0
    assert len(server.texts) == 4, "what is in the journal is not asked again"


def test_a_folder_as_mmlu_is_asked_as_a_benchmark_in_the_other_language(
    tmp_path: Path, server: TranslatingServer, loanword
):
    folder = tmp_path / "own"
    rows = [[f"Which thing is thing number {number}?", "the sand", "the sea", "12", "the sand", "ABCD"[number]]
            for number in range(2)]  # fmt: skip
    for split in ("dev", "test"):
        write_csv(folder / split / f"things_{split}.csv", rows)
    answer = loanword(*words(folder, server, "--out", tmp_path / "other"))
    assert answer.code == 0, answer.err
    config = BenchmarkConfig(name="mmlu", folder="-", split="test", subjects=("things",), language="sw", num_shots=2)
    (questions,) = benchmark_of(config).load(tmp_path / "other", config)
    assert [example.answers for example in questions.examples] == [("A",), ("B",)]
    assert questions.examples[1].question == spoken(rows[1][0])
    assert questions.examples[1].options == (spoken("the sand"), spoken("the sea"), "12", spoken("the sand"))
    prompts = [body["messages"][1]["content"] for body in server.asked("/v1/chat/completions")]
    shown = [prompt for prompt in prompts if "the sand\n" in prompt]
    assert len(shown) == 2, "an option once with every question"
    assert all("The text belongs to this, which is not to be translated:\nWhich thing is" in prompt for prompt in shown)


def flawed(text: str, language: str) -> str | None:
    """An answer, an echo, a lost placeholder and nothing, as models give them."""
    if language == "Swahili":
        return None
    if "lost" in text:
        return spoken(text).replace("{name}", "")
    known = {
        "What is the capital of Kenya?": "Nairobi.",
        "This stays as it was before.": "This stays as it was before.",
    }
    return "" if "empty" in text else known.get(text)


def test_flagged_texts_go_to_people_and_come_back_corrected(tmp_path: Path, server: TranslatingServer, loanword):
    server.says_else = flawed
    said = ["What is the capital of Kenya?", "This stays as it was before.", "Here {name} is lost.", "An empty one.",
            "All is well here."]  # fmt: skip
    path = tmp_path / "set.jsonl"
    write_rows(path, [{"instruction": text, "input": "", "output": "7"} for text in said])
    answer = loanword(*words(path, server))
    assert answer.code == 2
    assert "6 texts: 1 machine-translated, 0 corrected, 4 flagged, 1 left as they were" in answer.out
    assert "1 lack some or all of their text and cannot be" in answer.out
    out, flagged = tmp_path / "set.sw.jsonl", tmp_path / "set.sw.flagged.jsonl"
    assert not out.exists()
    found = lines(flagged)
    assert [line["line"] for line in found] == [1, 2, 3, 4]
    for line, why in zip(
        found, ["the question mark is gone", "echo", "placeholder {name} is missing", "no text"], strict=True
    ):
        assert any(why in one for one in line["why"])
    refused = loanword(*words(path, server, "--accept-flagged"))
    assert refused.code == 2
    assert not out.exists(), "what has no text is not accepted"
    num_asked = len(server.texts)
    found[0]["translation"] = "Mji mkuu wa Kenya ni upi?"
    found[1]["reviewed"] = True
    found[3]["translation"] = "Tupu."
    write_rows(flagged, found)
    answer = loanword(*words(path, server, "--corrections", flagged))
    assert answer.code == 2
    assert "1 machine-translated, 3 corrected, 1 flagged" in answer.out
    assert [line["line"] for line in lines(tmp_path / "set.sw.flagged-2.jsonl")] == [3]
    answer = loanword(*words(path, server, "--corrections", flagged, "--accept-flagged", "--json"))
    assert answer.code == 0, answer.err
    assert json.loads(answer.out)["num_flagged"] == 1
    assert [row["instruction"] for row in lines(out)] == [
        "Mji mkuu wa Kenya ni upi?", said[1], spoken(said[2]).replace("{name}", "").strip(), "Tupu.", spoken(said[4]),
    ]  # fmt: skip
    assert [row["output"] for row in lines(out)] == ["7"] * 5
    assert len(server.texts) == num_asked


def test_a_text_of_which_a_part_has_no_translation_is_not_accepted(tmp_path: Path, server: TranslatingServer, loanword):
    server.says_else = flawed
    path = tmp_path / "set.jsonl"
    write_rows(path, [{"question": "All is well here. And this is an empty one."}])
    asked = words(path, server, "--piece-characters", 20, "--accept-flagged")
    answer = loanword(*asked)
    assert answer.code == 2
    (line,) = lines(tmp_path / "set.sw.flagged.jsonl")
    assert line["translation"].strip() == spoken("All is well here.")
    assert "no text" in line["why"]
    write_rows(tmp_path / "mended.jsonl", [line | {"translation": "Yote ni mema. Na hii ni tupu."}])
    assert loanword(*asked, "--corrections", tmp_path / "mended.jsonl").code == 0


def test_a_busy_and_a_failing_server_are_asked_again(questions: Path, server: TranslatingServer, loanword):
    now = {"Retry-After": "0"}
    server.faults = [Fault(429, b"busy", now), Fault(500, b"broken", now)]
    answer = loanword(*words(questions, server, "--at-once", 2))
    assert answer.code == 0, answer.err
    assert len(server.texts) == 4, "what was answered was asked for once"


def test_a_server_that_refuses_everything_is_an_error_and_costs_no_answer(
    questions: Path, server: TranslatingServer, loanword
):
    server.last_fault = Fault(400, b'{"error": {"message": "out of order"}}')
    answer = loanword(*words(questions, server))
    assert answer.code == 2
    assert "out of order" in answer.err
    assert "Traceback" not in answer.err
    server.last_fault = None
    assert loanword(*words(questions, server)).code == 0
    assert Counter(server.texts).most_common(1)[0][1] == 1


def test_a_server_is_not_asked_before_somebody_said_that_it_may_cost(
    questions: Path, server: TranslatingServer, loanword
):
    asked = [word for word in words(questions, server) if word != "--yes"]
    answer = loanword(*asked, "--price", 3, 15)
    assert answer.code == 2
    assert "to ask: 4 requests, about" in answer.err
    assert "at the given prices" in answer.err
    assert "expected: --yes, or a limit in tokens" in answer.err
    assert server.texts == []
    answer = loanword(*words(questions, server, "--limit-tokens", 300))
    assert answer.code == 2
    assert "--limit-tokens 300" in answer.err
    assert len(server.texts) == 1
    assert loanword(*words(questions, server, "--limit-tokens", 3000)).code == 0
    assert len(server.texts) == 4


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--to", "xx"], "--to xx - no English name is known"),
        (["--to", "SW!", "--to-name", "Swahili"], "--to SW! - no English name is known"),
        (["--out", "no/such/file"], "its folder is not there"),
        (["--out", "other.jsonl.gz"], "other.jsonl.gz - is not named as the set, which is .jsonl"),
        (["--flag-below", "inf"], "--flag-below inf - no chrF"),
        (["--to", "en"], "--to en - is the language of the set"),
        (["--from", "zh"], "--from zh - most letters of the set are of other scripts: Latin"),
        (["--fields", "nothing"], "questions.jsonl:1 - no field 'nothing'"),
        (["--at-once", 0], "--at-once 0 - not a positive number"),
        (["--corrections", "none.jsonl"], "none.jsonl - no such file"),
        (["--model", "other"], "the server has no model 'other'"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_asked(
    more: list[object], said: str, questions: Path, server: TranslatingServer, loanword, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(questions.parent)
    answer = loanword(*words(questions, server, *more))
    assert answer.code == 2
    assert said in answer.err
    assert server.texts == []


@pytest.mark.parametrize("flag", ["--out", "--journal"])
def test_nothing_is_written_into_the_set_s_own_folder(
    flag: str, questions: Path, server: TranslatingServer, tmp_path: Path, loanword
):
    folder = tmp_path / "set"
    folder.mkdir()
    questions.rename(folder / questions.name)
    answer = loanword(*words(folder, server, flag, folder / "new.jsonl"))
    assert answer.code == 2
    assert "new.jsonl - is a part of the set" in answer.err
    assert [file.name for file in folder.iterdir()] == [questions.name]


def test_names_in_a_set_cannot_steer_the_terminal(tmp_path: Path, server: TranslatingServer, loanword):
    (tmp_path / "set").mkdir()
    write_rows(tmp_path / "set" / "a.jsonl", [{"question": "What is it?", "a\x1b[2J": 1}])
    (tmp_path / "set" / "b\x1b[2J\u202e.txt").touch()
    answer = loanword(*words(tmp_path / "set", server))
    assert answer.code == 0, answer.err
    assert "left as they are: a\\x1b[2J" in answer.err
    assert "copied as they are: b\\x1b[2J\\u202e.txt" in answer.err


def test_the_key_is_sent_and_is_written_nowhere(questions: Path, loanword, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LOANWORD_API_KEY", "very-secret")
    with TranslatingServer(key="very-secret") as server:
        answer = loanword(*words(questions, server))
    assert answer.code == 0, answer.err
    for path in questions.parent.glob("questions*"):
        assert b"very-secret" not in path.read_bytes()


def start(asked: list[object]) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "loanword.cli", *map(str, asked)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, "NO_PROXY": "127.0.0.1"},
    )  # fmt: skip


def wait_for(journal: Path, num_answers: int) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if journal.is_file() and journal.read_bytes().count(b"\n") >= num_answers:
            return
        time.sleep(0.01)
    raise AssertionError("nothing was answered in 60 s")


def test_what_was_killed_and_stopped_goes_on_and_finished_texts_are_not_asked_again(tmp_path: Path):
    path, journal = tmp_path / "many.jsonl", tmp_path / "many.sw.journal.jsonl"
    write_rows(path, [{"question": f"What is thing number {number} of them?"} for number in range(24)])
    with TranslatingServer(wait_seconds=0.05) as server:
        asked = words(path, server, "--at-once", 4)
        running = start(asked)
        wait_for(journal, 4)
        os.killpg(running.pid, signal.SIGKILL)
        running.communicate(timeout=60)
        whole = journal.read_bytes()
        finished = {json.loads(line)["text"] for line in whole[: whole.rfind(b"\n") + 1].splitlines()}
        running = start(asked)
        wait_for(journal, len(finished) + 4)
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=60)
        assert running.returncode == 75, said
        assert "the same command goes on" in said
        assert "Traceback" not in said
        stopped = {json.loads(line)["text"] for line in journal.read_bytes().splitlines()}
        running = start(asked)
        _, said = running.communicate(timeout=60)
        assert running.returncode == 0, said
        times = Counter(text for text, _ in server.texts)
        assert server.most_at_once <= 4
    assert all(times[text] == 1 for text in finished)
    assert all(times[text] <= 2 for text in stopped), "only what was on its way at the kill was asked twice"
    assert sum(times.values()) <= 48 + 4
    assert [row["question"] for row in lines(tmp_path / "many.sw.jsonl")] == [
        spoken(f"What is thing number {number} of them?") for number in range(24)
    ]


def test_a_checkpoint_of_this_machine_is_asked_in_its_template_or_by_plain_text(
    questions: Path, checkpoint: Path, tmp_path: Path, loanword
):
    asked = ["translate", questions, "--to", "sw", "--model", checkpoint, "--max-new-tokens", 8, "--json"]
    answer = loanword(*asked)
    assert answer.code in (0, 2), answer.err
    found = json.loads(answer.out)
    assert found["num_texts"] == 2
    assert found["num_flagged"] == 2, "an untrained model does not translate"
    journal = lines(questions.with_name("questions.sw.journal.jsonl"))
    assert {line["text"] for line in journal} >= {row["question"] for row in QUESTIONS}
    bare = tmp_path / "bare"
    shutil.copytree(checkpoint, bare, ignore=shutil.ignore_patterns("chat_template.jinja"))
    asked[5] = bare
    answer = loanword(*asked)
    assert answer.code == 2
    assert "stores no chat template" in answer.err
    answer = loanword(*asked, "--plain")
    assert json.loads(answer.out)["num_texts"] == 2
