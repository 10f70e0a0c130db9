"""How often intervals hold the truth, and how often a family without any effect shows one: by simulation.

A few settings by a few thousand repetitions in `make test`, wide enough that chance alone does not fail them; the whole
grid, with a table of what was found, by `python -m pytest -m simulation -s tests/report/test_coverage.py`.
"""

import math
import sys
from collections.abc import Callable
from itertools import product

import numpy as np
import pytest

from loanword.report import statistics
from loanword.report.seed_statistics import Spread, difference_over_seeds, mean_over_seeds
from loanword.report.statistics import Estimate, Floats, PairedDifference

SIZES = (50, 500, 5_000)
ACCURACIES = (0.25, 0.5, 0.8)
Draw = Callable[[np.random.Generator], tuple[Estimate, float]]
"""One repetition: an interval, and the truth that it is about."""


def covered(draw: Draw, repetitions: int, seed: int = 0) -> float:
    """The share of repetitions whose interval holds the truth."""
    rng = np.random.default_rng(seed)
    found = (draw(rng) for _ in range(repetitions))
    return sum(interval.low <= truth <= interval.high for interval, truth in found) / repetitions


def check(share: float, repetitions: int, low: float = 0.93, high: float = 0.97) -> None:
    """That a share lies in a range, or so near that chance explains it: three standard errors."""
    slack = 3 * math.sqrt(0.05 * 0.95 / repetitions)
    assert low - slack <= share <= high + slack


def accuracy(num_examples: int, share: float) -> Draw:
    return lambda rng: (statistics.wilson(int(rng.binomial(num_examples, share)), num_examples), share)


def answers(rng: np.random.Generator, num_examples: int, control: float, effect: float, alike: float) -> list[Floats]:
    """Right or wrong under arm and control; `alike` is the share of examples whose luck is the same for both."""
    luck_N, own_N = rng.random(num_examples), rng.random(num_examples)
    arm_N = np.where(rng.random(num_examples) < alike, luck_N, own_N) < control + effect
    return [arm_N.astype(np.float64), (luck_N < control).astype(np.float64)]


def paired_answers(num_examples: int, control: float, effect: float, alike: float = 0.5) -> Draw:
    def draw(rng: np.random.Generator) -> tuple[Estimate, float]:
        arm_N, control_N = answers(rng, num_examples, control, effect, alike)
        return statistics.paired_accuracy(arm_N == 1, control_N == 1).difference, effect

    return draw


def documents(rng: np.random.Generator, num_documents: int, effect: float) -> tuple[Floats, Floats, Floats]:
    """Bytes, and bits under control and arm: lengths over three orders of magnitude, differences with heavy tails."""
    bytes_N = np.exp(rng.normal(5, 1, num_documents))
    hard_N = 0.8 * np.exp(rng.normal(0, 0.4, num_documents))
    change_N = effect + 0.05 * rng.standard_t(3, num_documents)
    return bytes_N, hard_N * bytes_N, (hard_N + change_N) * bytes_N


def compared_bits(rng: np.random.Generator, num_documents: int, effect: float) -> PairedDifference:
    bytes_N, control_N, arm_N = documents(rng, num_documents, effect)
    sums_RK = statistics.resampled_sums(
        np.stack([bytes_N, control_N, arm_N], axis=1), num_resamples=1_000, seed=int(rng.integers(2**31))
    )
    arm, control = arm_N.sum() / bytes_N.sum(), control_N.sum() / bytes_N.sum()
    return statistics.paired_bootstrap(
        arm, control, sums_RK[:, 2] / sums_RK[:, 0], sums_RK[:, 1] / sums_RK[:, 0], num_documents
    )


def paired_bits(num_documents: int) -> Draw:
    return lambda rng: (compared_bits(rng, num_documents, 0.02).difference, 0.02)


def bits(num_documents: int) -> Draw:
    def draw(rng: np.random.Generator) -> tuple[Estimate, float]:
        bytes_N, control_N, _ = documents(rng, num_documents, 0.0)
        sums_RK = statistics.resampled_sums(
            np.stack([bytes_N, control_N], axis=1), num_resamples=1_000, seed=int(rng.integers(2**31))
        )
        found = statistics.bootstrap_estimate(control_N.sum() / bytes_N.sum(), sums_RK[:, 1] / sums_RK[:, 0])
        return found, 0.8 * math.exp(0.4**2 / 2)

    return draw


def mean_of_subjects(num_subjects: int, num_questions: int, paired: bool) -> Draw:
    """Subjects of other difficulty each; the truth is the mean of the same subjects over other questions."""

    def draw(rng: np.random.Generator) -> tuple[Estimate, float]:
        shares = rng.uniform(0.25, 0.8, num_subjects)
        strata: list[Floats] = []
        for share in shares:
            columns = answers(rng, num_questions, share, 0.05, 0.5)[0 if paired else 1 :]
            strata.append(np.stack([*columns, np.ones(num_questions)], axis=1))
        seed = int(rng.integers(2**31))
        values, resampled_RK = (
            statistics.shares(strata),
            statistics.resampled_shares(strata, num_resamples=1_000, seed=seed),
        )
        if paired:
            arm, control = values.tolist()
            arm_R, control_R = resampled_RK[:, 0], resampled_RK[:, 1]
            num_examples = num_subjects * num_questions
            return statistics.paired_bootstrap(arm, control, arm_R, control_R, num_examples).difference, 0.05
        return statistics.bootstrap_estimate(float(values[0]), resampled_RK[:, 0]), float(shares.mean())

    return draw


def seeded(
    rng: np.random.Generator, num_seeds: int, num_examples: int, deviations: tuple[float, float, float]
) -> tuple[Floats, Floats]:
    """Values by seed around 0 and their resamples: deviations between seeds, between examples, and of both together."""
    of_seeds, of_examples, together = deviations
    values_SN = (
        of_seeds * rng.normal(size=(num_seeds, 1))
        + of_examples * rng.normal(size=(1, num_examples))
        + together * rng.normal(size=(num_seeds, num_examples))
    )
    sums_RS = statistics.resampled_sums(values_SN.T, num_resamples=400, seed=int(rng.integers(2**31)))
    return values_SN.mean(axis=1), sums_RS.T / num_examples


def mean_of_seeds(num_seeds: int, num_examples: int, deviations: tuple[float, float, float]) -> Draw:
    def draw(rng: np.random.Generator) -> tuple[Estimate, float]:
        values_S, resampled_SR = seeded(rng, num_seeds, num_examples, deviations)
        return mean_over_seeds(values_S.tolist(), resampled_SR), 0.0

    return draw


def accuracy_over_seeds(num_seeds: int, num_examples: int, share: float, of_seeds: float, effect: float) -> Draw:
    """Arm minus control over seeds that each move the arm's accuracy; half of the examples' luck is their own."""

    def draw(rng: np.random.Generator) -> tuple[Estimate, float]:
        luck_N = rng.random(num_examples)
        columns: list[Floats] = []
        for _ in range(num_seeds):
            for mean in (share + effect, share):
                mixed_N = np.where(rng.random(num_examples) < 0.5, luck_N, rng.random(num_examples))
                columns.append((mixed_N < mean + of_seeds * rng.normal()).astype(np.float64))
        strata = [np.stack([*columns, np.ones(num_examples)], axis=1)]
        values_K = statistics.shares(strata)
        resampled_RK = statistics.resampled_shares(strata, num_resamples=500, seed=int(rng.integers(2**31)))
        differences_S, resampled_RS = values_K[::2] - values_K[1::2], resampled_RK[:, ::2] - resampled_RK[:, 1::2]
        return difference_over_seeds(differences_S.tolist(), resampled_RS.T, num_examples).difference, effect

    return draw


def family_of_answers(num_comparisons: int, num_examples: int) -> Callable[[np.random.Generator], list[str]]:
    def words(rng: np.random.Generator) -> list[str]:
        found: list[PairedDifference] = []
        for _ in range(num_comparisons):
            arm_N, control_N = answers(rng, num_examples, 0.4, 0.0, 0.5)
            found.append(statistics.paired_accuracy(arm_N == 1, control_N == 1))
        return verdicts(found, margin=0.1)

    return words


def family_of_bits(num_comparisons: int, num_documents: int) -> Callable[[np.random.Generator], list[str]]:
    return lambda rng: verdicts(
        [compared_bits(rng, num_documents, 0.0) for _ in range(num_comparisons)], margin=0.1, lower_is_better=True
    )


def family_of_seeds(
    num_comparisons: int, num_seeds: int, of_seeds: float
) -> Callable[[np.random.Generator], list[str]]:
    def words(rng: np.random.Generator) -> list[str]:
        drawn = (seeded(rng, num_seeds, 200, (of_seeds, 1.0, 0.3)) for _ in range(num_comparisons))
        return verdicts([difference_over_seeds(values.tolist(), resampled, 200) for values, resampled in drawn], 0.1)

    return words


def verdicts(found: list[PairedDifference], margin: float, lower_is_better: bool = False) -> list[str]:
    adjusted = statistics.holm([one.p_value for one in found])
    return [
        statistics.verdict(one, p_value, lower_is_better=lower_is_better, margin=margin).word
        for one, p_value in zip(found, adjusted, strict=True)
    ]


def falsely_shown(words: Callable[[np.random.Generator], list[str]], repetitions: int) -> float:
    """The share of families in which a verdict is helps or hurts."""
    rng = np.random.default_rng(1)
    return sum(not {"helps", "hurts"}.isdisjoint(words(rng)) for _ in range(repetitions)) / repetitions


def test_wilson_intervals_cover_exactly_as_often_as_they_say():
    """Summed over all outcomes, in place of drawing them."""
    from scipy.stats import binom

    for num_examples, share in product(SIZES, ACCURACIES):
        intervals = [statistics.wilson(correct, num_examples) for correct in range(num_examples + 1)]
        holds_N = np.array([interval.low <= share <= interval.high for interval in intervals])
        assert 0.93 <= binom.pmf(np.arange(num_examples + 1), num_examples, share)[holds_N].sum() <= 0.97


@pytest.mark.parametrize(("num_examples", "share"), list(product(SIZES, ACCURACIES)))
def test_intervals_of_paired_answers_cover_a_real_effect(num_examples: int, share: float):
    check(covered(paired_answers(num_examples, share, 0.05), 1_000), 1_000)


@pytest.mark.parametrize("num_documents", [100, 400])
def test_intervals_of_paired_documents_with_heavy_tails_cover(num_documents: int):
    check(covered(paired_bits(num_documents), 400), 400)


def test_an_interval_of_a_mean_over_small_subjects_covers():
    check(covered(mean_of_subjects(20, 5, paired=False), 400), 400)
    check(covered(mean_of_subjects(20, 5, paired=True), 400), 400)


@pytest.mark.parametrize("num_seeds", [3, 5])
@pytest.mark.parametrize("deviations", [(0.0, 1.0, 0.3), (0.1, 1.0, 0.3), (1.0, 1.0, 0.3), (0.0, 0.1, 1.0)])
def test_intervals_over_seeds_cover(num_seeds: int, deviations: tuple[float, float, float]):
    check(covered(mean_of_seeds(num_seeds, 200, deviations), 800), 800)


def test_intervals_of_accuracy_over_seeds_cover():
    check(covered(accuracy_over_seeds(3, 500, 0.5, 0.02, 0.05), 250), 250)


def test_a_family_without_any_effect_rarely_shows_one():
    for words, repetitions in (
        (family_of_answers(20, 300), 400),
        (family_of_bits(5, 200), 150),
        (family_of_seeds(10, 3, 0.1), 150),
    ):
        assert falsely_shown(words, repetitions) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / repetitions)


@pytest.mark.parametrize("num_seeds", [3, 5])
@pytest.mark.parametrize("of_seeds", [1.0, 0.2])
def test_a_family_over_few_seeds_rarely_shows_an_effect(num_seeds: int, of_seeds: float):
    """Families of twenty means over seeds of 200 examples, all zero; Holm shows something where one p is that small."""
    repetitions, size, of_examples = 3_000, 20, 1 / 200
    rng = np.random.default_rng(6)
    values_FKS = of_seeds * rng.normal(size=(repetitions, size, num_seeds))
    values_FKS += math.sqrt(of_examples) * rng.normal(size=(repetitions, size, 1))
    differences_FK, between_FK = values_FKS.mean(axis=2), values_FKS.var(axis=2, ddof=1) / num_seeds
    # Nearer to zero no quantile of either part shows anything.
    far_FK = np.abs(differences_FK) > 3.0 * np.sqrt(between_FK + of_examples)
    shown: set[int] = set()
    for family, place in np.argwhere(far_FK).tolist():
        spread = Spread(float(between_FK[family, place]), of_examples, num_seeds)
        if spread.p_value(float(differences_FK[family, place])) < statistics.SIGNIFICANCE / size:
            shown.add(family)
    assert len(shown) / repetitions <= 0.05


def test_a_verdict_of_answers_never_contradicts_its_interval():
    """Of all that 30 to 60 questions may give: an exact test and an interval of another kind."""
    for num_examples in (30, 45, 60):
        for gained, lost in product(range(num_examples + 1), repeat=2):
            if gained + lost > num_examples:
                continue
            arm_N = np.arange(num_examples) < gained
            control_N = (np.arange(num_examples) >= gained) & (np.arange(num_examples) < gained + lost)
            found = statistics.paired_accuracy(arm_N, control_N)
            if found.p_value < statistics.SIGNIFICANCE:
                assert found.difference.low > 0 or found.difference.high < 0


@pytest.mark.simulation
def test_the_whole_grid_covers(capsys: pytest.CaptureFixture[str]):
    """Every method at every size; prints what was found."""
    cells: list[tuple[str, Draw, int]] = []
    for num, share in product(SIZES, ACCURACIES):
        cells.append((f"accuracy, Wilson, n = {num}, p = {share}", accuracy(num, share), 20_000))
    for num, share, effect in product(SIZES, ACCURACIES, (0.0, 0.05, 0.1)):
        cells.append((f"paired accuracy, n = {num}, p = {share} + {effect}", paired_answers(num, share, effect), 5_000))
    for num in (50, 100, 200, 500, 1_000):
        cells.append((f"paired bits per byte, {num} documents", paired_bits(num), 2_000))
    # Of fewer documents, as unlike each other as these, no resampling knows the tail (docs/numbers.md).
    for num in (100, 200, 500, 1_000):
        cells.append((f"bits per byte, {num} documents", bits(num), 2_000))
    for paired, (num, questions) in product((False, True), ((8, 20), (20, 5), (52, 25))):
        cells.append(
            (f"mean of {num} subjects of {questions}, paired {paired}", mean_of_subjects(num, questions, paired), 2_000)
        )
    for num_seeds, num, of_seeds, together in product((3, 5), SIZES[:2], (0.0, 0.05, 0.1, 0.3, 1.0), (0.3, 1.0)):
        deviations = (of_seeds, 1.0, together)
        cells.append((f"{num_seeds} seeds, n = {num}, {deviations}", mean_of_seeds(num_seeds, num, deviations), 2_000))
    for num_seeds, num, share in product((3, 5), SIZES[:2], ACCURACIES):
        drawn = accuracy_over_seeds(num_seeds, num, share, 0.02, 0.05)
        cells.append((f"{num_seeds} seeds, paired accuracy, n = {num}, p = {share} + 0.05", drawn, 1_000))
    found = [(name, covered(draw, repetitions), repetitions) for name, draw, repetitions in cells]
    shown = {
        "20 of accuracy, n = 300": (family_of_answers(20, 300), 2_000),
        "20 of accuracy, n = 50": (family_of_answers(20, 50), 2_000),
        "20 of bits per byte, 200 documents": (family_of_bits(20, 200), 400),
        "20 over 3 seeds, deviation 0.1": (family_of_seeds(20, 3, 0.1), 1_000),
        "20 over 5 seeds, deviation 0.1": (family_of_seeds(20, 5, 0.1), 1_000),
    }
    false = [(name, falsely_shown(words, repetitions), repetitions) for name, (words, repetitions) in shown.items()]
    with capsys.disabled():
        sys.stdout.write("\n" + "".join(f"{name:<60} {share:.3f} of {times:,}\n" for name, share, times in found))
        sys.stdout.write("".join(f"{name:<60} {share:.4f} of {times:,} families\n" for name, share, times in false))
    for _, share, times in found:
        check(share, times)
    for _, share, times in false:
        assert share <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / times)
