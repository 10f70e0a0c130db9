"""`profile`: what a machine does, measured, and the hours that plans make of it."""

import json
from pathlib import Path

import pytest

from loanword.cli import profile as verb
from loanword.records import read_json, write_json
from loanword.study.hardware import HardwareProfile, Learned, ShapeSpeed, read_profile
from loanword.study.speeds import USUAL


def speed(name: str, num_parameters: int, flops_per_second: float) -> ShapeSpeed:
    return ShapeSpeed(
        name=name,
        num_parameters=num_parameters,
        precision="float32",
        recipe="float32",
        activations="keep",
        row_tokens=512,
        micro_batch_tokens=512,
        tokens_per_second=10.0,
        flops_per_token=flops_per_second / 10.0,
        causal_flops_per_token=1.5 * flops_per_second / 10.0,
        whole_flops_per_token=2.0 * flops_per_second / 10.0,
        peak_bytes=1,
        estimated_bytes=1,
    )


def machine(*shapes: ShapeSpeed) -> HardwareProfile:
    return HardwareProfile(
        machine="a machine",
        device="cpu",
        threads=1,
        versions={},
        products={"float32": 1e10, "bf16": 2e10},
        shapes=shapes,
    )


def test_utilisation_is_given_by_every_formula():
    measured = machine(speed("small", 10**6, 1e9))
    assert measured.utilisation(measured.shapes[0]) == pytest.approx((0.1, 0.15, 0.2))


def test_a_small_shape_is_measured_and_the_stores_plans_then_say_hours(
    tmp_path: Path, data: Path, loanword, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(verb, "SECONDS_PER_SHAPE", 0.0)
    monkeypatch.setattr(verb, "SECONDS_PER_CEILING", 0.1)
    monkeypatch.setitem(verb.SHAPES["cpu"], "tiny", (32, 1, 2, 1, 64, 512, True))
    store = tmp_path / "store"
    answer = loanword("profile", "--shapes", "tiny", "--store", store, "--quick", "--workers", "2")
    assert answer.code == 0
    measured = read_profile(store / "profile.json")
    shape = measured.shapes[0]
    assert shape.num_parameters == 512 * 32 + 32 * (32 + 32 + 16 + 16) + 3 * 32 * 64 + 3 * 32
    assert shape.flops_per_token < shape.causal_flops_per_token < shape.whole_flops_per_token
    assert measured.workers == 2
    assert measured.products["float32"] > shape.flops_per_second > 0
    assert str(store / "profile.json") in answer.out

    study = tmp_path / "study.toml"
    study.write_text(STUDY, encoding="utf-8")
    words = ("plan", study, "--data", data, "--store", store)
    planned = loanword(*words)
    assert planned.out.splitlines()[1].split()[-1] == "time"
    base = next(line for line in json.loads(loanword(*words, "--json").out)["stages"] if line["stage"] == "base")
    fixed, slope = USUAL["base"]
    assert 3600 * base["hours"] == pytest.approx(fixed + slope * base["flops"] / shape.flops_per_second)


def test_without_a_profile_a_plan_says_how_to_make_one(tmp_path: Path, data: Path, loanword):
    study = tmp_path / "study.toml"
    study.write_text(STUDY, encoding="utf-8")
    answer = loanword("plan", study, "--data", data, "--store", tmp_path / "store")
    assert "`loanword profile` measures this machine" in answer.out
    assert "time" not in answer.out.splitlines()[1]


def test_a_profile_that_is_not_there_or_not_one_is_refused(tmp_path: Path, data: Path, loanword):
    study, broken = tmp_path / "study.toml", tmp_path / "broken.json"
    study.write_text(STUDY, encoding="utf-8")
    broken.write_text("{}", encoding="utf-8")
    for file in (tmp_path / "nowhere.json", broken):
        answer = loanword("plan", study, "--data", data, "--store", tmp_path / "store", "--profile", file)
        assert answer.code == 2
        assert file.name in answer.err


@pytest.mark.parametrize("device", ["cuda:7", "gpu", "cpu:1", "cuda:", "cuda:x", "mps:-1"])
def test_a_device_that_is_not_there_is_refused_with_those_that_are(device: str, loanword, tmp_path: Path):
    answer = loanword("profile", "--device", device, "--store", tmp_path / "store")
    assert answer.code == 2
    assert f"--device {device} - no such device here" in answer.err
    assert "expected: cpu" in answer.err
    assert not (tmp_path / "store").exists()


def test_a_run_on_a_device_that_is_not_there_builds_nothing(loanword, tmp_path: Path, data: Path):
    study = tmp_path / "study.toml"
    study.write_text(STUDY, encoding="utf-8")
    answer = loanword("run", study, "--data", data, "--store", tmp_path / "store", "--device", "cuda:7")
    assert answer.code == 2
    assert "--device cuda:7 - no such device here" in answer.err
    assert not list((tmp_path / "store").glob("artifacts/*/*"))


def test_an_unknown_size_is_refused_before_anything_is_measured(loanword, tmp_path: Path):
    answer = loanword("profile", "--shapes", "3M,900B", "--store", tmp_path / "store")
    assert answer.code == 2
    assert "900B" in answer.err
    assert "20M" in answer.err


@pytest.mark.parametrize("name", ["folder", "nowhere/profile.json", "/proc/profile.json"])
def test_a_file_that_cannot_be_written_is_refused_before_anything_is_measured(name: str, loanword, tmp_path: Path):
    (tmp_path / "folder").mkdir()
    answer = loanword("profile", "--shapes", "3M", "--out", tmp_path / name)
    assert answer.code == 2
    assert answer.err.startswith("error: ")  # measuring draws its progress there
    assert "--out" in answer.err


def test_a_profile_survives_the_disk(tmp_path: Path):
    learned = {"tokens": Learned.of([(1.0, 2.0)])}
    measured = machine(speed("small", 10**6, 1e9)).model_copy(update={"learned": learned})
    write_json(measured, tmp_path / "profile.json")
    assert read_json(HardwareProfile, tmp_path / "profile.json") == measured


STUDY = """
name = "small"
[recipe]
target = "zh"
[recipe.base.train]
num_tokens = 100_000
tokenizer = { num_pieces = 400 }
steps = { peak_learning_rate = 1e-3, row_tokens = 256, batch_tokens = 1024 }
[recipe.base.train.architecture]
width = 32
num_layers = 1
num_heads = 2
num_key_value_heads = 1
feed_forward_width = 64
context_tokens = 256
[recipe.corpus.en]
files = ["text/en.jsonl"]
[recipe.likelihoods.texts]
zh = "parallel/flores200-devtest/zh.txt"
"""
