"""Two evaluations of the same benchmark, example by example."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from loanword.records import Grade
from loanword.report.knowledge import KnowledgeScore, shared_grades, strata_of
from loanword.report.statistics import PairedDifference, holm, mcnemar_p_value, paired_accuracy, paired_shares


@dataclass(frozen=True)
class SubjectPair:
    """One subject under both: shares of questions answered correctly, and a p-value adjusted over all subjects."""

    subject: str
    num_examples: int
    arm: float
    control: float
    paired: PairedDifference
    adjusted_p: float


@dataclass(frozen=True)
class Pairing:
    """An arm against a control over the examples that both were graded on.

    `headline` is the difference of the number that the benchmark's authors report, by paired bootstrap; `gained` are
    the examples (under the arm, under the control) that only the arm answered correctly, `lost` those that only the
    control did; `mcnemar_p` tests them. `num_alone` counts examples that only one of the two was graded on,
    `num_other_answers` those of both whose published answers differ.
    """

    score_name: str
    headline: PairedDifference
    mcnemar_p: float
    gained: tuple[tuple[Grade, Grade], ...]
    lost: tuple[tuple[Grade, Grade], ...]
    subjects: tuple[SubjectPair, ...]
    num_examples: int
    num_alone: int
    num_other_answers: int


def pair(arm: KnowledgeScore, control: KnowledgeScore) -> Pairing | None:
    """The pairing of two scores of one benchmark, None where no example was graded under both."""
    facts = arm.scores[0].facts
    pairs = [(ours, theirs) for ours, theirs in shared_grades([arm, control], facts.subjects)]
    if not pairs:
        return None
    gained = tuple(both for both in pairs if _right(both[0]) and not _right(both[1]))
    lost = tuple(both for both in pairs if _right(both[1]) and not _right(both[0]))
    everything = len(arm.grades.keys() | control.grades.keys())
    return Pairing(
        score_name=facts.name,
        headline=paired_shares(strata_of(pairs, facts)),
        mcnemar_p=mcnemar_p_value(len(gained), len(lost)),
        gained=gained,
        lost=lost,
        subjects=_subjects(pairs),
        num_examples=len(pairs),
        num_alone=everything - len(arm.grades.keys() & control.grades.keys()),
        num_other_answers=sum(ours.answer != theirs.answer for ours, theirs in pairs),
    )


def _subjects(pairs: Sequence[tuple[Grade, Grade]]) -> tuple[SubjectPair, ...]:
    by_subject: dict[str, list[tuple[bool, bool]]] = {}
    for ours, theirs in pairs:
        by_subject.setdefault(ours.subject, []).append((_right(ours), _right(theirs)))
    rights = {subject: np.array(found, dtype=np.bool_) for subject, found in by_subject.items()}
    tested = {subject: paired_accuracy(right_N2[:, 0], right_N2[:, 1]) for subject, right_N2 in rights.items()}
    adjusted = holm([paired.p_value for paired in tested.values()])
    return tuple(
        SubjectPair(
            subject=subject,
            num_examples=paired.num_examples,
            arm=float(rights[subject][:, 0].mean()),
            control=float(rights[subject][:, 1].mean()),
            paired=paired,
            adjusted_p=p_value,
        )
        for (subject, paired), p_value in zip(tested.items(), adjusted, strict=True)
    )


def _right(grade: Grade) -> bool:
    return grade.outcome == "correct"
