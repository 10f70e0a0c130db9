"""Models come from the Hub's layout and go back to it, and nothing in a checkpoint is executed."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from loanword.errors import UserError
from loanword.model.load import (
    check_tokenizer_fits,
    context_tokens,
    count_parameters,
    load_model,
    new_model,
    save_model,
    train_flops_per_token,
)
from loanword.recipe import ArchitectureConfig
from loanword.records import file_sha256
from tests.model.families import FAMILIES, small_model

TIED = ArchitectureConfig(
    width=16, num_layers=2, num_heads=2, num_key_value_heads=1, feed_forward_width=24, context_tokens=32
)
UNTIED = TIED.model_copy(update={"tied_embeddings": False})


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    save_model(new_model(TIED, 50, 0, bos_id=1, eos_id=2), tmp_path / "checkpoint")
    return tmp_path / "checkpoint"


def test_a_seed_gives_the_same_weights_and_leaves_other_draws_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first = new_model(TIED, 50, 7, bos_id=1, eos_id=2)
    assert torch.equal(torch.rand(3), expected)
    second, third = new_model(TIED, 50, 7, bos_id=1, eos_id=2), new_model(TIED, 50, 8, bos_id=1, eos_id=2)
    pairs = list(zip(first.parameters(), second.parameters(), third.parameters(), strict=True))
    assert all(torch.equal(one, two) for one, two, _ in pairs)
    assert any(not torch.equal(one, three) for one, _, three in pairs)


@pytest.mark.parametrize("architecture", [TIED, UNTIED], ids=["tied", "untied"])
def test_a_saved_model_comes_back_bit_for_bit(tmp_path: Path, architecture: ArchitectureConfig) -> None:
    model = new_model(architecture, 50, 0, bos_id=1, eos_id=2)
    save_model(model, tmp_path)
    loaded = load_model(tmp_path)
    for (name, one), (_, two) in zip(model.named_parameters(), loaded.named_parameters(), strict=True):
        assert torch.equal(one, two), name
    assert context_tokens(loaded) == 32 and loaded.config.bos_token_id == 1 and not loaded.training
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path)
    ids_BT = torch.arange(10)[None]
    assert torch.equal(theirs(ids_BT).logits, model(ids_BT).logits)


def test_equal_models_are_saved_as_equal_bytes(tmp_path: Path) -> None:
    for name in ("one", "elsewhere/two"):
        save_model(new_model(TIED, 50, 0, bos_id=1, eos_id=2), tmp_path / name)
    digests = [
        {path.name: file_sha256(path) for path in (tmp_path / name).iterdir()} for name in ("one", "elsewhere/two")
    ]
    assert digests[0] == digests[1]
    assert set(digests[0]) == {"config.json", "generation_config.json", "model.safetensors"}
    assert str(tmp_path) not in (tmp_path / "one" / "config.json").read_text()
    assert {tensor.dtype for tensor in load_file(tmp_path / "one" / "model.safetensors").values()} == {torch.float32}


def test_a_model_that_was_loaded_is_saved_as_it_was(tmp_path: Path, checkpoint: Path) -> None:
    save_model(load_model(checkpoint), tmp_path / "again")
    for path in checkpoint.iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes(), path.name


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder"):
        load_model(tmp_path / "nowhere")


def test_a_folder_without_config_is_named(checkpoint: Path) -> None:
    (checkpoint / "config.json").unlink()
    with pytest.raises(UserError, match=r"no config\.json"):
        load_model(checkpoint)


def test_a_folder_without_weights_is_named(checkpoint: Path) -> None:
    (checkpoint / "model.safetensors").unlink()
    with pytest.raises(UserError, match="a checkpoint without weights"):
        load_model(checkpoint)


def test_a_pickle_is_never_read_and_the_message_says_how_to_convert_it(checkpoint: Path) -> None:
    (checkpoint / "model.safetensors").unlink()
    (checkpoint / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")
    with pytest.raises(UserError, match=r"(?s)pytorch_model.bin - the weights are a pickle.*save_file"):
        load_model(checkpoint)


def test_an_architecture_of_its_own_code_is_refused_and_not_run(checkpoint: Path) -> None:
    config = json.loads((checkpoint / "config.json").read_text())
    config |= {"model_type": "strange", "auto_map": {"AutoConfig": "code.Config", "AutoModelForCausalLM": "code.Model"}}
    (checkpoint / "config.json").write_text(json.dumps(config))
    (checkpoint / "code.py").write_text("raise SystemExit('ran')")
    with pytest.raises(UserError, match="not a model that transformers knows by itself"):
        load_model(checkpoint)


def test_a_damaged_weight_file_is_named(checkpoint: Path) -> None:
    weights = checkpoint / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(UserError, match="damaged weights"):
        load_model(checkpoint)


def test_weights_are_never_made_up(checkpoint: Path) -> None:
    tensors = load_file(checkpoint / "model.safetensors")
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, checkpoint / "model.safetensors", {"format": "pt"})
    with pytest.raises(UserError, match=r"1 weights are missing, the first is model\.layers\.1\.mlp\.up_proj"):
        load_model(checkpoint)


def test_weights_of_another_shape_are_refused(checkpoint: Path) -> None:
    config = json.loads((checkpoint / "config.json").read_text()) | {"vocab_size": 60}
    (checkpoint / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match="of another shape than config"):
        load_model(checkpoint)


def test_a_tokenizer_must_not_have_more_pieces_than_the_model_has_rows() -> None:
    model = new_model(TIED, 50, 0, bos_id=1, eos_id=2)
    check_tokenizer_fits(model, 49, "folder")
    with pytest.raises(UserError, match="folder - the tokenizer has 51 pieces, but the model has 50 embedding rows"):
        check_tokenizer_fits(model, 51, "folder")


def test_parameters_and_flops_are_those_of_the_matrices() -> None:
    per_layer = 16 * 16 * 2 + 16 * 8 * 2 + 3 * 16 * 24 + 2 * 16
    tied, untied = (new_model(shape, 50, 0, bos_id=1, eos_id=2) for shape in (TIED, UNTIED))
    assert count_parameters(tied) == 50 * 16 + 2 * per_layer + 16
    assert count_parameters(untied) == count_parameters(tied) + 50 * 16
    assert train_flops_per_token(tied) == train_flops_per_token(untied) == 6 * count_parameters(tied)
    assert train_flops_per_token(tied, 10) - train_flops_per_token(tied) == 12 * 2 * 16 * 10


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_goes_out_and_in_in_the_hubs_layout(tmp_path: Path, family: str) -> None:
    made = small_model(family)
    save_model(made, tmp_path)
    assert not list(tmp_path.glob("*.bin"))
    again, ids_BT = load_model(tmp_path), torch.arange(30)[None]
    assert again.state_dict().keys() == made.state_dict().keys()
    assert torch.equal(again(ids_BT).logits, made(ids_BT).logits)
