"""`plan` before, and `plan --against` and `--learn` after a small study was built; `profile` that runs one."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from loanword.cli import profile_stages
from loanword.records import write_json
from loanword.study.hardware import HardwareProfile, read_profile
from tests.cli.test_profile import machine, speed
from tests.studies import PHRASES, command, run, write_objects

STUDY = """
name = "against"
[recipe]
target = "zh"
[recipe.base.train]
num_tokens = 20_000
tokenizer = { num_pieces = 400 }
steps = { peak_learning_rate = 1e-3, row_tokens = 128, batch_tokens = 1024, precision = "float32" }
[recipe.base.train.architecture]
width = 96
num_layers = 4
num_heads = 3
num_key_value_heads = 3
feed_forward_width = 256
context_tokens = 128
[recipe.corpus.en]
files = ["en.jsonl"]
held_out_documents = 20
[recipe.corpus.zh]
files = ["zh.jsonl"]
held_out_documents = 20
[recipe.pretraining]
replay = 0.2
steps = { peak_learning_rate = 1e-3, row_tokens = 128, batch_tokens = 1024, precision = "float32" }
[recipe.likelihoods]
window_tokens = 128
stride_tokens = 64
[recipe.likelihoods.texts]
en = "held-out.txt"
[axes.budget.none]
"pretraining.budget" = { bytes = 0 }
[axes.budget.some]
"pretraining.budget" = { bytes = 10_000 }
[axes.budget.more]
"pretraining.budget" = { bytes = 20_000 }
"""


class Place(NamedTuple):
    """A study that was built: its file, its data and its store."""

    study: Path
    data: Path
    store: Path

    @property
    def words(self) -> tuple[object, ...]:
        return (self.study, "--data", self.data, "--store", self.store)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Place:
    data = tmp_path_factory.mktemp("against")
    for language in ("en", "zh"):
        phrases = PHRASES[language]
        told = [f"{phrases[n % 4]} {n} {phrases[n * 7 % 3]} {phrases[n * 5 % 4]} {n * 31}" for n in range(3_000)]
        write_objects([{"text": text} for text in told], data / f"{language}.jsonl")
    (data / "held-out.txt").write_text("".join(f"{PHRASES['en'][n % 4]} {n}\n" for n in range(50)), encoding="utf-8")
    study, store = data / "against.toml", data / "store"
    study.write_text(STUDY, encoding="utf-8")
    done = run(command("run", data, store, "--workers", "1", "--threads", "1", "--no-report", study=study))
    assert done.returncode == 0, done.stderr
    return Place(study, data, store)


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    write_json(machine(speed("small", 450_000, 4e10)), tmp_path / "profile.json")
    return tmp_path / "profile.json"


def manifests(place: Place) -> list[dict[str, Any]]:
    return [json.loads(path.read_bytes()) for path in place.store.glob("artifacts/*/*/manifest.json")]


def on_disk(place: Place, stage: str = "*") -> int:
    return sum(path.stat().st_size for path in place.store.glob(f"artifacts/{stage}/**/*") if path.is_file())


def test_disk_is_planned_within_a_tenth_before_anything_is_built(built: Place, tmp_path: Path, loanword):
    elsewhere = (built.study, "--data", built.data, "--store", tmp_path / "none")
    planned = json.loads(loanword("plan", *elsewhere, "--json").out)
    assert planned["total"]["disk_bytes"] == pytest.approx(on_disk(built), rel=0.1)
    for line in planned["stages"]:
        if line["stage"] in ("base", "trunk", "pretraining", "tokens", "corpus"):
            assert line["disk_bytes"] == pytest.approx(on_disk(built, line["stage"]), rel=0.15), line["stage"]


def test_what_it_took_is_what_the_manifests_say(built: Place, profile: Path, loanword):
    found = json.loads(loanword("plan", *built.words, "--profile", profile, "--against", "--json").out)
    said = [one["provenance"] for one in manifests(built)]
    assert found["total"]["num_artifacts"] == len(said)
    assert found["total"]["seconds"] == pytest.approx(sum(one["seconds"] for one in said))
    assert found["cpu_seconds"] == pytest.approx(sum(one["cpu_seconds"] for one in said))
    assert found["total"]["disk_bytes"] == on_disk(built)
    assert found["workers"] == 1
    assert found["num_elsewhere"] == 0
    first, last = min(one["started"] for one in said), max(one["finished"] for one in said)
    assert 0 < found["wall_seconds"] <= last - first
    assert found["time_ratio"] == pytest.approx(found["planned_wall_seconds"] / found["wall_seconds"])
    by_stage = {line["stage"]: line for line in found["stages"]}
    trunks = [one for one in manifests(built) if one["stage"] == "trunk"]
    assert by_stage["trunk"]["seconds"] == pytest.approx(sum(one["provenance"]["seconds"] for one in trunks))


def test_a_profile_that_learned_plans_what_it_took(built: Place, profile: Path, loanword):
    words = ("plan", *built.words, "--profile", profile)
    assert loanword(*words, "--learn").code == 0
    learned = read_profile(profile)
    assert {"base", "trunk", "tokens", "corpus", "pretraining"} <= set(learned.learned)
    after = json.loads(loanword(*words, "--against", "--json").out)
    assert after["total"]["planned_seconds"] == pytest.approx(after["total"]["working_seconds"], rel=0.25)
    for line in after["stages"]:
        assert line["planned_seconds"] == pytest.approx(line["working_seconds"], rel=0.35), line["stage"]


def test_artifacts_of_another_device_teach_nothing(built: Place, tmp_path: Path, loanword):
    other = machine(speed("small", 450_000, 4e10)).model_copy(update={"threads": 7})
    write_json(other, tmp_path / "other.json")
    answer = loanword("plan", *built.words, "--profile", tmp_path / "other.json", "--learn")
    assert answer.code == 2
    assert "another device, or with other threads" in answer.err
    assert read_profile(tmp_path / "other.json") == other


def test_nothing_finished_and_no_profile_are_said(built: Place, profile: Path, tmp_path: Path, loanword):
    elsewhere = ("plan", built.study, "--data", built.data, "--store", tmp_path / "none")
    answer = loanword(*elsewhere, "--profile", profile, "--against")
    assert answer.code == 2 and "nothing of against is finished" in answer.err
    answer = loanword("plan", *built.words, "--against")
    assert answer.code == 2 and "loanword profile" in answer.err


def test_a_named_machine_is_priced_and_its_assumptions_are_said(built: Place, tmp_path: Path, loanword):
    elsewhere = ("plan", built.study, "--data", built.data, "--store", tmp_path / "none", "--on", "h100")
    planned = json.loads(loanword(*elsewhere, "--devices", 2, "--price-per-hour", 3, "--json").out)
    assert planned["cost"] == pytest.approx(2 * planned["time"]["hours"] * 3)
    assert "989 TFLOP/s" in planned["machine"]["assumed"]
    said = loanword(*elsewhere, "--price-per-hour", 3).out
    assert "Assumed of NVIDIA H100" in said and "Cost: " in said and "it fits" in said
    table = said.split("Time:")[0].splitlines()
    assert max(map(len, table)) <= 100


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--on", "h900"), "no such machine"),
        (("--devices", "0"), "--devices 0"),
        (("--price-per-hour", "-1"), "--price-per-hour -1"),
        (("--on", "h100", "--learn"), "learns nothing"),
    ],
)
def test_what_makes_no_sense_is_refused(words: tuple[str, ...], said: str, built: Place, loanword):
    answer = loanword("plan", *built.words, *words)
    assert answer.code == 2
    assert said in answer.err


def test_a_profile_learns_from_a_study_that_it_runs(built: Place, monkeypatch: pytest.MonkeyPatch):
    def no_world(*arguments: object) -> None:
        built.data.joinpath("nothing").touch()
        Path(str(arguments[-1])).symlink_to(built.data)

    monkeypatch.setattr(profile_stages, "STUDY", built.study)
    monkeypatch.setattr(profile_stages, "write_world", no_world)
    before: HardwareProfile = machine(speed("small", 450_000, 4e10))
    after = profile_stages.with_stages(before)
    assert {"base", "trunk", "tokens", "corpus"} <= set(after.learned)
    assert after.shapes == before.shapes
