"""What a machine was measured to do, and the hours that a plan makes of it.

Out: `profile.json`, one HardwareProfile. Its speeds are those of real training steps on made-up text.
"""

import math
from pathlib import Path

from loanword.errors import UserError
from loanword.records import Count, PositiveCount, PositiveFloat, Record, read_json

FILE = "profile.json"
SECONDS_PER_HOUR = 3600


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


class HardwareProfile(Record):
    """Speeds of one machine. `products`: FLOP/s of its fastest square matrix product, by precision."""

    machine: str
    device: str
    threads: PositiveCount
    versions: dict[str, str]
    products: dict[str, PositiveFloat]
    shapes: tuple[ShapeSpeed, ...]

    def utilisation(self, shape: ShapeSpeed) -> tuple[float, float, float]:
        """Shares of the matrix products' ceiling that training reached: without attention, causal, whole."""
        ceiling = self.products["float32" if shape.precision == "float32" else "bf16"]
        counted = (shape.flops_per_token, shape.causal_flops_per_token, shape.whole_flops_per_token)
        without, causal, whole = (flops * shape.tokens_per_second / ceiling for flops in counted)
        return without, causal, whole

    def nearest(self, num_parameters: int) -> ShapeSpeed:
        """The measured shape whose size differs by the smallest factor; the fastest of those."""
        return min(
            self.shapes,
            key=lambda shape: (abs(math.log(shape.num_parameters / num_parameters)), -shape.tokens_per_second),
        )

    def hours(self, flops: float, num_parameters: int) -> float:
        """Hours of this one device for FLOPs spent on a model of that size, as fast as the nearest shape trained."""
        return flops / self.nearest(num_parameters).flops_per_second / SECONDS_PER_HOUR


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
