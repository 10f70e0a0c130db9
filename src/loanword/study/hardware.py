"""What a machine was measured to do, or is assumed to.

Out: `profile.json`, one HardwareProfile: speeds of real training on made-up text, and what artifacts took.
"""

import math
from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from loanword.errors import UserError
from loanword.records import Count, PositiveCount, PositiveFloat, Record, read_json

FILE = "profile.json"
SECONDS_PER_HOUR = 3600
LEAST_SECONDS = 0.003
"""What clocks and manifests tell apart."""
BEFORE = 0.5
SPREAD = 0.02
"""Below this, works are too much alike to tell what an artifact takes whatever its work."""
FEW = 5
ROWS_COUNT = 0.25
"""How much a factor between rows counts beside one between sizes."""
SAME = 1e-6
WRITTEN_AT_ONCE, READ_SHARE = 32, 0.06
"""Responses written side by side on an assumed machine, and the share of its memory's speed that writing then reaches.

On one H200 8B parameters in bf16 reached 0.05 to 0.07 of it (docs/performance.md)."""


class ShapeSpeed(Record):
    """Training steps of one decoder: what it was, how fast it went, what it took.

    FLOPs of a token are 6 for every parameter that it is multiplied with; `causal_flops` add attention to the tokens
    that a token sees, `whole_flops` attention to all of the row, as if nothing were masked. Peak memory is that of the
    process on a CPU, of torch's tensors on a GPU, both above what was there before the model.
    """

    name: str
    num_parameters: PositiveCount
    precision: str
    recipe: str
    activations: str
    row_tokens: PositiveCount
    micro_batch_tokens: PositiveCount
    tokens_per_second: PositiveFloat
    flops_per_token: PositiveFloat
    causal_flops_per_token: PositiveFloat
    whole_flops_per_token: PositiveFloat
    peak_bytes: Count
    estimated_bytes: Count

    @property
    def flops_per_second(self) -> float:
        """FLOPs without attention, as a plan counts them."""
        return self.flops_per_token * self.tokens_per_second


class Learned(Record):
    """What finished artifacts of one kind of work took, as sums that a line is fitted from: seconds = a + b * work.

    Squares of what is missed are weighed by 1 / seconds, so that neither large artifacts nor many small ones decide
    alone; the line is then scaled so that the sum of all is met. What was learned before counts half.
    """

    num: PositiveFloat
    seconds: PositiveFloat
    work: float
    inverse: PositiveFloat
    work_by_seconds: float
    square_by_seconds: float

    @classmethod
    def of(cls, took: Sequence[tuple[float, float]]) -> "Learned":
        """Of artifacts whose work and seconds are known."""
        pairs = [(work, max(seconds, LEAST_SECONDS)) for work, seconds in took]
        return cls(
            num=float(len(pairs)),
            seconds=sum(seconds for _, seconds in pairs),
            work=sum(work for work, _ in pairs),
            inverse=sum(1 / seconds for _, seconds in pairs),
            work_by_seconds=sum(work / seconds for work, seconds in pairs),
            square_by_seconds=sum(work**2 / seconds for work, seconds in pairs),
        )

    def after(self, before: "Learned | None") -> "Learned":
        """The same with what was learned before."""
        if before is None:
            return self
        return Learned(**{name: value + BEFORE * getattr(before, name) for name, value in dict(self).items()})

    def line(self, usual: tuple[float, float] | None = None) -> tuple[float, float]:
        """Seconds of an artifact whatever its work, and seconds for each unit of it; none is negative.

        Of few artifacts, or of works that are much alike, only how far the `usual` line is from them is learned.
        """
        fixed, slope = self._fitted() or usual or (0.0, 1.0)
        planned = self.num * fixed + slope * self.work
        if not planned:
            return self.seconds / self.num, 0.0
        return fixed * self.seconds / planned, slope * self.seconds / planned

    def _fitted(self) -> tuple[float, float] | None:
        determinant = self.inverse * self.square_by_seconds - self.work_by_seconds**2
        # Few artifacts of different models differ in more than their work.
        if self.num < FEW or determinant <= SPREAD * self.inverse * self.square_by_seconds:
            return None
        fixed = (self.num * self.square_by_seconds - self.work_by_seconds * self.work) / determinant
        slope = (self.inverse * self.work - self.work_by_seconds * self.num) / determinant
        if fixed <= 0:
            return 0.0, self.work / self.square_by_seconds
        return (fixed, slope) if slope > 0 else (self.num / self.inverse, 0.0)


class HardwareProfile(Record):
    """Speeds of one machine. `products`: FLOP/s of its fastest square matrix product, by precision.

    `learned` holds what finished artifacts took, by kind of work; work on a model counts in the seconds that its FLOPs
    take at the speed of training. `threads` are those of one worker, of which `workers` worked at once. `assumed` says
    on what grounds, where nothing was measured; such a machine writes responses as fast as `memory_bytes_per_second`
    lets weights be read.
    """

    machine: str
    device: str
    threads: PositiveCount
    versions: dict[str, str]
    products: dict[str, PositiveFloat]
    shapes: tuple[ShapeSpeed, ...]
    workers: PositiveCount = 1
    learned: dict[str, Learned] = Field(default_factory=dict[str, Learned])
    assumed: str = ""
    memory_bytes: Count = 0
    memory_bytes_per_second: float = 0.0

    def utilisation(self, shape: ShapeSpeed) -> tuple[float, float, float]:
        """Shares of the matrix products' ceiling that training reached: without attention, causal, whole."""
        ceiling = self.products["float32" if shape.precision == "float32" else "bf16"]
        counted = (shape.flops_per_token, shape.causal_flops_per_token, shape.whole_flops_per_token)
        without, causal, whole = (flops * shape.tokens_per_second / ceiling for flops in counted)
        return without, causal, whole

    def flops_per_second(self, num_parameters: int, row_tokens: int = 0) -> float:
        """FLOP/s of one worker in training: between measured shapes by how near they are, at one of them its own.

        Nearness is that of sizes, and of rows where any are said, by factors.
        """
        total = weights = 0.0
        for shape in self.shapes:
            distance = math.log(shape.num_parameters / max(1, num_parameters)) ** 2
            distance += ROWS_COUNT * math.log(shape.row_tokens / row_tokens) ** 2 if row_tokens else 0.0
            weight = 1 / (distance + SAME) ** 2
            total, weights = total + weight * math.log(shape.flops_per_second), weights + weight
        return math.exp(total / weights)


def read_profile(path: Path) -> HardwareProfile:
    """The profile of a file.

    Raises:
        UserError: there is none, or it holds something else.
    """
    if not path.is_file():
        raise UserError(
            path, "no such hardware profile", expected="a file that `loanword profile` wrote", do="run it, with --out"
        )
    profile = read_json(HardwareProfile, path)
    if not profile.shapes:
        raise UserError(path, "a profile without shapes", expected="at least one", do="run `loanword profile` again")
    return profile
