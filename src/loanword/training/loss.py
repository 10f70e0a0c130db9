"""Next-token loss straight from hidden states, never holding the logits of all tokens.

The output head is applied to a few tokens at a time; loss and gradients come out of the same pass. Every gradient is
kept, however small: rows of new and rare pieces live on small ones.

Shapes: N tokens, D width, V vocabulary, C tokens of one chunk.
"""

from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from loanword.errors import UserError
from loanword.model.embeddings import output_table

CHUNK_LOGITS = {"cpu": 2**21, "cuda": 2**27}
"""Logits that exist at once: 8 MB stay in a core's caches, 512 MB keep a GPU busy."""


def linear_cross_entropy(hidden_ND: Tensor, head_VD: Tensor, labels_N: Tensor) -> Tensor:
    """Sum over counted labels of -log p(label) in nats, shape (); -100 is not counted.

    Products are taken in autocast's precision where it is on; softmax, loss and the head's gradient are in float32.
    """
    counted = (labels_N >= 0).nonzero().squeeze(1)
    if counted.shape[0] < labels_N.shape[0]:
        hidden_ND, labels_N = hidden_ND.index_select(0, counted), labels_N.index_select(0, counted)
    device = hidden_ND.device.type
    kind = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else hidden_ND.dtype
    chunk = max(1, CHUNK_LOGITS.get(device, 2**24) // head_VD.shape[0])
    nats = _LinearCrossEntropy.apply(hidden_ND, head_VD, labels_N, kind, chunk)
    assert isinstance(nats, Tensor)
    return nats


def output_head(model: PreTrainedModel) -> Tensor:
    """The matrix [V, D] that turns hidden states into logits.

    Raises:
        UserError: a model that does more to its logits than this product.
    """
    config = model.config.get_text_config()
    head = model.get_output_embeddings()
    extras = {
        "a bias": getattr(head, "bias", None) is not None,
        "final_logit_softcapping": bool(getattr(config, "final_logit_softcapping", None)),
        "logits_scaling": getattr(config, "logits_scaling", 1.0) != 1.0,
        "logit_scale": getattr(config, "logit_scale", 1.0) != 1.0,
    }
    if any(extras.values()):
        raise UserError(
            f"model of type {config.model_type}",
            f"its output head has {', '.join(name for name, has in extras.items() if has)}",
            expected="logits that are hidden states times a matrix",
            do="choose another base; such heads are not trained here",
        )
    return output_table(model)


class _LinearCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden_ND: Tensor, head_VD: Tensor, labels_N: Tensor, kind: torch.dtype, chunk: int
    ) -> Tensor:
        wants_hidden, wants_head = ctx.needs_input_grad[:2]
        cast_VD = head_VD.detach().to(kind)
        grad_hidden_ND = torch.empty_like(hidden_ND) if wants_hidden else None
        grad_head_VD = torch.zeros_like(head_VD, dtype=torch.float32) if wants_head else None
        nats = hidden_ND.new_zeros((), dtype=torch.float32)
        for first in range(0, hidden_ND.shape[0], chunk):
            cast_CD = hidden_ND.detach()[first : first + chunk].to(kind)
            logits_CV = (cast_CD @ cast_VD.T).float()
            nats += _losses_and_gradients(logits_CV, labels_N[first : first + chunk]).sum()
            grad_logits_CV = logits_CV.to(kind)
            if grad_hidden_ND is not None:
                grad_hidden_ND[first : first + chunk] = grad_logits_CV @ cast_VD
            if grad_head_VD is not None:
                _add_product(grad_head_VD, grad_logits_CV, cast_CD)
        ctx.save_for_backward(grad_hidden_ND, grad_head_VD)
        ctx.head_kind = head_VD.dtype
        return nats

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        grad_hidden_ND, grad_head_VD = ctx.saved_tensors
        if grad_hidden_ND is not None:
            grad_hidden_ND = grad_hidden_ND * grad
        if grad_head_VD is not None:
            grad_head_VD = (grad_head_VD * grad).to(ctx.head_kind)
        return grad_hidden_ND, grad_head_VD, None, None, None


def _losses_and_gradients(logits_CV: Tensor, labels_C: Tensor) -> Tensor:
    """Losses in nats, [C, 1]; the logits become the gradient of their sum with respect to them."""
    labels_C1 = labels_C.unsqueeze(1)
    highest_C1 = logits_CV.amax(1, keepdim=True)
    chosen_C1 = logits_CV.gather(1, labels_C1)
    total_C1 = logits_CV.sub_(highest_C1).exp_().sum(1, keepdim=True)
    logits_CV.mul_(total_C1.reciprocal())
    logits_CV.scatter_add_(1, labels_C1, torch.full_like(chosen_C1, -1.0))
    return total_C1.log() + highest_C1 - chosen_C1


def _add_product(grad_head_VD: Tensor, grad_logits_CV: Tensor, hidden_CD: Tensor) -> None:
    if grad_logits_CV.dtype == torch.float32:
        grad_head_VD.addmm_(grad_logits_CV.T, hidden_CD)
    else:
        grad_head_VD += grad_logits_CV.T @ hidden_CD
