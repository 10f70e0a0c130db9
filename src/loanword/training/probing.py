"""Bits per byte of held-out text along a run, and the alarm for a source language that is being forgotten.

When to look follows from the global row alone: at row 0, whenever `every_tokens` more have been read, rounded up to
whole steps, and where the stage ends. A trunk that goes on from a smaller cut therefore has the points of one trained
from the start.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from loanword.errors import UserError
from loanword.protocols import Say
from loanword.recipe import StepsConfig, WatchConfig
from loanword.records import ProbePoint
from loanword.tokens.probe import ProbeRows
from loanword.tokens.rows import Row
from loanword.training.state import Position

NatsOf = Callable[[Sequence[Row]], float]
"""Sum of nats over the counted labels of some rows, under the weights as they are."""


@dataclass(frozen=True)
class Probe:
    """What is watched along a training stage: held-out text by language, one of them the source."""

    texts: tuple[ProbeRows, ...]
    source: str
    watch: WatchConfig
    steps: StepsConfig

    def carried(self, points: Sequence[ProbePoint]) -> list[ProbePoint]:
        """The points of a smaller cut that a larger one has too: all but where the smaller one ended."""
        return [point for point in points if not point.rows % self._every_rows]

    def take(self, position: Position, last_row: int, nats_of: NatsOf) -> tuple[ProbePoint, ...]:
        """Adds a point of each language to the position where one is due, and returns what was added.

        Raises:
            UserError: bits per byte that are not finite.
        """
        row = position.next_row
        if row % self._every_rows and row != last_row:
            return ()
        if position.probes and position.probes[-1].rows == row:
            return ()
        points = tuple(
            ProbePoint(
                rows=row,
                tokens=position.num_tokens,
                language=text.language,
                bits_per_byte=self._finite(nats_of(text.rows), text, row) / (math.log(2) * text.num_bytes),
            )
            for text in self.texts
        )
        position.probes.extend(points)
        return points

    def alarm(self, position: Position, say: Say) -> None:
        """Says, or ends training, where the source's newest point lies further above its first than the budget.

        It is said once per crossing: at the row of the point, and only if the point before it lay within the budget.

        Raises:
            UserError: beyond the budget, where the alarm is to stop.
        """
        budget = self.watch.retention_budget_bits
        source = [point for point in position.probes if point.language == self.source]
        if budget is None or not source:
            return
        first, newest = source[0].bits_per_byte, source[-1]
        if newest.bits_per_byte <= first + budget:
            return
        found = (
            f"held-out text of {self.source} costs {newest.bits_per_byte:.4f} bits per byte after {newest.rows:,} rows "
            f"({newest.tokens:,} tokens), {newest.bits_per_byte - first:.4f} more than at the start"
        )
        if self.watch.alarm == "stop":
            raise UserError(
                "retention alarm",
                found,
                expected=f"at most {budget:g} more (pretraining.watch.retention_budget_bits)",
                do="make an arm with more pretraining.replay or a lower peak_learning_rate "
                f'(now {self.steps.peak_learning_rate:g}), raise the budget, or set alarm = "warn" to go on regardless',
            )
        if source[-2].bits_per_byte <= first + budget and newest.rows == position.next_row:
            say(f"retention alarm: {found}; the budget is {budget:g}")

    @property
    def _every_rows(self) -> int:
        return -(-self.watch.every_tokens // self.steps.batch_tokens) * self.steps.batch_rows

    def _finite(self, nats: float, text: ProbeRows, row: int) -> float:
        if math.isfinite(nats):
            return nats
        raise UserError(
            f"held-out text of {text.language}",
            f"a loss of {nats:g} nats at row {row:,}",
            expected="a finite number",
            do="check the weights that training starts from"
            if not row
            else f"lower peak_learning_rate (now {self.steps.peak_learning_rate:g})",
        )
