"""The tables of a model that have a row for every piece, and new rows in them for new pieces.

Shapes: V rows, N new pieces, D width.
"""

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from loanword.model.initialise import mean_row


def input_table(model: PreTrainedModel) -> nn.Parameter:
    """Embedding rows [V, D] that ids are looked up in."""
    return _weight(model.get_input_embeddings())


def output_table(model: PreTrainedModel) -> nn.Parameter:
    """Rows [V, D] that hidden states are multiplied with for logits; the input table itself where they are tied."""
    return _weight(model.get_output_embeddings())


@torch.no_grad()
def add_rows(
    model: PreTrainedModel,
    input_ND: Tensor,
    output_ND: Tensor | None,
    num_base_pieces: int,
    pad_to_multiple_of: int = 1,
) -> None:
    """Puts rows for new pieces behind those of the base's pieces, which do not change by a bit.

    `output_ND` is None where the head is tied to the input table. A padded vocabulary (more rows than base pieces)
    fills its padding first, and keeps what is left of it. Rows that are added to reach a multiple of
    `pad_to_multiple_of` are the mean of the base's rows: zeros would have logit 0, which can outrank every piece.
    Where the head has a bias, that of a row of either kind is the mean of the base's.
    """
    if (input_table(model) is output_table(model)) != (output_ND is None):
        raise ValueError("give output rows if and only if the head is not tied to the input table")
    num_old_rows = len(input_table(model))
    num_wanted = max(num_old_rows, num_base_pieces + len(input_ND))
    num_rows = -(-num_wanted // pad_to_multiple_of) * pad_to_multiple_of
    if num_rows > num_old_rows:
        # Resizing draws random rows, which are all written below; the draw must leave no trace.
        with torch.random.fork_rng(devices=[]):
            model.resize_token_embeddings(num_rows, mean_resizing=False)
    _fill(input_table(model), input_ND, num_base_pieces, num_old_rows)
    if output_ND is not None:
        _fill(output_table(model), output_ND, num_base_pieces, num_old_rows)
    bias_V = getattr(model.get_output_embeddings(), "bias", None)
    if bias_V is not None:
        _fill(bias_V, mean_row(bias_V[:num_base_pieces]).expand(len(input_ND)), num_base_pieces, num_old_rows)


def _fill(table: Tensor, new: Tensor, num_base_pieces: int, num_old_rows: int) -> None:
    """Writes what is new after the base's, and the base's mean wherever a row is left that was not there before."""
    num_pieces = num_base_pieces + len(new)
    table[num_base_pieces:num_pieces] = new
    padding = table[max(num_pieces, num_old_rows) :]
    if len(padding):
        padding.copy_(mean_row(table[:num_base_pieces]))


def _weight(module: nn.Module | None) -> nn.Parameter:
    weight = getattr(module, "weight", None)
    assert isinstance(weight, nn.Parameter), "a causal language model has an embedding and an output head"
    return weight
