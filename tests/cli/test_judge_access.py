"""How judges are asked, from the command line: addresses without secrets, sensible numbers, and prices told first."""

import json
import re
from pathlib import Path

import pytest

from loanword.cli.machine import without_secrets
from loanword.execution import worker
from tests.model.serving import ToyServer

SECRET = "hunter2"
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
[recipe.judges.gpt]
model = { served = "one" }
[recipe.responses]
benchmarks = ["open"]
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    (root / "open").mkdir(parents=True)
    (root / "base").mkdir()
    (root / "base/config.json").write_text("{}")
    asked = [{"question_uuid": f"Open_questions_{n}", "question": f"{n}?"} for n in range(10)]
    (root / "open/zh.jsonl").write_text("\n".join(map(json.dumps, asked)), encoding="utf-8")
    (root / "study.toml").write_text(STUDY, encoding="utf-8")
    return root


def words(data: Path, tmp_path: Path) -> list[object]:
    return [data / "study.toml", "--data", data, "--store", tmp_path / "store"]


@pytest.mark.parametrize(
    "address",
    [
        f"http://user:{SECRET}@host/v1",
        f"http://{SECRET}@host/v1",
        f"http://host/v1?api-key={SECRET}",
        f"http://host/v1#{SECRET}",
        f"user:{SECRET}@host/v1",
        f"{SECRET}@host",
        f"ftp://{SECRET}@host",
        f"http://[{SECRET}",
        SECRET,
    ],
)
def test_an_address_with_a_secret_is_refused_before_anything_is_written(
    address: str, data: Path, tmp_path: Path, loanword, monkeypatch: pytest.MonkeyPatch
):
    assert SECRET not in without_secrets(address)
    run, server = ("run", *words(data, tmp_path)), ("--server", address, "--benchmarks", "llmeval", "--data", data)
    for asked in ((*run, "--judge", address), ("evaluate", "m", *server, "--store", tmp_path / "store")):
        answer = loanword(*asked)
        assert answer.code == 2
        assert SECRET not in answer.err and "holds more than an address" in answer.err
        assert "LOANWORD_JUDGE_KEY" in answer.err
    monkeypatch.setenv("LOANWORD_JUDGE_URL", address)
    assert loanword(*run).code == 2
    assert not (tmp_path / "store").exists()


def test_a_judge_is_sent_no_key_that_was_meant_for_somebody_else(monkeypatch: pytest.MonkeyPatch):
    for name in ("LOANWORD_JUDGE_KEY", "LOANWORD_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    assert worker._key(worker.JUDGE_KEYS) is None  # pyright: ignore[reportPrivateUsage]
    monkeypatch.setenv("LOANWORD_API_KEY", "a server's")
    assert worker._key(worker.JUDGE_KEYS) == "a server's"  # pyright: ignore[reportPrivateUsage]
    monkeypatch.setenv("LOANWORD_JUDGE_KEY", "a judge's")
    assert worker._key(worker.JUDGE_KEYS) == "a judge's"  # pyright: ignore[reportPrivateUsage]


@pytest.mark.parametrize(
    "flags",
    [
        ("--judge-repeats", "0"),
        ("--judge-per-minute", "inf"),
        ("--judge-per-minute", "nan"),
        ("--judge-limit-cost", "inf", "--judge-prices", "1", "1"),
        ("--judge-prices", "inf", "1"),
        ("--judge-prices", "nan", "1"),
        ("--judge-prices", "1", "-1"),
        ("--judge-limit-cost", "5"),
        ("--judge-limit-tokens", "0"),
        ("--judge-at-once", "0"),
        ("--judge-model", ""),
    ],
)
def test_numbers_that_make_no_sense_are_named(flags: tuple[str, ...], data: Path, tmp_path: Path, loanword):
    asked = ("--judge", "http://host/v1", "--benchmarks", "llmeval", "--data", data, "--store", tmp_path / "store")
    calls: list[tuple[object, ...]] = [("evaluate", "no/model", *asked, "--judge-model", "one", *flags)]
    if not {"--judge-repeats", "--judge-model"} & set(flags):
        calls.append(("run", *words(data, tmp_path), "--judge", "http://host/v1", *flags))
    if "--judge-prices" in flags and "--judge-limit-cost" not in flags:
        calls.append(("plan", *words(data, tmp_path), *flags))
    for call in calls:
        answer = loanword(*call)
        assert answer.code == 2
        assert f"error: {flags[0]}" in re.sub(r"\s+", " ", answer.err)
    assert not (tmp_path / "store").exists()


def test_a_plan_says_what_judges_will_cost(data: Path, tmp_path: Path, loanword):
    free = loanword("plan", *words(data, tmp_path)).out
    assert "Judges behind a server: about 10 requests (10,800 tokens read, 1,200 written); what was asked" in free
    priced = loanword("plan", *words(data, tmp_path), "--judge-prices", 100, 1000).out
    # 10,800 x 100 + 1,200 x 1000 of a million
    assert "1,200 written, 2.28 at the given prices)" in priced
    stages = json.loads(loanword("plan", *words(data, tmp_path), "--json").out)["stages"]
    assert {one["stage"]: one["num_requests"] for one in stages if one["num_requests"]} == {"judgements": 10}


class Judge(ToyServer):
    """A model that answers, and rates what it is shown."""

    def _complete(self, body: dict[str, object]):
        answer = super()._complete(body)
        items = ("accuracy", "fluency", "informativeness", "coherence", "harmlessness")
        said = json.dumps({"scores": dict.fromkeys(items, 2)})
        if body["model"] == "one":
            answer["choices"][0]["message"] = {"content": said}
        return answer


def test_a_model_is_evaluated_by_a_named_judge_whose_price_is_told_first(data: Path, tmp_path: Path, loanword):
    with Judge(models=("toy", "one")) as server:
        asked = ("--benchmarks", "llmeval", "--subjects", "Open_questions", "--data", data, "--folder")
        judged = ("--judge", server.address, "--judge-model", "one", "--judge-repeats", 2, "--judge-prices", 100, 1000)
        answer = loanword(
            "evaluate", "toy", "--server", server.address, *asked, f"llmeval={data / 'open'}", *judged,
            "--store", tmp_path / "store", "--json",
        )  # fmt: skip
        bodies = server.asked("/v1/chat/completions")
    assert answer.code == 0, answer.err
    assert answer.err.startswith(
        "judges behind a server: about 20 requests (21,600 tokens read, 2,400 written, 4.56 at"
    )
    assert len([body for body in bodies if body["model"] == "one"]) == 20
    rated = {one["judge"]: one["scores"] for one in json.loads(answer.out)["judged"]}
    assert rated["model"]["accuracy"]["value"] == 2.0
