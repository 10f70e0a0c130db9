import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from loanword.evaluation.benchmarks.mmlu import SUBJECTS
from loanword.store.artifacts import payload_digests
from tests.model.serving import Fault, ToyServer

SUBJECT, OTHER = list(SUBJECTS)[:2]


def write_subject(data: Path, subject: str, num_questions: int = 4) -> None:
    for split, number in (("dev", 5), ("test", num_questions)):
        folder = data / "benchmarks" / "mmlu" / "data" / split
        folder.mkdir(parents=True, exist_ok=True)
        rows = [f"Which letter is it {index}?,one,two,three,four,{'ABCD'[index % 4]}" for index in range(number)]
        (folder / f"{subject}_{split}.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")


@pytest.fixture
def mmlu(data: Path) -> Path:
    write_subject(data, SUBJECT)
    return data


@pytest.fixture
def words(mmlu: Path, tmp_path: Path) -> list[object]:
    """What every call says after the model."""
    store = tmp_path / "store"
    return ["--data", mmlu, "--store", store, "--benchmarks", "mmlu", "--subjects", SUBJECT, "--threads", 1]


def measured(answer: Any) -> dict[str, Any]:
    assert answer.code == 0, answer.err
    return json.loads(answer.out)


def test_evaluate_prints_scores_and_bits_per_byte_for_machines(
    words: list[object], mmlu: Path, checkpoint: Path, loanword
):
    text = mmlu / "parallel" / "flores200-devtest" / "en.txt"
    found = measured(loanword("evaluate", checkpoint, *words, "--texts", f"en={text}", "--json"))
    ((name, knowledge),) = found["benchmarks"].items()
    assert name == f"mmlu_{SUBJECT}"
    assert (knowledge["num_questions"], knowledge["mean_shots"]) == (4, 5)
    score = knowledge["scores"][0]
    assert score["low"] <= score["value"] <= score["high"]
    assert score["chance"] == 0.25
    assert knowledge["self_check"]["largest_difference_nats"] < 1e-4
    assert knowledge["self_check"]["num_examples"] == 4
    english = found["texts"]["en"]
    assert english["num_bytes"] == len(text.read_bytes()) - 3  # line breaks are not text
    # An untrained model gives every one of its 300 pieces nearly the same probability.
    assert 250 < english["perplexity"]["value"] < 350


def test_a_second_call_asks_nothing_and_says_the_same(words: list[object], checkpoint: Path, loanword, tmp_path: Path):
    first = measured(loanword("evaluate", checkpoint, *words, "--json"))
    artifacts = sorted((tmp_path / "store" / "artifacts").glob("*/*"))
    times = [path.stat().st_mtime_ns for path in artifacts]
    code = (
        "import json, sys; from loanword.cli import main; code = main(sys.argv[1:]); "
        "assert not {'torch', 'transformers'} & set(sys.modules), 'it asked a model'; sys.exit(code)"
    )
    again = subprocess.run(
        [sys.executable, "-c", code, "evaluate", str(checkpoint), *map(str, words), "--json"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(again.stdout) == first
    assert [path.stat().st_mtime_ns for path in sorted((tmp_path / "store" / "artifacts").glob("*/*"))] == times


def test_other_ways_of_asking_lie_side_by_side(words: list[object], checkpoint: Path, loanword):
    one = measured(loanword("evaluate", checkpoint, *words, "--json"))
    two = measured(loanword("evaluate", checkpoint, *words, "--shots", 0, "--limit", 2, "--json"))
    assert one["records"] == two["records"]
    links = sorted(path.name for path in Path(one["records"]).iterdir() if path.name.startswith("grades."))
    assert links == [f"grades.mmlu_{SUBJECT}", f"grades.mmlu_0-shot_{SUBJECT}_first=2"][::-1]


def test_a_translated_set_with_subjects_of_its_own_is_asked_by_the_text_of_its_options(
    words: list[object], mmlu: Path, checkpoint: Path, loanword
):
    write_subject(mmlu, "people")
    asked = [*words[: words.index(SUBJECT)], "people", "--protocol", "options", "--language", "sw", "--json"]
    found = measured(loanword("evaluate", checkpoint, *asked))
    ((name, knowledge),) = found["benchmarks"].items()
    assert name == "mmlu_options_sw_0-shot_people"
    assert (knowledge["num_questions"], knowledge["mean_shots"]) == (4, 0)
    assert knowledge["self_check"]["largest_difference_nats"] < 1e-4


def test_evaluate_prints_a_table_for_people(words: list[object], checkpoint: Path, loanword):
    answer = loanword("evaluate", checkpoint, *words, "--limit", 2)
    assert answer.code == 0
    assert "MMLU, test: official, 5-shot, likelihood, model in float32" in answer.out
    assert "25.0" in answer.out
    assert "0 unparsed" in answer.out


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ((), "nothing to ask"),
        (("--benchmarks", "mmlu", "--subjects", "alchemy"), "unknown: alchemy"),
        (("--benchmarks", "mmlu", "ceval", "--subjects", SUBJECT), "names no subject of ceval"),
        (("--texts", "en.txt"), "no language"),
        (("--benchmarks", "mmlu"), "subjects found"),
        (("--benchmarks", "mmlu", "--folder", "ceval=x"), "names no benchmark that is asked"),
        (("--benchmarks", "mmlu", "--chat"), "likelihoods are asked for after plain text"),
        (("--benchmarks", "mmlu", "--limit", "0"), "limit_examples"),
        (("--describe", "nowhere.toml"), "cannot be read"),
        (("--benchmarks", "mmlu", "--describe", "mmlu.toml"), "is asked already"),
        (("--describe", "odd.toml"), "cannot name a benchmark"),
        (("--server", "http://localhost:1", "--texts", "en={text}"), "is not asked for text"),
    ],
)
def test_evaluate_says_what_is_wrong_before_it_loads_a_model(
    more: tuple[str, ...], said: str, mmlu: Path, loanword, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    described = (
        'folder = "x.jsonl"\n[{0}.description]\nlanguage = "sw"\nquestion = "{{q}}"\noptions = "o"\nanswer = "a"\n'
    )
    for name, table in (("mmlu.toml", "mmlu"), ("odd.toml", '"a/b"')):
        (tmp_path / name).write_text(f"[{table}]\n" + described.format(table), encoding="utf-8")
    text = mmlu / "parallel" / "flores200-devtest" / "en.txt"
    more = tuple(word.format(text=text) for word in more)
    answer = loanword("evaluate", "no/model", "--data", mmlu, "--store", tmp_path / "store", *more)
    assert answer.code == 2
    assert said in answer.err
    assert not (tmp_path / "store").exists()


def test_a_model_that_is_not_there_is_a_user_error(words: list[object], loanword):
    answer = loanword("evaluate", "./nowhere", *words)
    assert answer.code == 2
    assert "no such checkpoint" in answer.err


def test_ctrl_c_while_workers_are_being_prepared_is_no_crash(words: list[object], checkpoint: Path):
    command = [sys.executable, "-m", "loanword.cli", "evaluate", checkpoint, *words]
    running = subprocess.Popen(
        list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    # The server that forks workers is the first child; it loads for seconds.
    children = Path(f"/proc/{running.pid}/task/{running.pid}/children")
    end = time.monotonic() + 60
    while not children.read_text() and time.monotonic() < end:
        time.sleep(0.02)
    time.sleep(0.3)
    os.killpg(running.pid, signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 75, said
    assert "Traceback" not in said


@pytest.mark.kill
def test_an_evaluation_that_is_killed_or_stopped_goes_on_to_the_same_records(
    mmlu: Path, checkpoint: Path, tmp_path: Path, loanword
):
    write_subject(mmlu, SUBJECT, 1200)
    write_subject(mmlu, OTHER, 1200)
    asked = ["--data", mmlu, "--benchmarks", "mmlu", "--subjects", SUBJECT, OTHER, "--threads", 1, "--json"]
    undisturbed = measured(loanword("evaluate", checkpoint, *asked, "--store", tmp_path / "whole"))
    command = [sys.executable, "-m", "loanword.cli", "evaluate", checkpoint, *asked, "--store", tmp_path / "broken"]
    for number, (how, code) in enumerate(((signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 75))):
        running = subprocess.Popen(
            list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        )
        parts = _parts(tmp_path / "broken", more_than=number)
        os.killpg(running.pid, how)
        running.communicate(timeout=60)
        assert running.returncode == code
        assert _parts(tmp_path / "broken", more_than=0) >= parts, "no finished batch is lost"
    continued = measured(loanword("evaluate", checkpoint, *asked, "--store", tmp_path / "broken"))
    assert continued["benchmarks"] == undisturbed["benchmarks"]
    digests = [
        sorted(
            (path.parent.name, payload_digests(path)["responses.jsonl"])
            for path in (tmp_path / store / "artifacts" / "responses").iterdir()
        )
        for store in ("whole", "broken")
    ]
    assert digests[0] == digests[1]


def test_a_served_model_is_asked_by_its_name(words: list[object], tmp_path: Path, loanword):
    with ToyServer(kind="vllm") as server:
        found = measured(loanword("evaluate", "toy", *words, "--server", server.address, "--json"))
    (knowledge,) = found["benchmarks"].values()
    assert (knowledge["num_questions"], knowledge["num_unparsed"], knowledge["self_check"]) == (4, 0, None)
    (responses,) = (tmp_path / "store" / "artifacts" / "responses").iterdir()
    assert json.loads((responses / "server.json").read_bytes())["served_model"] == "toy"
    again = measured(loanword("evaluate", "toy", *words, "--server", server.address, "--json"))
    assert again == found, "what is finished needs no server"


class Refusing(ToyServer):
    """Refuses what it is asked, where another would hang up and be asked again for minutes."""

    def fault(self, path: str) -> Fault | None:
        found = super().fault(path)
        return found and Fault(status=400, body=b'{"error": {"message": "out of order"}}')


def test_a_server_that_dies_in_the_middle_costs_no_finished_batch(mmlu: Path, tmp_path: Path, loanword):
    write_subject(mmlu, SUBJECT, 600)
    asked = ["--data", mmlu, "--store", tmp_path / "store", "--benchmarks", "mmlu", "--subjects", SUBJECT, "--json"]
    with Refusing(kind="other", answers_before_death=400) as server:
        answer = loanword("evaluate", "toy", *asked, "--server", server.address)
    assert answer.code == 2
    assert "out of order" in answer.err
    assert _parts(tmp_path / "store", more_than=0) == 1
    with ToyServer(kind="other") as server:
        found = measured(loanword("evaluate", "toy", *asked, "--server", server.address))
        num_asked = len(server.asked("/v1/completions"))
    (knowledge,) = found["benchmarks"].values()
    assert knowledge["num_questions"] == 600
    assert num_asked == 600 - 256


def _parts(store: Path, *, more_than: int) -> int:
    """Batches on disk of what is being built, once there are more than so many."""
    end = time.monotonic() + 90
    while time.monotonic() < end:
        found = len(list(store.glob("building/responses-*/.scratch/0*.jsonl")))
        if found > more_than:
            return found
        time.sleep(0.02)
    raise AssertionError("no batch was written in 90 s")
