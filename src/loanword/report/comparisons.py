"""Arms against controls: paired differences on every measure, adjusted as one family, with a verdict in words."""

from collections.abc import Sequence
from dataclasses import dataclass

from loanword.report.arms import factors
from loanword.report.gather import NEW_PIECES, TRAINING_ROLES, RunRecords, StudyInfo
from loanword.report.knowledge import Knowledge, benchmarks_of, compare_knowledge
from loanword.report.likelihoods import Scores, compare_languages, languages_of
from loanword.report.saying import say
from loanword.report.statistics import Estimate, PairedDifference, Verdict, cohens_h, with_verdicts
from loanword.report.wording import MISSING, Setting, benchmark_name, decimal, language_name, percent, signed

# A difference that we could not see while the interval reaches further than this is not "no difference".
MARGIN_BITS_PER_BYTE = 0.1
MARGIN_ACCURACY = 0.1

PLACEMENT = ("device", "processes", "micro_batch_tokens")
"""Fields of an Execution whose change may change a training artifact's last bits."""


@dataclass(frozen=True)
class Measure:
    """Something that two runs may differ in: the loss on a language, or the accuracy on a benchmark."""

    key: str
    title: str
    subject: str
    lower_is_better: bool

    @property
    def margin(self) -> float:
        """The largest difference that may be called none."""
        return MARGIN_BITS_PER_BYTE if self.lower_is_better else MARGIN_ACCURACY

    def with_unit(self, number: str) -> str:
        """A difference as a number with its unit."""
        return say("{number} bits per byte" if self.lower_is_better else "{number} points", number=number)

    def value_text(self, value: float) -> str:
        """A value of this measure in its unit."""
        return decimal(value, 3) if self.lower_is_better else percent(value)

    def difference_text(self, value: float) -> str:
        """A difference with its sign; accuracies differ in percentage points."""
        return signed(value, 3) if self.lower_is_better else signed(100 * value, 1)

    def size_text(self, value: float) -> str:
        """A size of difference, without its sign."""
        return decimal(abs(value), 3) if self.lower_is_better else decimal(100 * abs(value), 1)

    def amount_text(self, value: float) -> str:
        """A size of difference without its sign, with its unit."""
        return self.with_unit(self.size_text(value))


@dataclass(frozen=True)
class Difference:
    """One measure of one comparison; `paired` is None where either side is missing or they share no example."""

    measure: Measure
    arm: Estimate | None
    control: Estimate | None
    paired: PairedDifference | None
    adjusted_p: float | None = None
    verdict: Verdict | None = None

    @property
    def is_missing(self) -> bool:
        """Whether a side of it has no records yet."""
        return self.arm is None or self.control is None

    @property
    def effect(self) -> float | None:
        """The size of the difference without a unit: Cohen's h of two accuracies, d_z of bits per byte."""
        if self.paired is None or self.arm is None or self.control is None:
            return None
        lower_is_better = self.measure.lower_is_better
        return self.paired.standardised if lower_is_better else cohens_h(self.arm.value, self.control.value)

    @property
    def verdict_text(self) -> str:
        """The verdict in words, with the bound where no difference was shown."""
        if self.verdict is None:
            return MISSING if self.is_missing else say("not comparable: different examples")
        if self.verdict.word == "no difference" and self.verdict.bound is not None:
            bound = self.measure.amount_text(self.verdict.bound)
            return say("no difference larger than {bound} shown", bound=bound)
        return say(self.verdict.word)


@dataclass(frozen=True)
class Comparison:
    """An arm against its control, the factors they differ in, and whether they were built in different places.

    `skipped_rows` names those of the two whose training left rows out.
    """

    arm: str
    control: str
    factors: tuple[str, ...]
    other_execution: bool
    skipped_rows: tuple[str, ...]
    differences: tuple[Difference, ...]

    @property
    def num_seeds(self) -> int:
        """Seeds of the arm that the control was set beside; 1 where only examples were repeated."""
        return max((found.paired.num_seeds for found in self.differences if found.paired), default=1)

    @property
    def confounded(self) -> bool:
        """Whether more than one factor differs, so that no one factor explains the difference."""
        return len(self.factors) > 1


def compare(
    pairs: Sequence[tuple[str, str]], runs: Sequence[RunRecords], scores: Scores, knowledge: Knowledge
) -> list[Comparison]:
    """Every pair on every measure; p-values are adjusted by Holm over all of them together.

    Raises:
        ValueError: a pair names no run.
    """
    by_label = {run.label: run for run in runs}
    unknown = {label for pair in pairs for label in pair} - by_label.keys()
    if unknown:
        raise ValueError(f"compared runs that are not in the study: {sorted(unknown)}")
    measured = [_differences(by_label[arm], by_label[control], runs, scores, knowledge) for arm, control in pairs]
    judged = iter(
        with_verdicts(
            [difference for found in measured for difference in found],
            lower_is_better=lambda one: one.measure.lower_is_better,
            margin=lambda one: one.measure.margin,
        )
    )
    return [
        Comparison(
            arm=arm,
            control=control,
            factors=tuple(factors(by_label[arm], by_label[control])),
            other_execution=placed(by_label[arm]) != placed(by_label[control]),
            skipped_rows=tuple(label for label in (arm, control) if by_label[label].skipped),
            differences=tuple(next(judged) for _ in found),
        )
        for (arm, control), found in zip(pairs, measured, strict=True)
    ]


def _differences(
    arm: RunRecords, control: RunRecords, runs: Sequence[RunRecords], scores: Scores, knowledge: Knowledge
) -> list[Difference]:
    found: list[Difference] = []
    for language in languages_of(runs):
        # A study of several targets measures each on its own.
        if not all(run.is_read(language) for run in (arm, control)):
            continue
        measure = Measure(
            f"bits_per_byte.{language}",
            say("{language}, bits per byte", language=language_name(language)),
            language_name(language),
            True,
        )
        ours, theirs = scores.get((arm.label, language)), scores.get((control.label, language))
        paired = compare_languages(ours, theirs) if ours and theirs else None
        found.append(Difference(measure, ours and ours.bits_per_byte, theirs and theirs.bits_per_byte, paired))
    for benchmark in benchmarks_of(runs):
        # A benchmark that one of them was never meant to answer is no gap in this comparison.
        if not all(f"grades.{benchmark}" in run.artifacts for run in (arm, control)):
            continue
        measure = Measure(
            f"accuracy.{benchmark}",
            say("{benchmark}, accuracy", benchmark=benchmark_name(benchmark)),
            benchmark_name(benchmark),
            False,
        )
        ours, theirs = knowledge.get((arm.label, benchmark)), knowledge.get((control.label, benchmark))
        paired = compare_knowledge(ours, theirs) if ours and theirs else None
        found.append(Difference(measure, ours and ours.headline, theirs and theirs.headline, paired))
    return found


def placed(run: RunRecords) -> set[tuple[str, str]]:
    """Where a run was trained, in the fields that could change its bits; what no step has touched is left out."""
    return {
        (field, repr(artifact.manifest.provenance.execution.get(field)))
        for role in TRAINING_ROLES
        if (artifact := run.artifacts.get(role)) is not None
        and not (role in run.summaries and run.summaries[role].num_steps == 0)
        for field in PLACEMENT
        if field in artifact.manifest.provenance.execution
    }


def reference_run(runs: Sequence[RunRecords], of: RunRecords | None = None) -> RunRecords | None:
    """The base as it came: no new piece, no further pretraining, no tuning; None where the study has no such run.

    Of a study with several bases, the one that a run started from, where it is among them.
    """
    untouched = [run for run in runs if not run.is_pretrained and not run.plans("tuning")]
    untouched = [run for run in untouched if not run.settings.get(NEW_PIECES, 0)]
    own = [run for run in untouched if of is not None and _base_of(run) == _base_of(of)]
    return (own or untouched or [None])[0]


def _base_of(run: RunRecords) -> dict[str, Setting]:
    return {key: value for key, value in run.settings.items() if key.startswith("base.")}


def best_run(runs: Sequence[RunRecords], scores: Scores, target: str) -> RunRecords | None:
    """The run with the fewest bits per byte of a target language, among those that aim at it."""
    aiming = [run for run in runs if run.settings.get("target", target) == target and (run.label, target) in scores]
    return min(aiming, key=lambda run: scores[run.label, target].bits_per_byte.value, default=None)


def all_pairs(study: StudyInfo, runs: Sequence[RunRecords], scores: Scores) -> list[tuple[str, str]]:
    """The study's own comparisons, and for each target language the best run against the untouched base."""
    pairs = dict.fromkeys(study.comparisons)
    base = reference_run(runs)
    for target in dict.fromkeys(str(run.settings["target"]) for run in runs if "target" in run.settings):
        best = best_run(runs, scores, target)
        if base is not None and best is not None and best.label != base.label:
            pairs[best.label, base.label] = None
    return list(pairs)
