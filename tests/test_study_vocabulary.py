"""A study of vocabularies, run by the command: two ways to new pieces, several to their rows, and probes of those."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from sentencepiece import sentencepiece_model_pb2
from transformers import AutoModelForCausalLM, AutoTokenizer

from loanword.model.embeddings import input_table, output_table
from loanword.tokenizer.load import load_tokenizer
from tests import studies

NUM_BASE = 330
STUDY = """
name = "vocabularies"
[recipe]
target = "zh"
base = { model = "base" }
[recipe.corpus.zh]
files = ["zh.jsonl"]
held_out_documents = 20
[recipe.corpus.en]
files = ["en.jsonl"]
held_out_documents = 20
[recipe.tokenizer]
num_new_pieces = 30
[recipe.pretraining]
budget = { tokens = 2_000 }
replay = 0.25
steps = { peak_learning_rate = 1e-2, row_tokens = 64, batch_tokens = 128, warmup_steps = 2, precision = "float32" }
[recipe.probe]
num_steps = 60
held_out_bytes = 500
replay = 0.5
[recipe.probe.candidates]
mean = {}
random = { input = "random", output = "random" }
focus = { input = "focus", output = "norm-corrected" }
[[runs]]
name = "continued"
[[runs]]
name = "padded"
set = { "initialisation.pad_to_multiple_of" = 64, "pretraining.budget" = { tokens = 0 } }
[[runs]]
name = "appended"
set = { "tokenizer.method" = "append" }
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with a small checkpoint, its head untied, two corpora, and the study."""
    root = tmp_path_factory.mktemp("vocabularies")
    studies.write_small_root(root, num_pieces=NUM_BASE, num_layers=1, context_tokens=128)
    (root / "study.toml").write_text(STUDY, encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def runs(root: Path) -> Path:
    """The runs of the study, as links to what was built for each."""
    done = studies.run(studies.command("run", root, root / "store", study=root / "study.toml"))
    assert done.returncode == 0, done.stderr
    return root / "store/studies/vocabularies/runs"


def documents(artifact: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (artifact / "probe.jsonl").read_text(encoding="utf-8").splitlines()]


def test_new_rows_are_means_of_the_rows_of_what_the_base_makes_of_them(runs: Path, root: Path) -> None:
    base, extended = load_tokenizer(root / "base"), load_tokenizer(runs / "continued/tokenizer")
    tables, rows = (
        load_file(root / "base/model.safetensors"),
        load_file(runs / "continued/initialisation/rows.safetensors"),
    )
    made_of = base.encode_spans(extended.pieces[NUM_BASE:])
    for name, table in (("input", "model.embed_tokens.weight"), ("output", "lm_head.weight")):
        expected = torch.stack([tables[table][ids].double().mean(0) for ids in made_of])
        torch.testing.assert_close(rows[name].double(), expected, rtol=0, atol=1e-6)


def test_tables_are_filled_up_to_a_multiple_where_that_is_asked_for(runs: Path, root: Path) -> None:
    made = AutoModelForCausalLM.from_pretrained(runs / "padded/pretraining/checkpoint")
    assert made.config.vocab_size == 384 == len(input_table(made)) == len(output_table(made))
    base = load_file(root / "base/model.safetensors")
    assert torch.equal(output_table(made)[:NUM_BASE], base["lm_head.weight"])
    assert len(AutoTokenizer.from_pretrained(runs / "padded/pretraining/checkpoint")) == NUM_BASE + 30


def test_a_probe_reads_the_same_text_whatever_the_rows(runs: Path) -> None:
    probed = {name: documents(runs / f"continued/probe.{name}") for name in ("mean", "random", "focus")}
    read = {name: [(one["language"], one["id"], one["num_bytes"]) for one in found] for name, found in probed.items()}
    assert read["mean"] == read["random"] == read["focus"]
    assert {language for language, _, _ in read["mean"]} == {"en", "zh"}
    for found in probed.values():
        before, after = (sum(one[when] for one in found if one["language"] == "zh") for when in ("start_nats", "nats"))
        assert 0 < after < before


def test_a_probe_starts_from_its_candidate_and_the_base(runs: Path) -> None:
    start = {
        name: sum(one["start_nats"] for one in documents(runs / f"continued/probe.{name}"))
        for name in ("mean", "random", "focus")
    }
    assert len(set(start.values())) == 3
    # A base that knows nothing gives every piece about the same: 360 pieces, and nats per token near their logarithm.
    num_tokens = len(load_tokenizer(runs / "continued/tokenizer").encode(studies.PHRASES["zh"][0]))
    assert 0 < num_tokens < 12 and start["mean"] > math.log(10)


def test_rows_that_draw_nothing_are_shared_by_seeds_and_by_probes(runs: Path) -> None:
    assert (runs / "continued/initialisation").resolve() == (runs / "continued/initialisation.mean").resolve()


def test_appended_pieces_have_score_zero_and_no_gate(runs: Path) -> None:
    model = sentencepiece_model_pb2.ModelProto()  # type: ignore[attr-defined]
    model.ParseFromString((runs / "appended/tokenizer/tokenizer.model").read_bytes())
    assert len(model.pieces) == NUM_BASE + 30
    assert {piece.score for piece in model.pieces[NUM_BASE:]} == {0.0}
    assert not (runs / "appended/tokenizer/skipped.jsonl").exists()
    change = json.loads((runs / "appended/tokenizer/source_change.json").read_text(encoding="utf-8"))
    assert change["num_words"] > 100


def test_an_extension_says_what_it_was_learned_from_and_what_is_not_as_it_should_be(runs: Path) -> None:
    facts = json.loads((runs / "continued/tokenizer/extension.json").read_text(encoding="utf-8"))
    assert facts["num_gate_bytes"] > 5_000 and facts["num_texts"] == 40
    assert facts["unreachable_pieces"] == facts["lossy_texts"] == []
    assert facts["num_unlike_texts"] == facts["num_dropped_words"] == 0
    said = json.loads((runs / "continued/tokenizer/manifest.json").read_text(encoding="utf-8"))["provenance"]["said"]
    assert ["too few to check" in sentence for sentence in said] == [True]


def test_not_one_word_may_change_where_that_is_the_limit(root: Path) -> None:
    # Pieces of English itself, behind a gate of one document: words of the source must change.
    text = STUDY.replace('name = "vocabularies"', 'name = "strict"').replace('["zh.jsonl"]', '["en.jsonl"]')
    text = text.replace("num_new_pieces = 30", "num_new_pieces = 3\nmax_source_change = 0.0\ngate_bytes = 10")
    (root / "strict.toml").write_text(text, encoding="utf-8")
    done = studies.run(studies.command("run", root, root / "strict", study=root / "strict.toml"))
    assert done.returncode == 2
    assert "tokenizer.max_source_change" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.kill
def test_a_probe_that_was_stopped_goes_on_to_the_same(runs: Path, root: Path) -> None:
    assert runs.is_dir()
    store = root / "stopped"
    often = ("--no-report", "--checkpoint-seconds", "0.01")
    words = studies.command("run", root, store, *often, study=root / "study.toml")
    code, said = studies.interrupted_when(words, lambda: any(store.glob("building/probe-*/.scratch/**/row-*[0-9]")))
    assert code == 75, said
    done = studies.run(words)
    assert done.returncode == 0, done.stderr
    assert studies.contents(store) == studies.contents(root / "store")


def test_more_steps_than_the_text_has_rows_for_are_refused(root: Path) -> None:
    text = STUDY.replace('name = "vocabularies"', 'name = "long"').replace("num_steps = 60", "num_steps = 60_000")
    (root / "long.toml").write_text(text, encoding="utf-8")
    done = studies.run(studies.command("run", root, root / "store", study=root / "long.toml"))
    assert done.returncode == 2
    assert "probe.num_steps" in done.stderr and "lower it" in done.stderr and "Traceback" not in done.stderr
