"""The chunked loss is the plain one, gradients of rare rows included."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import LlamaConfig, LlamaForCausalLM

from loanword.errors import UserError
from loanword.training.loss import CHUNK_LOGITS, linear_cross_entropy, output_head

WIDTH, NUM_PIECES, NUM_NEW = 24, 4096, 500
NUM_TOKENS = 2 * (CHUNK_LOGITS["cpu"] // NUM_PIECES) + 77  # two whole chunks and a part


def problem() -> tuple[Tensor, Tensor, Tensor]:
    random = torch.Generator().manual_seed(0)
    hidden_ND = torch.randn(NUM_TOKENS, WIDTH, generator=random)
    head_VD = torch.randn(NUM_PIECES, WIDTH, generator=random)
    # Confident predictions leave rows that never occur gradients of 1e-12 and less.
    labels_N = (hidden_ND @ head_VD[:-NUM_NEW].T).argmax(1)
    labels_N[torch.randperm(NUM_TOKENS, generator=random)[:200]] = -100
    return hidden_ND * 3, head_VD, labels_N


def plain(hidden_ND: Tensor, head_VD: Tensor, labels_N: Tensor) -> Tensor:
    return cross_entropy((hidden_ND @ head_VD.T).float(), labels_N, reduction="sum", ignore_index=-100)


def with_gradients(loss, hidden_ND: Tensor, head_VD: Tensor, labels_N: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    hidden_ND, head_VD = hidden_ND.clone().requires_grad_(), head_VD.clone().requires_grad_()
    nats = loss(hidden_ND, head_VD, labels_N)
    (nats / 7).backward()
    assert hidden_ND.grad is not None and head_VD.grad is not None
    return nats.detach(), hidden_ND.grad, head_VD.grad


def test_loss_and_gradients_are_those_of_plain_float32() -> None:
    given = problem()
    ours, theirs = with_gradients(linear_cross_entropy, *given), with_gradients(plain, *given)
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-5)


def test_rows_of_pieces_that_never_occur_keep_their_small_gradients() -> None:
    hidden_ND, head_VD, labels_N = problem()
    _, _, ours_VD = with_gradients(linear_cross_entropy, hidden_ND, head_VD, labels_N)
    _, _, exact_VD = with_gradients(plain, hidden_ND.double(), head_VD.double(), labels_N)
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


def test_nothing_counted_is_no_loss_and_no_gradient() -> None:
    hidden_ND, head_VD, labels_N = problem()
    nats, grad_ND, grad_VD = with_gradients(linear_cross_entropy, hidden_ND, head_VD, torch.full_like(labels_N, -100))
    assert float(nats) == 0.0 and not grad_ND.any() and not grad_VD.any()


def test_without_gradients_the_loss_is_the_same() -> None:
    given = problem()
    with torch.no_grad():
        alone = linear_cross_entropy(*given)
    assert torch.equal(alone, with_gradients(linear_cross_entropy, *given)[0])


def test_a_frozen_head_gets_no_gradient() -> None:
    hidden_ND, head_VD, labels_N = problem()
    hidden_ND.requires_grad_()
    linear_cross_entropy(hidden_ND, head_VD, labels_N).backward()
    assert hidden_ND.grad is not None and head_VD.grad is None


def test_a_head_that_does_more_than_a_product_is_refused() -> None:
    model = LlamaForCausalLM(LlamaConfig(vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=1))
    assert output_head(model) is model.lm_head.weight
    model.config.final_logit_softcapping = 30.0
    with pytest.raises(UserError, match="its output head has final_logit_softcapping"):
        output_head(model)
