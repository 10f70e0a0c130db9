"""The fastest loss that is exact here: kernels of others where they pass a parity gate, ours where none does.

Which kernels are tried is decided by the device and never by timing, so that equal machines train alike. The gate is
a small random problem at start-up, in the dtypes of the run: loss, gradients of hidden states and of the head, and
apart from these the gradients of rows that no label names, which a kernel that drops small gradients would starve.

Shapes: N tokens, D width, V vocabulary.
"""

import importlib.util
import math
import subprocess
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from loanword.model.memory import CHUNK_LOGITS
from loanword.protocols import Say
from loanword.training.loss import Head, counted, linear_cross_entropy, product_kind, scaled

Loss = Callable[[Tensor, Head, Tensor], Tensor]
"""`loss(hidden_ND, head, labels_N)` is the sum of -log p(label) over counted labels in nats, shape ()."""

TOLERANCE = 4.0
"""A kernel's error may be this many times that of the plain loss with products in the same precision."""

LEAST_ERROR = {torch.float32: 2e-6, torch.bfloat16: 2e-3}
"""Shares up to here pass always: an error of one number can be zero by chance."""

NUM_TOKENS, NUM_ROWS, NUM_RARE_ROWS, MAX_WIDTH = 256, 2048, 512, 128
"""The gate's problem. Kernels that accumulate in pieces take these tokens in 16 pieces or more."""

BROKEN: tuple[type[Exception], ...] = (RuntimeError, ImportError, OSError, subprocess.SubprocessError)
"""Raised by kernels that this machine cannot compile or run, Triton's own errors apart."""


class Kernel(NamedTuple):
    """A loss under the name that users know it by, and whether it is able to do softcaps."""

    name: str
    loss: Loss
    caps: bool = True


def best_loss(head: Head, device: torch.device, kind: torch.dtype, say: Say) -> Loss:
    """The loss to train with, for a head like `head` and products in `kind`; `say` hears of refused kernels.

    On a GPU Liger's, else torch's own, else ours. Elsewhere ours: on a processor it was the fastest at every size that
    was measured (docs/performance.md).
    """
    return first_exact(_gpu_kernels() if device.type == "cuda" else (), head, device, kind, say)


def first_exact(kernels: Sequence[Kernel], head: Head, device: torch.device, kind: torch.dtype, say: Say) -> Loss:
    """The first of `kernels` that passes the gate, or our own loss; `say` hears why another was refused."""
    for kernel in kernels:
        if head.softcap is not None and not kernel.caps:
            continue
        reason = reason_against(kernel.loss, head, device, kind)
        if reason is None:
            return kernel.loss
        say(f"the loss of {kernel.name} is not used: {reason}")
    return linear_cross_entropy


def reason_against(loss: Loss, head: Head, device: torch.device, kind: torch.dtype) -> str | None:
    """Why `loss` is not exact enough to train with, in words; None where it is."""
    problem = _problem(head, device)
    with torch.autocast(device.type, kind, enabled=kind != head.weight_VD.dtype):
        plain = _errors(plain_cross_entropy, *problem)
        try:
            errors = _errors(loss, *problem)
        except _broken() as error:
            return f"it gave no result ({type(error).__name__}: {' '.join(str(error).split())[:200]})"
    limits = {what: max(LEAST_ERROR[kind], TOLERANCE * error) for what, error in plain.items()}
    what = max(limits, key=lambda what: _over(errors[what], limits[what]))
    if _over(errors[what], limits[what]) <= 1.0:
        return None
    return f"{what} is off by {errors[what]:.1e} of itself on a small problem, more than {limits[what]:.1e}"


def _over(error: float, limit: float) -> float:
    return error / limit if math.isfinite(error) else math.inf


def _problem(head: Head, device: torch.device) -> tuple[Tensor, Head, Tensor]:
    """Hidden states, a small head of the kind of `head`, and labels, none of which is one of the last rows.

    Logits are about 9 at the label, -12 in the last rows and 0 elsewhere, whatever width and scale are: losses of a
    nat or so, and rare rows that live on probabilities of 1e-9.
    """
    random = torch.Generator().manual_seed(0)
    width = min(head.weight_VD.shape[1], MAX_WIDTH)
    weight_VD = torch.randn(NUM_ROWS, width, generator=random)
    labels_N = torch.randint(NUM_ROWS - NUM_RARE_ROWS, (NUM_TOKENS,), generator=random)
    hidden_ND = 9.0 * weight_VD[labels_N] / width + 2.0 * torch.randn(NUM_TOKENS, width, generator=random) / width**0.5
    hidden_ND[:, 0], weight_VD[:, 0], weight_VD[-NUM_RARE_ROWS:, 0] = 1.0, 0.0, -12.0
    hidden_ND /= head.scale
    labels_N[::16] = -100
    bias_V = None if head.bias_V is None else torch.randn(NUM_ROWS, generator=random).to(device, head.bias_V.dtype)
    small = head._replace(weight_VD=weight_VD.to(device, head.weight_VD.dtype), bias_V=bias_V)
    return hidden_ND.to(device, head.weight_VD.dtype), small, labels_N.to(device)


def _errors(loss: Loss, hidden_ND: Tensor, head: Head, labels_N: Tensor) -> dict[str, float]:
    """How far the loss and its gradients are from those of plain float64, as shares of these."""
    bias_V = None if head.bias_V is None else head.bias_V.double()
    exact = head._replace(weight_VD=head.weight_VD.double(), bias_V=bias_V)
    wanted = _with_gradients(plain_cross_entropy, hidden_ND.double(), exact, labels_N)
    given = _with_gradients(loss, hidden_ND, head, labels_N)
    if given[0].dtype != torch.float32:
        raise RuntimeError(f"the loss comes in {given[0].dtype}")
    names = ("the loss", "the gradient of hidden states", "the gradient of the head", "the gradient of the bias")
    errors = {
        name: float((one.double() - other).norm() / other.norm())
        for name, one, other in zip(names, given, wanted, strict=False)
    }
    rare_VD, exact_VD = given[2][-NUM_RARE_ROWS:].double(), wanted[2][-NUM_RARE_ROWS:]
    errors["the gradient of rare rows"] = float(((rare_VD - exact_VD).norm(dim=1) / exact_VD.norm(dim=1)).max())
    return errors


def _with_gradients(loss: Loss, hidden_ND: Tensor, head: Head, labels_N: Tensor) -> tuple[Tensor, ...]:
    """Loss, and gradients of hidden states, weight and bias (where there is one) of a third of it."""
    inputs = [
        tensor.detach().requires_grad_() for tensor in (hidden_ND, head.weight_VD, head.bias_V) if tensor is not None
    ]
    given = head._replace(weight_VD=inputs[1], bias_V=inputs[2] if len(inputs) == 3 else None)
    nats = loss(inputs[0], given, labels_N)
    return nats.detach(), *torch.autograd.grad(nats / 3.0, inputs)


def plain_cross_entropy(hidden_ND: Tensor, head: Head, labels_N: Tensor) -> Tensor:
    """The loss as it is written in textbooks, with the logits of all tokens at once; shape ()."""
    logits_NV = head.scale * functional.linear(hidden_ND, head.weight_VD, head.bias_V)
    if head.softcap is not None:
        logits_NV = head.softcap * (logits_NV / head.softcap).tanh()
    logits_NV = logits_NV.to(torch.promote_types(logits_NV.dtype, torch.float32))
    return functional.cross_entropy(logits_NV, labels_N, reduction="sum", ignore_index=-100)


def _gpu_kernels() -> tuple[Kernel, ...]:
    liger = (Kernel("Liger", liger_cross_entropy),) if importlib.util.find_spec("liger_kernel") else ()
    torch_has_one = hasattr(torch.nn, "LinearCrossEntropyOptions")  # newer than the oldest torch that trains here
    return (*liger, *((Kernel("torch", torch_cross_entropy, caps=False),) if torch_has_one else ()))


def liger_cross_entropy(hidden_ND: Tensor, head: Head, labels_N: Tensor) -> Tensor:
    """Liger's fused loss, the head's gradient accumulated in float32; shape ()."""
    hidden_ND, labels_N = counted(hidden_ND, labels_N)
    if not hidden_ND.requires_grad or not len(labels_N):
        # There Liger leaves out the head's gradient, or divides by zero.
        return linear_cross_entropy(hidden_ND, head, labels_N)
    # Importing it compiles for the device at hand, so only who uses it pays.
    from liger_kernel.transformers.functional import liger_fused_linear_cross_entropy  # pyright: ignore[reportMissingImports]

    hidden_ND, head = scaled(hidden_ND, head)
    nats = liger_fused_linear_cross_entropy(
        hidden_ND,
        head.weight_VD,
        labels_N,
        bias=head.bias_V,
        softcap=head.softcap,
        reduction="sum",
        accum_dtype=torch.float32,
        # Under autocast the head is cast for every chunk: few large ones.
        chunk_mem_const=max(1, CHUNK_LOGITS["cuda"] // hidden_ND.numel()),
    )
    assert isinstance(nats, Tensor)
    return nats


def torch_cross_entropy(hidden_ND: Tensor, head: Head, labels_N: Tensor) -> Tensor:
    """Torch's own chunked loss, shape (); in bf16 it rounds the loss and every piece of the head's gradient."""
    hidden_ND, labels_N = counted(hidden_ND, labels_N)
    hidden_ND, head = scaled(hidden_ND, head)
    kind = product_kind(hidden_ND)
    from torch.nn import LinearCrossEntropyOptions

    return functional.linear_cross_entropy(
        hidden_ND.to(kind),
        head.weight_VD.to(kind),
        labels_N,
        linear_bias=None if head.bias_V is None else head.bias_V.to(kind),
        reduction="sum",
        options=LinearCrossEntropyOptions(),
    )


def _broken() -> tuple[type[Exception], ...]:
    """What a kernel raises that this machine cannot compile or run."""
    if importlib.util.find_spec("triton") is None:
        return BROKEN
    from triton.errors import TritonError  # pyright: ignore[reportMissingImports]

    return (*BROKEN, TritonError)
