"""Next-token loss straight from hidden states, never holding the logits of all tokens.

The output head is applied to a few tokens at a time; loss and gradients come out of the same pass. Every gradient is
kept, however small: rows of new and rare pieces live on small ones.

Shapes: N tokens, D width, V vocabulary, C tokens of one chunk, R of them whose logits stay in a core's caches.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers import PreTrainedModel

from loanword.errors import UserError
from loanword.model.embeddings import output_table
from loanword.model.memory import CHUNK_LOGITS, CHUNK_TOKENS

CACHED_LOGITS = 2**18
"""Logits that a processor takes through the softmax together: 1 MB stays in a core's caches."""


class Head(NamedTuple):
    """What turns hidden states into logits: x = scale * (hidden @ weight.T + bias), then softcap * tanh(x / softcap).

    Without a softcap the logits are x.
    """

    weight_VD: Tensor
    bias_V: Tensor | None = None
    scale: float = 1.0
    softcap: float | None = None


def output_head(model: PreTrainedModel) -> Head:
    """The head of `model`, its tensors being the model's own, as its class and config say; see `check_head`."""
    config = model.config.get_text_config()
    scaling = getattr(config, "logits_scaling", None) or 1.0
    # Granite and MiniCPM divide by what HyperCLOVA X multiplies with.
    scale = scaling if config.model_type.startswith("hyperclovax") else 1.0 / scaling
    for name in ("logit_scale", "lm_head_multiplier"):
        scale *= getattr(config, name, None) or 1.0
    softcap = getattr(config, "final_logit_softcapping", None) or getattr(config, "logits_soft_cap", None)
    return Head(output_table(model), getattr(model.get_output_embeddings(), "bias", None), scale, softcap)


@torch.no_grad()
def check_head(model: PreTrainedModel) -> None:
    """Compares the logits that `model` gives for a few ids with those of its `output_head`.

    Raises:
        UserError: they differ: the model does something to its logits that is not known here.
    """
    head = output_head(model)
    ids_BT = torch.arange(min(8, head.weight_VD.shape[0]), device=head.weight_VD.device)[None]
    hidden_BTD = model.base_model(input_ids=ids_BT, use_cache=False).last_hidden_state
    # Logits so large that a cap shows; those of small random weights are too small for that.
    factor = 100.0 / _logits(hidden_BTD, head._replace(softcap=None)).abs().amax().clamp(min=1e-6)

    def enlarge(_module: object, _given: object, output: Any) -> Any:
        output.last_hidden_state = output.last_hidden_state * factor
        return output

    handle = model.base_model.register_forward_hook(enlarge)
    try:
        wanted_BTV = model(input_ids=ids_BT, use_cache=False).logits.float()
    finally:
        handle.remove()
    given_BTV = _logits(hidden_BTD * factor, head)
    # Weights that are not finite are for others to name.
    if given_BTV.shape != wanted_BTV.shape or bool((given_BTV - wanted_BTV).abs().amax() > 2.0):
        raise UserError(
            f"model of type {model.config.model_type}",
            "its logits are not what its output head and its config make of its hidden states",
            expected="hidden states times a matrix, with a bias, logits_scaling, logit_scale or a softcap at most",
            do="choose another base; such heads are not trained here",
        )


def _logits(hidden_BTD: Tensor, head: Head) -> Tensor:
    logits_BTV = torch.nn.functional.linear(hidden_BTD, head.weight_VD, head.bias_V).float() * head.scale
    return logits_BTV if head.softcap is None else head.softcap * (logits_BTV / head.softcap).tanh()


def counted(hidden_ND: Tensor, labels_N: Tensor) -> tuple[Tensor, Tensor]:
    """Hidden states and labels of the tokens whose prediction is counted: those whose label is not -100."""
    kept = (labels_N >= 0).nonzero().squeeze(1)
    if kept.shape[0] == labels_N.shape[0]:
        return hidden_ND, labels_N
    return hidden_ND.index_select(0, kept), labels_N.index_select(0, kept)


def scaled(hidden_ND: Tensor, head: Head) -> tuple[Tensor, Head]:
    """The same logits by a head of scale 1."""
    if head.scale == 1.0:
        return hidden_ND, head
    bias_V = None if head.bias_V is None else head.bias_V * head.scale
    return hidden_ND * head.scale, head._replace(bias_V=bias_V, scale=1.0)


def product_kind(hidden_ND: Tensor) -> torch.dtype:
    """What products with `hidden_ND` are taken in: autocast's precision where it is on."""
    device = hidden_ND.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else hidden_ND.dtype


def linear_cross_entropy(hidden_ND: Tensor, head: Head, labels_N: Tensor) -> Tensor:
    """Sum over counted labels of -log p(label) in nats, shape (); -100 is not counted.

    Products are taken in autocast's precision where it is on; softmax, loss and the head's gradient are in float32.
    """
    hidden_ND, labels_N = counted(hidden_ND, labels_N)
    hidden_ND, head = scaled(hidden_ND, head)
    kind = product_kind(hidden_ND)
    nats = _LinearCrossEntropy.apply(hidden_ND, head.weight_VD, head.bias_V, labels_N, head.softcap, kind)
    assert isinstance(nats, Tensor)
    return nats


class _LinearCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden_ND: Tensor,
        weight_VD: Tensor,
        bias_V: Tensor | None,
        labels_N: Tensor,
        softcap: float | None,
        kind: torch.dtype,
    ) -> Tensor:
        wants_hidden, wants_weight, wants_bias = ctx.needs_input_grad[:3]
        cast_VD = weight_VD.detach().to(kind)
        grad_hidden_ND = torch.empty_like(hidden_ND) if wants_hidden else None
        grad_weight_VD = torch.zeros_like(weight_VD, dtype=torch.float32) if wants_weight else None
        grad_bias_V = torch.zeros_like(bias_V, dtype=torch.float32) if bias_V is not None and wants_bias else None
        nats = hidden_ND.new_zeros((), dtype=torch.float32)
        size = max(CHUNK_TOKENS, CHUNK_LOGITS.get(hidden_ND.device.type, 2**24) // weight_VD.shape[0])
        # One buffer for all chunks: so large a piece of memory costs a page fault every 4 kB when it is new.
        buffer_CV = cast_VD.new_empty((min(size, hidden_ND.shape[0]), weight_VD.shape[0]), dtype=torch.float32)
        for first in range(0, hidden_ND.shape[0], size):
            cast_CD = hidden_ND.detach()[first : first + size].to(kind)
            logits_CV = _product(cast_CD, cast_VD.T, out=buffer_CV[: cast_CD.shape[0]])
            if bias_V is not None:
                logits_CV += bias_V.detach()
            nats += _loss_and_gradient(logits_CV, labels_N[first : first + size], softcap)
            grad_logits_CV = logits_CV.to(kind)
            if grad_hidden_ND is not None:
                grad_hidden_ND[first : first + size] = grad_logits_CV @ cast_VD
            if grad_weight_VD is not None:
                _add_product(grad_weight_VD, grad_logits_CV.T, cast_CD)
            if grad_bias_V is not None:
                grad_bias_V += logits_CV.sum(0)
        ctx.save_for_backward(grad_hidden_ND, grad_weight_VD, grad_bias_V)
        ctx.kinds = (hidden_ND.dtype, weight_VD.dtype, None if bias_V is None else bias_V.dtype)
        return nats

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        # In place: another copy of the head's gradient would be the largest tensor of a small model's step.
        grads = [
            None if tensor is None else tensor.mul_(grad).to(kind)
            for tensor, kind in zip(ctx.saved_tensors, ctx.kinds, strict=True)
        ]
        return *grads, None, None, None


def _loss_and_gradient(logits_CV: Tensor, labels_C: Tensor, softcap: float | None) -> Tensor:
    """Sum of the losses in nats; the logits become its gradient with respect to them as they were before the cap."""
    num_rows = max(1, CACHED_LOGITS // logits_CV.shape[1]) if logits_CV.device.type == "cpu" else logits_CV.shape[0]
    nats = logits_CV.new_zeros(())
    for logits_RV, labels_R in zip(logits_CV.split(num_rows), labels_C.split(num_rows), strict=True):
        slope_RV = None if softcap is None else _cap(logits_RV, softcap)
        labels_R1 = labels_R.unsqueeze(1)
        logits_RV -= logits_RV.amax(1, keepdim=True)
        chosen_R1 = logits_RV.gather(1, labels_R1)
        total_R1 = logits_RV.exp_().sum(1, keepdim=True)
        nats += (total_R1.log() - chosen_R1).sum()
        logits_RV *= total_R1.reciprocal()
        logits_RV.scatter_add_(1, labels_R1, torch.full_like(chosen_R1, -1.0))
        if slope_RV is not None:
            logits_RV *= slope_RV
    return nats


def _cap(logits_RV: Tensor, softcap: float) -> Tensor:
    """Caps the logits in place; their slope with respect to what they were."""
    tanh_RV = (logits_RV / softcap).tanh_()
    torch.mul(tanh_RV, softcap, out=logits_RV)
    return tanh_RV.square_().neg_().add_(1.0)


def _product(left_CD: Tensor, right_DV: Tensor, *, out: Tensor) -> Tensor:
    """The product in float32, written to `out`."""
    if left_CD.dtype == out.dtype:
        return torch.mm(left_CD, right_DV, out=out)
    if left_CD.is_cuda:
        return torch.mm(left_CD, right_DV, out_dtype=out.dtype, out=out)
    return out.copy_(left_CD @ right_DV)


def _add_product(sum_VD: Tensor, left_VC: Tensor, right_CD: Tensor) -> None:
    """Adds the product to a float32 sum, on a GPU without rounding it first."""
    if left_VC.dtype == sum_VD.dtype:
        sum_VD.addmm_(left_VC, right_CD)
    elif left_VC.is_cuda:
        torch.addmm(sum_VD, left_VC, right_CD, out_dtype=sum_VD.dtype, out=sum_VD)
    else:
        sum_VD += left_VC @ right_CD
