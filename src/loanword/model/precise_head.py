"""An output head in float32 over a body in bf16: letters that are close to each other stay apart."""

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel

from loanword.errors import UserError
from loanword.model.embeddings import input_table, output_table

CAST_WEIGHTS = 2**22
"""Weights that are cast at once, where they are the input embeddings too and stay in bf16."""


class PreciseHead(nn.Module):
    """Float32 logits of states in any precision."""

    def __init__(self, weight_VE: Tensor, bias_V: Tensor | None) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight_VE, requires_grad=False)
        self.bias = None if bias_V is None else nn.Parameter(bias_V.float(), requires_grad=False)

    def forward(self, states: Tensor) -> Tensor:
        """Logits of the whole vocabulary."""
        states = states.float()
        if self.weight.dtype == torch.float32:
            return functional.linear(states, self.weight, self.bias)
        at_once = max(1, CAST_WEIGHTS // self.weight.shape[1])
        logits = torch.cat([functional.linear(states, part.float()) for part in self.weight.split(at_once)], dim=-1)
        return logits if self.bias is None else logits + self.bias


def with_precise_head(model: PreTrainedModel) -> PreTrainedModel:
    """The model, its output head in float32; weights that are the input embeddings too are not held twice.

    Raises:
        UserError: an output head that is not one linear layer.
    """
    head = model.get_output_embeddings()
    if not isinstance(head, nn.Linear):
        raise UserError(
            "precision",
            f"the output head of this model is a {type(head).__name__}, which cannot be computed in float32 alone",
            expected="a linear output head",
            do='set precision = "float32"',
        )
    tied = output_table(model) is input_table(model)
    model.set_output_embeddings(PreciseHead(head.weight if tied else head.weight.float(), head.bias))
    return model
