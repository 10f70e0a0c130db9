"""Instruction tuning: useful tokens per processor second of our loop over those of TRL's SFTTrainer with packing.

The first conversations of alpaca_en, whole, by LLaMA's 32,000 pieces, packed by best fit; only responses are counted.
Useful tokens are those of conversations: neither padding nor what a packing that cuts would leave out. SFTTrainer reads
the same packed rows, and the losses of the steps must agree before anything is compared.

In: instructions/alpaca_en.jsonl.gz and tokenizers/llama-32k below the folder that LOANWORD_TEST_DATA names, or
../shared/data.
"""

import os
import tempfile
from pathlib import Path
from typing import Any

from bench import _trainers as trainers
from bench._trainers import Problem
from bench.training import SHAPES
from loanword.corpus.instructions import read_instructions
from loanword.recipe import StepsConfig
from loanword.tokenizer.load import load_tokenizer
from loanword.tokens.chat import encode_conversations
from loanword.tokens.pack import pack_conversations
from loanword.tokens.rows import ConversationRows
from loanword.tokens.templates import TEMPLATES

GOAL = 2.0
ROW_TOKENS, BATCH_ROWS = 1024, 4
ARMS = {
    "loanword": (trainers.loanword, 1),
    "SFTTrainer, a row at a time": (trainers.trl_packing, 1),
    "SFTTrainer, 4 rows at a time": (trainers.trl_packing, 4),
}


def run(quick: bool) -> dict[str, Any]:
    """The smaller of both shapes' ratios."""
    data = Path(os.environ.get("LOANWORD_TEST_DATA", Path(__file__).parents[1] / ".." / "shared" / "data"))
    if not (data / "instructions").is_dir():
        return {"skipped": f"no {data.name}/instructions: LOANWORD_TEST_DATA names the folder"}
    problems = {name: _problem(data, name, 1 if quick else 2) for name in SHAPES}
    return trainers.compare("tuning", GOAL, ARMS, problems, quick=quick)


def _problem(data: Path, shape: str, num_steps: int) -> Problem:
    num_rows = num_steps * BATCH_ROWS
    pieces = load_tokenizer(data / "tokenizers" / "llama-32k")
    read = read_instructions([data / "instructions" / "alpaca_en.jsonl.gz"], seed=0, num_conversations=12 * num_rows)
    with tempfile.TemporaryDirectory() as folder:
        pack_conversations(
            encode_conversations(read.conversations, pieces, TEMPLATES["alpaca"]),
            Path(folder),
            row_tokens=ROW_TOKENS,
            num_pieces=pieces.num_pieces,
            pad_id=pieces.eos_id,
            num_read=read.num_read,
            num_removed=read.num_removed,
        )
        packed = ConversationRows(Path(folder))
        rows = [packed.row(index) for index in range(min(num_rows, packed.num_rows))]
    steps = StepsConfig(
        peak_learning_rate=1e-3,
        row_tokens=ROW_TOKENS,
        batch_tokens=BATCH_ROWS * ROW_TOKENS,
        warmup_steps=0,
        weight_decay=0.0,
        precision=trainers.precision(),
    )
    architecture = SHAPES[shape].model_copy(update={"context_tokens": ROW_TOKENS})
    return Problem(architecture, pieces.num_pieces, rows, steps)
