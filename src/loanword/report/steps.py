"""What the next larger amount buys: each budget of text, and of instructions, beside the one before it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from loanword.report.arms import INSTRUCTIONS, budget_arms
from loanword.report.cells import (
    Cell,
    Column,
    RowGroup,
    Sources,
    Table,
    estimate_cell,
    number_cell,
    pair_cell,
    text_cell,
)
from loanword.report.comparisons import compare
from loanword.report.gather import RunRecords
from loanword.report.knowledge import Knowledge, benchmarks_of
from loanword.report.likelihoods import Scores
from loanword.report.quality.scores import assess
from loanword.report.quality.words import difference_text, heading, value_text
from loanword.report.saying import say
from loanword.report.statistics import PairedDifference, Verdict, with_verdicts
from loanword.report.tables import REACHED, TONES
from loanword.report.wording import MISSING, p_text

TUNING = "tuning."
About = Literal["text", "instructions"]


@dataclass(frozen=True)
class Step:
    """One measure of the target language under a larger amount (`arm`) and the next smaller (`control`).

    `values` are (control, arm); None, as `paired` is, where a side is missing or they share no example.
    """

    about: About
    arm: str
    control: str
    measure: str
    role: str
    lower_is_better: bool
    margin: float
    values: tuple[float, float] | None
    paired: PairedDifference | None
    value_text: Callable[[float], str]
    difference_text: Callable[[float], str]
    is_missing: bool = False
    adjusted_p: float | None = None
    verdict: Verdict | None = None

    @property
    def word(self) -> str:
        """The verdict, or why there is none."""
        if self.verdict is None:
            return MISSING if self.is_missing else "not comparable: different examples"
        return self.verdict.word


def steps(runs: Sequence[RunRecords], scores: Scores, knowledge: Knowledge) -> list[Step]:
    """Every step in text and in instructions; p-values are adjusted by Holm over all of them together."""
    texts, instructions = text_pairs(runs), instruction_pairs(runs)
    found = [
        # Tuning is not there to model text, nor a budget to be asked about each benchmark again.
        *_compared("text", texts, runs, scores, {}),
        *_compared("instructions", instructions, runs, {}, knowledge),
        *_judged(instructions, runs),
    ]
    return with_verdicts(found, lower_is_better=lambda one: one.lower_is_better, margin=lambda one: one.margin)


def text_pairs(runs: Sequence[RunRecords]) -> list[tuple[str, str]]:
    """Runs that differ in their budget of target text alone, each beside the next smaller."""
    found = dict.fromkeys(
        (after.label, before.label) for arm in budget_arms(runs) for before, after in pairwise(arm.runs)
    )
    return list(found)


def instruction_pairs(runs: Sequence[RunRecords]) -> list[tuple[str, str]]:
    """Runs that differ in their number of instructions alone, each beside the next smaller."""
    groups: dict[object, list[RunRecords]] = {}
    for run in runs:
        rest = {key: repr(value) for key, value in run.settings.items() if not key.startswith(TUNING)}
        groups.setdefault((run.seed, frozenset(rest.items())), []).append(run)
    found: list[tuple[str, str]] = []
    for group in groups.values():
        ordered = sorted(group, key=_num_instructions)
        found += [
            (after.label, before.label)
            for before, after in pairwise(ordered)
            if _num_instructions(before) < _num_instructions(after)
        ]
    return found


def _num_instructions(run: RunRecords) -> float:
    number = run.settings.get(INSTRUCTIONS, 0)
    return 0 if isinstance(number, str) else number


def _compared(
    about: About,
    pairs: Sequence[tuple[str, str]],
    runs: Sequence[RunRecords],
    scores: Scores,
    knowledge: Knowledge,
) -> Iterator[Step]:
    targets = {run.label: str(run.settings.get("target", "")) for run in runs}
    languages = {name: facts.language for name, facts in benchmarks_of(runs).items()}
    for found in compare(pairs, runs, scores, knowledge):
        for one in found.differences:
            of = one.measure.key.partition(".")[2]
            is_text = one.measure.lower_is_better
            if (about == "text") == is_text and (of if is_text else languages[of]) == targets[found.arm]:
                values = (one.control.value, one.arm.value) if one.control and one.arm else None
                yield Step(
                    about=about,
                    arm=found.arm,
                    control=found.control,
                    measure=one.measure.title,
                    role="likelihoods" if is_text else f"grades.{of}",
                    lower_is_better=is_text,
                    margin=one.measure.margin,
                    values=values,
                    paired=one.paired,
                    value_text=one.measure.value_text,
                    difference_text=one.measure.difference_text,
                    is_missing=one.is_missing,
                )


def _judged(pairs: Sequence[tuple[str, str]], runs: Sequence[RunRecords]) -> Iterator[Step]:
    """What judges say of more instructions, by the part that speaks for each."""
    for judged in assess(runs, pairs):
        for one in judged.differences:
            if one.part == judged.headline:
                part = one.part
                yield Step(
                    about="instructions",
                    arm=one.arm,
                    control=one.control,
                    measure=say("{heading}: {item}", heading=heading(judged, short=True), item=part.title),
                    role=f"ratings.{judged.benchmark}.{judged.judge}",
                    lower_is_better=False,
                    margin=part.margin,
                    values=None if one.values is None else (one.values[1], one.values[0]),
                    paired=one.paired,
                    value_text=lambda value, part=part: value_text(part, value),
                    difference_text=lambda value, part=part: difference_text(part, value),
                    is_missing=one.is_missing,
                )


def steps_table(found: Sequence[Step]) -> Table | None:
    """Every step; None where there is none."""
    if not found:
        return None
    titles = {"text": say("More target text"), "instructions": say("More instructions")}
    groups = [
        RowGroup(titles[about], tuple(_row(one) for one in found if one.about == about))
        for about in dict.fromkeys(one.about for one in found)
    ]
    columns = (
        Column("step", "Step", is_number=False),
        Column("measure", "Measure", is_number=False),
        Column("control", "Before"),
        Column("arm", "After"),
        Column("difference", "After minus before"),
        *REACHED,
    )
    note = (
        "Runs that differ in their budget of target text alone, or in their number of instructions alone, each beside "
        "the next smaller. Text is measured in bits per byte of held-out target text, instructions by benchmarks in "
        "the target language and by judges. Brackets hold 95\u202f% intervals of the paired difference; p is adjusted "
        "by Holm over the whole table."
    )
    return Table("steps", "What the next larger amount buys", note, columns, tuple(groups))


def _row(one: Step) -> tuple[Cell, ...]:
    head = pair_cell(one.arm, one.control)
    control, arm = one.values or (None, None)
    return (
        Cell(head.text, head.value, sources=Sources((one.arm, one.control), (one.role,))),
        text_cell(one.measure),
        number_cell(control, one.value_text, planned=one.is_missing),
        number_cell(arm, one.value_text, planned=one.is_missing),
        estimate_cell(one.paired and one.paired.difference, one.difference_text, planned=one.is_missing),
        number_cell(one.adjusted_p, p_text, planned=one.is_missing),
        text_cell(say(one.word), tone=TONES.get(one.word, "quiet")),
    )
