"""Plans: what is named, what is missing, what changed."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

import loanword.stages
from loanword.errors import UserError
from loanword.store import Job, Sources, Store
from loanword.study.estimate import Estimator
from loanword.study.plan import changes, missing, remember, results, smaller_cuts
from loanword.study.scale import scaled
from loanword.study.study import Study, load_study
from tests.small_base import RECIPE

STUDY = (
    f'name = "small"{RECIPE}'
    + """\
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
)

LANGUAGES = """
[recipe.base.train.also.zh]
files = ["zh.jsonl"]
[recipe.base.train.also.sw]
files = ["sw.jsonl"]
"""
MIXED = STUDY.replace("[recipe.corpus.zh]", f"{LANGUAGES}[recipe.corpus.zh]").replace(
    "num_tokens = 100_000", "num_tokens = 100_000\nalso_share = 0.2"
)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for name in ("zh.jsonl", "en.jsonl", "sw.jsonl", "zh.txt"):
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


def test_a_base_reads_other_languages_beside_its_source(data: Path) -> None:
    run = next(run for run in study(data, MIXED).runs if run.label == "none, original")
    others = {"corpus.base.zh", "corpus.base.sw", "tokens.base.zh", "tokens.base.sw"}
    assert set(run.jobs) == {"corpus.en", "tokenizer.base", "tokens.base", "base", "likelihoods"} | others
    assert run.jobs["base"].inputs == {
        "tokenizer": run.jobs["tokenizer.base"],
        "tokens": run.jobs["tokens.base"],
        "also.zh": run.jobs["tokens.base.zh"],
        "also.sw": run.jobs["tokens.base.sw"],
    }


def test_a_base_of_several_languages_shares_tokenizer_and_source_text_with_one_of_source_text(data: Path) -> None:
    pure, mixed = (base_jobs(data, text) for text in (STUDY, MIXED))
    assert all(pure[role].name == mixed[role].name for role in ("corpus.en", "tokenizer.base", "tokens.base"))
    assert pure["base"].name != mixed["base"].name


def test_text_that_base_and_run_read_is_one_artifact(data: Path) -> None:
    run = next(run for run in study(data, MIXED).runs if run.label == "large, original")
    assert run.jobs["corpus.base.zh"] is run.jobs["corpus.zh"]
    assert run.jobs["tokens.base.zh"] is run.jobs["tokens.target"]
    assert stages_of(study(data, MIXED))["corpus"] == 3


def test_a_share_without_languages_does_not_act_and_with_them_it_does(data: Path) -> None:
    def base(text: str) -> str:
        return base_jobs(data, text)["base"].name

    share = "num_tokens = 100_000\nalso_share = 0.3"
    assert base(STUDY.replace("num_tokens = 100_000", share)) == base(STUDY)
    assert base(MIXED.replace("also_share = 0.2", "also_share = 0.3")) != base(MIXED)


def test_a_decay_that_the_schedule_of_a_base_has_not_does_not_name_it(data: Path) -> None:
    steps = "num_pieces = 400 }\nsteps = { "
    names = [
        base_jobs(data, STUDY.replace(steps, f'{steps}schedule = "{schedule}", decay_share = {share}, '))["base"].name
        for schedule in ("cosine", "warmup-stable-decay")
        for share in (0.2, 0.5)
    ]
    assert names[0] == names[1] and names[2] != names[3]


def test_a_base_is_named_by_its_languages_and_not_by_how_they_are_written(data: Path) -> None:
    zh, sw = LANGUAGES.split("[recipe.base.train.also.sw]")
    other = f"[recipe.base.train.also.sw]{sw}{zh}".replace('["sw.jsonl"]', '["sw.jsonl"]\nlanguage = "vi"')
    same, less = (base_jobs(data, MIXED.replace(LANGUAGES, text)) for text in (other, zh))
    assert same["base"].name == base_jobs(data, MIXED)["base"].name != less["base"].name


def test_the_plan_prices_what_a_base_reads_beside_its_source(data: Path) -> None:
    store = Store(data / "store")
    store.create()
    estimator = Estimator(store, Sources(data), set())
    pure, mixed = (estimator.of(base_jobs(data, text)["base"]) for text in (STUDY, MIXED))
    assert (pure.num_tokens, mixed.num_tokens) == (100_000, 125_000)
    assert mixed.flops == pytest.approx(pure.flops / 0.8)
    assert mixed.text_bytes == pure.text_bytes > 0
    other = base_jobs(data, MIXED)["tokens.base.sw"]
    assert estimator.of(other).text_bytes == len("sw.jsonl")


def base_jobs(data: Path, text: str) -> Mapping[str, Job]:
    """The jobs of a run of a study that only trains a base."""
    return next(run for run in study(data, text).runs if run.label == "none, original").jobs


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


def test_little_source_text_fails_no_extension_of_a_smoke_run(data: Path) -> None:
    large = study(data).runs[-1].recipe
    small = scaled(large, 0.001)
    assert small.tokenizer.num_new_pieces == large.tokenizer.num_new_pieces
    assert small.tokenizer.max_source_change > 0.5 > large.tokenizer.max_source_change


def test_planning_loads_no_torch(data: Path) -> None:
    (data / "study.toml").write_text(STUDY)
    code = (
        "import sys; from loanword.cli import main; "
        f"main(['plan', {str(data / 'study.toml')!r}, '--data', {str(data)!r}, '--store', {str(data / 'store')!r}]); "
        "heavy = {'torch', 'transformers', 'peft', 'accelerate'} & set(sys.modules); assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


PROBED = STUDY.replace(
    "[recipe.likelihoods.texts]",
    """[recipe.probe.candidates]
mean = {}
random = { input = "random" }
[recipe.likelihoods.texts]""",
)


def names_of(made: Study, run: str, *roles: str) -> list[str]:
    (jobs,) = (one.jobs for one in made.runs if one.label == run)
    return [jobs[role].name for role in roles]


def test_how_rows_start_names_what_is_trained_and_not_the_text(data: Path) -> None:
    before = study(data)
    after = study(
        data, STUDY.replace("[recipe.pretraining]", '[recipe.initialisation]\ninput = "focus"\n[recipe.pretraining]')
    )
    text, trained = ("tokenizer", "tokens.target"), ("initialisation", "trunk", "pretraining")
    run = "large, extended"
    assert names_of(before, run, *text) == names_of(after, run, *text)
    assert not set(names_of(before, run, *trained)) & set(names_of(after, run, *trained))
    original = ("trunk", "pretraining")
    assert names_of(before, "large, original", *original) == names_of(after, "large, original", *original)


def test_a_seed_and_a_sample_name_only_rows_that_depend_on_them(data: Path) -> None:
    def rows(settings: str, seed: int) -> str:
        text = STUDY.replace("[recipe]\n", f"[recipe]\nseed = {seed}\n", 1)
        made = study(
            data, text.replace("[recipe.pretraining]", f"[recipe.initialisation]\n{settings}\n[recipe.pretraining]")
        )
        # Bases differ by seed, and so do their rows: what counts is the job's own part.
        (jobs,) = (one.jobs for one in made.runs if one.label == "none, extended")
        job = jobs["initialisation"]
        return f"{job.seed} {job.config.model_dump_json()} {sorted(job.inputs)}"

    plain = 'input = "norm-corrected"'
    assert rows(plain, 1) == rows(plain, 2) == rows(f"{plain}\nsample_bytes = 9", 1)
    assert rows('input = "random"', 1) != rows('input = "random"', 2)
    assert rows('input = "focus"', 1) != rows('input = "focus"\nsample_bytes = 9', 1)


def test_probes_share_rows_and_name_nothing_that_is_trained(data: Path) -> None:
    made, plain = study(data, PROBED), study(data)
    run = "large, extended"
    (jobs,) = (one.jobs for one in made.runs if one.label == run)
    assert jobs["probe.mean"].inputs["new_rows"].name == jobs["initialisation"].name
    assert jobs["probe.random"].inputs["new_rows"].name == jobs["initialisation.random"].name
    assert names_of(made, run, "trunk", "pretraining") == names_of(plain, run, "trunk", "pretraining")
    assert [one.settings() for one in made.runs] == [one.settings() for one in plain.runs]
    more = study(data, PROBED.replace("mean = {}", 'mean = {}\nfocus = { input = "focus" }'))
    assert names_of(more, run, "probe.mean", "probe.random") == names_of(made, run, "probe.mean", "probe.random")
    assert not any(role.startswith("probe") for one in made.runs if "original" in one.label for role in one.jobs)


def test_settings_of_the_other_method_do_not_name_a_tokenizer(data: Path) -> None:
    appended = STUDY.replace("[recipe.pretraining]", '[recipe.tokenizer]\nmethod = "append"\n[recipe.pretraining]')
    gated = appended.replace('method = "append"', 'method = "append"\ngate_bytes = 7\nmax_source_change = 0.5')
    run = "none, extended"
    assert names_of(study(data, appended), run, "tokenizer") == names_of(study(data, gated), run, "tokenizer")
    assert names_of(study(data, appended), run, "tokenizer") != names_of(study(data), run, "tokenizer")


def test_a_tied_head_has_no_rows_of_its_own(data: Path) -> None:
    apart = PROBED.replace("mean = {}", 'mean = {}\nhead = { output = "random" }')
    roles = ("initialisation.mean", "initialisation.head")
    tied = names_of(study(data, apart), "none, extended", *roles)
    assert tied[0] == tied[1]
    untied = apart.replace("context_tokens = 256", "context_tokens = 256\ntied_embeddings = false")
    one, other = names_of(study(data, untied), "none, extended", *roles)
    assert one != other


@pytest.mark.parametrize("name", ["a/b", "..", "", "x" * 61, "a\\u0001b"])
def test_a_candidate_is_called_what_a_link_can_be_called(data: Path, name: str) -> None:
    with pytest.raises(UserError, match=r"probe\.candidates"):
        study(data, PROBED.replace("mean = {}", f'"{name}" = {{}}'))


def test_a_probe_goes_beyond_its_warm_up(data: Path) -> None:
    short = PROBED.replace("[recipe.probe.candidates]", "[recipe.probe]\nnum_steps = 20\n[recipe.probe.candidates]")
    with pytest.raises(UserError, match=r"probe.num_steps: must be more than the 20 warm-up steps .*got 20"):
        study(data, short)
