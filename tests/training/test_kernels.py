"""A kernel trains a model here only if it is as exact as our own loss."""

import pytest
import torch
from torch import Tensor

from loanword.training.kernels import (
    Kernel,
    Loss,
    best_loss,
    first_exact,
    liger_cross_entropy,
    plain_cross_entropy,
    reason_against,
    torch_cross_entropy,
)
from loanword.training.loss import Head, linear_cross_entropy

CPU = torch.device("cpu")
WIDTH = 64
FLOAT32 = Head(torch.zeros(10, WIDTH))
BF16 = Head(torch.zeros(10, WIDTH, dtype=torch.bfloat16))
KINDS = {"float32": (FLOAT32, torch.float32), "autocast": (FLOAT32, torch.bfloat16), "bf16": (BF16, torch.bfloat16)}
HEADS: dict[str, dict] = {
    "matrix": {},
    "bias": {"bias_V": torch.zeros(10)},
    "softcap": {"softcap": 30.0},
    "scale": {"scale": 0.06},
}
PAIRS = [*((kind, "matrix") for kind in KINDS), *(("float32", extras) for extras in HEADS), ("bf16", "bias")]


class _Filtered(torch.autograd.Function):
    """The logits; their gradients are dropped where they are small, as cut-cross-entropy does by default."""

    @staticmethod
    def forward(ctx, logits_NV: Tensor, least: float) -> Tensor:
        ctx.least = least
        return logits_NV.clone()

    @staticmethod
    def backward(ctx, grad_NV: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return torch.where(grad_NV.abs() < ctx.least, 0.0, grad_NV), None


def head_of(kind: str, extras: str) -> tuple[Head, torch.dtype]:
    head, products = KINDS[kind]
    head = head._replace(**HEADS[extras])
    bias_V = None if head.bias_V is None else head.bias_V.to(head.weight_VD.dtype)
    return head._replace(bias_V=bias_V), products


def changed(change) -> Loss:
    """The plain loss of logits to which something is done; the softmax is in float32."""

    def loss(hidden_ND: Tensor, head: Head, labels_N: Tensor) -> Tensor:
        logits_NV = head.scale * torch.nn.functional.linear(hidden_ND, head.weight_VD, head.bias_V)
        logits_NV = logits_NV if head.softcap is None else head.softcap * (logits_NV / head.softcap).tanh()
        return torch.nn.functional.cross_entropy(change(logits_NV).float(), labels_N, reduction="sum")

    return loss


def rounding(hidden_ND: Tensor, head: Head, labels_N: Tensor) -> Tensor:
    """Exact, but for a head that is rounded to bf16."""
    return linear_cross_entropy(hidden_ND, head._replace(weight_VD=head.weight_VD.bfloat16().float()), labels_N)


def first_tokens(hidden_ND: Tensor, head: Head, labels_N: Tensor) -> Tensor:
    """The loss without the last of the tokens."""
    return linear_cross_entropy(hidden_ND[:-1], head, labels_N[:-1])


def uncapped(hidden_ND: Tensor, head: Head, labels_N: Tensor) -> Tensor:
    return linear_cross_entropy(hidden_ND, head._replace(softcap=None), labels_N)


def frozen(hidden_ND: Tensor, head: Head, labels_N: Tensor) -> Tensor:
    """The loss, which leaves the gradients of the last rows out."""
    weight_VD = torch.cat([head.weight_VD[:-512], head.weight_VD[-512:].detach()])
    return linear_cross_entropy(hidden_ND, head._replace(weight_VD=weight_VD), labels_N)


def poisoned(hidden_ND: Tensor, head: Head, labels_N: Tensor) -> Tensor:
    """The exact loss, whose gradient of the head is not a number."""
    weight_VD = head.weight_VD * 1.0
    weight_VD.register_hook(lambda grad_VD: grad_VD * torch.nan)
    return linear_cross_entropy(hidden_ND, head._replace(weight_VD=weight_VD), labels_N)


def broken(hidden_ND: Tensor, head: Head, labels_N: Tensor) -> Tensor:
    raise RuntimeError("no such instruction\non this device")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("least", [2**-12, 1e-5])
def test_a_kernel_that_drops_small_gradients_is_refused_for_its_rare_rows(kind: str, least: float) -> None:
    head, products = KINDS[kind]
    reason = reason_against(changed(lambda logits_NV: _Filtered.apply(logits_NV, least)), head, CPU, products)
    assert reason is not None and reason.startswith("the gradient of rare rows is off by")


@pytest.mark.parametrize(("kind", "extras"), PAIRS)
def test_an_exact_kernel_passes_for_every_head_and_precision(kind: str, extras: str) -> None:
    head, products = head_of(kind, extras)
    for loss in (changed(lambda logits_NV: logits_NV), linear_cross_entropy):
        assert reason_against(loss, head, CPU, products) is None


WRONG: dict[str, Loss] = {
    "rounds the head": rounding,
    "forgets a token": first_tokens,
    "logits a thousandth too large": changed(lambda logits_NV: 1.001 * logits_NV),
    "not a number": changed(lambda logits_NV: logits_NV * torch.nan),
    "a gradient that is not a number": poisoned,
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_kernel_that_is_not_exact_is_refused(kind: str) -> None:
    reason = reason_against(WRONG[kind], FLOAT32, CPU, torch.float32)
    assert reason is not None and " is off by " in reason


def test_a_kernel_that_leaves_new_rows_out_is_refused_for_them() -> None:
    reason = reason_against(frozen, FLOAT32, CPU, torch.float32)
    assert reason is not None and reason.startswith("the gradient of rare rows is off by 1.0e+00")


def test_the_softcap_and_the_bias_are_part_of_the_gate() -> None:
    assert reason_against(uncapped, FLOAT32._replace(softcap=30.0), CPU, torch.float32) is not None
    biased = FLOAT32._replace(bias_V=torch.zeros(10))
    unbiased = changed(lambda logits_NV: logits_NV - logits_NV.detach().mean(0))
    assert reason_against(unbiased, biased, CPU, torch.float32) is not None


def test_a_refused_kernel_is_named_and_the_next_one_is_taken() -> None:
    said: list[str] = []
    kernels = [
        Kernel("Filter", changed(lambda logits_NV: _Filtered.apply(logits_NV, 2**-12))),
        Kernel("Broken", broken),
        Kernel("Plain", plain_cross_entropy),
    ]
    assert first_exact(kernels, FLOAT32, CPU, torch.float32, said.append) is plain_cross_entropy
    assert said[0].startswith("the loss of Filter is not used: the gradient of rare rows is off by")
    assert (
        said[1]
        == "the loss of Broken is not used: it gave no result (RuntimeError: no such instruction on this device)"
    )
    assert first_exact(kernels[:2], FLOAT32, CPU, torch.float32, said.append) is linear_cross_entropy


def test_a_capped_head_goes_only_to_kernels_that_can_cap() -> None:
    said: list[str] = []
    kernels = [Kernel("Capless", broken, caps=False), Kernel("Plain", plain_cross_entropy)]
    chosen = first_exact(kernels, FLOAT32._replace(softcap=30.0), CPU, torch.float32, said.append)
    assert chosen is plain_cross_entropy and not said


def test_a_processor_takes_our_own_loss_and_says_nothing() -> None:
    said: list[str] = []
    assert best_loss(FLOAT32, CPU, torch.float32, said.append) is linear_cross_entropy
    assert not said


@pytest.mark.parametrize("extras", ["matrix", "bias", "scale"])
def test_torchs_own_loss_is_exact_in_float32_and_rounds_the_loss_in_bf16(extras: str) -> None:
    assert reason_against(torch_cross_entropy, FLOAT32._replace(**HEADS[extras]), CPU, torch.float32) is None
    reason = reason_against(torch_cross_entropy, FLOAT32._replace(**HEADS[extras]), CPU, torch.bfloat16)
    assert reason == "it gave no result (RuntimeError: the loss comes in torch.bfloat16)"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="Liger's kernels need a GPU")
@pytest.mark.parametrize(("kind", "extras"), PAIRS)
def test_ligers_loss_is_exact_on_a_gpu(kind: str, extras: str) -> None:
    pytest.importorskip("liger_kernel")
    head, products = head_of(kind, extras)
    assert reason_against(liger_cross_entropy, head, torch.device("cuda"), products) is None
