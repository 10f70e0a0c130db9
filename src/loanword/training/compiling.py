"""Decoder layers compiled, one graph for all of them.

What is compiled is each layer's `forward`, in place: names stay, and what surrounds a forward stays outside, such as
the hooks by which a sharded layer is gathered. Compiling the call itself takes those in and breaks the graph in three.
"""

import os
import shutil

import torch
from torch.utils._triton import has_triton
from transformers import PreTrainedModel

from loanword.errors import UserError
from loanword.model.layers import decoder_layers
from loanword.records import Execution


def compiles(execution: Execution, device: torch.device) -> bool:
    """Whether layers are compiled: as `execution.compile` says, otherwise on a GPU whose compiler is there.

    On a CPU it is left off: see docs/performance.md.

    Raises:
        UserError: compiling is asked for, and what it needs is missing.
    """
    found = has_triton() if device.type == "cuda" else _cpp_compiler() is not None
    if execution.compile and not found:
        raise UserError(
            "compile",
            f"asked for on {device.type}, and there is no compiler",
            expected="triton" if device.type == "cuda" else "a C++ compiler: g++, clang++ or what CXX names",
            do="install it, or leave compile out",
        )
    return execution.compile if execution.compile is not None else device.type == "cuda" and found


def compile_layers(model: PreTrainedModel, *, backend: str = "inductor") -> None:
    """Compiles every decoder layer when it is first called: after `keep_activations`, before sharding.

    Layers that differ in weights alone share one graph. A batch of another shape takes another graph, and a second
    one all later shapes, a single row apart.
    """
    for layer in decoder_layers(model):
        layer.forward = torch.compile(layer.forward, backend=backend)


def _cpp_compiler() -> str | None:
    names = (os.environ.get("CXX"), "g++", "clang++", "c++")
    return next((path for name in names if name and (path := shutil.which(name))), None)
