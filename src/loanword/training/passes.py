"""Forward and backward passes over rows, as many at a time as memory holds."""

from collections.abc import Iterator, Sequence

import torch
from torch.distributed.fsdp import FSDPModule

from loanword.errors import UserError
from loanword.protocols import Work
from loanword.tokens.rows import Row
from loanword.training.data import Batch, RowSource, count_predictions, micro_batches, read_rows
from loanword.training.learner import Learner
from loanword.training.parallel import Ranks


class Passes:
    """This process's passes over its share of each step's rows.

    Where memory does not hold a micro-batch it is halved, down to one row, which is said and kept for a resume.

    Raises:
        UserError: memory does not hold one row.
    """

    def __init__(self, learner: Learner, rows: RowSource, ranks: Ranks, work: Work) -> None:
        self.ranks = ranks
        self._learner, self._rows, self._work = learner, rows, work
        assert work.execution.micro_batch_tokens is not None, "see `fitted`"
        self._micro_batch_tokens = work.execution.micro_batch_tokens

    def gradient(self, first: int, last: int) -> tuple[list[Row], float, int]:
        """Adds the gradient of the mean loss over the counted tokens of rows [first, last).

        Returns the rows of this process; and, over all processes, nats per counted token and how many there are. The
        mean is over the whole step: how rows fall into micro-batches and processes weighs nothing.
        """
        rows = self.ranks.share(read_rows(self._rows, first, last))
        num_tokens = int(self.ranks.total(count_predictions(rows))[0])
        nats = self._fitting(rows, max(num_tokens, 1))
        return rows, self.ranks.total(nats)[0] / max(num_tokens, 1), num_tokens

    def nats(self, rows: Sequence[Row]) -> float:
        """Nats of the counted labels of `rows`; leaves no gradient."""
        with torch.no_grad():
            nats = sum(float(self._learner(batch)) for batch in self._batches(self.ranks.share(rows)))
        if isinstance(self._learner, FSDPModule):
            self._learner.reshard()  # without a backward pass the tables stay gathered
        return self.ranks.total(nats)[0]

    def _fitting(self, rows: Sequence[Row], num_tokens: int) -> float:
        while True:
            try:
                return self._backward(rows, num_tokens)
            except torch.OutOfMemoryError:
                if self._micro_batch_tokens <= len(rows[0].ids):
                    raise _too_large(len(rows[0].ids)) from None
                if self.ranks.size > 1:  # the others wait for this one: all of them have to start anew
                    raise
            self._learner.zero_grad()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            self._micro_batch_tokens //= 2
            self._work.resize(self._micro_batch_tokens)
            self._work.say(f"out of memory: going on with a micro-batch of {self._micro_batch_tokens:,} tokens")

    def _backward(self, rows: Sequence[Row], num_tokens: int) -> float:
        total = torch.zeros((), dtype=torch.float64, device=self._learner.model.device)
        for batch in self._batches(rows):
            nats = self._learner(batch)
            # Sharded gradients are means over processes; the loss is a mean over the tokens of all of them.
            (nats * self.ranks.size / num_tokens).backward()
            total += nats.detach()
        return float(total)

    def _batches(self, rows: Sequence[Row]) -> Iterator[Batch]:
        return micro_batches(rows, self._micro_batch_tokens, self._learner.model.device)


def _too_large(row_tokens: int) -> UserError:
    return UserError(
        "memory of the device",
        f"does not hold a training step over one row of {row_tokens:,} tokens",
        expected="room for the model, its optimizer's state, and one row",
        do="see `loanword plan STUDY --memory`: --activations recompute, more --processes, pure-bf16, 8-bit or LoRA",
    )
