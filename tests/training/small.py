"""A model of a few thousand parameters and rows that are a pure function of their index."""

import numpy as np
from transformers import LlamaForCausalLM

from loanword.model.load import new_model
from loanword.recipe import ArchitectureConfig, StepsConfig
from loanword.tokens.rows import NOT_COUNTED, Row

ROW_TOKENS = 32
NUM_PIECES, NUM_OLD_ROWS = 61, 40
SHAPE = ArchitectureConfig(
    width=16, num_layers=2, num_heads=2, num_key_value_heads=1, feed_forward_width=24, context_tokens=ROW_TOKENS
)
STEPS = StepsConfig(
    peak_learning_rate=3e-3, row_tokens=ROW_TOKENS, batch_tokens=4 * ROW_TOKENS, warmup_steps=3, precision="float32"
)


def small_model(seed: int = 0) -> LlamaForCausalLM:
    return new_model(SHAPE, NUM_PIECES, seed, bos_id=1, eos_id=2)


class CountingRows:
    """Three documents a row in which each id follows from the one before, so that there is something to learn."""

    def row(self, index: int, /) -> Row:
        stream = (np.arange(ROW_TOKENS + 1, dtype=np.int64) * (1 + index % 3) + index) % NUM_PIECES
        starts = (0, 5 + index % 7, 20)
        labels = stream[1:].copy()
        labels[[start - 1 for start in starts[1:]]] = NOT_COUNTED
        return Row(stream[:-1], labels, starts)
