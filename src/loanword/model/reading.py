"""How a model is read when it is asked something."""

from collections.abc import Generator
from contextlib import contextmanager

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

ANY_SHAPE = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]


@contextmanager
def reading() -> Generator[None]:
    """Inside the block nothing is learned, and attention is not cuDNN's.

    That makes a plan for every new shape, which takes a tenth of a second or more; here every batch has a shape of its
    own, and so has every token that is generated.

    Source: measured by others in modelscope/FunASR, issue 3704.
    """
    with torch.inference_mode(), sdpa_kernel(ANY_SHAPE):
        yield
