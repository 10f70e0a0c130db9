"""A study whose responses are judged, run as a user runs it: killed while judges are asked, and continued."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from loanword.model.load import new_model, save_model
from loanword.recipe import ArchitectureConfig
from loanword.records import JudgeFacts, Preference, Rating, Switching, read_json, read_lines
from loanword.tokenizer.load import load_tokenizer
from tests import studies
from tests.model.serving import ToyServer

STUDY = """
name = "judged"
[recipe]
target = "zh"
[recipe.base]
model = "base"
[recipe.benchmarks.open]
name = "llmeval"
folder = "open"
subjects = ["Open_questions"]
language = "zh"
decoding = { max_new_tokens = 12 }
[recipe.judges.rules]
rules = true
[recipe.judges.gpt]
model = { served = "one" }
pairwise = true
coherence = true
[recipe.judges.other]
model = { served = "two" }
repeats = 2
[recipe.judges.panel]
of = ["gpt", "other"]
[recipe.responses]
benchmarks = ["open"]
[[runs]]
name = "base/as it came"
[[runs]]
name = "another"
set = { "base.model" = "other" }
[[compare]]
arm = "another"
control = "base/as it came"
"""
NUM_QUESTIONS = 12
RATED, MORE = 2 * 3 * NUM_QUESTIONS + 2 * NUM_QUESTIONS, 2 * NUM_QUESTIONS
"""Requests about every response of two runs, three times, and about each pair in both orders; and about switches."""
AT_ONCE = 2
KEY = "the key of the judge"


@dataclass
class Judge(ToyServer):
    """A server with two judges, who rate all alike and prefer what is shown first."""

    models: tuple[str, ...] = ("one", "two")
    key: str | None = KEY
    wait_seconds: float = 0.05

    def __enter__(self) -> "Judge":
        super().__enter__()
        return self

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return self.asked("/v1/chat/completions")

    def _complete(self, body: dict[str, Any]) -> dict[str, Any]:
        time.sleep(self.wait_seconds)
        answer, told = super()._complete(body), body["messages"][0]["content"]
        items = re.findall(r"^- (\w+):", told, re.MULTILINE)
        said = {"better": "A"} if '"better"' in told else {"scores": dict.fromkeys(items, 2)}
        answer["choices"][0]["message"] = {"role": "assistant", "content": json.dumps(said)}
        return answer


@dataclass
class Judged:
    """The study in a store, and the judge that was asked in its run."""

    data: Path
    store: Path
    judge: Judge
    done: subprocess.CompletedProcess[str]

    def links(self, run: str) -> Mapping[str, Path]:
        folder = self.store / "studies" / "judged" / "runs" / run
        return {path.name: path.resolve() for path in folder.iterdir()}


def words(verb: str, data: Path, store: Path, *more: str) -> list[str]:
    return studies.command(verb, data, store, *more, study=data / "judged.toml")


def running(data: Path, store: Path, judge: Judge) -> list[str]:
    asked = ("--judge", judge.address, "--judge-at-once", str(AT_ONCE), "--judge-prices", "2", "10", "--workers", "1")
    return words("run", data, store, *asked)


def kept(store: Path) -> list[Path]:
    return [path for path in store.glob("cache/judges/*/*/??/*.json") if not path.name.startswith(".")]


def write_root(root: Path) -> None:
    """Two checkpoints that are not trained, questions in Chinese, and the study."""
    studies.write_small_root(root)
    shape = ArchitectureConfig(
        width=32, num_layers=1, num_heads=2, num_key_value_heads=1, feed_forward_width=32, context_tokens=256
    )
    pieces = load_tokenizer(root / "base")
    save_model(new_model(shape, pieces.num_pieces, 1, bos_id=1, eos_id=2), root / "other")
    pieces.save(root / "other")
    (root / "open").mkdir()
    asked = [
        {"question_uuid": f"Open_questions_{n}", "question": f"灯 {n} 在哪里？", "reference": "在窗边"}
        for n in range(NUM_QUESTIONS)
    ]
    studies.write_objects(asked, root / "open" / "zh.jsonl")
    (root / "judged.toml").write_text(STUDY, encoding="utf-8")


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judged]:
    root = tmp_path_factory.mktemp("judged")
    data, store = root / "data", root / "store"
    data.mkdir()
    write_root(data)
    with pytest.MonkeyPatch.context() as patched, Judge() as judge:
        patched.setenv("LOANWORD_JUDGE_KEY", KEY)
        done = studies.run(running(data, store, judge))
        assert done.returncode == 0, done.stderr
        yield Judged(data, store, judge, done)


def test_what_is_to_be_asked_and_its_price_are_told_before_anything_is_built(judged: Judged, tmp_path: Path) -> None:
    words = studies.command(
        "plan", judged.data, tmp_path, "--judge-prices", "2", "10", study=judged.data / "judged.toml"
    )
    planned = studies.run(words)
    assert planned.returncode == 0, planned.stderr
    assert (
        f"Judges behind a server: about {RATED} requests (103,680 tokens read, 11,520 written, 0.32 at the given "
        f"prices), and up to {MORE} requests (25,920 tokens read, 2,880 written, 0.08 at the given prices) about "
        "responses that turn out to switch languages; what was asked before is not asked again." in planned.stdout
    )
    assert judged.done.stderr.startswith(f"judges behind a server: about {RATED} requests (103,680 tokens read")
    assert RATED < len(judged.judge.bodies) <= RATED + MORE
    assert len(kept(judged.store)) == len(judged.judge.bodies)


def test_every_judge_leaves_a_link_that_is_named_after_it_whatever_the_run_is_called(judged: Judged) -> None:
    names = {role for role in judged.links("another") if role.startswith("ratings.")}
    plain = {f"ratings.open.{judge}" for judge in ("rules", "gpt", "other", "panel")}
    against = "ratings.open.gpt.against.base-as-it-came"
    assert names == {*plain, "ratings.open.gpt--coherence", against}
    assert plain <= set(judged.links("base-as-it-came"))
    preferences = list(read_lines(Preference, judged.links("another")[against] / "preferences.jsonl"))
    # The judge prefers what it is shown first, so that no win survives the swap.
    assert [one.outcome for one in preferences] == ["inconsistent"] * NUM_QUESTIONS


def test_a_panel_is_of_its_judges_and_coherence_of_what_switches(judged: Judged) -> None:
    links = judged.links("base-as-it-came")
    facts = read_json(JudgeFacts, links["ratings.open.panel"] / "judge.json")
    assert (facts.kind, facts.combines) == ("panel", ("gpt", "other"))
    switched = {one.id for one in read_lines(Switching, links["switching.open"] / "switching.jsonl") if one.switched}
    rated = read_lines(Rating, links["ratings.open.gpt--coherence"] / "ratings.jsonl")
    assert {one.id for one in rated} == switched
    assert switched, "a model that has read nothing says other things than Chinese"


def test_the_key_of_the_judge_is_written_nowhere(judged: Judged) -> None:
    files = [path for path in judged.store.rglob("*") if path.is_file() and not path.is_symlink()]
    assert not [path for path in files if KEY.encode() in path.read_bytes()]
    assert KEY not in judged.done.stderr


def test_the_page_shows_every_judge(judged: Judged) -> None:
    page = (judged.store / "studies" / "judged" / "report" / "report.html").read_text(encoding="utf-8")
    assert "another against base/as it came" in page
    assert "panel" in page


def test_a_finished_study_needs_no_judge(judged: Judged) -> None:
    num_asked = len(judged.judge.requests)
    again = studies.run(words("run", judged.data, judged.store, "--no-report"))
    assert again.returncode == 0, again.stderr
    assert "0 artifacts built" in again.stderr and "judges behind" not in again.stderr
    assert len(judged.judge.requests) == num_asked


@pytest.mark.kill
def test_a_study_that_is_killed_asks_no_judge_again_for_what_is_kept(judged: Judged, tmp_path: Path) -> None:
    with Judge() as judge:
        command = running(judged.data, tmp_path, judge)
        process = subprocess.Popen(
            command,
            env=studies.environment(),
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        end = time.monotonic() + 120
        while len(kept(tmp_path)) < RATED // 2 and process.poll() is None and time.monotonic() < end:
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        num_asked, num_kept = len(judge.bodies), len(kept(tmp_path))
        assert RATED // 2 <= num_kept < RATED
        assert num_asked - num_kept <= AT_ONCE, "what was on its way"
        continued = studies.run(command)
        assert continued.returncode == 0, continued.stderr
        assert len(judge.bodies) - num_asked == len(kept(tmp_path)) - num_kept
    assert studies.contents(tmp_path) == studies.contents(judged.store)
