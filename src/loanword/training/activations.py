"""What of a layer's forward pass is kept for its backward pass.

A layer keeps its names, its hooks and its class; only what its `forward` does is bracketed. So it can be compiled
afterwards, and sharded after that: its parameters are then gathered outside the bracket, once a pass.
"""

from types import MethodType
from typing import Any, Literal

import torch
import torch.nn.attention.varlen  # registers its operator
from torch import nn
from torch._higher_order_ops import flex_attention, inductor_compiled_code
from torch.utils.checkpoint import CheckpointPolicy, checkpoint, create_selective_checkpoint_contexts
from transformers import PreTrainedModel

from loanword.model.layers import decoder_layers

Activations = Literal["keep", "selective", "recompute"]

PRODUCTS = {
    torch.ops.aten.mm,
    torch.ops.aten.addmm,
    torch.ops.aten.bmm,
    torch.ops.aten.baddbmm,
    torch.ops.aten._scaled_mm,
    torch.ops.aten._scaled_dot_product_flash_attention,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu,
    torch.ops.aten._scaled_dot_product_efficient_attention,
    torch.ops.aten._scaled_dot_product_cudnn_attention,
    torch.ops.aten._scaled_dot_product_fused_attention_overrideable,
    torch.ops.torch_attn._varlen_attn,
    flex_attention,
    inductor_compiled_code,  # how a compiled flex_attention looks from outside
}


def keep_activations(model: PreTrainedModel, activations: Activations) -> None:
    """From now on a layer keeps all that its backward pass needs (keep), outputs of matrix products and of attention
    (selective), or its input alone (recompute), and computes the rest again; gradients are the same to the bit.

    Selective computes no product twice; recompute costs a second forward pass. Backward passes belong into the same
    `packed_attention` as their forward passes: what is computed again has to be the same. transformers' own
    checkpointing acts in training mode alone, which would switch dropout on too.
    """
    if activations != "keep":
        for layer in decoder_layers(model):
            layer.forward = MethodType(_selective if activations == "selective" else _recomputed, layer)


def _recomputed(layer: nn.Module, *inputs: Any, **settings: Any) -> Any:
    # Nothing in a layer is random: generators need not be put back for the second pass.
    return checkpoint(type(layer).forward, layer, *inputs, use_reentrant=False, preserve_rng_state=False, **settings)


def _selective(layer: nn.Module, *inputs: Any, **settings: Any) -> Any:
    return _recomputed(layer, *inputs, context_fn=_contexts, **settings)


def _contexts() -> Any:
    return create_selective_checkpoint_contexts(_policy)


def _policy(_: object, operator: Any, *inputs: Any, **settings: Any) -> CheckpointPolicy:
    kept = getattr(operator, "overloadpacket", operator) in PRODUCTS
    return CheckpointPolicy.MUST_SAVE if kept else CheckpointPolicy.PREFER_RECOMPUTE
