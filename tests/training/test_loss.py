"""The chunked loss is the plain one, gradients of rare rows included, for every head that models have."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import (
    CohereConfig,
    CohereForCausalLM,
    Gemma2Config,
    Gemma2ForCausalLM,
    GraniteConfig,
    GraniteForCausalLM,
    HyperCLOVAXConfig,
    HyperCLOVAXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PhiConfig,
    PhiForCausalLM,
    PreTrainedModel,
)

from loanword.errors import UserError
from loanword.model.memory import CHUNK_LOGITS
from loanword.training.loss import Head, check_head, linear_cross_entropy, output_head

WIDTH, NUM_PIECES, NUM_NEW = 24, 4096, 500
NUM_TOKENS = 2 * (CHUNK_LOGITS["cpu"] // NUM_PIECES) + 77  # two whole chunks and a part

Loss = Callable[[Tensor, Head, Tensor], Tensor]
Problem = tuple[Tensor, Head, Tensor]


def problem() -> Problem:
    random = torch.Generator().manual_seed(0)
    hidden_ND = torch.randn(NUM_TOKENS, WIDTH, generator=random)
    head_VD = torch.randn(NUM_PIECES, WIDTH, generator=random)
    # Confident predictions leave rows that never occur gradients of 1e-12 and less.
    labels_N = (hidden_ND @ head_VD[:-NUM_NEW].T).argmax(1)
    labels_N[torch.randperm(NUM_TOKENS, generator=random)[:200]] = -100
    return hidden_ND * 3, Head(head_VD), labels_N


def bias() -> Tensor:
    return torch.randn(NUM_PIECES, generator=torch.Generator().manual_seed(1))


HEADS: dict[str, dict] = {
    "matrix": {},
    "bias": {"bias_V": bias()},
    "scale": {"scale": 0.3},
    "softcap": {"softcap": 20.0},
    "all": {"bias_V": bias(), "scale": 1.7, "softcap": 30.0},
}


def plain(hidden_ND: Tensor, head: Head, labels_N: Tensor) -> Tensor:
    logits_NV = hidden_ND @ head.weight_VD.T
    if head.bias_V is not None:
        logits_NV = logits_NV + head.bias_V
    logits_NV = logits_NV * head.scale
    if head.softcap is not None:
        logits_NV = torch.tanh(logits_NV / head.softcap) * head.softcap
    logits_NV = logits_NV if logits_NV.dtype == torch.float64 else logits_NV.float()
    return cross_entropy(logits_NV, labels_N, reduction="sum", ignore_index=-100)


def with_gradients(loss: Loss, hidden_ND: Tensor, head: Head, labels_N: Tensor) -> list[Tensor]:
    """Loss, and a seventh of its gradients: of hidden states, weight and, where there is one, bias."""
    tensors = [hidden_ND, head.weight_VD, *([] if head.bias_V is None else [head.bias_V])]
    leaves = [tensor.clone().requires_grad_() for tensor in tensors]
    nats = loss(leaves[0], head._replace(weight_VD=leaves[1], bias_V=leaves[2] if leaves[2:] else None), labels_N)
    (nats / 7).backward()
    assert all(leaf.grad is not None for leaf in leaves)
    return [nats.detach(), *(leaf.grad for leaf in leaves if leaf.grad is not None)]


def doubled(given: Problem) -> Problem:
    hidden_ND, head, labels_N = given
    bias_V = None if head.bias_V is None else head.bias_V.double()
    return hidden_ND.double(), head._replace(weight_VD=head.weight_VD.double(), bias_V=bias_V), labels_N


@pytest.mark.parametrize("kind", HEADS)
def test_loss_and_gradients_are_those_of_plain_float32(kind: str) -> None:
    hidden_ND, head, labels_N = problem()
    given = hidden_ND, head._replace(**HEADS[kind]), labels_N
    ours, exact = with_gradients(linear_cross_entropy, *given), with_gradients(plain, *doubled(given))
    for mine, other in zip(ours, exact, strict=True):
        assert mine.dtype == torch.float32
        torch.testing.assert_close(mine.double(), other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", HEADS)
def test_rows_of_pieces_that_never_occur_keep_their_small_gradients(kind: str) -> None:
    hidden_ND, head, labels_N = problem()
    given = hidden_ND, head._replace(**HEADS[kind]), labels_N
    ours_VD = with_gradients(linear_cross_entropy, *given)[2]
    exact_VD = with_gradients(plain, *doubled(given))[2]
    error_V = (ours_VD.double() - exact_VD).norm(dim=1)[-NUM_NEW:]
    assert bool((exact_VD.norm(dim=1)[-NUM_NEW:] > 0).all())
    assert bool((error_V <= 1e-4 * exact_VD.norm(dim=1)[-NUM_NEW:]).all())


def test_bf16_products_are_no_further_from_float32_than_plain_bf16() -> None:
    given = problem()
    exact = with_gradients(plain, *given)
    with torch.autocast("cpu", torch.bfloat16):
        ours, theirs = with_gradients(linear_cross_entropy, *given), with_gradients(plain, *given)
    for mine, other, wanted in zip(ours, theirs, exact, strict=True):
        assert mine.dtype == torch.float32
        assert float((mine - wanted).norm()) <= 1.1 * float((other - wanted).norm()) <= 0.1 * float(wanted.norm())


def test_a_bf16_head_gets_a_bf16_gradient_and_a_float32_loss() -> None:
    hidden_ND, head, labels_N = problem()
    given = hidden_ND.bfloat16(), head._replace(weight_VD=head.weight_VD.bfloat16()), labels_N
    nats, grad_ND, grad_VD = with_gradients(linear_cross_entropy, *given)
    exact = with_gradients(plain, *doubled(given))
    assert (nats.dtype, grad_ND.dtype, grad_VD.dtype) == (torch.float32, torch.bfloat16, torch.bfloat16)
    assert float((grad_VD.double() - exact[2]).norm()) <= 0.1 * float(exact[2].norm())


def test_a_large_loss_is_finite_and_exact() -> None:
    hidden_ND = torch.tensor([[1.0], [1.0]])
    head = Head(torch.tensor([[0.0], [300.0], [-300.0]]))
    nats, *_ = with_gradients(linear_cross_entropy, hidden_ND, head, torch.tensor([2, 1]))
    assert float(nats) == 600.0


def test_nothing_counted_is_no_loss_and_no_gradient() -> None:
    hidden_ND, head, labels_N = problem()
    nats, grad_ND, grad_VD = with_gradients(linear_cross_entropy, hidden_ND, head, torch.full_like(labels_N, -100))
    assert float(nats) == 0.0 and not grad_ND.any() and not grad_VD.any()


def test_without_gradients_the_loss_is_the_same() -> None:
    given = problem()
    with torch.no_grad():
        alone = linear_cross_entropy(*given)
    assert torch.equal(alone, with_gradients(linear_cross_entropy, *given)[0])


def test_a_frozen_head_gets_no_gradient_and_costs_none() -> None:
    hidden_ND, head, labels_N = problem()
    hidden_ND.requires_grad_()
    with torch.profiler.profile() as products:
        linear_cross_entropy(hidden_ND, head, labels_N).backward()
    assert hidden_ND.grad is not None and head.weight_VD.grad is None
    assert "aten::addmm_" not in {event.key for event in products.key_averages()}


def test_hidden_states_that_need_no_gradient_leave_the_heads_as_it_was() -> None:
    hidden_ND, head, labels_N = problem()
    weight_VD = head.weight_VD.clone().requires_grad_()
    (linear_cross_entropy(hidden_ND, Head(weight_VD), labels_N) / 7).backward()
    assert weight_VD.grad is not None
    assert torch.equal(weight_VD.grad, with_gradients(linear_cross_entropy, hidden_ND, head, labels_N)[2])


SMALL: dict[str, Any] = {
    "vocab_size": 40,
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}


def model(kind: str) -> PreTrainedModel:
    torch.manual_seed(0)
    made: dict[str, Callable[[], PreTrainedModel]] = {
        "llama": lambda: LlamaForCausalLM(LlamaConfig(**SMALL)),
        "granite": lambda: GraniteForCausalLM(GraniteConfig(**SMALL, logits_scaling=8.0, embedding_multiplier=12.0)),
        "cohere": lambda: CohereForCausalLM(CohereConfig(**SMALL, logit_scale=0.0625)),
        "hyperclovax": lambda: HyperCLOVAXForCausalLM(HyperCLOVAXConfig(**SMALL, logits_scaling=0.125)),
        "gemma2": lambda: Gemma2ForCausalLM(Gemma2Config(**SMALL, head_dim=8, final_logit_softcapping=30.0)),
        "phi": lambda: PhiForCausalLM(PhiConfig(**SMALL)),
    }
    made_model = made[kind]().eval()
    with torch.no_grad():
        for parameter in made_model.parameters():
            parameter.normal_(std=0.3)
    return made_model


@pytest.mark.parametrize("kind", ["llama", "granite", "hyperclovax", "cohere", "gemma2", "phi"])
def test_a_models_loss_and_gradients_are_its_own(kind: str) -> None:
    ours, theirs = model(kind), model(kind)
    ids_BT = torch.arange(24).view(2, 12)
    check_head(ours)
    hidden_ND = ours.base_model(input_ids=ids_BT, use_cache=False).last_hidden_state[:, :-1].flatten(0, 1)
    nats = linear_cross_entropy(hidden_ND, output_head(ours), ids_BT[:, 1:].flatten())
    logits_NV = theirs(input_ids=ids_BT, use_cache=False).logits[:, :-1].flatten(0, 1)
    wanted = cross_entropy(logits_NV, ids_BT[:, 1:].flatten(), reduction="sum")
    nats.backward()
    wanted.backward()
    torch.testing.assert_close(nats, wanted, rtol=1e-5, atol=1e-5)
    for (name, mine), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert mine.grad is not None and other.grad is not None, name
        torch.testing.assert_close(mine.grad, other.grad, rtol=1e-3, atol=1e-5, msg=name)


@pytest.mark.parametrize("setting", ["final_logit_softcapping", "logits_scaling", "logit_scale"])
def test_a_setting_that_the_models_class_does_not_obey_is_refused(setting: str) -> None:
    small = model("llama")
    setattr(small.config, setting, 30.0)
    with pytest.raises(UserError, match="model of type llama - its logits are not what its output head"):
        check_head(small)


def test_a_model_that_does_more_than_its_config_says_is_refused() -> None:
    small = model("llama")
    small.lm_head.register_forward_hook(lambda _module, _given, logits_BTV: 30.0 * torch.tanh(logits_BTV / 30.0))
    with pytest.raises(UserError, match="model of type llama - its logits are not what its output head"):
        check_head(small)


def test_checking_a_head_leaves_the_model_as_it_was() -> None:
    small = model("gemma2")
    ids_BT = torch.arange(8)[None]
    before = small(input_ids=ids_BT).logits
    check_head(small)
    assert torch.equal(small(input_ids=ids_BT).logits, before)
