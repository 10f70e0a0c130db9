"""Plans: what is named, what is missing, what changed."""

import subprocess
import sys
from pathlib import Path

import pytest

import loanword.stages
from loanword.store import Sources, Store
from loanword.study.plan import changes, missing, remember, results, smaller_cuts
from loanword.study.scale import scaled
from loanword.study.study import Study, load_study

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
num_layers = 2
num_heads = 2
num_key_value_heads = 1
feed_forward_width = 64
context_tokens = 256
[recipe.corpus.zh]
files = ["zh.jsonl"]
[recipe.corpus.en]
files = ["en.jsonl"]
[recipe.pretraining]
budget = { bytes = 50_000 }
replay = 0.2
steps = { peak_learning_rate = 1e-3, row_tokens = 256, batch_tokens = 1024 }
[recipe.likelihoods.texts]
zh = "zh.txt"
[axes.budget.none]
"pretraining.budget" = { bytes = 0 }
[axes.budget.small]
"pretraining.budget" = { bytes = 10_000 }
[axes.budget.large]
"pretraining.budget" = { bytes = 50_000 }
[axes.vocabulary.original]
"tokenizer.num_new_pieces" = 0
[axes.vocabulary.extended]
"tokenizer.num_new_pieces" = 50
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for name in ("zh.jsonl", "en.jsonl", "zh.txt"):
        (tmp_path / name).write_text(f'{{"text": "{name}"}}\n')
    return tmp_path


def study(data: Path, text: str = STUDY) -> Study:
    (data / "study.toml").write_text(text)
    return load_study(data / "study.toml", loanword.stages, Sources(data))  # type: ignore[arg-type]


def stages_of(made: Study) -> dict[str, int]:
    names = [job.stage for job in made.jobs.values()]
    return {name: names.count(name) for name in dict.fromkeys(names)}


def test_equal_work_is_planned_once(data: Path) -> None:
    made = study(data)
    assert len(made.runs) == 6
    assert stages_of(made)["base"] == 1
    assert stages_of(made)["corpus"] == 2
    assert stages_of(made)["trunk"] == 4


def test_inputs_come_before_what_needs_them(data: Path) -> None:
    seen: set[str] = set()
    for key, job in study(data).jobs.items():
        assert all(made.key in seen for made in job.inputs.values())
        seen.add(key)


def test_settings_that_do_not_act_do_not_name(data: Path) -> None:
    replayed = STUDY.replace("replay = 0.2", "replay = 0.3")
    first, second = (study(data, text) for text in (STUDY, replayed))
    runs = [{run.label: run for run in made.runs} for made in (first, second)]
    assert runs[0]["none, original"].jobs["likelihoods"].name == runs[1]["none, original"].jobs["likelihoods"].name
    assert runs[0]["large, original"].jobs["trunk"].name != runs[1]["large, original"].jobs["trunk"].name


def test_the_base_of_a_run_without_pretraining_is_its_model(data: Path) -> None:
    run = next(run for run in study(data).runs if run.label == "none, original")
    assert set(run.jobs) == {"corpus.en", "tokenizer.base", "tokens.base", "base", "likelihoods"}


def test_what_only_finished_artifacts_needed_is_not_built_again(data: Path) -> None:
    made = study(data)
    finished = {job.key for job in made.jobs.values() if job.stage == "pretraining"}
    todo = {job.stage for job in missing(results(made), finished)}
    assert "trunk" not in todo
    assert "likelihoods" in todo


def test_cuts_of_one_trajectory_know_the_smaller_ones(data: Path) -> None:
    made = study(data)
    cuts = smaller_cuts(made.jobs.values(), loanword.stages.STAGES)
    assert sorted(len(smaller) for smaller in cuts.values()) == [0, 0, 1, 1]
    large = next(run for run in made.runs if run.label == "large, extended").jobs["trunk"]
    small = next(run for run in made.runs if run.label == "small, extended").jobs["trunk"]
    assert cuts[large.key] == [small]


def test_a_changed_setting_is_named_with_what_follows(data: Path) -> None:
    store = Store(data / "store")
    store.create()
    file = data / "study.toml"
    remember(study(data), file, store)
    assert changes(study(data), file, store).settings == ()
    changed = changes(study(data, STUDY.replace("replay = 0.2", "replay = 0.3")), file, store)
    assert [(change.path, change.before, change.after) for change in changed.settings] == [
        ("recipe.pretraining.replay", 0.2, 0.3)
    ]
    # A token stream serves every replay value; what is trained and measured on it has a new name.
    assert changed.follows == {"trunk": 4, "pretraining": 4, "likelihoods": 4}


def test_a_thousandth_of_a_study_has_the_same_stages(data: Path) -> None:
    made = study(data)
    small = load_study(data / "study.toml", loanword.stages, Sources(data), scale=0.001)  # type: ignore[arg-type]
    assert [run.label for run in small.runs] == [run.label for run in made.runs]
    assert set(stages_of(small)) == set(stages_of(made))
    large = made.runs[-1].recipe
    assert scaled(large, 0.001).likelihoods.limit_documents is not None


def test_planning_loads_no_torch(data: Path) -> None:
    (data / "study.toml").write_text(STUDY)
    code = (
        "import sys; from loanword.cli import main; "
        f"main(['plan', {str(data / 'study.toml')!r}, '--data', {str(data)!r}, '--store', {str(data / 'store')!r}]); "
        "heavy = {'torch', 'transformers', 'peft', 'accelerate'} & set(sys.modules); assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
