"""The layers that a decoder is a pile of, whatever its family calls them."""

from torch import nn
from transformers import PreTrainedModel

from loanword.errors import UserError


def decoder_layers(model: PreTrainedModel) -> list[nn.Module]:
    """The decoder's layers, in order: each takes a residual stream and gives the next.

    Raises:
        UserError: an architecture that is not one list of `num_hidden_layers` layers.
    """
    num_layers = model.config.get_text_config().num_hidden_layers
    # Outer modules are named before inner ones: the experts of a layer, however many, come after the layers.
    for module in model.modules():
        if isinstance(module, nn.ModuleList) and len(module) == num_layers:
            return list(module)
    raise UserError(
        type(model).__name__,
        f"no list of {num_layers} layers in this architecture",
        expected="a decoder whose layers are one list",
        do="use another base, or set activations to keep, compile to false and processes to 1",
    )
