"""What is wrong outside the code is said in one block: where, what, what was expected, what to do."""

import fractions
import json
import shutil
from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from loanword import stages
from loanword.cli import main
from loanword.cli.checkpoints import check_device
from loanword.errors import UserError
from loanword.evaluation.benchmarks import settled
from loanword.protocols import Work
from loanword.recipe import (
    ArchitectureConfig,
    BaseConfig,
    BenchmarkConfig,
    Budget,
    CorpusConfig,
    LearnedTokenizerConfig,
    LikelihoodsConfig,
    PretrainingConfig,
    StepsConfig,
    TokensConfig,
    TrunkConfig,
)
from loanword.records import Execution
from loanword.tokenizer.load import load_tokenizer

STUDY = """
name = "small"
[recipe]
target = "zh"
[recipe.base]
model = "model"
[recipe.corpus.zh]
files = ["zh.jsonl"]
[recipe.pretraining]
budget = { bytes = 1000 }
steps = { peak_learning_rate = 1e-3, row_tokens = 64, batch_tokens = 128 }
"""
STEPS = StepsConfig(peak_learning_rate=1e-3, row_tokens=64, batch_tokens=128)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    root.mkdir()
    words = ["river", "stone", "lantern", "winter", "harbour", "seven", "painted", "under"]
    texts = [" ".join(words[(number * step) % 8] for step in range(1, 30)) + f" {number}" for number in range(300)]
    (root / "zh.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    (root / "study.toml").write_text(STUDY)
    return root


def work(data: Path, out: Path, **inputs: Path) -> Work:
    out.mkdir(parents=True, exist_ok=True)
    return Work(inputs, out, 1, Execution(data=str(data)))


@pytest.fixture
def tokens(data: Path, tmp_path: Path) -> dict[str, Path]:
    """A corpus, its tokenizer and its tokens, as the stages make them."""
    folders = {name: tmp_path / name for name in ("corpus", "tokenizer", "tokens")}
    config = CorpusConfig(language="zh", files=("zh.jsonl",), held_out_documents=5)
    stages.corpus(config, work(data, folders["corpus"]))
    stages.tokenizer(LearnedTokenizerConfig(num_pieces=330), work(data, folders["tokenizer"], corpus=folders["corpus"]))
    stages.tokens(
        TokensConfig(),
        work(data, folders["tokens"], corpus=folders["corpus"], tokenizer=folders["tokenizer"]),
    )
    return folders


def tiny_model(folder: Path, num_pieces: int) -> None:
    config = LlamaConfig(
        vocab_size=num_pieces, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    LlamaForCausalLM(config).save_pretrained(folder)


def said(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    assert main([str(word) for word in words]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert "Traceback" not in error
    return error


def test_a_missing_data_root_says_what_is_expected_there(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    error = said(capsys, "plan", data / "study.toml", "--data", data / "nowhere")
    assert "no such data root" in error and "docs/data.md" in error and "--data" in error


def test_a_missing_source_is_named(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (data / "model").mkdir()
    (data / "model" / "config.json").write_text("{}")
    (data / "zh.jsonl").unlink()
    error = said(capsys, "run", data / "study.toml", "--data", data, "--store", data / "store")
    assert str(data / "zh.jsonl") in error and "no such file or folder" in error


def test_a_store_of_a_newer_version_is_refused(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = tmp_path / "store"
    store.mkdir()
    (store / "format.json").write_text('{"format": 99}')
    error = said(capsys, "plan", data / "study.toml", "--data", data, "--store", store)
    assert "the store has format 99" in error and "update loanword" in error


def test_a_wrong_study_file_is_refused_before_anything_is_made(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "study.toml").write_text(STUDY.replace("budget", "budgett"))
    error = said(capsys, "run", data / "study.toml", "--data", data, "--store", tmp_path / "store")
    assert "did you mean 'budget'?" in error
    assert not (tmp_path / "store").exists()


def test_workers_must_be_some(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (data / "model").mkdir()
    assert "--workers 0 - not a positive number" in said(
        capsys, "run", data / "study.toml", "--data", data, "--store", data / "store", "--workers", 0
    )


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf"])
def test_checkpoints_must_be_some_time_apart(data: Path, capsys: pytest.CaptureFixture[str], seconds: str) -> None:
    error = said(capsys, "run", data / "study.toml", "--data", data, f"--checkpoint-seconds={seconds}")
    assert "--checkpoint-seconds" in error and "not a positive number" in error


def test_there_is_a_device_for_every_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    check_device("cuda", 2)
    with pytest.raises(UserError, match=r"--processes 3 - more than there are devices(?s:.*)at most 2"):
        check_device("cuda", 3)


def test_stages_that_cannot_be_imported_are_named(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    error = said(capsys, "plan", data / "study.toml", "--data", data, "--stages", "nowhere.stages")
    assert "--stages nowhere.stages" in error
    error = said(capsys, "plan", data / "study.toml", "--data", data, "--stages", "json")
    assert "holds no stages" in error


def test_a_run_that_is_not_there_cannot_be_exported(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "model").mkdir()
    arguments = ("export", data / "study.toml", "nobody", tmp_path / "out", "--data", data)
    assert "expected: one of 'run'" in said(capsys, *arguments)


def test_a_broken_line_is_named_by_file_and_line(data: Path, tmp_path: Path) -> None:
    lines = (data / "zh.jsonl").read_text().splitlines()
    lines[16] = lines[16][:-3]
    (data / "zh.jsonl").write_text("\n".join(lines) + "\n")
    with pytest.raises(UserError) as caught:
        stages.corpus(CorpusConfig(files=("zh.jsonl",)), work(data, tmp_path / "out"))
    assert caught.value.where == f"{data / 'zh.jsonl'}:17"


def test_a_corpus_that_is_not_utf8_or_empty_is_refused(data: Path, tmp_path: Path) -> None:
    (data / "zh.jsonl").write_bytes('{"text": "é"}\n'.encode("latin-1"))
    with pytest.raises(UserError, match="UTF-8"):
        stages.corpus(CorpusConfig(files=("zh.jsonl",)), work(data, tmp_path / "latin"))
    (data / "zh.jsonl").write_text("")
    with pytest.raises(UserError, match=r"zh\.jsonl"):
        stages.corpus(CorpusConfig(files=("zh.jsonl",)), work(data, tmp_path / "empty"))


def test_a_budget_beyond_the_corpus_asks_for_epochs(data: Path, tmp_path: Path, tokens: dict[str, Path]) -> None:
    tiny_model(tmp_path / "base" / "checkpoint", 330)
    budget = PretrainingConfig(budget=Budget(bytes=200_000), steps=STEPS)
    inputs = {"target": tokens["tokens"], "tokenizer": tokens["tokenizer"], "base": tmp_path / "base"}
    with pytest.raises(UserError) as caught:
        stages.trunk(TrunkConfig(**dict(budget)), work(data, tmp_path / "out", **inputs))
    assert "epochs" in caught.value.what and "allow_epochs" in caught.value.do


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda folder: (folder / "model.safetensors").unlink(), "no weights in this folder"),
        (lambda folder: (folder / "config.json").unlink(), "no config.json"),
        (
            lambda folder: (
                torch.save({"third": fractions.Fraction(1, 3)}, folder / "pytorch_model.bin"),
                (folder / "model.safetensors").unlink(),
            ),
            "cannot be read as tensors(?s:.*)code in it is never run",
        ),
    ],
)
def test_a_base_that_cannot_be_read_is_refused(
    data: Path, tmp_path: Path, tokens: dict[str, Path], change: object, what: str
) -> None:
    assert callable(change)
    tiny_model(data / "model", 330)
    load_tokenizer(tokens["tokenizer"]).save(data / "model")
    change(data / "model")
    with pytest.raises(UserError, match=what):
        stages.base(BaseConfig(model="model"), work(data, tmp_path / "out"))


def test_a_tokenizer_that_does_not_fit_its_model_is_refused(
    data: Path, tmp_path: Path, tokens: dict[str, Path]
) -> None:
    tiny_model(tmp_path / "model" / "checkpoint", 100)
    load_tokenizer(tokens["tokenizer"]).save(tmp_path / "model" / "checkpoint")
    (data / "zh.txt").write_text("river\n")
    with pytest.raises(UserError, match="330 pieces, but the model has 100 embedding rows"):
        stages.likelihoods(
            LikelihoodsConfig(texts={"zh": "zh.txt"}, window_tokens=64, stride_tokens=32),
            work(data, tmp_path / "out", model=tmp_path / "model"),
        )


def test_a_benchmark_without_one_of_its_subjects_is_refused(data: Path, tmp_path: Path, shared_data: Path) -> None:
    shutil.copytree(shared_data / "benchmarks/ceval/val", data / "ceval/val")
    shutil.copytree(shared_data / "benchmarks/ceval/dev", data / "ceval/dev")
    (data / "ceval/val/logic_val.csv").unlink()
    with pytest.raises(UserError, match="logic"):
        stages.responses(settled(BenchmarkConfig(name="ceval", folder="ceval")), work(data, tmp_path / "out"))


def test_an_architecture_that_does_not_divide_is_refused() -> None:
    with pytest.raises(ValueError, match="not a multiple"):
        ArchitectureConfig(
            width=100, num_layers=1, num_heads=3, num_key_value_heads=1, feed_forward_width=8, context_tokens=8
        )
