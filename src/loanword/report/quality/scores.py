"""How good responses are by each judge: what it gave each run, and an arm beside its control. Numbers only."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from loanword.recipe.judging import AGAINST, OF_COHERENCE
from loanword.records import Item, JudgeFacts, Rating
from loanword.report.facts import BenchmarkFacts
from loanword.report.gather import RunRecords, stage_of
from loanword.report.judged import COHERENCE, Judged, judged_role
from loanword.report.knowledge import benchmark_titles
from loanword.report.quality.ratings import (
    Part,
    RatedExamples,
    differences,
    estimates,
    parts_of,
    rated_examples,
)
from loanword.report.statistics import Estimate, PairedDifference, Verdict, with_verdicts


@dataclass(frozen=True)
class RunScores:
    """What one judge gave the responses of one run. `estimates` are by part, None where no example has one."""

    judge: JudgeFacts
    ratings: tuple[Rating, ...]
    examples: RatedExamples
    estimates: Mapping[str, Estimate | None]

    @cached_property
    def outcomes(self) -> Counter[str]:
        """Judgements by what became of them; they add up to all ratings."""
        return Counter(rating.outcome for rating in self.ratings)

    @property
    def num_questions(self) -> int:
        return len({(rating.subject, rating.id) for rating in self.ratings})

    @property
    def unparsed_share(self) -> float | None:
        """Share of unparsed replies among the judge's replies to responses that were given."""
        asked = len(self.ratings) - self.outcomes["not answered"]
        return self.outcomes["unparsed"] / asked if asked else None


@dataclass(frozen=True)
class JudgedDifference:
    """One part of an arm's ratings beside its control's, over the examples that both have; `paired` None for none."""

    arm: str
    control: str
    part: Part
    is_missing: bool = False
    values: tuple[float, float] | None = None
    paired: PairedDifference | None = None
    adjusted_p: float | None = None
    verdict: Verdict | None = None


@dataclass(frozen=True)
class JudgedBenchmark:
    """One benchmark by one judge on one scale.

    `scores` are by the label of the run: None is planned and missing, and what is not planned is not there.
    `is_alone`: the study has no other scale of this judge on this benchmark.
    """

    benchmark: str
    title: str
    judge: str
    facts: JudgeFacts | None
    is_alone: bool
    parts: tuple[Part, ...]
    scores: Mapping[str, RunScores | None]
    differences: tuple[JudgedDifference, ...]

    @property
    def headline(self) -> Part | None:
        """The part that speaks for the judge: the mean over its items, where it has several."""
        means = [part for part in self.parts if len(part.places) > 1]
        return (means or list(self.parts) or [None])[0]

    @property
    def scored(self) -> dict[str, RunScores]:
        return {label: scores for label, scores in self.scores.items() if scores is not None}


def assess(runs: Sequence[RunRecords], comparisons: Sequence[tuple[str, str]]) -> tuple[JudgedBenchmark, ...]:
    """Every benchmark by every judge; p-values are adjusted by Holm over all differences together."""
    titles = titles_of(runs)
    found = [
        one
        for benchmark, judge in judges_of(runs)
        for one in _judged(benchmark, titles[benchmark], judge, runs, comparisons)
    ]
    told = iter(
        with_verdicts(
            [difference for one in found for difference in one.differences],
            lower_is_better=lambda _: False,
            margin=lambda difference: difference.part.margin,
        )
    )
    return tuple(replace(one, differences=tuple(next(told) for _ in one.differences)) for one in found)


def judges_of(runs: Sequence[RunRecords]) -> dict[tuple[str, str], None]:
    """Benchmark and judge of every rating that a run plans, but for those of coherence, in the order of the runs."""
    planned: dict[tuple[str, str], None] = {}
    for run in runs:
        for benchmark, judge in planned_judges(run):
            judged = run.judged.get((benchmark, judge))
            if not (judge.endswith(OF_COHERENCE) if judged is None else judged.judge.rubric == COHERENCE):
                planned[benchmark, judge] = None
    return planned


def planned_judges(run: RunRecords) -> list[tuple[str, str]]:
    """Benchmark and judge of every rating that a run plans, finished or not."""
    benchmarks = run.named("responses")
    roles = [role for role in run.artifacts if stage_of(role) == "ratings" and AGAINST not in role]
    return [of[:2] for role in roles if (of := judged_role(role, benchmarks))]


def titles_of(runs: Sequence[RunRecords]) -> dict[str, str]:
    """What to call every benchmark that a run has responses to, or plans."""
    planned = dict.fromkeys(name for run in runs for name in run.named("responses"))
    known = {name: facts for run in runs for name, facts in run.benchmarks.items()}
    return benchmark_titles({name: known.get(name, BenchmarkFacts(name=name)) for name in planned})


def _judged(
    benchmark: str, title: str, judge: str, runs: Sequence[RunRecords], comparisons: Sequence[tuple[str, str]]
) -> list[JudgedBenchmark]:
    planned = {
        run.label: run.judged.get((benchmark, judge)) for run in runs if (benchmark, judge) in planned_judges(run)
    }
    scales: dict[tuple[str, tuple[Item, ...]], dict[str, Judged]] = {}
    for label, judged in planned.items():
        if judged is not None:
            scales.setdefault((judged.judge.rubric, judged.judge.items), {})[label] = judged
    found: list[JudgedBenchmark] = []
    for of_scale in list(scales.values()) or [dict[str, Judged]()]:
        facts = next((judged.judge for judged in of_scale.values()), None)
        rated = {item for judged in of_scale.values() for rating in judged.ratings for item in rating.scores}
        parts = () if facts is None else parts_of(facts, rated)
        scores = {
            label: None if judged is None else _scored(judged, parts)
            for label, judged in planned.items()
            if judged is None or label in of_scale
        }
        pairs = [pair for pair in dict.fromkeys(comparisons) if all(label in scores for label in pair)]
        compared = tuple(one for pair in pairs for one in _compared(pair, parts, scores))
        found.append(JudgedBenchmark(benchmark, title, judge, facts, len(scales) < 2, parts, scores, compared))
    return found


def _scored(judged: Judged, parts: Sequence[Part]) -> RunScores:
    examples = rated_examples(judged.ratings, judged.judge)
    return RunScores(judged.judge, judged.ratings, examples, estimates(examples, parts))


def _compared(
    pair: tuple[str, str], parts: Sequence[Part], scores: Mapping[str, RunScores | None]
) -> list[JudgedDifference]:
    arm, control = (scores[label] for label in pair)
    if arm is None or control is None:
        return [JudgedDifference(*pair, part, is_missing=True) for part in parts]
    told = differences(arm.examples, control.examples, parts)
    return [
        JudgedDifference(*pair, part, values=of[0], paired=of[1])
        if (of := told[part.key])
        else JudgedDifference(*pair, part)
        for part in parts
    ]
