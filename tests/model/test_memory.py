"""What training takes: parts against tensors that a real model keeps, and what follows for recipes."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM

from loanword.model import attention_paths
from loanword.model.attention import documents_of, packed_attention
from loanword.model.load import new_model
from loanword.model.lora import add_lora
from loanword.model.memory import (
    ACTIVATIONS,
    Activations,
    Place,
    activations_that_fit,
    estimate,
    fitting,
    largest_micro_batch,
    recipes,
)
from loanword.model.shape import KNOWN, DecoderShape, architecture_shape, published_shape
from loanword.recipe import ArchitectureConfig, GroupConfig, GroupsConfig, LoraConfig, StepsConfig
from loanword.training.activations import keep_activations

CPU = Place("cpu")
STEPS = StepsConfig(peak_learning_rate=1e-4, row_tokens=512, batch_tokens=1024)
NUM_PIECES = 1000


def architecture(num_layers: int, num_key_value_heads: int = 2) -> ArchitectureConfig:
    return ArchitectureConfig(
        width=256,
        num_layers=num_layers,
        num_heads=4,
        num_key_value_heads=num_key_value_heads,
        feed_forward_width=640,
        context_tokens=512,
    )


def kept_bytes(num_layers: int, num_rows: int, steps: StepsConfig, activations: Activations) -> int:
    """What autograd keeps of a forward pass: every storage once, the model's own parameters left out."""
    model = new_model(architecture(num_layers), NUM_PIECES, 0, bos_id=1, eos_id=2)
    if steps.precision == "pure-bf16":
        torch.nn.Module.to(model, torch.bfloat16)
    if steps.lora is not None:
        add_lora(model, steps.lora, 0)
    keep_activations(model, activations)
    own = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept: dict[int, Tensor] = {}

    def pack(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    documents = documents_of([[0, 100, 333]] * num_rows, STEPS.row_tokens)
    ids_BT = torch.arange(num_rows * STEPS.row_tokens).view(num_rows, -1) % NUM_PIECES
    autocast = torch.autocast("cpu", torch.bfloat16, enabled=steps.precision == "bf16")
    hooks = torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor)
    with packed_attention(model, "each"), autocast, hooks:
        model.base_model(input_ids=ids_BT, position_ids=documents.position_ids_BT, use_cache=False, documents=documents)
        return sum(tensor.untyped_storage().nbytes() for address, tensor in kept.items() if address not in own)


def of_a_layer(kept: Callable[[int, int], float]) -> float:
    """Bytes of one row in one layer: what is there once, and copies of weights, fall out of the differences."""
    return (kept(3, 2) - kept(3, 1)) - (kept(2, 2) - kept(2, 1))


@pytest.mark.parametrize(
    ("precision", "lora", "activations"),
    [
        ("float32", None, "keep"),
        ("float32", LoraConfig(rank=4), "keep"),
        ("bf16", None, "keep"),
        ("bf16", LoraConfig(rank=4), "keep"),
        ("bf16", LoraConfig(rank=4, targets=("q_proj", "up_proj")), "keep"),
        ("pure-bf16", None, "keep"),
        ("pure-bf16", LoraConfig(rank=4), "keep"),
        ("bf16", None, "recompute"),
        ("pure-bf16", None, "recompute"),
    ],
)
def test_activations_of_a_layer_are_what_autograd_keeps(
    precision: Any, lora: LoraConfig | None, activations: Any, monkeypatch: pytest.MonkeyPatch
):
    # A processor that multiplies no bf16 attends in float32; others, and GPUs, do not.
    monkeypatch.setattr(attention_paths, "CPU_MULTIPLIES_BF16", True)
    steps = STEPS.model_copy(update={"precision": precision, "lora": lora})

    def estimated(num_layers: int, num_rows: int) -> float:
        shape = architecture_shape(architecture(num_layers), NUM_PIECES)
        return estimate(shape, steps, num_rows * STEPS.row_tokens, activations, CPU).activations_bytes

    def measured(num_layers: int, num_rows: int) -> float:
        return kept_bytes(num_layers, num_rows, steps, activations)

    assert of_a_layer(estimated) == pytest.approx(of_a_layer(measured), rel=0.01)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("llama", {}),
        ("llama", {"tie_word_embeddings": True}),
        ("mistral", {}),
        ("qwen2", {}),
        ("qwen3", {"head_dim": 32}),
        ("gemma", {"head_dim": 32}),
        ("gemma2", {"head_dim": 32}),
        ("starcoder2", {}),
    ],
)
def test_parameters_by_config_are_those_of_the_model(kind: str, settings: dict[str, Any]):
    config = AutoConfig.for_model(
        kind,
        hidden_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=96,
        vocab_size=500,
        **settings,
    )
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    shape = published_shape(config.to_dict())
    assert shape is not None
    # Biases and norms of heads are left out.
    assert shape.num_parameters == pytest.approx(sum(p.numel() for p in model.parameters()), rel=0.015)


def test_a_model_of_experts_or_without_the_usual_fields_has_no_shape():
    assert published_shape({"model_type": "mixtral", "num_local_experts": 8}) is None
    assert published_shape({"model_type": "gpt2", "n_embd": 768}) is None


def test_weights_gradients_and_moments_take_what_the_recipe_says():
    shape = KNOWN["LLaMA 7B"]
    for name, bytes_per_parameter in {
        "bf16": 4 + 4 + 8,
        "pure-bf16": 2 + 2 + 8,
        "pure-bf16, 8-bit state": 6.03125,
    }.items():
        memory = estimate(shape, recipes(STEPS)[name], 512)
        held = memory.weights_bytes + memory.gradients_bytes + memory.optimizer_bytes
        assert held == pytest.approx(bytes_per_parameter * shape.num_parameters)


def test_adapters_alone_have_gradients_and_moments():
    lora = LoraConfig(rank=8, targets=("q_proj", "v_proj"), embeddings=False)
    shape = KNOWN["LLaMA 8B"]
    memory = estimate(shape, STEPS.model_copy(update={"lora": lora}), 512)
    num_adapted = 32 * 8 * (4096 + 4096 + 4096 + 1024)
    assert memory.gradients_bytes == 4 * num_adapted
    assert memory.optimizer_bytes == 8 * num_adapted


def test_a_frozen_table_has_no_gradient_and_none_on_its_way():
    frozen = GroupConfig(frozen=True)
    groups = GroupsConfig(old_rows=frozen, new_rows=frozen, old_head_rows=frozen, new_head_rows=frozen)
    shape = KNOWN["LLaMA 8B"]
    trained, without = (estimate(shape, each, 512) for each in (STEPS, STEPS.model_copy(update={"groups": groups})))
    tables = shape.num_pieces * shape.row_parameters
    assert trained.gradients_bytes - without.gradients_bytes == 4 * tables
    assert without.loss_bytes < trained.loss_bytes


shapes = st.builds(
    DecoderShape,
    width=st.sampled_from([64, 256, 2048]),
    num_layers=st.integers(1, 40),
    num_heads=st.sampled_from([8, 16]),
    num_key_value_heads=st.sampled_from([2, 8]),
    head_width=st.sampled_from([32, 128]),
    feed_forward_width=st.sampled_from([128, 4096]),
    num_pieces=st.sampled_from([1_000, 128_000]),
    tied=st.booleans(),
    gated=st.booleans(),
)


@given(shapes, st.integers(10**8, 10**11), st.sampled_from(ACTIVATIONS), st.sampled_from([1, 8]))
def test_the_largest_micro_batch_fits_and_one_row_more_does_not(
    shape: DecoderShape, capacity_bytes: int, activations: Activations, num_processes: int
):
    place = Place("cuda", num_processes)

    def total(tokens: int) -> int:
        return estimate(shape, STEPS, tokens, activations, place).total_bytes

    tokens = largest_micro_batch(shape, STEPS, capacity_bytes, activations, place)
    if tokens is None:
        assert total(STEPS.row_tokens) > capacity_bytes
    else:
        assert total(tokens) <= capacity_bytes
        assert tokens == 2**20 or total(tokens + STEPS.row_tokens) > capacity_bytes


@pytest.mark.parametrize("name", KNOWN)
def test_keeping_less_and_sharding_take_less(name: str):
    keep, selective, recompute = (estimate(KNOWN[name], STEPS, 8192, each).activations_bytes for each in ACTIVATIONS)
    assert recompute < selective < keep
    alone, eight = (estimate(KNOWN[name], STEPS, 8192, place=Place("cuda", number)) for number in (1, 8))
    assert eight.total_bytes < alone.total_bytes
    for part in ("weights_bytes", "gradients_bytes", "optimizer_bytes"):
        assert getattr(eight, part) == pytest.approx(getattr(alone, part) / 8)


def test_activations_are_recomputed_only_as_far_as_memory_asks():
    shape = KNOWN["LLaMA 1B"]
    for wanted in ACTIVATIONS:
        capacity = estimate(shape, STEPS, 8192, wanted).total_bytes
        assert activations_that_fit(shape, STEPS, capacity, 8192) == wanted
    assert activations_that_fit(shape, STEPS, 1e9, 8192) == "recompute"


def test_the_studys_own_recipe_comes_first_and_adapters_are_never_swapped_for_full_training():
    own = StepsConfig(peak_learning_rate=1e-4, precision="float8", optimizer_state="8-bit")
    assert next(iter(recipes(own).values())) == own
    adapted = recipes(own.model_copy(update={"lora": LoraConfig(rank=4)}))
    assert all(steps.lora is not None and steps.lora.rank == 4 for steps in adapted.values())


def test_a_7b_model_trains_on_a_24_gb_card_with_adapters_only():
    fits = [fit for fit in fitting(KNOWN["LLaMA 7B"], STEPS, 24e9) if fit.micro_batch_tokens]
    assert fits
    assert all(fit.steps.lora is not None for fit in fits)


def test_the_estimate_needs_no_torch():
    code = "import sys, loanword.model.memory; assert not {'torch', 'transformers'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
