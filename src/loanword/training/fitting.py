"""What an Execution leaves open, by the memory estimate: the micro-batch, and what of activations is kept.

It follows from the model, the recipe and how much memory the device has in all, never from how much is free at the
moment: a study that is run twice on one machine takes the same sums in the same order. The first step is the trial:
where it does not fit, `Passes` halves the micro-batch.
"""

import psutil
import torch
from transformers import PreTrainedModel

from loanword.model.memory import ACTIVATIONS, USABLE, Place, activations_that_fit, largest_micro_batch
from loanword.model.shape import DecoderShape, published_shape
from loanword.protocols import Work
from loanword.recipe import StepsConfig
from loanword.records import Execution

AT_ONCE_TOKENS = {"cpu": 2_048, "cuda": 16_384, "mps": 4_096}
"""Tokens beyond which a larger micro-batch was no faster on a CPU (docs/performance.md); on a GPU, assumed."""


def fitted(model: PreTrainedModel, steps: StepsConfig, work: Work, num_processes: int) -> Execution:
    """The work's execution with nothing left open; the micro-batch that was chosen is kept for a resume."""
    on = work.execution
    kind = torch.device(on.device).type
    shape = published_shape(model.config.to_dict())
    wanted = max(steps.row_tokens, min(AT_ONCE_TOKENS.get(kind, 16_384), steps.batch_tokens // num_processes))
    if kind not in ("cpu", "cuda") or shape is None:
        tokens, activations = on.micro_batch_tokens or wanted, on.activations or "keep"
    else:
        place = Place("cuda" if kind == "cuda" else "cpu", num_processes)
        tokens, activations = _chosen(shape, steps, on, wanted, _capacity_bytes(on), place)
    if on.micro_batch_tokens is None:
        work.resize(tokens)
    return on.model_copy(update={"micro_batch_tokens": tokens, "activations": activations})


def _chosen(
    shape: DecoderShape, steps: StepsConfig, on: Execution, wanted: int, capacity_bytes: float, place: Place
) -> tuple[int, str]:
    """Micro-batch in tokens and activations: what is given, else as much as wanted with as little computed again."""
    if on.micro_batch_tokens is not None:
        fits = activations_that_fit(shape, steps, capacity_bytes, on.micro_batch_tokens, place)
        return on.micro_batch_tokens, on.activations or fits
    tokens, activations = 0, on.activations or "keep"
    for activations in (on.activations,) if on.activations else ACTIVATIONS:
        tokens = largest_micro_batch(shape, steps, capacity_bytes, activations, place) or 0
        if tokens >= wanted:
            break
    # Where not even a row fits by the estimate, a row is tried.
    return max(steps.row_tokens, min(tokens, wanted)), activations


def _capacity_bytes(on: Execution) -> float:
    if on.device.startswith("cuda"):
        return USABLE * torch.cuda.get_device_properties(torch.device(on.device)).total_memory
    return USABLE * psutil.virtual_memory().total / (on.workers * on.processes)
