"""Studies over a base of the user's own, on text that this test makes: a checkpoint that is taken to another
language, and bases that are trained on one language and on several.
"""

import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from loanword.model.load import load_model, new_model, save_model
from loanword.recipe import ArchitectureConfig, Budget, StepsConfig
from loanword.tokenizer.learn import learn
from loanword.tokenizer.load import load_tokenizer
from loanword.tokens.budget import BudgetedRows, budgeted_rows
from loanword.tokens.rows import TokenRows
from loanword.training.data import count_predictions, read_rows
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
SHARE, NUM_TOKENS, ROW_TOKENS = 0.3, 30_000, 32
BASES = f"""
name = "bases"
[recipe]
seed = 3
target = "zh"
[recipe.base.train]
num_tokens = {NUM_TOKENS:_}
also_share = {SHARE}
tokenizer = {{ num_pieces = 330 }}
steps = {{ peak_learning_rate = 1e-3, row_tokens = {ROW_TOKENS}, batch_tokens = 64, precision = "float32" }}
[recipe.base.train.architecture]
width = 16
num_layers = 1
num_heads = 2
num_key_value_heads = 1
feed_forward_width = 16
context_tokens = 64
[recipe.corpus.en]
files = ["en.jsonl"]
held_out_documents = 20
[recipe.likelihoods]
window_tokens = 64
stride_tokens = 32
texts = {{ zh = "zh.txt" }}
[axes.base.English]
[axes.base.several]
"base.train.also.zh" = {{ files = ["zh.jsonl"], held_out_documents = 20 }}
"base.train.also.el" = {{ files = ["el.jsonl"], held_out_documents = 20 }}
[[compare]]
arm = "several"
control = "English"
"""
ENGLISH = ("the lamp by the window", "a boat under the bridge", "seven letters from the north", "the old stone mill")
GREEK = ("το φως στο παράθυρο", "μια βάρκα στη γέφυρα", "επτά γράμματα", "ο παλιός μύλος")
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


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with text of three languages, of different length, and a study of two bases."""
    data = tmp_path_factory.mktemp("bases")
    for language, phrases, num_documents in (("en", ENGLISH, 2000), ("zh", CHINESE, 90), ("el", GREEK, 70)):
        texts = (f"{phrases[n % 4]} {n} {phrases[n * 7 % 3]} {phrases[n * 5 % 4]}" for n in range(num_documents))
        lines = "".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts)
        (data / f"{language}.jsonl").write_text(lines, encoding="utf-8")
    (data / "zh.txt").write_text("\n".join(CHINESE) + "\n", encoding="utf-8")
    (data / "study.toml").write_text(BASES, encoding="utf-8")
    return data


@pytest.fixture(scope="module")
def bases(data: Path) -> Path:
    """The runs of the study of two bases, as links to what was built for each."""
    done = studies.run(studies.command("run", data, data / "store", study=data / "study.toml"))
    assert done.returncode == 0, done.stderr
    return data / "store/studies/bases/runs"


def summary(run: Path) -> dict[str, int]:
    return json.loads((run / "base" / "summary.json").read_text(encoding="utf-8"))


def test_other_languages_come_on_top_of_the_source_text_of_a_base(bases: Path) -> None:
    pure, mixed = (summary(bases / run) for run in ("English", "several"))
    num_rows_beside = mixed["num_replay_tokens"] // ROW_TOKENS
    assert pure["num_replay_tokens"] == 0
    assert num_rows_beside == round(SHARE * mixed["num_rows"])
    assert mixed["num_rows"] - num_rows_beside == pure["num_rows"]
    assert mixed["num_tokens"] - mixed["num_replay_tokens"] == pure["num_tokens"] >= NUM_TOKENS
    assert mixed["num_tokens"] == pytest.approx(NUM_TOKENS / (1 - SHARE), rel=0.01)
    assert mixed["num_target_bytes"] == mixed["num_target_tokens"] == 0


def test_a_base_reads_its_languages_in_turn(bases: Path) -> None:
    run = bases / "several"
    rows, pieces = rows_of(run), load_tokenizer(run / "tokenizer.base")
    written = Counter(script(pieces.decode(rows.whole.row(index).ids.tolist())) for index in range(rows.num_rows))
    assert written["Chinese"] + written["Greek"] == round(SHARE * rows.num_rows)
    assert abs(written["Chinese"] - written["Greek"]) <= 1
    # There is less text of them than their turns read: it is read again.
    num_tokens = [TokenRows(run / f"tokens.base.{language}", ROW_TOKENS).num_tokens for language in ("zh", "el")]
    assert num_tokens[0] != num_tokens[1] and max(num_tokens) < ROW_TOKENS * written["Greek"]


def test_these_are_the_rows_that_were_trained_on(bases: Path) -> None:
    rows = rows_of(bases / "several")
    counted = np.cumsum([count_predictions(read_rows(rows.whole, row, row + 1)) for row in range(rows.num_rows)])
    curve = [json.loads(line) for line in (bases / "several/base/curve.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [point["tokens"] for point in curve] == [counted[point["rows"] - 1] for point in curve]
    assert curve[-1]["rows"] == rows.num_rows


def test_both_bases_have_the_tokenizer_of_the_source_language(bases: Path) -> None:
    tokenizers = [(bases / run / "tokenizer.base").resolve() for run in ("English", "several")]
    assert tokenizers[0] == tokenizers[1]
    assert "灯" not in load_tokenizer(tokenizers[0]).pieces
    report = (bases.parent / "report/report.html").read_text(encoding="utf-8")
    assert "several" in report


def test_a_base_of_several_languages_knows_more_of_them(bases: Path) -> None:
    def nats(run: str) -> float:
        lines = (bases / run / "likelihoods/likelihoods.jsonl").read_text(encoding="utf-8").splitlines()
        return sum(json.loads(line)["nats"] for line in lines)

    assert nats("several") < 0.8 * nats("English")


@pytest.mark.kill
def test_a_base_of_several_languages_goes_on_where_it_was_stopped(data: Path, bases: Path) -> None:
    store = data / "stopped"
    words = studies.command("run", data, store, "--no-report", "--checkpoint-seconds", "0.1", study=data / "study.toml")
    mixed = (bases / "several/base").resolve().name
    code, said = studies.interrupted_when(
        words, lambda: any(store.glob(f"building/base-{mixed}/.scratch/**/row-*[0-9]"))
    )
    assert code == 75, said
    assert any(store.glob(f"building/base-{mixed}/.scratch/**/row-*[0-9]"))  # it was not too late to stop it
    done = studies.run(words)
    assert done.returncode == 0, done.stderr
    assert studies.contents(store) == studies.contents(data / "store")


def rows_of(run: Path) -> BudgetedRows:
    """The rows that a base of this file's study was meant to read, from the text that its run made."""
    others = [run / f"tokens.base.{language}" for language in ("el", "zh")]
    budget, steps = Budget(tokens=NUM_TOKENS), StepsConfig(peak_learning_rate=1, row_tokens=ROW_TOKENS)
    return budgeted_rows(run / "tokens.base", budget, steps, source=others, replay=SHARE, seed=3)


def script(text: str) -> str:
    """What a row is written in; two scripts in one row are an error."""
    letters = {"Chinese": r"[\u4e00-\u9fff]", "Greek": r"[\u0370-\u03ff]", "English": r"[a-z]"}
    text = re.sub(r"</?s>", "", text)
    (found,) = (name for name, of_script in letters.items() if re.search(of_script, text))
    return found
