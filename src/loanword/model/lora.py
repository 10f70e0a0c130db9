"""Low-rank updates beside a model's matrices: trained in their place, then merged into them.

peft's layers stand where the linear layers stood; the model stays of its own class, and its forward as it was.

Shapes: N outputs, M inputs, R rank.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from loanword.errors import UserError
from loanword.model.embeddings import input_table, output_table
from loanword.recipe import LoraConfig

ADAPTER = "default"
BLOCK = 64
"""Weights that share a scale in 4 bits."""


def add_lora(model: PreTrainedModel, config: LoraConfig, seed: int) -> PreTrainedModel:
    """Puts an update that changes nothing yet beside each target layer of `model`, in place.

    Trained are the updates, and with `config.embeddings` the input table and the output head; all else is frozen.
    The same seed gives the same updates on every device, and no other draw is touched. With `config.four_bit`
    linear layers of the backbone are kept in 4 bits (QLoRA), all with inputs in multiples of 64, which rounds them;
    their products are in bf16.

    Source: Hu et al. 2021 (arXiv 2106.09685); Dettmers et al. 2023 (arXiv 2305.14314) for 4 bits.

    Raises:
        UserError: targets that are no linear layers of the backbone; 4 bits where bitsandbytes is not installed.
    """
    layers = _targets(model, config.targets)
    if config.four_bit:
        _quantise(model)
    _inject(model, config, layers)
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for layer in layers:
            a_RM, b_NR = _matrices(model.get_submodule(layer))
            # Uniform in plus or minus 1 / sqrt(inputs), as peft draws it.
            bound = 1 / math.sqrt(a_RM.shape[1])
            a_RM.copy_(torch.empty(a_RM.shape).uniform_(-bound, bound, generator=draw))
            b_NR.zero_()
    for table in (input_table(model), output_table(model)):
        table.requires_grad_(config.embeddings)
    return model


@torch.no_grad()
def merge_lora(model: PreTrainedModel) -> PreTrainedModel:
    """Adds every update to its matrix, in place: `model` is again as it was before `add_lora`, with other weights.

    Sums are taken in float32. Matrices in 4 bits come back in the precision of the input table.
    """
    dtype = input_table(model).dtype
    for name, layer in list(model.named_modules()):
        if hasattr(layer, "lora_A"):
            base = _plain(layer.get_submodule("base_layer"), dtype)
            a_RM, b_NR = _matrices(layer)
            delta_NM = _scale(layer) * (b_NR.float() @ a_RM.float())
            base.weight.copy_(base.weight.float() + delta_NM)
            model.set_submodule(name, base)
    for name, layer in list(model.named_modules()):
        if isinstance(layer, nn.Linear):
            model.set_submodule(name, _plain(layer, dtype))
    vars(model).pop("peft_config", None)
    model.requires_grad_(True)
    return model


def trainable_tensors(model: PreTrainedModel) -> dict[str, Tensor]:
    """What training changes, by name, as it lies in the model: all that has to be kept of it beside the base."""
    return {name: parameter.detach() for name, parameter in model.named_parameters() if parameter.requires_grad}


@torch.no_grad()
def load_trainable(model: PreTrainedModel, tensors: Mapping[str, Tensor], where: object) -> None:
    """Puts back what `trainable_tensors` gave.

    Raises:
        UserError: tensors of another model, or of other LoRA settings.
    """
    wanted = trainable_tensors(model)
    other = sorted(
        name
        for name in wanted.keys() | tensors.keys()
        if name not in wanted or name not in tensors or wanted[name].shape != tensors[name].shape
    )
    if other:
        raise UserError(
            where,
            f"{len(other)} trained tensors are not this model's, the first is {other[0]}",
            expected="the tensors of the same base, tokenizer and LoRA settings",
            do="build the trunk and its branches from one and the same recipe",
        )
    for name, tensor in wanted.items():
        tensor.copy_(tensors[name])


def _backbone(model: PreTrainedModel) -> dict[str, nn.Linear]:
    head = model.get_output_embeddings()
    return {name: layer for name, layer in model.named_modules() if isinstance(layer, nn.Linear) and layer is not head}


def _targets(model: PreTrainedModel, targets: Sequence[str]) -> list[str]:
    """Full names of the layers that end in one of `targets`, or of all; in the model's order."""
    layers = _backbone(model)
    unknown = [target for target in targets if not any(_ends(name, target) for name in layers)]
    if unknown:
        there = dict.fromkeys(name.rpartition(".")[2] for name in layers)
        raise UserError(
            "steps.lora.targets",
            f"{', '.join(unknown)}: no such linear layer in {type(model).__name__}",
            expected=f"of {', '.join(there)}",
            do="mend the names, or leave targets out for all of them",
        )
    return [name for name in layers if not targets or any(_ends(name, target) for target in targets)]


def _ends(name: str, target: str) -> bool:
    return f".{name}".endswith(f".{target}")


def _inject(model: PreTrainedModel, config: LoraConfig, layers: list[str]) -> None:
    # Imported here: it takes seconds, and few runs need it.
    import peft

    settings = peft.LoraConfig(r=config.rank, lora_alpha=cast("int", config.alpha), target_modules=layers)
    # What peft draws is written over; the draws must leave no trace.
    with torch.random.fork_rng(devices=[model.device] if model.device.type == "cuda" else []):
        peft.inject_adapter_in_model(settings, model, ADAPTER)


def _matrices(layer: nn.Module) -> tuple[nn.Parameter, nn.Parameter]:
    """A [R, M] and B [N, R] of a layer with an update."""
    return tuple(layer.get_parameter(f"{side}.{ADAPTER}.weight") for side in ("lora_A", "lora_B"))  # type: ignore[return-value]


def _scale(layer: nn.Module) -> float:
    return cast("dict[str, float]", layer.scaling)[ADAPTER]


def _quantise(model: PreTrainedModel) -> None:
    try:
        import bitsandbytes  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise UserError(
            "steps.lora.four_bit",
            "bitsandbytes is not installed here",
            expected="bitsandbytes, which keeps matrices in 4 bits",
            do="pip install bitsandbytes, or set four_bit to false",
        ) from None
    kinds: Any = bitsandbytes.nn
    for name, layer in _backbone(model).items():
        # bitsandbytes 0.50 on CPU gives other weights back where a block of 64 crosses rows.
        if layer.in_features % BLOCK:
            continue
        weight, bias = layer.weight.detach(), layer.bias
        with torch.device("meta"):
            small = kinds.Linear4bit(
                layer.in_features, layer.out_features, bias is not None, torch.bfloat16, quant_type="nf4"
            )
        small.weight = kinds.Params4bit(weight, quant_type="nf4").to(weight.device)
        small.bias = bias
        # On some CPUs it would pack the matrix for kernels of its own in the first forward pass.
        small.support_avx512bf16_for_cpu = False
        model.set_submodule(name, small)


def _plain(layer: nn.Module, dtype: torch.dtype) -> nn.Linear:
    """A linear layer itself; one in 4 bits, as the plain layer that it stands for."""
    assert isinstance(layer, nn.Linear)
    state = getattr(layer.weight, "quant_state", None)
    if state is None:
        return layer
    from bitsandbytes.functional import dequantize_4bit  # pyright: ignore[reportMissingImports]

    with torch.device("meta"):
        plain = nn.Linear(layer.in_features, layer.out_features, layer.bias is not None)
    plain.weight = nn.Parameter(dequantize_4bit(layer.weight.data, state).to(dtype))
    if layer.bias is not None:
        plain.bias = nn.Parameter(layer.bias.to(dtype))
    return plain
