"""Study files: what they mean, and what is said of what is wrong in them."""

from pathlib import Path

import pytest

from loanword.errors import UserError
from loanword.study.file import Cell, Comparison, cells, paired_labels, read_study

BODY = """
name = "small"
[recipe]
target = "zh"
[recipe.base]
model = "org/name"
[recipe.corpus.zh]
files = ["zh.jsonl"]
[recipe.corpus.en]
files = ["en.jsonl"]
[recipe.pretraining]
budget = { bytes = 1000 }
steps = { peak_learning_rate = 1e-3 }
"""


def trained(more: str) -> str:
    """What stands in [recipe.base] of a base that is trained, and more of the section that says how."""
    return f"""
[recipe.base.train]
num_tokens = 1000
tokenizer = {{ num_pieces = 400 }}
steps = {{ peak_learning_rate = 1e-3 }}
{more}
[recipe.base.train.architecture]
width = 8
num_layers = 1
num_heads = 1
num_key_value_heads = 1
feed_forward_width = 8
context_tokens = 8
"""


def runs(tmp_path: Path, text: str) -> list[Cell]:
    path = tmp_path / "study.toml"
    path.write_text(text, encoding="utf-8")
    return cells(read_study(path), path)


def complaint(tmp_path: Path, text: str) -> str:
    with pytest.raises(UserError) as caught:
        runs(tmp_path, text)
    assert caught.value.where == str(tmp_path / "study.toml")
    return str(caught.value)


def test_axes_multiply_and_named_tables_set_several_keys(tmp_path: Path) -> None:
    made = runs(
        tmp_path,
        BODY
        + """
[axes]
"pretraining.replay" = [0, 0.2]
[axes.vocabulary.original]
"tokenizer.num_new_pieces" = 0
[axes.vocabulary.extended]
"tokenizer.num_new_pieces" = 400
"pretraining.budget" = { documents = 7 }
""",
    )
    assert [cell.label for cell in made] == [
        "replay=0, original",
        "replay=0, extended",
        "replay=0.2, original",
        "replay=0.2, extended",
    ]
    assert made[3].recipe.tokenizer.num_new_pieces == 400
    pretraining = made[3].recipe.pretraining
    assert pretraining is not None and pretraining.budget.documents == 7 and pretraining.replay == 0.2


def test_an_axis_may_be_written_nested(tmp_path: Path) -> None:
    made = runs(tmp_path, BODY + "[axes.pretraining]\nreplay = [0.1, 0.2, 0.3]\n")
    assert [cell.label for cell in made] == ["replay=0.1", "replay=0.2", "replay=0.3"]


def test_explicit_runs_stand_beside_the_product(tmp_path: Path) -> None:
    made = runs(
        tmp_path,
        BODY
        + '[axes]\nseed = [1, 2]\n[[runs]]\nname = "third"\nset = { seed = 3 }\n'
        + '[[compare]]\narm = "third"\ncontrol = "seed=1"\n',
    )
    assert [cell.recipe.seed for cell in made] == [1, 2, 3]


def test_a_study_without_axes_is_one_run(tmp_path: Path) -> None:
    assert [cell.label for cell in runs(tmp_path, BODY)] == ["run"]


def test_norwegian_stays_a_string(tmp_path: Path) -> None:
    made = runs(tmp_path, BODY.replace('"zh"', '"no"').replace("corpus.zh", "corpus.no"))
    assert made[0].recipe.target == "no"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            ("[recipe.pretraining]", "[recipe.pretraning]"),
            "recipe.pretraning: unknown key; did you mean 'pretraining'?",
        ),
        (("budget = ", "replai = 0.1\nbudget = "), "recipe.pretraining.replai: unknown key; did you mean 'replay'?"),
        (
            ("1e-3", '"1e-3"'),
            'recipe.pretraining.steps.peak_learning_rate: input should be a valid number (got "1e-3")',
        ),
        (("1e-3", "true"), "recipe.pretraining.steps.peak_learning_rate: input should be a valid number (got true)"),
        (
            ("bytes = 1000", "bytes = true"),
            "recipe.pretraining.budget.bytes: input should be a valid integer (got true)",
        ),
        (("bytes = 1000", "bytes = 1, documents = 2"), "give exactly one of documents, bytes, tokens"),
        (("1e-3", "0.0"), "peak_learning_rate: input should be greater than 0 (got 0.0)"),
        (("1e-3", "10.0"), "peak_learning_rate: input should be less than or equal to 1 (got 10.0)"),
        (
            (
                "[recipe.pretraining]",
                "[recipe.tuning.steps]\npeak_learning_rate = 1e-4\nonly_new_rows_steps = 3\n[recipe.pretraining]",
            ),
            "tuning.steps: only_new_rows_steps, groups.new_rows and groups.new_head_rows act in further pretraining",
        ),
        (("1e-3", "nan"), "recipe.pretraining.steps.peak_learning_rate: not a finite number (got nan)"),
        (("1e-3", "-inf"), "recipe.pretraining.steps.peak_learning_rate: not a finite number (got -inf)"),
        (('target = "zh"', 'target = "Chinese!"'), "recipe.target: string should match pattern"),
        (('target = "zh"', ""), "recipe.target: missing"),
        (("[recipe.corpus.zh]", "[recipe.corpus.vi]"), "recipe.(whole): corpus.zh: missing\n"),
        (('name = "small"', "nam = 1"), "nam: unknown key"),
        (
            ('model = "org/name"', trained('also_share = 0.0\nalso.sw = { files = ["sw.jsonl"] }')),
            "recipe.base.train: also_share must be above 0 where also names languages (got 0.0)",
        ),
        (
            ('model = "org/name"', trained('also_share = 1.0\nalso.sw = { files = ["sw.jsonl"] }')),
            "recipe.base.train.also_share: input should be less than 1 (got 1.0)",
        ),
        (
            ('model = "org/name"', trained('also.en = { files = ["en.jsonl"] }')),
            "recipe.(whole): base.train.also.en: is the source language, which the base reads by num_tokens",
        ),
        (
            ('model = "org/name"', trained('also.Swahili = { files = ["sw.jsonl"] }')),
            "recipe.base.train.also.Swahili.[key]: string should match pattern",
        ),
        (
            ('model = "org/name"', trained('also.sw = { file = ["sw.jsonl"] }')),
            "recipe.base.train.also.sw.file: unknown key; did you mean 'files'?",
        ),
    ],
)
def test_what_is_wrong_in_a_recipe_is_named_with_its_path(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    assert said in complaint(tmp_path, BODY.replace(*change))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("[axes]\n'pretraining.replay' = []\n", "axes.pretraining.replay: an axis without values leaves no runs"),
        (
            "[axes]\n'pretraining.replaay' = [0.1]\n",
            "pretraining.replaay: no such key in a recipe; did you mean 'replay'?",
        ),
        ("[axes]\n'target.code' = ['zh']\n", "target.code: no such key in a recipe"),
        ("[axes]\nseed = 3\n", "axes.seed: neither a list of values nor named tables of settings"),
        (
            "[axes]\n'pretraining.replay' = [0.1, 'much']\n",
            "(run 'replay=much').pretraining.replay: input should be a valid number",
        ),
        ("[axes]\n'pretraining.replay' = [1.5]\n", "pretraining.replay: input should be less than 1"),
        ("[[runs]]\nname = 'a'\n[[runs]]\nname = 'a'\n", "two runs are named 'a'"),
        ("[[compare]]\narm = 'runn'\ncontrol = 'run'\n", "compare: no run is named 'runn'; did you mean 'run'?"),
        (
            "[[runs]]\nname = 'a'\nset = { 'responses.benchmarks' = ['ceval'] }\n",
            "'ceval' is not described under benchmarks",
        ),
    ],
)
def test_what_is_wrong_in_axes_and_runs_is_named(tmp_path: Path, more: str, said: str) -> None:
    assert said in complaint(tmp_path, BODY + more)


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    said = complaint(tmp_path, BODY.replace("1e-3", "true").replace("[recipe.base]", "sed = 1\n[recipe.base]"))
    assert "2 problems" in said and "sed: unknown key" in said and "valid number" in said


def test_a_file_that_is_missing_broken_or_not_utf8_is_told_apart(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such study file"):
        read_study(tmp_path / "nothing.toml")
    assert "not TOML" in complaint(tmp_path, "name = ")
    (tmp_path / "latin.toml").write_bytes('name = "é"'.encode("latin-1"))
    with pytest.raises(UserError, match="not UTF-8 at byte 8"):
        read_study(tmp_path / "latin.toml")


def test_a_question_is_about_what_both_of_its_runs_are_measured_on(tmp_path: Path) -> None:
    study = """
[recipe.likelihoods.texts]
zh = "zh.txt"
[[runs]]
name = "one"
[[runs]]
name = "two"
[[compare]]
question = "Does it help?"
arm = "one"
control = "two"
"""
    runs(tmp_path, BODY + study + 'on = ["zh"]')
    said = complaint(tmp_path, BODY + study + 'on = ["zhh"]')
    assert "compare: on: 'one' is not measured on 'zhh'; did you mean 'zh'?" in said


def test_a_pair_stands_once_and_only_a_question_is_about_something(tmp_path: Path) -> None:
    study = '[recipe.likelihoods.texts]\nzh = "zh.txt"\n[[runs]]\nname = "one"\n[[runs]]\nname = "two"\n'
    pair = '[[compare]]\narm = "one"\ncontrol = "two"\n'
    assert "'one' against 'two' stands twice" in complaint(tmp_path, BODY + study + pair + pair)
    assert "goes with a question" in complaint(tmp_path, BODY + study + pair + 'on = ["zh"]\n')


SEEDED = """
[axes]
seed = [1, 2, 3]
[axes.vocabulary.original]
"tokenizer.num_new_pieces" = 0
[axes.vocabulary.extended]
"tokenizer.num_new_pieces" = 400
[[runs]]
name = "alone"
[[runs]]
name = "again"
set = { "pretraining.replay" = 0.5 }
seeds = [2, 3, 4]
"""


def pairs(tmp_path: Path, arm: str, control: str) -> list[tuple[str, str]]:
    made = runs(tmp_path, BODY + SEEDED + f'[[compare]]\narm = "{arm}"\ncontrol = "{control}"\n')
    return paired_labels(Comparison(arm=arm, control=control), made)


def test_runs_that_differ_in_the_seed_alone_are_one_arm(tmp_path: Path) -> None:
    made = runs(tmp_path, BODY + SEEDED)
    assert [cell.arm for cell in made] == ["original", "extended"] * 3 + ["alone"] + ["again"] * 3
    assert [cell.label for cell in made[-3:]] == ["again, seed=2", "again, seed=3", "again, seed=4"]
    assert [cell.recipe.seed for cell in made[-4:]] == [0, 2, 3, 4]
    only_seeds = runs(tmp_path, BODY + "[axes.seed.first]\nseed = 4\n[axes.seed.second]\nseed = 5\n")
    assert [(cell.label, cell.arm) for cell in only_seeds] == [("first", "run"), ("second", "run")]


def test_a_table_that_sets_more_than_the_seed_is_no_seed(tmp_path: Path) -> None:
    made = runs(tmp_path, BODY + '[axes.both.a]\nseed = 1\n[axes.both.b]\nseed = 2\n"pretraining.replay" = 0.1\n')
    assert [cell.arm for cell in made] == ["a", "b"]


def test_arms_are_compared_seed_by_seed_and_runs_by_their_own_labels(tmp_path: Path) -> None:
    by_seed = [(f"seed={seed}, extended", f"seed={seed}, original") for seed in (1, 2, 3)]
    assert pairs(tmp_path, "extended", "original") == by_seed
    assert pairs(tmp_path, "seed=2, extended", "seed=2, original") == [by_seed[1]]
    assert pairs(tmp_path, "again", "original") == [("again, seed=2", by_seed[1][1]), ("again, seed=3", by_seed[2][1])]
    assert pairs(tmp_path, "extended", "alone") == [(arm, "alone") for arm, _ in by_seed]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            SEEDED + "[[compare]]\narm = 'extendd'\ncontrol = 'original'\n",
            "compare: no run is named 'extendd'; did you mean 'extended'?",
        ),
        (
            SEEDED + "[[compare]]\narm = 'seed=1, extended'\ncontrol = 'again'\n",
            "compare: 'seed=1, extended' (seed 1) and 'again' (seed 2, 3, 4) share no seed",
        ),
        (
            "[axes]\nseed = [1, 2]\n'pretraining.replay' = [0.1]\n[[runs]]\nname = 'replay=0.1'\n",
            "'replay=0.1' is a run, and what several seeds of another are called",
        ),
        ("[[runs]]\nname = 'a'\nset = { seed = 1 }\nseeds = [2, 3]\n", "runs: 'a' has seeds and sets the seed too"),
    ],
)
def test_what_is_wrong_about_seeds_is_named(tmp_path: Path, more: str, said: str) -> None:
    assert said in complaint(tmp_path, BODY + more)
