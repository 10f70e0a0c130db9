"""AdamW over a model's parameters, its clipping, and its state as plain tensors.

In / Out: a safetensors file with `first_moment/NAME`, `second_moment/NAME` and `num_steps/NAME` of every parameter;
no pickle is written or read.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.optim import AdamW
from transformers import PreTrainedModel

from loanword.errors import UserError
from loanword.model.embeddings import input_table, output_table
from loanword.recipe import StepsConfig

STATES = {"first_moment": "exp_avg", "second_moment": "exp_avg_sq", "num_steps": "step"}


def new_optimizer(model: PreTrainedModel, steps: StepsConfig) -> AdamW:
    """AdamW that has taken no step. Matrices decay; norms, biases and embeddings do not.

    A decaying embedding row shrinks in every step in which its piece does not occur: new and rare pieces would pay
    for being rare.
    """
    tables = {id(input_table(model)), id(output_table(model))}
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    decayed = [parameter for parameter in trained if parameter.ndim >= 2 and id(parameter) not in tables]
    names = {id(parameter) for parameter in decayed}
    return AdamW(
        [
            {"params": decayed, "weight_decay": steps.weight_decay},
            {"params": [parameter for parameter in trained if id(parameter) not in names], "weight_decay": 0.0},
        ],
        lr=steps.peak_learning_rate,
        betas=(steps.beta1, steps.beta2),
        fused=True,
    )


def take_step(optimizer: AdamW, learning_rate: float) -> None:
    """Moves the parameters by their gradients, and forgets these."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
    optimizer.step()
    optimizer.zero_grad()


def optimizer_tensors(optimizer: AdamW, model: PreTrainedModel) -> dict[str, Tensor]:
    """The optimizer's state by parameter; empty before its first step."""
    return {
        f"{ours}/{name}": optimizer.state[parameter][theirs]
        for name, parameter in model.named_parameters()
        if parameter in optimizer.state
        for ours, theirs in STATES.items()
    }


def restore_optimizer(optimizer: AdamW, model: PreTrainedModel, tensors: Mapping[str, Tensor], where: object) -> None:
    """Puts back what `optimizer_tensors` gave; parameters without state stay without.

    Raises:
        UserError: a state of another model.
    """
    for name, parameter in model.named_parameters():
        if f"num_steps/{name}" not in tensors:
            continue
        if (shape := tensors[f"first_moment/{name}"].shape) != parameter.shape:
            raise UserError(
                where,
                f"optimizer state of {name} has shape {tuple(shape)}, the model's is {tuple(parameter.shape)}",
                expected="the state of this very model",
                do="build the trunk and its branches from the same base and tokenizer",
            )
        # Copies, so that the state is aligned in memory as a fresh one: kernels round by alignment.
        optimizer.state[parameter] = {
            theirs: tensors[f"{ours}/{name}"].to(parameter.device, copy=True) for ours, theirs in STATES.items()
        }


def save_optimizer(optimizer: AdamW, model: PreTrainedModel, path: Path) -> None:
    """Writes the optimizer's state; equal states give equal bytes."""
    save_file({name: tensor.cpu().contiguous() for name, tensor in optimizer_tensors(optimizer, model).items()}, path)


def load_optimizer(optimizer: AdamW, model: PreTrainedModel, path: Path) -> None:
    """Reads what `save_optimizer` wrote."""
    restore_optimizer(optimizer, model, load_file(path), path)


def clip_gradients(model: PreTrainedModel, clip_norm: float) -> float:
    """The norm of all gradients together, which are then shortened to `clip_norm` where it is more."""
    norm: Tensor = torch.nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
    return float(norm)
