"""Accuracy on benchmarks, by run: over all questions (micro), over subjects (macro), and over the hard subjects."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from loanword.records import Grade
from loanword.report.gather import BenchmarkFacts, RunRecords
from loanword.report.statistics import Estimate, PairedDifference, macro_accuracy, paired_accuracy, wilson


@dataclass(frozen=True)
class KnowledgeScore:
    """One benchmark under one run. An unparsed response is not correct, and is counted apart.

    `correct` holds every question by its subject and id.
    """

    micro: Estimate
    macro: Estimate
    hard: Estimate | None
    num_subjects: int
    num_unparsed: int
    mean_shots: float
    fewest_shots: int
    correct: Mapping[tuple[str, str], bool]

    @property
    def num_questions(self) -> int:
        return len(self.correct)


Knowledge = Mapping[tuple[str, str], KnowledgeScore]
"""By run label and benchmark."""


def score_knowledge(runs: Sequence[RunRecords]) -> Knowledge:
    """The score of every run on every benchmark that it was graded on."""
    facts = benchmarks_of(runs)
    return {
        (run.label, benchmark): _score(grades, facts[benchmark].hard_subjects)
        for run in runs
        for benchmark, grades in run.grades.items()
        if grades
    }


def benchmarks_of(runs: Sequence[RunRecords]) -> dict[str, BenchmarkFacts]:
    """What is known of every benchmark that a run plans or has, in the order of the runs."""
    planned = dict.fromkeys(
        role.partition(".")[2] for run in runs for role in run.artifacts if role.startswith("grades.")
    )
    known = {name: facts for run in runs for name, facts in run.benchmarks.items()}
    return {name: known.get(name, BenchmarkFacts(name=name)) for name in planned}


def compare_knowledge(arm: KnowledgeScore, control: KnowledgeScore) -> PairedDifference | None:
    """Difference in accuracy over the questions that both runs were graded on, None where there is none."""
    shared = [question for question in arm.correct if question in control.correct]
    if not shared:
        return None
    return paired_accuracy(
        np.array([arm.correct[question] for question in shared]),
        np.array([control.correct[question] for question in shared]),
    )


def _score(grades: Sequence[Grade], hard_subjects: Sequence[str]) -> KnowledgeScore:
    correct = {(grade.subject, grade.id): grade.outcome == "correct" for grade in grades}
    shots = [grade.num_shots for grade in grades]
    subjects = list(dict.fromkeys(grade.subject for grade in grades))
    hard = [subject for subject in subjects if subject in hard_subjects]
    return KnowledgeScore(
        micro=wilson(sum(correct.values()), len(correct)),
        macro=_macro(correct, subjects),
        hard=_macro(correct, hard) if hard else None,
        num_subjects=len(subjects),
        num_unparsed=sum(grade.outcome == "unparsed" for grade in grades),
        mean_shots=sum(shots) / len(shots),
        fewest_shots=min(shots),
        correct=correct,
    )


def _macro(correct: Mapping[tuple[str, str], bool], subjects: Sequence[str]) -> Estimate:
    outcomes: dict[str, list[bool]] = {subject: [] for subject in subjects}
    for (subject, _), right in correct.items():
        if subject in outcomes:
            outcomes[subject].append(right)
    return macro_accuracy([sum(found) for found in outcomes.values()], [len(found) for found in outcomes.values()])
