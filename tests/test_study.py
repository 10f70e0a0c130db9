"""A whole study on real text, from its file to its report, run as a user runs it."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from tests import studies


@pytest.fixture(scope="module")
def store(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in which the tiny study was interrupted once and then finished."""
    store = tmp_path_factory.mktemp("study") / "store"
    words = studies.command("run", shared_data, store, "--checkpoint-seconds", "1")
    code, said = studies.interrupted_when(words, lambda: any(store.glob("building/base-*/.scratch/**/row-*[0-9]")))
    assert code == 75
    assert "the same command continues" in said and "Traceback" not in said
    done = studies.run(words)
    assert done.returncode == 0, done.stderr
    return store


def test_the_study_ends_with_a_report_that_needs_no_network(store: Path) -> None:
    page = (store / "studies/real-tiny/report/report.html").read_text(encoding="utf-8")
    assert "real-tiny" in page
    assert not re.search(r"<(script|link|img|iframe)[^>]+(src|href)=.http", page)
    for label in ("extended, 100 kB, no replay", "extended, 100 kB, 20 instructions"):
        assert label in page


def test_training_on_target_text_lowers_its_bits_per_byte(store: Path) -> None:
    def nats(run: str) -> float:
        path = store / "studies/real-tiny/runs" / run / "likelihoods" / "likelihoods.jsonl"
        records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        return sum(record["nats"] for record in records if record["language"] == "zh")

    for vocabulary in ("original", "extended"):
        assert nats(f"{vocabulary}--100-kB") < nats(f"{vocabulary}--30-kB") < nats(f"{vocabulary}--0-kB")


def test_what_was_read_is_the_budget_for_both_vocabularies(store: Path) -> None:
    runs = store / "studies/real-tiny/runs"
    read = {
        run: json.loads((runs / run / "pretraining" / "summary.json").read_text(encoding="utf-8"))
        for run in ("original--100-kB", "extended--100-kB")
    }
    assert len({summary["num_target_bytes"] for summary in read.values()}) == 1
    # Whole documents: the first ones that reach the budget.
    until = np.fromfile(runs / "extended--100-kB" / "tokens.target" / "text_bytes.bin", dtype="<i8")
    assert read["extended--100-kB"]["num_target_bytes"] == until[np.searchsorted(until, 100_000)]
    assert read["extended--100-kB"]["num_target_tokens"] < read["original--100-kB"]["num_target_tokens"]


def test_a_second_run_builds_nothing(store: Path, shared_data: Path) -> None:
    before = studies.contents(store)
    done = studies.run(studies.command("run", shared_data, store))
    assert done.returncode == 0
    assert "0 artifacts built" in done.stderr
    assert studies.contents(store) == before


def test_plan_and_status_see_everything_finished(store: Path, shared_data: Path) -> None:
    plan = json.loads(studies.run(studies.command("plan", shared_data, store, "--json")).stdout)
    assert sum(stage["to_build"] for stage in plan["stages"]) == 0
    status = json.loads(studies.run(studies.command("status", shared_data, store, "--json")).stdout)
    assert {state for roles in status["runs"].values() for state in roles.values()} == {"finished"}


def test_a_tuned_run_is_exported_with_its_template(store: Path, shared_data: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    words = studies.command("export", shared_data, store)
    done = studies.run([*words, "extended, 100 kB, 20 instructions", str(tmp_path / "model")])
    assert done.returncode == 0, done.stderr
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    assert model.config.vocab_size == len(tokenizer)
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": "你好"}], tokenize=False, add_generation_prompt=True
    )
    assert "你好" in prompt and prompt.rstrip().endswith("### Response:")


@pytest.mark.slow
def test_a_thousandth_of_the_study_runs_in_a_store_of_its_own(shared_data: Path, tmp_path: Path) -> None:
    done = studies.run(studies.command("run", shared_data, tmp_path / "store", "--smoke", "--no-report"))
    assert done.returncode == 0, done.stderr
    assert studies.contents(tmp_path / "store-smoke")
    assert not (tmp_path / "store").exists()
