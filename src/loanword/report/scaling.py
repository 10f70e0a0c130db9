"""How bits per byte and quality move with text, compute and instructions: a law for each arm, and what follows.

A law is a power law with an offset (`power_law`), of bits per byte or of what quality lacks to its best. Its
uncertainty has two parts: examples (and seeds) are resampled, the same at all amounts, and the law is fitted to each
resample; and every amount is moved by as much as runs were seen to lie off their laws. A predicted run is moved so too.

Shapes: R resamples, B amounts, G amounts on a grid.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

import numpy as np

from loanword.report.arms import INSTRUCTIONS, Arm, budget_arms, factors, instruction_arms
from loanword.report.gather import RunRecords
from loanword.report.knowledge import (
    Knowledge,
    KnowledgeScore,
    benchmark_titles,
    benchmarks_of,
    shared_grades,
    strata_of,
)
from loanword.report.likelihoods import LanguageScore, Scores, languages_of
from loanword.report.power_law import FEWEST, NUM_PARAMETERS, PowerLaw, fit, huber_scale
from loanword.report.quality.scores import JudgedBenchmark, RunScores
from loanword.report.quality.words import heading
from loanword.report.saying import say
from loanword.report.seed_statistics import resampled_over_seeds
from loanword.report.statistics import CONFIDENCE, RESAMPLING_SEED, Estimate, Floats, resampled_shares, shares
from loanword.report.vocabulary import BreakEven, break_even, train_flops

Against = Literal["text", "compute", "instructions"]
Amount = Callable[[RunRecords], float | None]

NUM_FITS = 1_000
"""Resamples that a law is fitted to."""
LARGEST_FACTOR = 30.0
"""How much further than one standard deviation Student's few degrees of freedom may move a run."""
BEYOND = 4.0
"""How many times the largest amount a crossing is looked for up to."""
GRID_SIZE = 120
LEAST_FALL = 1e-3
"""A tenth of a per cent from the smallest to the largest amount is no fall."""
LEAST_SHARE = 0.01
"""Of its bits per byte, what a resample of an arm has at least: few seeds that lie apart draw some below nothing."""
LEAST_LACKING = 0.5
"""Examples that a run which is right everywhere is taken to be wrong on: the logarithm of none is not a number."""


@dataclass(frozen=True)
class Curve:
    """One measure of one arm over its amounts, smallest first; `lacks_from` is the value that nothing is missing to.

    Values fall as things get better: bits per byte, or `lacks_from` minus quality. Artifacts of `role` hold them.
    """

    measure: str
    arm: Arm
    against: Against
    amounts_B: Floats
    values_B: Floats
    resampled_RB: Floats
    lacks_from: float | None = None
    role: str = "likelihoods"

    @property
    def is_bits(self) -> bool:
        return self.lacks_from is None

    def shown(self, value: float) -> float:
        """A value of the curve as the report has it."""
        return value if self.lacks_from is None else self.lacks_from - value

    def shown_estimate(self, found: Estimate) -> Estimate:
        if self.lacks_from is None:
            return found
        return Estimate(self.shown(found.value), self.shown(found.high), self.shown(found.low))

    def first(self, num_amounts: int) -> "Curve":
        """The curve of its smallest amounts alone."""
        return replace(
            self,
            amounts_B=self.amounts_B[:num_amounts],
            values_B=self.values_B[:num_amounts],
            resampled_RB=self.resampled_RB[:, :num_amounts],
        )


@dataclass(frozen=True)
class Noise:
    """How far runs lie off their laws, as a deviation of logarithms, and how many degrees of freedom know it."""

    deviation: float
    freedom: int


@dataclass(frozen=True)
class Checked:
    """The largest amount as the law of the smaller ones predicts it, and as it was measured."""

    amount: float
    predicted: Estimate
    measured: float

    @property
    def is_inside(self) -> bool:
        return self.predicted.low <= self.measured <= self.predicted.high


@dataclass(frozen=True)
class Law:
    """A law of one curve; what it says in the report's numbers.

    `offset` is where the law ends; `falls` is whether the curve was shown to get better at all. `next_amount` is twice
    the largest. `checked` is None where all but the largest amount are too few for a law.
    """

    curve: Curve
    point: PowerLaw
    resampled: PowerLaw
    falls: bool
    exponent: Estimate
    offset: Estimate
    next_amount: float
    next_value: Estimate
    checked: Checked | None


@dataclass(frozen=True)
class TooFew:
    """A curve of fewer amounts than a law takes."""

    curve: Curve


@dataclass(frozen=True)
class Crossing:
    """From which amount of text on an arm's law is no higher than its control's, up to four times what both tried."""

    arm: Law
    control: Law
    factor: str
    found: BreakEven


def bits_curves(runs: Sequence[RunRecords], scores: Scores, against: Against = "text") -> list[Curve]:
    """Bits per byte of every arm in the target language that it aims at, over the same documents at every amount."""
    amount = {"text": _text, "compute": train_flops}[against]
    found: list[Curve] = []
    for arm in budget_arms(runs):
        language = str(arm.runs[-1].settings.get("target", ""))
        if language not in languages_of(arm.runs):
            continue
        known = list(_known(arm, amount, {run.label: scores.get((run.label, language)) for run in arm.runs}))
        known = [one for one in known if one[2].documents == known[-1][2].documents]
        if known:
            found.append(
                Curve(
                    language,
                    replace(arm, runs=tuple(run for run, _, _ in known)),
                    against,
                    np.array([size for _, size, _ in known]),
                    np.array([score.bits_per_byte.value for _, _, score in known]),
                    np.stack([_resampled(score) for _, _, score in known], axis=1),
                )
            )
    return found


def _resampled(score: LanguageScore) -> Floats:
    return np.maximum(score.resampled_bits_per_byte_R[:NUM_FITS], LEAST_SHARE * score.bits_per_byte.value)


S = TypeVar("S", LanguageScore, KnowledgeScore, RunScores)


def _known(arm: Arm, amount: Amount, scores: Mapping[str, S | None]) -> Iterator[tuple[RunRecords, float, S]]:
    for run in arm.runs:
        size, score = amount(run), scores.get(run.label)
        if size and score is not None:
            yield run, float(size), score


def _text(run: RunRecords) -> float | None:
    return run.num_target_bytes


def _instructions(run: RunRecords) -> float | None:
    asked = run.settings.get(INSTRUCTIONS)
    return None if isinstance(asked, str) else asked


def quality_curves(
    runs: Sequence[RunRecords], knowledge: Knowledge, judged: Sequence[JudgedBenchmark], against: Against
) -> list[Curve]:
    """What benchmarks and judges measure, of every arm, against text or instructions."""
    arms, amount = (budget_arms(runs), _text) if against == "text" else (instruction_arms(runs), _instructions)
    titles = benchmark_titles(benchmarks_of(runs))
    found: list[Curve | None] = []
    for arm in arms:
        for name, title in titles.items():
            graded = list(_known(arm, amount, {run.label: knowledge.get((run.label, name)) for run in arm.runs}))
            found.append(_graded_curve(name, title, arm, against, graded))
        for one in judged:
            rated = list(_known(arm, amount, {run.label: one.scores.get(run.label) for run in arm.runs}))
            found.append(_rated_curve(one, arm, against, rated))
    return sorted((curve for curve in found if curve is not None), key=lambda curve: curve.measure)


def _graded_curve(
    name: str, title: str, arm: Arm, against: Against, known: Sequence[tuple[RunRecords, float, KnowledgeScore]]
) -> Curve | None:
    if not known:
        return None
    facts = known[-1][2].scores[0].facts
    by_seed = [(size, score.seeds or {run.seed: score}) for run, size, score in known]
    graded = shared_grades([one for _, seeds in by_seed for one in seeds.values()], facts.subjects)
    if not graded:
        return None
    strata = strata_of(graded, facts)
    values_K, resampled_RK = shares(strata), resampled_shares(strata, num_resamples=NUM_FITS)
    values: list[float] = []
    resampled: list[Floats] = []
    place = 0
    for _, seeds in by_seed:
        drawn = {seed: (float(values_K[place + at]), resampled_RK[:, place + at]) for at, seed in enumerate(seeds)}
        place += len(seeds)
        values.append(float(np.mean([value for value, _ in drawn.values()])))
        resampled.append(resampled_over_seeds(drawn) if len(drawn) > 1 else next(iter(drawn.values()))[1])
    amounts_B = np.array([size for size, _ in by_seed])
    arm = replace(arm, runs=tuple(run for run, _, _ in known))
    return _lacking(title, arm, against, amounts_B, values, resampled, len(graded), f"grades.{name}")


def _rated_curve(
    judged: JudgedBenchmark, arm: Arm, against: Against, known: Sequence[tuple[RunRecords, float, RunScores]]
) -> Curve | None:
    part = judged.headline
    if part is None or not known:
        return None
    places = list(part.places)
    by_example = [
        {
            key: float(row_K[places].mean())
            for key, row_K in zip(score.examples.keys, score.examples.scores_NK, strict=True)
            if not np.isnan(row_K[places]).any()
        }
        for _, _, score in known
    ]
    shared = [key for key in by_example[0] if all(key in one for one in by_example)]
    if not shared:
        return None
    width = part.highest - part.lowest
    rows = [[(one[key] - part.lowest) / width for one in by_example] + [1.0] for key in shared]
    strata = [np.array(rows, dtype=np.float64)]
    resampled_RB = resampled_shares(strata, num_resamples=NUM_FITS)
    amounts_B, runs = np.array([size for _, size, _ in known]), tuple(run for run, _, _ in known)
    curve = _lacking(
        say("{heading}: {item}", heading=heading(judged, short=True), item=part.title),
        replace(arm, runs=runs),
        against,
        amounts_B,
        shares(strata).tolist(),
        list(resampled_RB.T),
        len(shared),
        f"ratings.{judged.benchmark}.{judged.judge}",
    )
    return replace(
        curve, lacks_from=part.highest, values_B=width * curve.values_B, resampled_RB=width * curve.resampled_RB
    )


def _lacking(
    measure: str,
    arm: Arm,
    against: Against,
    amounts_B: Floats,
    values: Sequence[float],
    resampled: Sequence[Floats],
    num_examples: int,
    role: str,
) -> Curve:
    """What shares lack to the best, never quite nothing."""
    least = LEAST_LACKING / num_examples
    values_B = np.maximum(1 - np.array(values), least)
    resampled_RB = np.maximum(1 - np.stack(resampled, axis=1), least)
    return Curve(measure, arm, against, amounts_B, values_B, resampled_RB, lacks_from=1.0, role=role)


def laws(curves: Sequence[Curve]) -> list[Law | TooFew]:
    """The law of every curve that has amounts enough; curves of one measure tell together how far runs lie off laws."""
    noises, rests = _noises(curves), [curve.first(len(curve.amounts_B) - 1) for curve in curves]
    of_rests = _noises(rests)
    found: list[Law | TooFew] = []
    for curve, rest in zip(curves, rests, strict=True):
        if len(curve.amounts_B) < FEWEST:
            found.append(TooFew(curve))
            continue
        checked = _checked(curve, rest, of_rests[curve.measure]) if len(rest.amounts_B) >= FEWEST else None
        found.append(_law(curve, noises[curve.measure], checked))
    return found


def _noises(curves: Sequence[Curve]) -> dict[str, Noise]:
    by_measure: dict[str, list[Curve]] = {}
    for curve in curves:
        by_measure.setdefault(curve.measure, []).append(curve)
    return {measure: _noise([one for one in of if len(one.amounts_B) >= FEWEST]) for measure, of in by_measure.items()}


def _noise(curves: Sequence[Curve]) -> Noise:
    """What is left of the curves beside their laws, over the amounts that their parameters leave free."""
    squares, freedom = 0.0, 0
    for curve in curves:
        off_B = _point(curve).logs_at(curve.amounts_B)[0] - np.log(curve.values_B)
        squares += float((off_B**2).sum())
        freedom += len(off_B) - NUM_PARAMETERS
    return Noise(math.sqrt(squares / freedom) if freedom else 0.0, freedom)


def _point(curve: Curve) -> PowerLaw:
    return fit(curve.amounts_B, curve.values_B[None], huber_scale(curve.resampled_RB))


def _law(curve: Curve, noise: Noise, checked: Checked | None) -> Law:
    point, resampled, moved_R = _fitted(curve, noise)
    largest = float(curve.amounts_B[-1])
    gained_R = np.log(curve.resampled_RB[:, 0] / curve.resampled_RB[:, -1])
    return Law(
        curve,
        point,
        resampled,
        falls=bool(np.percentile(gained_R, 100 * (1 - CONFIDENCE) / 2) > LEAST_FALL),
        exponent=_estimate(float(point.exponent_R[0]), resampled.exponent_R),
        offset=curve.shown_estimate(_estimate(float(point.offset_R[0]), resampled.offset_R)),
        next_amount=2 * largest,
        next_value=_predicted(curve, point, resampled, moved_R, 2 * largest),
        checked=checked,
    )


def _fitted(curve: Curve, noise: Noise) -> tuple[PowerLaw, PowerLaw, Floats]:
    """The law, its resamples, and by how much a further run is moved in each."""
    rng = np.random.default_rng([RESAMPLING_SEED, len(curve.amounts_B)])
    num_fits = len(curve.resampled_RB)
    factor_R = np.zeros(num_fits)
    if noise.freedom:
        squares_R = rng.chisquare(noise.freedom, num_fits)
        factor_R = noise.deviation * np.minimum(np.sqrt(noise.freedom / squares_R), LARGEST_FACTOR)
    moved_RB = factor_R[:, None] * rng.normal(size=curve.resampled_RB.shape)
    point = _point(curve)
    huber = max(huber_scale(curve.resampled_RB), noise.deviation)
    resampled = fit(curve.amounts_B, curve.resampled_RB * np.exp(moved_RB), huber, point)
    return point, resampled, factor_R * rng.normal(size=num_fits)


def _predicted(curve: Curve, point: PowerLaw, resampled: PowerLaw, moved_R: Floats, amount: float) -> Estimate:
    place = np.array([amount])
    drawn_R = np.exp(resampled.logs_at(place)[:, 0] + moved_R)
    return curve.shown_estimate(_estimate(float(point.at(place)[0, 0]), drawn_R))


def _estimate(value: float, resampled_R: Floats) -> Estimate:
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(resampled_R, [tail, 100 - tail])
    return Estimate(value, min(value, float(low)), max(value, float(high)))


def _checked(curve: Curve, rest: Curve, noise: Noise) -> Checked:
    """The largest amount held out, and predicted from the smaller ones."""
    amount = float(curve.amounts_B[-1])
    predicted = _predicted(rest, *_fitted(rest, noise), amount)
    return Checked(amount, predicted, curve.shown(float(curve.values_B[-1])))


def crossings(found: Sequence[Law | TooFew]) -> list[Crossing]:
    """Where the laws of two arms cross that differ in one factor."""
    known = [one for one in found if isinstance(one, Law) and one.falls]
    known = [law for law in known if law.curve.is_bits and law.curve.against == "text"]
    crossed: list[Crossing] = []
    for place, control in enumerate(known):
        for arm in known[place + 1 :]:
            if arm.curve.measure != control.curve.measure:
                continue
            differ = factors(arm.curve.arm.runs[-1], control.curve.arm.runs[-1])
            if len(differ) == 1:
                crossed.append(Crossing(arm, control, differ[0], _crossing(arm, control)))
    return crossed


def _crossing(arm: Law, control: Law) -> BreakEven:
    amounts = [law.curve.amounts_B for law in (arm, control)]
    smallest, largest = max(float(one[0]) for one in amounts), min(float(one[-1]) for one in amounts)
    grid_G: Floats = np.geomspace(smallest, BEYOND * largest, GRID_SIZE)
    differences_G = (arm.point.at(grid_G) - control.point.at(grid_G))[0]
    return break_even(grid_G, differences_G, arm.resampled.at(grid_G) - control.resampled.at(grid_G))
