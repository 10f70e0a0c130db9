"""Scores on benchmarks, by run: the numbers that each benchmark's authors report, and what stands beside them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from loanword.records import Grade
from loanword.report.facts import BenchmarkFacts, ScoreFacts
from loanword.report.gather import RunRecords
from loanword.report.seed_statistics import difference_over_seeds, mean_over_seeds, seed_pairs
from loanword.report.statistics import (
    Estimate,
    Floats,
    PairedDifference,
    paired_accuracy,
    paired_shares,
    resampled_shares,
    share_estimate,
    shares,
    wilson,
)
from loanword.report.wording import benchmark_name


@dataclass(frozen=True)
class ReportedScore:
    """One number of a benchmark under one run, and what naming options at random would earn."""

    facts: ScoreFacts
    estimate: Estimate
    num_examples: int

    @property
    def chance(self) -> float | None:
        return self.facts.chance


@dataclass(frozen=True)
class KnowledgeScore:
    """One benchmark under one run. An unparsed response earns nothing, and is counted apart.

    The first of `scores` is the one that the benchmark's authors report. `num_fragile` counts responses whose
    likeliest option is hardly likelier than the next; None where options were not scored. Of an arm with several
    `seeds` scores are means over them, with intervals over seeds and examples, as are the counts; the grades are those
    of its first seed.
    """

    scores: tuple[ReportedScore, ...]
    grades: Mapping[tuple[str, str], Grade]
    num_unparsed: int
    num_fragile: int | None
    mean_shots: float
    fewest_shots: int
    seeds: Mapping[int, "KnowledgeScore"] = field(default_factory=dict[int, "KnowledgeScore"])

    @property
    def headline(self) -> Estimate:
        return self.scores[0].estimate

    @property
    def num_questions(self) -> int:
        return len(self.grades)

    @cached_property
    def by_subject(self) -> Mapping[str, Sequence[Grade]]:
        """The grades of each subject."""
        return _by_subject(tuple(self.grades.values()))

    @property
    def num_subjects(self) -> int:
        return len(self.by_subject)


Knowledge = Mapping[tuple[str, str], KnowledgeScore]
"""By run label and benchmark."""


def score_knowledge(runs: Sequence[RunRecords]) -> Knowledge:
    """The score of every run on every benchmark that it was graded on."""
    facts = benchmarks_of(runs)
    return {
        (run.label, benchmark): score_grades(grades, facts[benchmark])
        for run in runs
        for benchmark, grades in run.grades.items()
        if grades
    }


def benchmarks_of(runs: Sequence[RunRecords]) -> dict[str, BenchmarkFacts]:
    """What is known of every benchmark that a run plans or has, in the order of the runs."""
    planned = dict.fromkeys(name for run in runs for name in run.named("grades"))
    known = {name: facts for run in runs for name, facts in run.benchmarks.items()}
    return {name: known.get(name, BenchmarkFacts(name=name)) for name in planned}


def benchmark_titles(benchmarks: Mapping[str, BenchmarkFacts]) -> dict[str, str]:
    """What to call each of some benchmarks; where several have one title, also by the name that the study gives it."""
    titles = {name: facts.title or benchmark_name(name) for name, facts in benchmarks.items()}
    times = Counter(titles.values())
    return {name: title if times[title] == 1 else f"{title}: {name}" for name, title in titles.items()}


def score_grades(grades: Sequence[Grade], facts: BenchmarkFacts) -> KnowledgeScore:
    """Every score of a benchmark that its grades hold examples of."""
    shots = [grade.num_shots for grade in grades]
    margins = [grade.margin_nats for grade in grades if grade.margin_nats is not None]
    by_subject = _by_subject(grades)
    scored = [_score(by_subject, one) for one in scores_of(facts, list(by_subject))]
    return KnowledgeScore(
        scores=tuple(score for score in scored if score is not None),
        grades={(grade.subject, grade.id): grade for grade in grades},
        num_unparsed=sum(grade.outcome == "unparsed" for grade in grades),
        num_fragile=sum(margin < facts.fragile_nats for margin in margins) if margins else None,
        mean_shots=sum(shots) / len(shots),
        fewest_shots=min(shots),
    )


def scores_of(facts: BenchmarkFacts, subjects: Sequence[str]) -> tuple[ScoreFacts, ...]:
    """The numbers to report; for a benchmark that names none, over questions and over subjects."""
    names = tuple(subjects)
    return facts.scores or (
        ScoreFacts(name="accuracy", over="questions", subjects=names, chance=facts.chance),
        ScoreFacts(name="mean of subjects", over="subjects", subjects=names, chance=facts.chance),
    )


def of_subject(score: KnowledgeScore, subject: str) -> Sequence[Grade]:
    """The grades of one subject; none where it was not asked."""
    return score.by_subject.get(subject, ())


def subject_estimate(score: KnowledgeScore, subject: str) -> Estimate:
    """One subject's part of the headline, each question counting as it does there."""
    facts = score.scores[0].facts
    # A mean over one subject is one over its questions, whose interval is known more exactly.
    over = "points" if facts.over == "points" else "questions"
    alone = ScoreFacts(name=facts.name, over=over, measure=facts.measure, subjects=(subject,))
    reported = _score(score.by_subject, alone)
    assert reported is not None, "the subject was asked"
    return reported.estimate


def knowledge_over_seeds(by_seed: Mapping[int, KnowledgeScore]) -> KnowledgeScore:
    """The mean of one arm's scores over its seeds, over the examples that all of them were graded on."""
    first, *others = by_seed.values()
    if not others:
        return replace(first, seeds=by_seed)
    seeds = list(by_seed.values())
    fragile = [one.num_fragile for one in seeds if one.num_fragile is not None]
    means = [_mean_of(one, seeds) for one in first.scores]
    return replace(
        first,
        scores=tuple(one for one in means if one is not None),
        num_unparsed=round(sum(one.num_unparsed for one in seeds) / len(seeds)),
        num_fragile=round(sum(fragile) / len(fragile)) if fragile else None,
        seeds=by_seed,
    )


def _mean_of(reported: ReportedScore, seeds: Sequence[KnowledgeScore]) -> ReportedScore | None:
    facts = reported.facts
    shared = shared_grades(seeds, facts.subjects)
    if not shared:
        return None
    strata = strata_of(shared, facts)
    values_S = shares(strata)
    estimate = mean_over_seeds(values_S.tolist(), resampled_shares(strata).T)
    if values_S.min() == values_S.max() and values_S[0] in (0.0, 1.0):
        # Where all are right, or all wrong, under every seed: that is no certainty.
        estimate = wilson(int(values_S[0]) * len(shared), len(shared))
    bounded = Estimate(estimate.value, max(0.0, estimate.low), min(1.0, estimate.high))
    return ReportedScore(facts, bounded, len(shared))


def compare_knowledge(arm: KnowledgeScore, control: KnowledgeScore) -> PairedDifference | None:
    """Difference in the headline over the examples that both were graded on, None where there is none.

    Over questions that are right or wrong the test is McNemar's; elsewhere a paired bootstrap. Of arms with several
    seeds it is the mean difference, paired by seed.
    """
    facts, pairs = arm.scores[0].facts, seed_pairs(arm, control)
    graded = shared_grades([one for pair in pairs for one in pair], facts.subjects)
    if not graded:
        return None
    if len(pairs) > 1:
        strata = strata_of(graded, facts)
        values, resampled_RK = shares(strata), resampled_shares(strata)
        differences_RS = resampled_RK[:, ::2] - resampled_RK[:, 1::2]
        return difference_over_seeds((values[::2] - values[1::2]).tolist(), differences_RS.T, len(graded))
    values = [(value(ours, facts), value(theirs, facts)) for ours, theirs in graded]
    if facts.over == "questions" and all(one in (0.0, 1.0) for both in values for one in both):
        return paired_accuracy(np.array([a == 1 for a, _ in values]), np.array([b == 1 for _, b in values]))
    return paired_shares(strata_of(graded, facts))


def shared_grades(scores: Sequence[KnowledgeScore], subjects: Sequence[str]) -> list[tuple[Grade, ...]]:
    """The grades of several to each example of some subjects that all were graded on, in the first one's order."""
    if not scores:
        return []
    first, *others = scores
    keys = [key for key in first.grades if key[0] in subjects and all(key in one.grades for one in others)]
    return [tuple(one.grades[key] for one in scores) for key in keys]


def strata_of(graded: Sequence[tuple[Grade, ...]], facts: ScoreFacts) -> list[Floats]:
    """(earned by each, possible) of each example, by what a score is averaged over."""
    rows: dict[str, list[tuple[float, ...]]] = {}
    for grades in graded:
        weight = grades[0].points if facts.over == "points" else 1.0
        stratum = grades[0].subject if facts.over == "subjects" else ""
        rows.setdefault(stratum, []).append((*(value(grade, facts) * weight for grade in grades), weight))
    return [np.array(found, dtype=np.float64) for found in rows.values()]


def value(grade: Grade, facts: ScoreFacts) -> float:
    """What a grade counts in a score."""
    return grade.score if facts.measure == "score" else grade.f1 or 0.0


def _by_subject(grades: Sequence[Grade]) -> dict[str, list[Grade]]:
    found: dict[str, list[Grade]] = {}
    for grade in grades:
        found.setdefault(grade.subject, []).append(grade)
    return found


def _score(by_subject: Mapping[str, Sequence[Grade]], facts: ScoreFacts) -> ReportedScore | None:
    asked = [by_subject[subject] for subject in facts.subjects if subject in by_subject]
    if not asked:
        return None
    num_examples = sum(map(len, asked))
    values = [value(grade, facts) for grades in asked for grade in grades]
    if facts.over == "questions" and all(one in (0.0, 1.0) for one in values):
        return ReportedScore(facts, wilson(int(sum(values)), num_examples), num_examples)
    strata = asked if facts.over == "subjects" else [[grade for grades in asked for grade in grades]]
    estimate = share_estimate([_columns(grades, facts) for grades in strata])
    if len(set(values)) == 1 and values[0] in (0.0, 1.0):
        # Where all are right, or all wrong, every resample is too: that is no certainty.
        estimate = wilson(int(sum(values)), num_examples)
    return ReportedScore(facts, estimate, num_examples)


def _columns(grades: Sequence[Grade], facts: ScoreFacts) -> Floats:
    weights = [grade.points if facts.over == "points" else 1.0 for grade in grades]
    rows = [(value(grade, facts) * weight, weight) for grade, weight in zip(grades, weights, strict=True)]
    return np.array(rows, dtype=np.float64)
