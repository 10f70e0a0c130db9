"""`loanword plan --memory`: for a study's models and well-known sizes, which recipe fits on which GPU."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from loanword.cli.amounts import human, table
from loanword.cli.opening import Opened
from loanword.model.memory import LARGEST_TOKENS, USABLE, Fit, Place, estimate, fitting, recipe_name
from loanword.model.shape import KNOWN, DecoderShape
from loanword.recipe import Recipe, StepsConfig
from loanword.study.estimate import Estimator
from loanword.study.hardware import HardwareProfile

GIGABYTES = (24, 40, 80, 141)
PIECES = 1_000
NOTE = (
    "A GB is 10^9 bytes, of which a tenth is left free. The largest micro-batch is what one device takes at once, in "
    "whole rows. The first recipe that fits is shown, the study's own before leaner ones; --json has all of them."
)


@dataclass(frozen=True)
class Model:
    """A decoder, how it is trained, and how many of its pieces the study has added."""

    name: str
    shape: DecoderShape
    steps: StepsConfig
    num_new_pieces: int = 0


@dataclass(frozen=True)
class Line:
    """One model on one size of GPU: the first recipe that fits, if any, and all that were tried."""

    model: Model
    capacity_bytes: int
    fits: tuple[Fit, ...]

    @property
    def chosen(self) -> Fit | None:
        """The first that fits."""
        return next((fit for fit in self.fits if fit.micro_batch_tokens is not None), None)

    @property
    def least(self) -> Fit:
        """What is tabulated: the chosen one, or where none fits the one that takes least."""
        return self.chosen or min(self.fits, key=lambda fit: fit.memory.total_bytes)

    def added_bytes(self, num_pieces: int) -> int:
        """What rows for so many pieces add to the base as it was, at one row of tokens."""
        fit, base = self.least, self.model.shape.extended(-self.model.num_new_pieces)
        before, after = (
            estimate(shape, fit.steps, fit.steps.row_tokens, fit.activations).total_bytes
            for shape in (base, base.extended(num_pieces))
        )
        return after - before


def print_memory(opened: Opened, *, as_json: bool) -> None:
    """Prints what fits where."""
    models, unknown = study_models(opened)
    lines = [
        Line(model, gigabytes * 10**9, tuple(fitting(model.shape, model.steps, USABLE * gigabytes * 10**9)))
        for model in models
        for gigabytes in GIGABYTES
    ]
    num_added = max((run.recipe.tokenizer.num_new_pieces for run in opened.study.runs), default=0)
    if as_json:
        found = [_plain(line, num_added) for line in lines]
        print(json.dumps({"study": opened.study.name, "lines": found, "unknown": unknown}, ensure_ascii=False))
        return
    added = [PIECES, num_added] if num_added not in (0, PIECES) else [PIECES]
    header = ("model", "parameters", "GPU", "recipe", "activations", "micro-batch", "takes")
    rows = [_row(line, added) for line in lines]
    # A larger GPU that changes nothing needs no line.
    told = [row for row, before in zip(rows, [(), *rows], strict=False) if _but_gpu(row) != _but_gpu(before)]
    table([(*header, *(f"+{number:,} pieces" for number in added)), *told])
    for name in unknown:
        print(f"{name}: its shape is not known before it is fetched")
    print(NOTE)


def study_models(opened: Opened) -> tuple[list[Model], list[str]]:
    """What the study trains, each distinct way once, then known sizes trained as its text is; and unknown bases."""
    estimator = Estimator(opened.store, opened.sources, opened.finished)
    own: dict[tuple[object, ...], Model] = {}
    unknown: dict[str, None] = {}
    usual = StepsConfig(peak_learning_rate=1e-4)
    for run in opened.study.runs:
        base = run.jobs.get("base")  # a user's own stages may have none
        shape = None if base is None else estimator.shape(base)
        for stage, steps, num_new_pieces in _trainings(run.recipe):
            usual = steps if stage == "pretraining" or not own else usual
            if shape is None:
                unknown[run.recipe.base.model or opened.study.name] = None
                continue
            extended = shape.extended(num_new_pieces)
            name = f"{run.recipe.base.model or opened.study.name}, {stage}"
            model = Model(
                name if not num_new_pieces else f"{name} +{num_new_pieces:,}", extended, steps, num_new_pieces
            )
            own.setdefault((extended, *_memory_settings(steps)), model)
    return [*own.values(), *(Model(name, shape, usual) for name, shape in KNOWN.items())], list(unknown)


def largest_needs(opened: Opened, profile: HardwareProfile | None, num_devices: int) -> Iterator[str]:
    """What training takes on one device, for the model that takes most; with a device's memory, what fits there."""
    own = [model for model in study_models(opened)[0] if model.name not in KNOWN]
    if not own:
        return
    place = Place("cpu" if profile is not None and profile.device == "cpu" else "cuda")
    takes = {model: estimate(model.shape, model.steps, model.steps.row_tokens, "keep", place) for model in own}
    largest = max(takes, key=lambda model: takes[model].total_bytes)
    said = f"{largest.name} ({human(largest.shape.num_parameters)} parameters, {recipe_name(largest.steps)})"
    told = f"{said} takes {human(takes[largest].total_bytes, 'B')} with one row of {largest.steps.row_tokens:,} tokens"
    if profile is None or not profile.memory_bytes:
        yield f"{told} at a time"
        return
    capacity = USABLE * profile.memory_bytes / (profile.workers if place.device == "cpu" else 1)
    yield f"{told} at a time, of {human(capacity, 'B')} to use; {_what_fits(largest, capacity, place, num_devices)}"


def _what_fits(model: Model, capacity_bytes: float, place: Place, num_devices: int) -> str:
    fits = list(fitting(model.shape, model.steps, capacity_bytes, place))
    chosen = next((fit for fit in fits if fit.micro_batch_tokens is not None), None)
    own = recipe_name(model.steps)
    if chosen is not None and chosen.name == own:
        return f"it fits, activations: {chosen.activations}"
    sharded = Place(place.device, num_devices)
    if num_devices > 1 and any(
        fit.micro_batch_tokens for fit in fitting(model.shape, model.steps, capacity_bytes, sharded) if fit.name == own
    ):
        return f"it fits where its parameters are shared out over all {num_devices} devices"
    if chosen is None:
        return "it does not fit in any recipe"
    return f"as the study has it it does not fit; {chosen.name} does, activations: {chosen.activations}"


def _trainings(recipe: Recipe) -> Iterator[tuple[str, StepsConfig, int]]:
    """Stages of a run that train: their steps, and the pieces that the model has by then got."""
    if recipe.base.train is not None:
        yield "base", recipe.base.train.steps, 0
    num_new_pieces = recipe.tokenizer.num_new_pieces
    if recipe.pretraining is not None and recipe.pretraining.budget.amount:
        yield "pretraining", recipe.pretraining.steps, num_new_pieces
    if recipe.tuning.steps is not None and recipe.tuning.num_conversations:
        yield "tuning", recipe.tuning.steps, num_new_pieces


def _memory_settings(steps: StepsConfig) -> tuple[object, ...]:
    return steps.row_tokens, steps.precision, steps.optimizer_state, steps.lora, steps.groups


def _row(line: Line, added: Sequence[int]) -> tuple[str, ...]:
    model, fit = line.model, line.least
    if fit.micro_batch_tokens is None:
        tokens = "not one row"
    else:
        tokens = f"{fit.micro_batch_tokens:,}{'+' if fit.micro_batch_tokens >= LARGEST_TOKENS else ''} tokens"
    return (
        model.name,
        human(model.shape.num_parameters),
        human(line.capacity_bytes, "B"),
        fit.name,
        fit.activations,
        tokens,
        human(fit.memory.total_bytes, "B"),
        *(human(line.added_bytes(number), "B") for number in added),
    )


def _but_gpu(row: tuple[str, ...]) -> tuple[str, ...]:
    return row[:2] + row[3:]


def _plain(line: Line, num_added: int) -> dict[str, Any]:
    model, chosen = line.model, line.chosen
    return {
        "model": model.name,
        "num_parameters": model.shape.num_parameters,
        "num_pieces": model.shape.num_pieces,
        "row_tokens": model.steps.row_tokens,
        "capacity_bytes": line.capacity_bytes,
        "recipe": None if chosen is None else chosen.name,
        "activations": None if chosen is None else chosen.activations,
        "micro_batch_tokens": None if chosen is None else chosen.micro_batch_tokens,
        "bytes_per_1000_pieces": line.added_bytes(PIECES),
        "num_new_pieces": num_added,
        "new_pieces_bytes": line.added_bytes(num_added),
        "recipes": [
            {
                "recipe": fit.name,
                "activations": fit.activations,
                "micro_batch_tokens": fit.micro_batch_tokens,
                "total_bytes": fit.memory.total_bytes,
                "parts": {name: int(value) for name, value in fit.memory._asdict().items()},
            }
            for fit in line.fits
        ],
    }
