"""`plan --memory`: what fits where, by rows that follow from a study."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from loanword.cli import main
from loanword.model.memory import estimate
from loanword.model.shape import architecture_shape
from loanword.recipe import ArchitectureConfig, StepsConfig

STUDY = """
name = "small"
[recipe]
target = "zh"
[recipe.base.train]
num_tokens = 100_000
tokenizer = { num_pieces = 400 }
steps = { peak_learning_rate = 1e-3, row_tokens = 256, batch_tokens = 1024, precision = "float32" }
[recipe.base.train.architecture]
width = 64
num_layers = 2
num_heads = 2
num_key_value_heads = 1
feed_forward_width = 64
context_tokens = 256
[recipe.corpus.zh]
files = ["text/zh.jsonl"]
[recipe.corpus.en]
files = ["text/en.jsonl"]
[recipe.pretraining]
budget = { bytes = 50_000 }
steps = { peak_learning_rate = 1e-3, row_tokens = 256, batch_tokens = 1024, lora = { rank = 4 } }
[axes.vocabulary.original]
"tokenizer.num_new_pieces" = 0
[axes.vocabulary.extended]
"tokenizer.num_new_pieces" = 3000
"""


@pytest.fixture
def words(data: Path, tmp_path: Path) -> list[str]:
    file = tmp_path / "study.toml"
    file.write_text(STUDY, encoding="utf-8")
    return ["plan", str(file), "--data", str(data), "--store", str(tmp_path / "store"), "--memory"]


def test_every_distinct_way_of_training_and_known_sizes_are_on_every_gpu(words: list[str], loanword):
    found = json.loads(loanword(*words, "--json").out)["lines"]
    models = list(dict.fromkeys(line["model"] for line in found))
    assert models[:3] == ["small, base", "small, pretraining", "small, pretraining +3,000"]
    assert models[3:] == ["LLaMA 1B", "LLaMA 7B", "LLaMA 8B", "LLaMA 13B"]
    assert [line["capacity_bytes"] for line in found[:4]] == [24 * 10**9, 40 * 10**9, 80 * 10**9, 141 * 10**9]
    assert found[0]["recipe"] == "float32"
    assert found[4]["recipe"] == "bf16, LoRA of rank 4"


def test_a_larger_gpu_never_holds_less(words: list[str], loanword):
    found = json.loads(loanword(*words, "--json").out)["lines"]
    for index in range(0, len(found), 4):
        for recipe in range(len(found[index]["recipes"])):
            tokens = [line["recipes"][recipe]["micro_batch_tokens"] or 0 for line in found[index : index + 4]]
            assert tokens == sorted(tokens)


def test_what_new_pieces_add_is_the_difference_of_two_estimates(words: list[str], loanword):
    line = json.loads(loanword(*words, "--json").out)["lines"][0]
    config = ArchitectureConfig(
        width=64, num_layers=2, num_heads=2, num_key_value_heads=1, feed_forward_width=64, context_tokens=256
    )
    steps = StepsConfig(peak_learning_rate=1e-3, row_tokens=256, batch_tokens=1024, precision="float32")
    before, after = (
        estimate(architecture_shape(config, number), steps, 256).total_bytes for number in (400, 400 + 3000)
    )
    assert line["num_new_pieces"] == 3000
    assert line["new_pieces_bytes"] == after - before


def test_the_table_names_recipe_and_micro_batch(words: list[str], loanword):
    answer = loanword(*words)
    assert answer.code == 0
    header, *rows = answer.out.splitlines()
    assert "+1,000 pieces" in header
    assert "+3,000 pieces" in header
    assert sum(row.startswith("LLaMA 13B") for row in rows) == 4


def test_a_base_that_is_not_here_is_said_to_be_unknown(words: list[str], loanword, data: Path):
    study = (
        STUDY[: STUDY.index("[recipe.base.train]")]
        + '[recipe.base]\nmodel = "org/name"\n'
        + STUDY[STUDY.index("[recipe.corpus.zh]") :]
    )
    Path(words[1]).write_text(study, encoding="utf-8")
    answer = loanword(*words)
    assert "org/name: its shape is not known before it is fetched" in answer.out
    assert "LLaMA 7B" in answer.out


def test_planning_memory_loads_no_torch(words: list[str]):
    code = (
        f"import sys; from loanword.cli import main; main({words!r}); "
        "heavy = {'torch', 'transformers', 'peft', 'accelerate'} & set(sys.modules); assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_plan_without_memory_is_a_plan(words: list[str], capsys: pytest.CaptureFixture[str]):
    assert main(words[:-1]) == 0
    assert "runs ask for" in capsys.readouterr().out
