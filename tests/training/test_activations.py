"""Activations kept or computed again: the same bits, in fewer bytes."""

import pytest
import torch
from torch import Tensor
from torch.autograd.profiler import profile
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import PreTrainedModel

from loanword.model.attention import documents_of, packed_attention
from loanword.training.activations import Activations, keep_activations
from tests.model.families import NUM_PIECES, small_model

ROW_TOKENS = 48
DOCUMENTS = documents_of([(0, 9, 30), (0, 25)], ROW_TOKENS)
FAMILIES = ("llama", "qwen 3", "gemma 2")
CHEAPER: tuple[Activations, ...] = ("selective", "recompute")


def forward(model: PreTrainedModel) -> Tensor:
    ids_BT = torch.arange(2 * ROW_TOKENS).view(2, ROW_TOKENS) * 7 % NUM_PIECES
    hidden_BTD = model.base_model(
        input_ids=ids_BT, position_ids=DOCUMENTS.position_ids_BT, use_cache=False, documents=DOCUMENTS
    ).last_hidden_state
    return hidden_BTD.square().sum()


def gradients(model: PreTrainedModel) -> dict[str, Tensor]:
    with packed_attention(model):
        forward(model).backward()
    return {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}


def kept_bytes(model: PreTrainedModel) -> int:
    with packed_attention(model), profile(profile_memory=True) as profiled:
        loss = forward(model)
    assert loss.requires_grad
    assert profiled is not None
    return sum(event.self_cpu_memory_usage for event in profiled.key_averages())


class Products(TorchDispatchMode):
    """Counts matrix products and attentions."""

    num_products = 0

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        name = operator.overloadpacket.__name__
        if name in ("mm", "addmm", "bmm") or (name.startswith("_scaled_dot_product") and "backward" not in name):
            self.num_products += 1
        return operator(*args, **(kwargs or {}))


def num_products(model: PreTrainedModel) -> int:
    with packed_attention(model), Products() as products:
        forward(model).backward()
    return products.num_products


@pytest.mark.parametrize("activations", CHEAPER)
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("bf16", [False, True])
def test_gradients_are_the_same_to_the_bit(family: str, activations: Activations, bf16: bool) -> None:
    exact, cheaper = small_model(family), small_model(family)
    keep_activations(cheaper, activations)
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        expected, found = gradients(exact), gradients(cheaper)
    assert list(found) == list(expected) and list(cheaper.state_dict()) == list(exact.state_dict())
    for name, gradient in expected.items():
        assert torch.equal(found[name], gradient), name


def test_each_setting_keeps_less_than_the_one_before() -> None:
    models = [small_model("llama") for _ in range(3)]
    for model, activations in zip(models, ("keep", "selective", "recompute"), strict=True):
        keep_activations(model, activations)
    keep, selective, recompute = (kept_bytes(model) for model in models)
    assert recompute < 0.5 * selective and selective < 0.7 * keep


def test_selective_takes_no_product_twice() -> None:
    models = [small_model("llama") for _ in range(3)]
    keep_activations(models[1], "selective")
    keep_activations(models[2], "recompute")
    keep, selective, recompute = (num_products(model) for model in models)
    # Seven matrix products and one attention in each of two layers; the last product's output is asked for by nobody.
    assert selective == keep and keep < recompute <= keep + 2 * 8


def test_a_probe_without_gradients_sees_the_same_model() -> None:
    exact, cheaper = small_model("llama"), small_model("llama")
    keep_activations(cheaper, "recompute")
    with torch.no_grad(), packed_attention(exact), packed_attention(cheaper):
        assert torch.equal(forward(exact), forward(cheaper))


def test_nothing_is_drawn_from_the_global_generator() -> None:
    model = small_model("llama")
    keep_activations(model, "recompute")
    before = torch.get_rng_state()
    gradients(model)
    assert torch.equal(torch.get_rng_state(), before)
