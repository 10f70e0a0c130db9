"""Runs of a study exported by the command: what loads them, what their cards say, and what is never left behind."""

import io
import json
import os
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import ModelCard, constants
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from loanword.model.load import new_model
from loanword.recipe import ArchitectureConfig
from loanword.records import Message
from loanword.tokenizer.load import load_tokenizer
from loanword.tokens.chat import encode_prompt
from loanword.tokens.rendering import render
from tests import studies
from tests.cli.conftest import Loanword
from tests.cli.hub_server import TOKEN, serving
from tests.tokenizer.families import llama_3

STEPS = "peak_learning_rate = 1e-2, row_tokens = 64, batch_tokens = 128, warmup_steps = 2, precision = 'float32'"
STUDY = f"""
name = "small"
summary = "From English to Chinese, in small"
[recipe]
target = "zh"
base = {{ model = "base" }}
[recipe.corpus.zh]
files = ["zh.jsonl"]
held_out_documents = 20
[recipe.corpus.en]
files = ["en.jsonl"]
held_out_documents = 20
[recipe.pretraining]
budget = {{ tokens = 0 }}
steps = {{ {STEPS} }}
[recipe.instructions.zh]
files = ["instructions-zh.jsonl"]
[recipe.conversations]
row_tokens = 256
[recipe.tuning]
steps = {{ {STEPS.replace("64", "256").replace("128", "256")} }}
[recipe.likelihoods]
window_tokens = 64
stride_tokens = 32
[[runs]]
name = "as it came"
set = {{ "likelihoods.texts" = {{ zh = "held-out.zh.txt" }} }}
[[runs]]
name = "in shards, as it came"
set = {{ "base.model" = "llama-3" }}
[[runs]]
name = "extended"
[runs.set]
"tokenizer.num_new_pieces" = 30
"pretraining.budget" = {{ tokens = 500 }}
"likelihoods.texts" = {{ zh = "held-out.zh.txt" }}
[[runs]]
name = "padded, alpaca"
[runs.set]
"tokenizer.num_new_pieces" = 30
"initialisation.pad_to_multiple_of" = 64
"tuning.num_conversations" = 8
[[runs]]
name = "llama-2"
[runs.set]
"tuning.num_conversations" = 8
"conversations.template" = "llama-2"
[[runs]]
name = "chatml"
[runs.set]
"tuning.num_conversations" = 8
"conversations.template" = "chatml"
[[runs]]
name = "of its own, tied, byte-level"
[runs.set]
"base.model" = "llama-3"
"tokenizer.num_new_pieces" = 20
"tuning.num_conversations" = 8
"conversations.template" = "model"
"""
RUNS = (
    "as it came",
    "in shards, as it came",
    "extended",
    "padded, alpaca",
    "llama-2",
    "chatml",
    "of its own, tied, byte-level",
)
TUNED = RUNS[3:]
TIED = (RUNS[1], RUNS[-1])
LLAMA_3_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{{ message['role'] + ':\\n' + message['content'] | trim + '<|eot_id|>' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ 'assistant:\\n' }}{% endif %}"
)
CHAT = [
    Message(role="user", content="窗边的灯 <s> 3 </s>"),
    Message(role="assistant", content="七封信"),
    Message(role="user", content="a boat?"),
]
TEXTS = [f"{phrase} {n}" for phrases in studies.PHRASES.values() for n, phrase in enumerate(phrases)] + [
    "Ünïcödé 🐘  two",
    "\n",
]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with two bases as somebody published them, and the finished study of six runs."""
    root = tmp_path_factory.mktemp("export")
    studies.write_small_root(root, num_layers=1, context_tokens=256)
    (root / "held-out.zh.txt").write_text("窗边的灯很亮\n七封信来自北方\n旧磨坊在河边\n", encoding="utf-8")
    (root / "base" / "LICENSE.txt").write_text("Do as you like.", encoding="utf-8")
    (root / "base" / "README.md").write_text("# The base", encoding="utf-8")
    (root / "base" / "modeling.py").write_text("raise SystemExit", encoding="utf-8")
    save_file({"lora": torch.zeros(1)}, root / "base" / "adapter_model.safetensors")
    said = json.loads((root / "base" / "generation_config.json").read_text(encoding="utf-8"))
    drawn = {"do_sample": True, "temperature": 0.6, "top_p": 0.9, "max_length": 4096}
    (root / "base" / "generation_config.json").write_text(json.dumps(said | drawn), encoding="utf-8")
    (root / "llama-3").mkdir()
    llama_3([f"{phrase} {n}" for n in range(20) for phrase in studies.PHRASES["en"]], root / "llama-3")
    pieces = load_tokenizer(root / "llama-3")
    pieces.save(root / "llama-3", LLAMA_3_TEMPLATE)
    shape = ArchitectureConfig(
        width=32, num_layers=1, num_heads=2, num_key_value_heads=1, feed_forward_width=32, context_tokens=256
    )
    model = new_model(shape, pieces.num_pieces, 0, bos_id=pieces.bos_id, eos_id=pieces.eos_id)
    model.save_pretrained(root / "llama-3", max_shard_size="40KB")
    (root / "study.toml").write_text(STUDY, encoding="utf-8")
    done = studies.run(studies.command("run", root, root / "store", "--no-report", study=root / "study.toml"))
    assert done.returncode == 0, done.stderr
    return root


@pytest.fixture(scope="module")
def folders(root: Path) -> dict[str, Path]:
    """Every run exported, by its label."""
    from loanword.cli import main

    found = {label: root / "exported" / str(place) for place, label in enumerate(RUNS)}
    for label, folder in found.items():
        assert main(words(root, label, folder)) == 0
    return found


def words(root: Path, label: str, folder: Path, *more: str) -> list[str]:
    return [
        "export",
        str(root / "study.toml"),
        label,
        str(folder),
        "--data",
        str(root),
        "--store",
        str(root / "store"),
        *more,
    ]


def artifact(root: Path, label: str) -> Path:
    """The checkpoint of a run in the store."""
    links = root / "store" / "studies" / "small" / "runs"
    from loanword.store.artifacts import file_name

    run = links / file_name(label)
    return next(run / role for role in ("tuning", "pretraining", "base") if (run / role).exists()) / "checkpoint"


@pytest.mark.parametrize("label", RUNS)
def test_transformers_gives_the_ids_that_training_used(label: str, root: Path, folders: dict[str, Path]) -> None:
    ours, theirs = load_tokenizer(artifact(root, label)), AutoTokenizer.from_pretrained(folders[label])
    new = [text for text in ours.pieces[-30:] if "<" not in text]
    for text in [*TEXTS, *(ours.decode([ours.pieces.index(piece)]) for piece in new)]:
        assert theirs.encode(text, add_special_tokens=False) == ours.encode(text)
    if ours.family == "sentencepiece":  # elsewhere the base's own files say whether BOS is put before a text
        assert theirs.encode("a boat")[0] == ours.bos_id


@pytest.mark.parametrize("label", RUNS)
def test_an_exported_model_is_the_artifact(label: str, root: Path, folders: dict[str, Path]) -> None:
    found: Any = [AutoModelForCausalLM.from_pretrained(folder) for folder in (folders[label], artifact(root, label))]
    one, other = found
    ids_1T = torch.tensor([load_tokenizer(folders[label]).encode("窗边的灯很亮 a boat under the bridge")])
    assert torch.equal(one(ids_1T).logits, other(ids_1T).logits)
    assert one.get_input_embeddings().weight.shape[0] % (64 if label.startswith("padded") else 1) == 0
    assert one.config.tie_word_embeddings == (label in TIED)


@pytest.mark.parametrize("label", TUNED)
def test_a_tuned_model_is_asked_as_it_was_tuned(label: str, folders: dict[str, Path]) -> None:
    ours, theirs = load_tokenizer(folders[label]), AutoTokenizer.from_pretrained(folders[label])
    template = (folders[label] / "chat_template.jinja").read_text(encoding="utf-8")
    names = {"bos_token": ours.pieces[ours.bos_id], "eos_token": ours.pieces[ours.eos_id]}
    asked: Any = [message.model_dump() for message in CHAT]
    plain: Any = [{"role": one["role"], "content": one["content"]} for one in asked]
    text = theirs.apply_chat_template(plain, tokenize=False, add_generation_prompt=True)
    assert text == render(CHAT, template, **names, add_generation_prompt=True)
    quiet = [
        message.model_copy(update={"content": message.content.replace("<s>", "").replace("</s>", "")})
        for message in CHAT
    ]
    plain = [{"role": one.role, "content": one.content} for one in quiet]
    assert theirs.apply_chat_template(plain, add_generation_prompt=True)["input_ids"] == encode_prompt(
        quiet, ours, template
    )


@pytest.mark.parametrize("label", RUNS)
def test_generation_is_greedy_and_stops_where_responses_end(label: str, folders: dict[str, Path]) -> None:
    ours, said = load_tokenizer(folders[label]), GenerationConfig.from_pretrained(folders[label])
    stops = said.eos_token_id if isinstance(said.eos_token_id, list) else [said.eos_token_id]
    assert ours.eos_id in stops and (ours.special_ids.get("<|eot_id|>") in stops) == (label == RUNS[-1])
    assert (said.bos_token_id, said.do_sample, said.temperature, said.max_length) == (ours.bos_id, False, None, None)
    assert said.pad_token_id is not None and said.pad_token_id < ours.num_pieces
    said.validate(strict=True)


def test_the_example_of_a_card_runs_in_its_folder_and_warns_of_nothing(folders: dict[str, Path]) -> None:
    told = [str(folders[label]) for label in ("extended", "padded, alpaca", RUNS[-1])]
    code = (
        "import os, pathlib, re, sys\n"
        "for folder in sys.argv[1:]:\n"
        "    os.chdir(folder)\n"
        "    exec(re.search('```python\\n(.*?)```', pathlib.Path('README.md').read_text(encoding='utf-8'), re.S)[1])\n"
    )
    environment = {**os.environ, "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *told], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    said = [line for line in done.stderr.splitlines() if line.strip() and "Loading weights" not in line]
    assert said == []


def test_only_what_a_model_needs_is_exported_with_the_terms_of_its_base(folders: dict[str, Path]) -> None:
    names = {path.name for path in folders["as it came"].iterdir()}
    assert {"config.json", "generation_config.json", "model.safetensors", "tokenizer.model", "LICENSE.txt"} <= names
    assert not names & {"modeling.py", "adapter_model.safetensors"}
    assert "The base" not in (folders["as it came"] / "README.md").read_text(encoding="utf-8")
    assert len(list(folders["in shards, as it came"].glob("model-0000?-of-0000?.safetensors"))) > 1
    assert (folders["extended"] / "LICENSE.txt").read_text(encoding="utf-8") == "Do as you like."


def test_a_card_is_one_that_the_hub_reads_and_says_what_was_done(folders: dict[str, Path]) -> None:
    data: Any = ModelCard.load(folders["extended"] / "README.md").data
    assert (data.language, data.license, data.pipeline_tag) == (["zh", "en"], "other", "text-generation")
    assert [result.metric_type for result in data.eval_results or []] == ["bits_per_byte"]
    text = (folders["extended"] / "README.md").read_text(encoding="utf-8")
    assert "adding 30 pieces" in text and "No licence is named yet" in text and "Safety was not measured" in text
    manifest = json.loads((artifact(folders["extended"].parents[1], "extended").parent / "manifest.json").read_bytes())
    assert f"`pretraining/{manifest['name']}` | `{manifest['content'][:12]}`" in text


def test_a_licence_is_what_the_user_names(root: Path, tmp_path: Path, loanword: Loanword) -> None:
    more = ("--license", "other", "--license-name", "house", "--license-link", "https://example.org/terms")
    assert loanword(*words(root, "extended", tmp_path / "out", *more)).code == 0
    data: Any = ModelCard.load(tmp_path / "out" / "README.md").data
    assert (data.license, data.license_name, data.license_link) == ("other", "house", "https://example.org/terms")
    assert "[house](https://example.org/terms)" in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    refused = loanword(*words(root, "extended", tmp_path / "other", "--license", "mit", "--license-name", "house"))
    assert refused.code == 2 and "name two licences" in refused.err


@pytest.mark.parametrize("label", ["padded, alpaca", RUNS[-1]])
def test_an_exported_model_can_be_talked_to_without_naming_its_template(
    label: str, folders: dict[str, Path], loanword: Loanword, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("窗边的灯\n"))
    said = loanword("chat", folders[label], "--max-new-tokens", 4)
    assert said.code == 0, said.err


def test_an_exported_model_is_evaluated_to_the_numbers_of_its_run(
    root: Path, folders: dict[str, Path], tmp_path: Path, loanword: Loanword
) -> None:
    asked = ("--texts", f"zh={root / 'held-out.zh.txt'}", "--window", 64, "--stride", 32, "--store", tmp_path / "store")
    said = loanword("evaluate", folders["extended"], *asked, "--json")
    assert said.code == 0, said.err
    found = next((tmp_path / "store").glob("artifacts/likelihoods/*/likelihoods.jsonl"))
    run = artifact(root, "extended").parents[1] / "likelihoods" / "likelihoods.jsonl"
    assert found.read_bytes() == run.read_bytes()


def test_a_damaged_artifact_is_named_and_nothing_is_left(root: Path, tmp_path: Path, loanword: Loanword) -> None:
    shutil.copytree(root / "store", tmp_path / "store", symlinks=True)
    found = next((tmp_path / "store" / "artifacts" / "tuning").glob("*/checkpoint/model.safetensors"))
    content = bytearray(found.read_bytes())
    content[-1] ^= 1
    found.write_bytes(content)
    folders = [tmp_path / "out" / str(place) for place, _ in enumerate(TUNED)]
    said = [
        loanword("export", root / "study.toml", label, folder, "--data", root, "--store", tmp_path / "store")
        for label, folder in zip(TUNED, folders, strict=True)
    ]
    assert sorted(one.code for one in said) == [0, 0, 0, 2]
    error = next(one.err for one in said if one.code)
    assert str(found) in error and "is damaged" in error
    assert len(list((tmp_path / "out").iterdir())) == 3


def test_a_full_disk_is_seen_before_anything_is_copied(
    root: Path, tmp_path: Path, loanword: Loanword, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9 - 1000, 1000))
    said = loanword(*words(root, "extended", tmp_path / "out" / "model"))
    assert said.code == 2 and "GB of the disk are free" in said.err
    assert not list((tmp_path / "out").iterdir())


def test_nothing_is_overwritten_and_what_is_not_built_is_said(root: Path, tmp_path: Path, loanword: Loanword) -> None:
    (tmp_path / "there").mkdir()
    assert "exists already" in loanword(*words(root, "extended", tmp_path / "there")).err
    said = loanword(*words(root, "extended", tmp_path / "new", "--smoke"))
    assert said.code == 2 and "not built yet" in said.err and "--smoke" in said.err
    assert "says how to push" in loanword(*words(root, "extended", tmp_path / "new", "--private")).err


def test_a_served_model_cannot_be_exported(root: Path, tmp_path: Path, loanword: Loanword) -> None:
    study = tmp_path / "served.toml"
    study.write_text('name = "served"\n[recipe]\ntarget = "zh"\nbase = { served = "a-model" }\n')
    said = loanword("export", study, "run", tmp_path / "out", "--data", root, "--store", tmp_path / "store")
    assert said.code == 2 and "'a-model' behind a server" in said.err


def test_vllm_loads_an_exported_model(folders: dict[str, Path]) -> None:
    vllm = pytest.importorskip("vllm")
    engine = vllm.LLM(model=str(folders["extended"]), dtype="float32", enforce_eager=True)
    answered = engine.generate(["窗边的灯"], vllm.SamplingParams(temperature=0, max_tokens=4))
    ours = AutoTokenizer.from_pretrained(folders["extended"])
    model: Any = AutoModelForCausalLM.from_pretrained(folders["extended"])
    inputs = ours("窗边的灯", return_tensors="pt")
    ids = model.generate(**inputs, max_new_tokens=4)[0, inputs["input_ids"].shape[1] :].tolist()
    assert list(answered[0].outputs[0].token_ids) == ids


# The warning is of huggingface_hub's own use of its client.
@pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
def test_a_run_is_pushed_and_what_was_exported_before_is_pushed_as_it_is(
    root: Path, tmp_path: Path, loanword: Loanword, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with serving() as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        said = loanword(*words(root, "extended", tmp_path / "model", "--push", "org/model", "--license", "mit"))
        assert said.code == 0 and f"{hub.url}/org/model\n" in said.out
        pushed = hub.repositories["org/model"].branches["main"]
        assert 'name = "org/model"' in pushed["README.md"].decode()
        edited = f"{pushed['README.md'].decode()}\n## Thanks\n"
        (tmp_path / "model" / "README.md").write_text(edited, encoding="utf-8")
        again = words(root, "extended", tmp_path / "model", "--push", "org/model")
        assert "holds 8 files, the first is LICENSE.txt" in loanword(*again).err
        said = loanword(*again, "--overwrite")
        assert said.code == 0 and "pushed as it is" in said.err
        assert hub.repositories["org/model"].branches["main"]["README.md"].decode() == edited
        other = loanword(*words(root, "llama-2", tmp_path / "model", "--push", "org/other"))
        assert other.code == 2 and "exists already" in other.err and "org/other" not in hub.repositories
