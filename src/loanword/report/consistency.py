"""Whether a run answers the same question alike in two languages.

Two sets are parallel where one benchmark was asked in two languages, in the same way (with as many solved examples, in
a chat or not), with the same ids and the same answers to all that both ask. What is alike by chance follows from how
often each answer is given in either language.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from loanword.records import Grade
from loanword.report.cells import Column, Sources, Table, estimate_cell, number_cell, one_group, run_cell, text_cell
from loanword.report.facts import BenchmarkFacts
from loanword.report.gather import RunRecords
from loanword.report.saying import say
from loanword.report.statistics import SMALLEST_NUM_EXAMPLES, Estimate, wilson
from loanword.report.wording import decimal, language_name, percent, plain


@dataclass(frozen=True)
class Consistency:
    """Answers of one run to the questions of two parallel sets; shares are of all of them.

    Unparsed responses are never alike. `kappa` is Cohen's: 0 by chance, 1 where all are alike.
    """

    run: str
    first: str
    second: str
    languages: tuple[str, str]
    num_examples: int
    alike: Estimate
    by_chance: float
    both_right: float
    only_first_right: float
    only_second_right: float

    @property
    def kappa(self) -> float:
        return (self.alike.value - self.by_chance) / (1 - self.by_chance) if self.by_chance < 1 else 1.0


def consistencies(runs: Sequence[RunRecords]) -> list[Consistency]:
    """Every run on every pair of parallel sets that it was graded on."""
    found: list[Consistency] = []
    for run in runs:
        for first, second in combinations(run.grades, 2):
            facts = run.benchmarks.get(first), run.benchmarks.get(second)
            if facts[0] is not None and facts[1] is not None and _asked_alike(facts[0], facts[1]):
                pairs = _paired(run.grades[first], run.grades[second])
                if len(pairs) >= SMALLEST_NUM_EXAMPLES:
                    languages = facts[0].language, facts[1].language
                    found.append(_consistency(run.label, first, second, languages, pairs))
    return found


def _asked_alike(first: BenchmarkFacts, second: BenchmarkFacts) -> bool:
    same = ("name", "split", "protocol", "answering", "num_shots", "chat")
    return first.language != second.language and all(getattr(first, one) == getattr(second, one) for one in same)


def _paired(first: Sequence[Grade], second: Sequence[Grade]) -> list[tuple[Grade, Grade]]:
    """The grades of both to each example; none where any answer differs, for then they are not the same questions."""
    others = {(grade.subject, grade.id): grade for grade in second}
    pairs = [(grade, others[grade.subject, grade.id]) for grade in first if (grade.subject, grade.id) in others]
    return pairs if all(ours.answer == theirs.answer for ours, theirs in pairs) else []


def _consistency(
    run: str, first: str, second: str, languages: tuple[str, str], pairs: Sequence[tuple[Grade, Grade]]
) -> Consistency:
    size = len(pairs)
    alike = sum(ours.outcome != "unparsed" and ours.given == theirs.given for ours, theirs in pairs)
    given = [Counter(pair[side].given for pair in pairs if pair[side].outcome != "unparsed") for side in (0, 1)]
    right = Counter((ours.outcome == "correct", theirs.outcome == "correct") for ours, theirs in pairs)
    return Consistency(
        run=run,
        first=first,
        second=second,
        languages=languages,
        num_examples=size,
        alike=wilson(alike, size),
        by_chance=sum(given[0][answer] * given[1][answer] for answer in given[0]) / size**2,
        both_right=right[True, True] / size,
        only_first_right=right[True, False] / size,
        only_second_right=right[False, True] / size,
    )


def consistency_table(found: Sequence[Consistency]) -> Table | None:
    """One row a run and pair of sets; None where no run was asked the same in two languages."""
    if not found:
        return None
    columns = (
        Column("run", "Run", is_number=False),
        Column("pair", "Parallel questions", is_number=False),
        Column("num_examples", "Questions"),
        Column("alike", "Answered alike"),
        Column("by_chance", "By chance"),
        Column("kappa", "Kappa"),
        Column("both_right", "Both right"),
        Column("only_first_right", "Only the first right"),
        Column("only_second_right", "Only the second right"),
    )
    rows = [
        [
            run_cell(one.run),
            text_cell(
                say(
                    "{first} ({language}) and {second}",
                    first=one.first,
                    language=language_name(one.languages[0]),
                    second=one.second,
                )
            ),
            number_cell(one.num_examples, plain),
            estimate_cell(one.alike, percent),
            number_cell(one.by_chance, percent),
            number_cell(one.kappa, lambda value: decimal(value, 2)),
            *(number_cell(share, percent) for share in (one.both_right, one.only_first_right, one.only_second_right)),
        ]
        for one in found
    ]
    note = (
        "The same questions in two languages, by their ids. Alike: the same option is chosen in both, right or wrong, "
        "with a 95\u202f% interval (Wilson). By chance: what independent choices of the same frequencies would share. "
        "A response that cannot be read is like no other."
    )
    title = "The same questions in two languages"
    return Table("consistency", title, note, columns, one_group(rows), Sources(roles=("grades",)))
