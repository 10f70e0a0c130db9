"""In how many bits a model is trained: its weights, and the products taken with them.

float32: all of it. bf16: products; weights and what the optimizer keeps stay float32. pure-bf16: weights too, which
the optimizer rounds stochastically. float8: as bf16, and products of the decoder's layers in float8, scaled by the
largest number of each tensor.
"""

from importlib.util import find_spec
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from loanword.errors import UserError
from loanword.model.layers import decoder_layers
from loanword.recipe import StepsConfig

FLOAT8_CAPABILITY = (8, 9)
FLOAT8_MULTIPLE = 16


def products(steps: StepsConfig, device: torch.device) -> torch.autocast:
    """The context of a forward pass, in which float32 weights are multiplied in bf16 where the recipe says so."""
    return torch.autocast(device.type, torch.bfloat16, enabled=steps.precision in ("bf16", "float8"))


def prepare(model: PreTrainedModel, steps: StepsConfig, device: torch.device) -> None:
    """Gives the model's weights and layers the precision of the recipe, in place; names stay.

    For a model that holds weights of float32, after LoRA matrices were added and before activations, compiling,
    sharding and the optimizer. Buffers, such as rotary frequencies, stay float32.

    Raises:
        UserError: float8 where torchao or hardware for it is missing, or a layer it cannot multiply.
    """
    if steps.precision == "pure-bf16":
        for parameter in model.parameters():
            if parameter.dtype == torch.float32:
                parameter.data = parameter.data.bfloat16()
    elif steps.precision == "float8":
        check_float8(device)
        multiply_in_float8(model)


def check_float8(device: torch.device) -> None:
    """Nothing, where a device multiplies float8 and torchao is installed.

    Raises:
        UserError: otherwise; a run that asks for float8 is never another run.
    """
    able = device.type == "cuda" and torch.cuda.get_device_capability(device) >= FLOAT8_CAPABILITY
    if not able or find_spec("torchao") is None:
        raise UserError(
            "steps.precision",
            "float8 cannot be multiplied on " + (f"{device}" if not able else f"{device} without torchao"),
            expected="a GPU of compute capability 8.9 or more (Ada, Hopper, later), and torchao",
            do="use bf16 in the study file" if not able else "pip install 'loanword[gpu]', or use bf16",
        )


def multiply_in_float8(model: PreTrainedModel, *, emulated: bool = False) -> None:
    """Lets every linear layer inside the decoder's layers take its products in float8, forward and backward.

    Embeddings, head and norms are left alone, and LoRA's narrow matrices. Weights keep precision and name. `emulated`
    multiplies rounded float32 numbers, on any device.

    Raises:
        UserError: a layer one of whose sides is no multiple of 16.

    Source: torchao's tensorwise recipe: e4m3 forward, e5m2 for gradients, scales found anew in each pass.
    """
    from torchao.float8 import Float8LinearConfig, convert_to_float8_training  # pyright: ignore[reportMissingImports]

    for layer in decoder_layers(model):
        names = {name for name, module in layer.named_modules() if _is_backbone_matrix(name, module)}
        for name in sorted(names):
            _check_sides(name, layer.get_parameter(f"{name}.weight"))
        convert_to_float8_training(
            layer,
            module_filter_fn=lambda _, name, names=names: name in names,
            config=Float8LinearConfig(emulate=emulated),
        )


def _is_backbone_matrix(name: str, module: Any) -> bool:
    # Subclasses hold something else, such as four bits a weight.
    return type(module) is nn.Linear and "lora_" not in name


def _check_sides(name: str, weight: torch.Tensor) -> None:
    if any(side % FLOAT8_MULTIPLE for side in weight.shape):
        raise UserError(
            "steps.precision",
            f"float8 cannot multiply {name}, which is {tuple(weight.shape)}",
            expected=f"sides that are multiples of {FLOAT8_MULTIPLE}",
            do="use bf16 in the study file",
        )
