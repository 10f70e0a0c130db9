"""Which of two runs' responses a judge prefers: wins that survive the swap, and how often it agrees with itself.

Shapes: N examples, R resamples.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from loanword.records import JudgeFacts, Preference
from loanword.report.cells import (
    MISSING_CELL,
    Cell,
    Column,
    RowGroup,
    Sources,
    Table,
    estimate_cell,
    number_cell,
    pair_cell,
)
from loanword.report.gather import RunRecords, stage_of
from loanword.report.judged import judged_role
from loanword.report.quality.ratings import interval
from loanword.report.statistics import Estimate, resampled_sums
from loanword.report.wording import decimal, percent, plain

WORTH = {"arm": 1.0, "control": 0.0, "tie": 0.5, "inconsistent": 0.5}
"""What an outcome counts in the win rate."""
CONSISTENT = ("arm", "control", "tie")


@dataclass(frozen=True)
class PreferenceScore:
    """What became of all comparisons, and the arm's win rate over the examples of which both replies could be read.

    `consistency` is the share of those where both orders gave one verdict; `first_share` that of verdicts for
    whichever response was shown first, among verdicts for one of them.
    """

    outcomes: Counter[str]
    num_questions: int
    win_rate: Estimate | None
    consistency: float | None
    first_share: float | None


@dataclass(frozen=True)
class ComparedResponses:
    """The responses of an arm and its control to a benchmark, compared by a judge; None where that is missing."""

    benchmark: str
    judge: str
    arm: str
    control: str
    facts: JudgeFacts | None
    score: PreferenceScore | None


def compared_responses(runs: Sequence[RunRecords]) -> tuple[ComparedResponses, ...]:
    """Every comparison that a run plans, in the order of the runs."""
    found: list[ComparedResponses] = []
    for run in runs:
        benchmarks = run.named("responses")
        for role in run.artifacts:
            of = judged_role(role, benchmarks) if stage_of(role) == "ratings" else None
            if of is None or not of[2]:
                continue
            preferred = run.preferred.get(of)
            score = preferred and preference_score(preferred.preferences)
            found.append(ComparedResponses(of[0], of[1], run.label, of[2], preferred and preferred.judge, score))
    return tuple(found)


def preference_score(preferences: Sequence[Preference]) -> PreferenceScore:
    """Wins, ties, losses and the rest; a question that was compared several times counts once in the win rate."""
    outcomes = Counter[str](one.outcome for one in preferences)
    num_read = sum(outcomes[outcome] for outcome in WORTH)
    num_consistent = sum(outcomes[outcome] for outcome in CONSISTENT)
    first = [
        verdict == shown
        for one in preferences
        for verdict, shown in zip(one.verdicts, ("arm", "control"), strict=True)
        if verdict in ("arm", "control")
    ]
    return PreferenceScore(
        outcomes=outcomes,
        num_questions=len({(one.subject, one.id) for one in preferences}),
        win_rate=_win_rate(preferences),
        consistency=num_consistent / num_read if num_read else None,
        first_share=sum(first) / len(first) if first else None,
    )


def _win_rate(preferences: Sequence[Preference]) -> Estimate | None:
    worth: dict[tuple[str, str], list[float]] = {}
    for one in preferences:
        if one.outcome in WORTH:
            worth.setdefault((one.subject, one.id), []).append(WORTH[one.outcome])
    if not worth:
        return None
    values_N = np.array([sum(repeats) / len(repeats) for repeats in worth.values()], dtype=np.float64)
    resampled_R = resampled_sums(values_N[:, None])[:, 0] / len(values_N)
    return interval(float(values_N.mean()), resampled_R, (0.0, 1.0), len(values_N))


def preferences_table(compared: Sequence[ComparedResponses], headings: Mapping[tuple[str, str], str]) -> Table:
    """Every comparison, under headings by benchmark and judge."""
    columns = (
        Column("pair", "Arm against control", is_number=False),
        Column("win_rate", "Arm\u2019s win rate"),
        Column("num_questions", "Questions"),
        Column("wins", "Wins"),
        Column("ties", "Ties"),
        Column("losses", "Losses"),
        Column("inconsistent", "Inconsistent"),
        Column("unparsed", "Unparsed"),
        Column("consistency", "Consistency"),
        Column("first_share", "For the first shown"),
    )
    places = dict.fromkeys((one.benchmark, one.judge) for one in compared)
    groups = tuple(
        RowGroup(
            headings.get(place, " ".join(place)),
            tuple(_row(one) for one in compared if (one.benchmark, one.judge) == place),
        )
        for place in places
    )
    note = (
        "Each pair was shown in both orders. A win or a loss is one that both orders give; a reply that turns with the "
        "order is inconsistent. The win rate counts ties and inconsistent ones as half, with a 95\u202f% bootstrap "
        "interval over questions; unparsed ones are in neither. Consistency: the share of pairs with one verdict in "
        "both orders. For the first shown: of all verdicts for one of the two, those for whichever stood first; "
        "50\u202f% is no bias. Where questions were compared several times, all but the win rate count each time."
    )
    sources = Sources(roles=("ratings", "judgements"))
    return Table("quality.preferences", "Which responses are preferred", note, columns, groups, sources)


def _row(one: ComparedResponses) -> tuple[Cell, ...]:
    pair, score = pair_cell(one.arm, one.control), one.score
    if score is None:
        return (pair, *[MISSING_CELL] * 9)
    counts = [score.outcomes[outcome] for outcome in ("arm", "tie", "control", "inconsistent", "unparsed")]
    return (
        pair,
        # Nothing that could be read is no missing record.
        estimate_cell(score.win_rate, percent, bounds=lambda share: decimal(100 * share, 1), planned=False),
        number_cell(score.num_questions, plain),
        *(number_cell(count, plain) for count in counts),
        number_cell(score.consistency, percent, planned=False),
        number_cell(score.first_share, percent, planned=False),
    )
