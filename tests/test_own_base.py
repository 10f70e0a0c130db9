"""A study that takes a checkpoint of the user's own to another language, on text that this test makes."""

import json
from pathlib import Path

import pytest

from loanword.model.load import load_model, new_model, save_model
from loanword.recipe import ArchitectureConfig
from loanword.tokenizer.learn import learn
from loanword.tokenizer.load import load_tokenizer
from tests import studies

STUDY = """
name = "own base"
[recipe]
target = "zh"
base = { model = "base" }
[recipe.corpus.zh]
files = ["zh.jsonl"]
held_out_documents = 20
[recipe.corpus.en]
files = ["en.jsonl"]
held_out_documents = 20
[recipe.pretraining]
replay = 0.25
steps = { peak_learning_rate = 1e-3, row_tokens = 64, batch_tokens = 256, warmup_steps = 2, precision = "float32" }
[recipe.likelihoods]
window_tokens = 64
stride_tokens = 32
texts = { zh = "zh.txt" }
[axes]
"tokenizer.num_new_pieces" = [0, 30]
[axes.budget.tokens]
"pretraining.budget" = { tokens = 3_000 }
[axes.budget.documents]
"pretraining.budget" = { documents = 60 }
"""
ENGLISH = ("the lamp by the window", "a boat under the bridge", "seven letters from the north", "the old stone mill")
CHINESE = ("窗边的灯很亮", "桥下有一只小船", "七封信来自北方", "旧磨坊在河边")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with a small checkpoint, two corpora and a study over them, run."""
    root = tmp_path_factory.mktemp("own")
    texts: dict[str, list[str]] = {}
    for language, phrases in (("en", ENGLISH), ("zh", CHINESE)):
        texts[language] = [f"{phrases[n % 4]} {n} {phrases[n * 7 % 3]} {phrases[n * 5 % 4]}" for n in range(400)]
        lines = "".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts[language])
        (root / f"{language}.jsonl").write_text(lines, encoding="utf-8")
    (root / "zh.txt").write_text("\n".join(CHINESE) + "\n", encoding="utf-8")
    (root / "study.toml").write_text(STUDY, encoding="utf-8")
    shape = ArchitectureConfig(
        width=16, num_layers=1, num_heads=2, num_key_value_heads=1, feed_forward_width=16, context_tokens=64
    )
    pieces = learn(texts["en"], 330)
    save_model(new_model(shape, pieces.num_pieces, 0, bos_id=1, eos_id=2), root / "base")
    pieces.save(root / "base")
    done = studies.run(studies.command("run", root, root / "store", study=root / "study.toml"))
    assert done.returncode == 0, done.stderr
    return root


def artifact(root: Path, run: str, role: str) -> Path:
    return root / "store" / "studies" / "own-base" / "runs" / run / role


def test_new_pieces_stand_behind_the_base_and_in_the_model(root: Path) -> None:
    checkpoint = artifact(root, "num_new_pieces=30--tokens", "pretraining") / "checkpoint"
    base, extended = load_tokenizer(root / "base"), load_tokenizer(checkpoint)
    assert list(extended.pieces)[: base.num_pieces] == list(base.pieces)
    assert extended.num_pieces == base.num_pieces + 30 == load_model(checkpoint).config.vocab_size
    assert len(extended.encode(CHINESE[0])) < len(base.encode(CHINESE[0]))


@pytest.mark.parametrize("budget", ["tokens", "documents"])
def test_every_vocabulary_reads_the_same_text(root: Path, budget: str) -> None:
    read = [
        json.loads((artifact(root, f"num_new_pieces={number}--{budget}", "pretraining") / "summary.json").read_text())
        for number in (0, 30)
    ]
    assert read[0]["num_target_bytes"] == read[1]["num_target_bytes"] > 0
    assert read[0]["num_target_tokens"] > read[1]["num_target_tokens"]
    assert all(summary["num_replay_tokens"] > 0 for summary in read)


def test_the_base_is_linked_and_not_copied(root: Path) -> None:
    link = artifact(root, "num_new_pieces=0--tokens", "base") / "checkpoint"
    assert link.is_symlink() and link.resolve() == (root / "base").resolve()
