"""The loop that trains every model here: base, trunk, decay and tuning, in one process or in many.

What a step does is decided by the weights, the optimizer's state and one integer, the row at which it starts. Nothing
in it looks at a clock or draws what the seed does not decide, so a killed stage continues bit for bit.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from torch import Tensor
from transformers import PreTrainedModel

from loanword.interruption import REQUEUE, noticed
from loanword.model.attention import packed_attention
from loanword.model.load import train_flops_per_token
from loanword.protocols import Say, Work
from loanword.recipe import GroupsConfig, StepsConfig
from loanword.records import CurvePoint
from loanword.tokens.rows import Row
from loanword.training import parallel
from loanword.training.compiling import compiles
from loanword.training.data import RowSource
from loanword.training.fitting import fitted
from loanword.training.guard import Slope, Verdict, hopeless, is_anchor, judge, pass_over
from loanword.training.learner import prepared, trained_weights
from loanword.training.optimizer import Optimizer
from loanword.training.parallel import Ranks
from loanword.training.passes import Passes
from loanword.training.probing import Probe
from loanword.training.state import Checkpoints, Position
from loanword.training.trackers import open_trackers
from loanword.training.watch import Watch

CHECKPOINTS = "checkpoints"


@dataclass(frozen=True)
class Training:
    """What `train` leaves beside the weights: the optimizer, where it came to, and among which processes."""

    optimizer: Optimizer
    position: Position
    ranks: Ranks


def train(
    model: PreTrainedModel,
    rows: RowSource,
    start: Position,
    last_row: int,
    *,
    steps: StepsConfig,
    learning_rate: Callable[[int], float],
    work: Work,
    num_old_rows: int | None = None,
    optimizer_file: Path | None = None,
    probe: Probe | None = None,
) -> Training:
    """Trains `model` in place on the rows from `start` up to `last_row`, in order.

    A step covers `steps.batch_rows` rows, the last one what is left; its rate is `learning_rate` of its first row.
    `start` holds the curve up to there, and `optimizer_file` the state, as a trunk saved it. Rows of tables from
    `num_old_rows` on belong to new pieces. A checkpoint goes to the work's scratch folder every
    `execution.checkpoint_seconds`, and the newest whole one is continued from.

    Every process of a group calls this with the same arguments.

    Raises:
        UserError: training diverges, or the alarm of `probe` stops it.
        SystemExit: 75, behind a checkpoint, where the process was asked to stop.
    """
    ranks = parallel.ranks(work.execution)
    on = fitted(model, steps, work, ranks.size)
    work = replace(work, execution=on)
    learner = prepared(model, steps, on, ranks, work.say)
    compiled = compiles(on, learner.model.device)
    optimizer = Optimizer(learner.model, steps, num_old_rows=num_old_rows, seed=work.seed, compiled=compiled)
    state = trained_weights(learner) | optimizer.tensors()
    checkpoints = Checkpoints(work.scratch / CHECKPOINTS, ranks, work.say)
    position = checkpoints.load(state)
    if position is None:
        position = start
        if optimizer_file is not None:
            optimizer.load(optimizer_file)
    passes = Passes(learner, rows, ranks, work)
    watch = _watch(learner.model, steps, position, ranks, work)
    course = _Course(position, steps, learning_rate, optimizer, passes, checkpoints, state, watch, work.say)
    with noticed() as stop, packed_attention(learner.model):
        while True:
            if probe is not None:
                course.probe(probe, last_row)
            if course.position.next_row >= last_row:
                break
            course.step(last_row)
            due = checkpoints.due(on.checkpoint_seconds)
            asked, saves = (count > 0 for count in ranks.total(stop.asked, stop.asked or due))
            if saves:
                checkpoints.save(state, course.position, wait=asked)
            if asked:
                raise SystemExit(REQUEUE)
            work.progress(course.position.next_row * steps.row_tokens, last_row * steps.row_tokens, "tokens")
    checkpoints.finish()
    watch.close()
    return Training(optimizer, course.position, ranks)


@dataclass
class _Course:
    """Training under way: how far it is, and what takes it further."""

    position: Position
    steps: StepsConfig
    learning_rate: Callable[[int], float]
    optimizer: Optimizer
    passes: Passes
    checkpoints: Checkpoints
    state: Mapping[str, Tensor]
    watch: Watch
    say: Say
    behind: float = field(default_factory=time.monotonic)

    def step(self, last_row: int) -> None:
        """Moves behind the next step, which moves the weights if its gradient is in order."""
        first, last = self.position.next_row, min(self.position.next_row + self.steps.batch_rows, last_row)
        self.optimizer.begin(first // self.steps.batch_rows)
        rows, nats_per_token, num_tokens = self.passes.gradient(first, last)
        slope = Slope(nats_per_token, num_tokens, self.optimizer.clip(self.passes.ranks))
        verdict = judge(slope, self.position, last, self.steps)
        if verdict.action == "apply":
            point = self._point(last, slope)
            self.optimizer.step(point.learning_rate)
            self.position.advance(point)
            self._watch(point, rows, last - first)
            if is_anchor(self.position, self.steps):
                self.checkpoints.save(self.state, self.position, anchor=True)
        else:
            self._pass_over(verdict, last, slope)

    def probe(self, probe: Probe, last_row: int) -> None:
        """Measures bits per byte where that is due, and sees whether the alarm goes off."""
        points = probe.take(self.position, last_row, self.passes.nats)
        self.watch.probed(points, self.position.next_row // self.steps.batch_rows)
        probe.alarm(self.position, self.say)

    def _point(self, last: int, slope: Slope) -> CurvePoint:
        first = self.position.next_row
        return CurvePoint(
            step=first // self.steps.batch_rows,
            rows=last,
            tokens=self.position.num_tokens + slope.num_tokens,
            learning_rate=self.learning_rate(first),
            nats_per_token=slope.nats_per_token,
            gradient_norm=slope.norm,
        )

    def _pass_over(self, verdict: Verdict, last: int, slope: Slope) -> None:
        if verdict.action == "roll back":
            anchor = self.checkpoints.load(self.state, anchor=True)
            if anchor is None:
                raise hopeless(self.position, last, self.steps, f"{verdict.seen}, and no earlier step to return to")
            self.position = anchor
        self.watch.skipped(pass_over(self.position, last, verdict, self.say))
        self.optimizer.zero_grad()

    def _watch(self, point: CurvePoint, rows: Sequence[Row], num_rows: int) -> None:
        now = time.monotonic()
        groups = {name: getattr(self.steps.groups, name) for name in GroupsConfig.model_fields}
        rates = {
            name: point.learning_rate * each.learning_rate_factor for name, each in groups.items() if not each.frozen
        }
        self.watch.step(point, rows, num_rows, seconds=now - self.behind, learning_rates=rates)
        self.behind = now


def _watch(model: PreTrainedModel, steps: StepsConfig, position: Position, ranks: Ranks, work: Work) -> Watch:
    folder = work.logs if ranks.first else None
    trackers = ()
    if folder is not None and work.execution.trackers:
        first_step = position.next_row // steps.batch_rows
        settings = steps.model_dump(mode="json")
        trackers = open_trackers(
            work.execution.trackers, folder / "trackers", run=folder.name, first_step=first_step, settings=settings
        )
    return Watch(
        folder,
        position,
        flops_per_token=partial(train_flops_per_token, model),
        peak_flops=work.execution.peak_flops,
        device=model.device,
        say=work.say,
        trackers=trackers,
    )
