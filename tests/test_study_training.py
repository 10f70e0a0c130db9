"""Studies that train in every way a recipe knows, run by the command, on a base and text that this test makes."""

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoModelForCausalLM

from tests import studies

RECIPE = """
[recipe]
target = "zh"
base = { model = "base" }
[recipe.corpus.zh]
files = ["zh.jsonl"]
held_out_documents = 20
[recipe.corpus.en]
files = ["en.jsonl"]
held_out_documents = 20
[recipe.instructions.zh]
files = ["instructions-zh.jsonl"]

[recipe.conversations]
row_tokens = 256
[recipe.pretraining]
budget = { tokens = 4_000 }
replay = 0.25
steps = { peak_learning_rate = 1e-2, row_tokens = 64, batch_tokens = 128, warmup_steps = 2, precision = "float32" }
[recipe.pretraining.watch]
every_tokens = 1_000
probe_bytes = 1_000
"""
WAYS = (
    'name = "ways"'
    + RECIPE
    + """
[[runs]]
name = "more"
set = { "pretraining.budget" = { tokens = 8_000 } }
[[runs]]
name = "forgets"
set = { "pretraining.replay" = 0.0, "pretraining.watch.retention_budget_bits" = 0.01 }
[[runs]]
name = "does not act"
set = { "pretraining.steps.only_new_rows_steps" = 5, "pretraining.steps.groups.new_rows" = { frozen = true } }
[[runs]]
name = "new rows and norms"
[runs.set]
"tokenizer.num_new_pieces" = 30
"pretraining.steps.only_new_rows_steps" = 4
"pretraining.steps.groups.backbone" = { frozen = true }
"pretraining.steps.groups.old_rows" = { frozen = true }
"pretraining.steps.groups.old_head_rows" = { frozen = true }
[[runs]]
name = "LoRA"
set = { "pretraining.steps.lora" = { rank = 2 } }
[[runs]]
name = "more LoRA, tuned"
[runs.set]
"pretraining.budget" = { tokens = 8_000 }
"pretraining.steps.lora" = { rank = 2 }
"tuning.num_conversations" = 20
"tuning.steps" = { peak_learning_rate = 1e-2, row_tokens = 256, batch_tokens = 512, precision = "float32" }
"tuning.steps.lora" = { rank = 2, embeddings = false }
[[runs]]
name = "cosine"
set = { "pretraining.steps.schedule" = "cosine" }
[[runs]]
name = "cosine, decay share"
set = { "pretraining.steps.schedule" = "cosine", "pretraining.steps.decay_share" = 0.5 }
[[runs]]
name = "constant"
set = { "pretraining.steps.schedule" = "constant" }
[[runs]]
name = "small"
set = { "pretraining.steps.precision" = "pure-bf16", "pretraining.steps.optimizer_state" = "8-bit" }
"""
)
STOPS = (
    'name = "stops"'
    + RECIPE.replace("replay = 0.25", "replay = 0.0")
    + 'retention_budget_bits = 0.01\nalarm = "stop"\n'
)
TOGETHER = 'name = "together"' + RECIPE.replace("warmup_steps = 2", 'warmup_steps = 2, schedule = "cosine"')


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with a small checkpoint, its head untied, two corpora, instructions and studies over them."""
    root = tmp_path_factory.mktemp("ways")
    studies.write_small_root(root)
    for name, study in {"ways": WAYS, "stops": STOPS, "together": TOGETHER}.items():
        (root / f"{name}.toml").write_text(study, encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def runs(root: Path) -> Path:
    """The runs of the study that trains in every way, as links to what was built for each."""
    done = studies.run(studies.command("run", root, root / "store", study=root / "ways.toml"))
    assert done.returncode == 0, done.stderr
    return root / "store/studies/ways/runs"


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def manifest(artifact: Path) -> dict[str, Any]:
    return json.loads((artifact / "manifest.json").read_text(encoding="utf-8"))


def weights(artifact: Path) -> dict[str, Tensor]:
    return load_file(artifact / "checkpoint/model.safetensors")


def logs(store: Path, artifact: Path) -> Path:
    made = manifest(artifact)
    return store / "logs" / f"{made['stage']}-{made['name']}"


def same_artifact(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()


def test_bits_per_byte_are_measured_at_the_start_each_interval_and_the_end(runs: Path) -> None:
    trained = runs / "run/pretraining"
    last = json.loads((trained / "summary.json").read_text())["num_rows"]
    points = lines(trained / "probes.jsonl")
    assert [(point["rows"], point["language"]) for point in points] == [
        (rows, language) for rows in [*range(0, last, 16), last] for language in ("en", "zh")
    ]
    first, *_, end = (point["bits_per_byte"] for point in points if point["language"] == "zh")
    assert end < first


def test_trunks_of_two_budgets_share_their_points(runs: Path) -> None:
    small, large = (lines(runs / run / "trunk/probes.jsonl") for run in ("run", "more"))
    assert small[-1]["rows"] % 16  # where the smaller one ends, the larger one looks at nothing
    assert [point["rows"] for point in large[:-2:2]] == list(range(0, large[-1]["rows"], 16))
    assert large[: len(small) - 2] == small[:-2]
    assert manifest(runs / "more/trunk")["provenance"]["continued_from"] is not None


def test_forgetting_is_said_once(runs: Path) -> None:
    source = [point["bits_per_byte"] for point in lines(runs / "forgets/pretraining/probes.jsonl")[::2]]
    assert sum(after > source[0] + 0.01 for after in source) > 1
    said = [manifest(runs / "forgets" / stage)["provenance"]["said"] for stage in ("trunk", "pretraining")]
    (sentence,) = [sentence for sentences in said for sentence in sentences if "retention alarm" in sentence]
    assert "the budget is 0.01" in sentence


def test_the_alarm_stops_training_and_nothing_is_lost(runs: Path, root: Path) -> None:
    store = root / "store"
    before = studies.contents(store)
    done = studies.run(studies.command("run", root, store, study=root / "stops.toml"))
    assert done.returncode == 2
    assert "retention alarm" in done.stderr and "Traceback" not in done.stderr
    assert 'set alarm = "warn"' in done.stderr
    assert studies.contents(store) == before
    (stopped,) = (path.name for path in (store / "building").glob("trunk-*"))
    assert len(lines(store / "logs" / stopped / "probes.jsonl")) >= 4


def test_settings_that_do_not_act_name_nothing(runs: Path) -> None:
    assert same_artifact(runs / "does-not-act/pretraining", runs / "run/pretraining")
    assert same_artifact(runs / "cosine--decay-share/pretraining", runs / "cosine/pretraining")
    assert not same_artifact(runs / "cosine/pretraining", runs / "run/pretraining")


def test_frozen_groups_stay_as_they_were(runs: Path, root: Path) -> None:
    before = load_file(root / "base/model.safetensors")
    after = weights(runs / "new-rows-and-norms/pretraining")
    assert before.keys() == after.keys()
    tables = {"model.embed_tokens.weight", "lm_head.weight"}
    for name in tables:
        assert torch.equal(after[name][:330], before[name])
        assert len(after[name]) == 360
    norms = {name for name in before if "norm" in name}
    assert not any(torch.equal(after[name], before[name]) for name in norms)
    assert all(torch.equal(after[name], before[name]) for name in before.keys() - norms - tables)


def test_new_rows_are_trained_alone_at_first(runs: Path) -> None:
    new = slice(330, None)
    state = load_file(runs / "new-rows-and-norms/trunk/optimizer.safetensors")
    num_steps = {name: state[f"num_steps/{name}"].max() for name in ("model.norm.weight", "lm_head.weight")}
    assert num_steps["lm_head.weight"] == num_steps["model.norm.weight"] + 4
    assert state["first_moment/lm_head.weight"][new].any()
    assert not state["first_moment/lm_head.weight"][: new.start].any()


def test_a_trunk_of_lora_keeps_what_is_trained_and_its_branches_are_plain_models(runs: Path, root: Path) -> None:
    base = load_file(root / "base/model.safetensors")
    for run in ("LoRA", "more-LoRA--tuned"):
        assert not (runs / run / "trunk/checkpoint").exists()
        with safe_open(runs / run / "trunk/trained.safetensors", framework="pt") as file:
            assert any("lora_A" in name for name in file.keys())  # noqa: SIM118 - not a mapping
        after = weights(runs / run / "pretraining")
        assert after.keys() == base.keys()
        assert updated(after, base) == 2
        AutoModelForCausalLM.from_pretrained(runs / run / "pretraining/checkpoint")
    assert manifest(runs / "more-LoRA--tuned/trunk")["provenance"]["continued_from"] is not None


def test_tuning_by_lora_leaves_the_tables(runs: Path) -> None:
    run = runs / "more-LoRA--tuned"
    before, after = weights(run / "pretraining"), weights(run / "tuning")
    assert updated(after, before) == 2
    assert all(torch.equal(after[name], before[name]) for name in ("model.embed_tokens.weight", "lm_head.weight"))


def updated(after: dict[str, Tensor], before: dict[str, Tensor]) -> int:
    """The largest rank of what was added to a matrix of the backbone."""
    names = [name for name in before if "proj" in name]
    assert names
    return max(int(torch.linalg.matrix_rank(after[name] - before[name], atol=1e-5)) for name in names)


def test_a_cosine_has_no_trunk_and_ends_near_zero(runs: Path) -> None:
    assert not (runs / "cosine/trunk").exists()
    rates = [point["learning_rate"] for point in lines(runs / "cosine/pretraining/curve.jsonl")]
    assert max(rates) == rates[2] == 1e-2
    assert sorted(rates[2:], reverse=True) == rates[2:]
    assert rates[-1] < 1e-4


def test_a_schedule_takes_no_work_away_by_the_plan(root: Path) -> None:
    plans = [
        studies.run(studies.command("plan", root, root / "none", "--json", study=root / f"{name}.toml"))
        for name in ("stops", "together")
    ]
    flops = []
    for plan in plans:
        stages = json.loads(plan.stdout)["stages"]
        flops.append(sum(stage["flops"] for stage in stages if stage["stage"] in ("trunk", "pretraining")))
    assert flops[0] > 0
    # The first study replays nothing, the second a quarter.
    assert flops[1] == pytest.approx(flops[0] / (1 - 0.25), rel=0.01)


def test_a_constant_rate_stays(runs: Path) -> None:
    rates = [point["learning_rate"] for point in lines(runs / "constant/pretraining/curve.jsonl")]
    assert set(rates[2:]) == {1e-2}


def test_small_weights_and_state_are_small_and_learn(runs: Path) -> None:
    cut = runs / "small/trunk"
    assert {tensor.dtype for tensor in weights(cut).values()} == {torch.bfloat16}
    state = load_file(cut / "optimizer.safetensors")
    assert {"first_moment_scale", "second_moment_scale"} < {name.partition("/")[0] for name in state}
    target = [point["bits_per_byte"] for point in lines(runs / "small/pretraining/probes.jsonl")[1::2]]
    plain = [point["bits_per_byte"] for point in lines(runs / "run/pretraining/probes.jsonl")[1::2]]
    assert target[-1] < target[0]
    assert target[-1] == pytest.approx(plain[-1], rel=0.1)


def test_every_step_is_logged_and_artifacts_hold_no_times(runs: Path, root: Path) -> None:
    trained = runs / "cosine/pretraining"
    folder, curve = logs(root / "store", trained), lines(trained / "curve.jsonl")
    told = lines(folder / "steps.jsonl")
    assert [line["rows"] for line in told] == [point["rows"] for point in curve]
    assert all(line["seconds"] > 0 for line in told)
    assert lines(folder / "probes.jsonl") == lines(trained / "probes.jsonl")
    kept = {str(path.relative_to(trained.resolve())) for path in trained.resolve().rglob("*") if path.is_file()}
    records = {"curve.jsonl", "probes.jsonl", "skipped.jsonl", "summary.json", "manifest.json"}
    assert {name for name in kept if not name.startswith("checkpoint/")} == records
    assert not {key for line in [*curve, *lines(trained / "probes.jsonl")] for key in line if "second" in key}


@pytest.mark.kill
def test_two_processes_train_as_one_and_go_on_where_they_are_stopped(runs: Path, root: Path) -> None:
    store = root / "together"

    def command(processes: int, store: Path) -> list[str]:
        more = ("--no-report", "--checkpoint-seconds", "0.1", "--tracker", "tensorboard")
        return studies.command("run", root, store, *more, "--processes", str(processes), study=root / "together.toml")

    code, said = studies.interrupted_when(
        command(2, store), lambda: any(store.glob("building/pretraining-*/.scratch/**/row-*[0-9]")), sent=signal.SIGTERM
    )
    assert code == 75, said
    assert "the same command continues" in said and "Traceback" not in said
    shutil.copytree(store, root / "alone", symlinks=True)
    for processes, place in ((2, store), (1, root / "alone")):
        done = studies.run(command(processes, place))
        assert done.returncode == 0, done.stderr
        check_together(place, processes, lines(runs / "cosine/pretraining/curve.jsonl"))


def check_together(store: Path, processes: int, alone: list[dict[str, Any]]) -> None:
    """What was begun in two processes, stopped, and ended in `processes`, is what one process makes of the rows."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    trained = store / "studies/together/runs/run/pretraining"
    provenance = manifest(trained)["provenance"]
    assert provenance["execution"]["processes"] == processes
    assert provenance["cpu_seconds"] > 1  # importing torch takes as much, in each process
    assert any("begun in 2 processes, goes on in 1" in said for said in provenance["said"]) == (processes == 1)
    curve = lines(trained / "curve.jsonl")
    assert [(point["step"], point["rows"], point["tokens"]) for point in curve] == [
        (point["step"], point["rows"], point["tokens"]) for point in alone
    ]
    assert losses(curve) == pytest.approx(losses(alone), rel=1e-3)
    told = lines(logs(store, trained) / "steps.jsonl")
    assert [line["rows"] for line in told] == [point["rows"] for point in curve]
    drawn = EventAccumulator(str(logs(store, trained) / "trackers")).Reload().Scalars("nats_per_token")
    assert [(event.step, event.value) for event in drawn] == [
        (point["step"], pytest.approx(point["nats_per_token"])) for point in curve
    ]


def losses(curve: list[dict[str, Any]]) -> list[float]:
    return [point["nats_per_token"] for point in curve]
