"""LoRA trains low-rank updates and nothing else, and leaves a plain model behind."""

import importlib.util
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, PreTrainedModel, Qwen2Config, Qwen2ForCausalLM

from loanword.errors import UserError
from loanword.model.attention import documents_of, packed_attention
from loanword.model.load import load_model, new_model, save_model
from loanword.model.lora import add_lora, load_trainable, merge_lora, trainable_tensors
from loanword.recipe import ArchitectureConfig, LoraConfig

UNTIED = ArchitectureConfig(
    width=32, num_layers=2, num_heads=2, num_key_value_heads=1, feed_forward_width=48, context_tokens=32,
    tied_embeddings=False,
)  # fmt: skip
TIED = UNTIED.model_copy(update={"tied_embeddings": True})
PLAIN = LoraConfig(rank=3, alpha=6.0, embeddings=False)
IDS_BT = torch.tensor([[1, 5, 9, 13, 1, 7, 8, 2], [1, 4, 4, 2, 1, 6, 3, 2]])
DOCUMENTS = documents_of([[0, 4], [0, 4]], 8)
LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
with_bitsandbytes = pytest.mark.skipif(
    importlib.util.find_spec("bitsandbytes") is None, reason="bitsandbytes is not installed"
)


def llama(architecture: ArchitectureConfig = UNTIED) -> PreTrainedModel:
    return new_model(architecture, 50, 0, bos_id=1, eos_id=2)


def qwen(width: int = 32) -> PreTrainedModel:
    """A model with biases, on some of its linear layers."""
    config = Qwen2Config(
        vocab_size=50, hidden_size=width, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1,
        intermediate_size=48, max_position_embeddings=32, dtype="float32",
    )  # fmt: skip
    torch.manual_seed(0)
    model = Qwen2ForCausalLM(config)
    model.eval()
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter)
    return model


def packed_logits(model: PreTrainedModel) -> Tensor:
    """Logits as the training loop takes them: the backbone on packed rows, then the head."""
    with packed_attention(model):
        hidden_BTD = model.base_model(
            input_ids=IDS_BT, position_ids=DOCUMENTS.position_ids_BT, use_cache=False, documents=DOCUMENTS
        ).last_hidden_state
    head = model.get_output_embeddings()
    assert head is not None
    return head(hidden_BTD)


def train(model: PreTrainedModel, num_steps: int = 3) -> None:
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=0.05)
    for _ in range(num_steps):
        logits_BTV = packed_logits(model)
        torch.nn.functional.cross_entropy(logits_BTV[:, :-1].flatten(0, 1), IDS_BT[:, 1:].flatten()).backward()
        optimizer.step()
        optimizer.zero_grad()


def weights(model: PreTrainedModel) -> dict[str, Tensor]:
    """Weights of the model by the names that they have without updates."""
    return {
        name.replace(".base_layer", ""): parameter.detach().clone()
        for name, parameter in model.named_parameters()
        if "lora_" not in name
    }


@pytest.mark.parametrize("make", [llama, lambda: llama(TIED), qwen], ids=["untied", "tied", "with biases"])
def test_a_new_update_changes_nothing(make) -> None:
    model = make()
    before = packed_logits(model)
    assert torch.equal(packed_logits(add_lora(model, PLAIN, 0)), before)


@pytest.mark.parametrize("architecture", [TIED, UNTIED], ids=["tied", "untied"])
def test_training_updates_leaves_every_weight_of_the_base_bit_identical(architecture: ArchitectureConfig) -> None:
    model = llama(architecture)
    before, logits = weights(model), packed_logits(model)
    train(add_lora(model, PLAIN, 0))
    assert not torch.allclose(packed_logits(model), logits, atol=1e-2)
    after = weights(model)
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], before[name]) for name in before)


@pytest.mark.parametrize("architecture", [TIED, UNTIED], ids=["tied", "untied"])
def test_with_embeddings_both_tables_are_trained_too_and_nothing_else(architecture: ArchitectureConfig) -> None:
    model = llama(architecture)
    before = weights(model)
    train(add_lora(model, PLAIN.model_copy(update={"embeddings": True}), 0))
    after = weights(model)
    changed = {name for name in before if not torch.equal(after[name], before[name])}
    assert changed == {"model.embed_tokens.weight"} | ({"lm_head.weight"} if architecture is UNTIED else set())


@pytest.mark.parametrize("make", [llama, lambda: llama(TIED), qwen], ids=["untied", "tied", "with biases"])
def test_a_merged_model_says_what_its_updates_said_and_reloads_without_them(make, tmp_path: Path) -> None:
    model, names = make(), list(make().state_dict())
    plain = packed_logits(model)
    train(add_lora(model, PLAIN.model_copy(update={"embeddings": True}), 0))
    expected = packed_logits(model)
    assert not torch.allclose(expected, plain, atol=1e-2)
    merged = merge_lora(model)
    assert merged is model and list(model.state_dict()) == names
    assert all(parameter.requires_grad for parameter in model.parameters())
    torch.testing.assert_close(packed_logits(model), expected, rtol=1e-4, atol=1e-5)
    save_model(model, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "config.json",
        "generation_config.json",
        "model.safetensors",
    ]
    reloaded = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert type(reloaded) is type(make())
    assert torch.equal(packed_logits(reloaded), packed_logits(model))
    assert torch.equal(packed_logits(load_model(tmp_path)), packed_logits(model))


def test_a_merged_matrix_is_the_base_and_scaled_product() -> None:
    model = llama()
    base = model.get_parameter("model.layers.1.mlp.down_proj.weight").detach().clone()
    train(add_lora(model, PLAIN, 0))
    a_RM, b_NR = (
        model.get_parameter(f"model.layers.1.mlp.down_proj.lora_{side}.default.weight").detach() for side in "AB"
    )
    merged = merge_lora(model).get_parameter("model.layers.1.mlp.down_proj.weight")
    torch.testing.assert_close(merged.detach(), base + 2.0 * b_NR @ a_RM)


def test_all_linear_layers_but_the_head_are_targets_where_none_is_named() -> None:
    model = add_lora(llama(), PLAIN, 0)
    updated = {name.rpartition(".lora_A")[0] for name in trainable_tensors(model) if ".lora_A" in name}
    assert len(updated) == 2 * len(LINEAR)
    assert {name.rpartition(".")[2] for name in updated} == set(LINEAR)


@pytest.mark.parametrize(
    ("targets", "updated"),
    [
        (("q_proj",), {"model.layers.0.self_attn.q_proj", "model.layers.1.self_attn.q_proj"}),
        (("layers.1.mlp.up_proj", "0.mlp.up_proj"), {"model.layers.0.mlp.up_proj", "model.layers.1.mlp.up_proj"}),
    ],
)
def test_named_targets_are_the_ends_of_names(targets: tuple[str, ...], updated: set[str]) -> None:
    model = add_lora(llama(), PLAIN.model_copy(update={"targets": targets}), 0)
    assert {name.rpartition(".lora_")[0] for name in trainable_tensors(model)} == updated


@pytest.mark.parametrize("target", ["query", "proj", "lm_head", "embed_tokens"])
def test_targets_that_do_not_exist_are_refused(target: str) -> None:
    with pytest.raises(UserError, match=rf"(?s)lora\.targets - {target}: no such linear layer.*of q_proj, k_proj"):
        add_lora(llama(), PLAIN.model_copy(update={"targets": ("q_proj", target)}), 0)


def test_a_seed_gives_the_same_updates_and_leaves_other_draws_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    model = llama()
    torch.manual_seed(5)
    first = trainable_tensors(add_lora(model, PLAIN, 7))
    assert torch.equal(torch.rand(3), expected)
    second, third = (trainable_tensors(add_lora(llama(), PLAIN, seed)) for seed in (7, 8))
    assert all(torch.equal(first[name], second[name]) for name in first)
    drawn = [name for name in first if ".lora_A" in name]
    assert drawn and not any(torch.equal(first[name], third[name]) for name in drawn)
    assert len({first[name].sum().item() for name in drawn}) == len(drawn)
    assert all(1 / 8 < first[name].abs().max() * first[name].shape[1] ** 0.5 <= 1 for name in drawn)


def test_what_was_trained_is_put_back_onto_a_fresh_base() -> None:
    config = PLAIN.model_copy(update={"embeddings": True})
    model = add_lora(llama(), config, 0)
    train(model)
    kept = {name: tensor.clone() for name, tensor in trainable_tensors(model).items()}
    again = add_lora(llama(), config, 1)
    load_trainable(again, kept, "cut")
    assert torch.equal(packed_logits(again), packed_logits(model))


@pytest.mark.parametrize(
    "config", [PLAIN.model_copy(update={"rank": 4}), PLAIN.model_copy(update={"embeddings": True})]
)
def test_what_was_trained_with_other_settings_is_refused(config: LoraConfig) -> None:
    kept = trainable_tensors(add_lora(llama(), PLAIN, 0))
    with pytest.raises(UserError, match=r"cut - .* trained tensors are not this model's"):
        load_trainable(add_lora(llama(), config, 0), kept, "cut")


def test_a_model_in_half_precision_has_parameters_of_one_kind() -> None:
    model = add_lora(llama().bfloat16(), PLAIN, 0)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}


# Four bits.

FOUR = PLAIN.model_copy(update={"four_bit": True, "targets": ("q_proj", "down_proj")})
WIDE = UNTIED.model_copy(update={"width": 64})


def test_four_bits_without_bitsandbytes_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(UserError, match=r"(?s)four_bit - bitsandbytes is not installed.*pip install bitsandbytes"):
        add_lora(llama(), FOUR, 0)


@with_bitsandbytes
@pytest.mark.parametrize("make", [lambda: llama(WIDE), lambda: qwen(64)], ids=["without biases", "with biases"])
def test_four_bits_are_trained_beside_and_come_back_merged(make, tmp_path: Path) -> None:
    model = make()
    before = {name: tensor for name, tensor in weights(model).items() if name.endswith("proj.weight")}
    add_lora(model, FOUR, 0)
    small = {name: parameter.clone() for name, parameter in model.named_parameters() if parameter.dtype == torch.uint8}
    assert {name.replace(".base_layer", "") for name in small} == {name for name in before if "down_proj" not in name}
    rounded = packed_logits(model)
    train(model)
    assert all(torch.equal(model.get_parameter(name), small[name]) for name in small)
    expected = packed_logits(model)
    assert not torch.allclose(expected, rounded, atol=0.1)
    merge_lora(model)
    assert list(model.state_dict()) == list(make().state_dict())
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    # Frozen products are in bf16 before the merge, and in float32 after it.
    torch.testing.assert_close(packed_logits(model), expected, rtol=0.05, atol=0.02)
    save_model(model, tmp_path)
    assert torch.equal(packed_logits(load_model(tmp_path)), packed_logits(model))


@with_bitsandbytes
def test_four_bits_round_to_half_the_widest_step_of_a_block() -> None:
    model = llama(WIDE)
    before = weights(model)
    after = weights(merge_lora(add_lora(model, FOUR, 0)))
    moved = {name for name in before if not torch.equal(after[name], before[name])}
    assert moved == {name for name in before if name.endswith("proj.weight") and "down_proj" not in name}
    for name in moved:
        largest_N = before[name].view(-1, 64).abs().amax(1)
        error_N = (after[name] - before[name]).view(-1, 64).abs().amax(1)
        # NF4's widest step is 0.304 of a block's largest weight; that scale is itself rounded to 8 bits.
        assert (error_N <= 0.16 * largest_N).all(), name
