"""A model and its loss as one module, made ready for where and how it is trained.

Shapes: B rows, T tokens per row, D width.
"""

from typing import cast

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from loanword.model.layers import decoder_layers
from loanword.protocols import Say
from loanword.recipe import StepsConfig
from loanword.records import Execution
from loanword.training.activations import keep_activations
from loanword.training.compiling import compile_layers, compiles
from loanword.training.data import Batch
from loanword.training.kernels import Loss, best_loss
from loanword.training.loss import check_head, output_head
from loanword.training.parallel import Ranks, shard
from loanword.training.precision import prepare, products


class Learner(nn.Module):
    """Nats of a batch as one module, so that sharding gathers the tables for the layers and the loss alike."""

    def __init__(self, model: PreTrainedModel, loss: Loss, steps: StepsConfig) -> None:
        super().__init__()
        self.model = model
        self._loss = loss
        self._steps = steps

    def forward(self, batch: Batch) -> Tensor:
        """Sum over counted labels of -log p(label) in nats, shape ()."""
        with products(self._steps, batch.ids_BT.device):
            hidden_BTD = self.model.base_model(
                input_ids=batch.ids_BT,
                position_ids=batch.documents.position_ids_BT,
                use_cache=False,
                documents=batch.documents,
            ).last_hidden_state
            return self._loss(hidden_BTD.flatten(0, 1), output_head(self.model), batch.labels_BT.flatten())


def prepared(model: PreTrainedModel, steps: StepsConfig, on: Execution, ranks: Ranks, say: Say) -> Learner:
    """The model on its device, in its precision, sharded over the processes, with the fastest loss that is exact.

    Evaluation mode switches dropout off: nothing in training is random that the seed does not decide.

    Raises:
        UserError: a model, a device or a precision that this machine or this code cannot train.
    """
    device = torch.device(on.device)
    check_head(model)
    prepare(model, steps, device)
    if ranks.size == 1:
        nn.Module.to(model, device)
    keep_activations(model, on.activations or "keep")
    if compiles(on, device):
        compile_layers(model)
    head = output_head(model)
    kind = head.weight_VD.dtype if steps.precision == "float32" else torch.bfloat16
    learner = Learner(cast("PreTrainedModel", model.eval()), best_loss(head, device, kind, say), steps)
    shard(learner, decoder_layers(model), steps, ranks)
    return learner


def trained_weights(learner: Learner) -> dict[str, Tensor]:
    """Parameters that are trained, live, under `weights/NAME`; tied ones once."""
    named = learner.model.named_parameters()
    return {f"weights/{name}": parameter.detach() for name, parameter in named if parameter.requires_grad}
