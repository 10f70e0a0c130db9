"""Benchmarks subject by subject: the share of each that every run answers correctly, categories apart."""

from collections.abc import Iterator, Mapping, Sequence

from loanword.report.cells import (
    NOT_PLANNED_CELL,
    Cell,
    Column,
    RowGroup,
    Sources,
    Table,
    estimate_cell,
    number_cell,
    text_cell,
)
from loanword.report.facts import BenchmarkFacts
from loanword.report.gather import RunRecords
from loanword.report.knowledge import (
    Knowledge,
    KnowledgeScore,
    benchmark_titles,
    benchmarks_of,
    of_subject,
    subject_estimate,
)
from loanword.report.saying import say
from loanword.report.wording import percent, plain, points

Scored = Mapping[str, KnowledgeScore | None]
"""By run label; None is planned and missing."""


def subject_tables(runs: Sequence[RunRecords], knowledge: Knowledge) -> tuple[Table, ...]:
    """One table a benchmark that has several subjects: a row a subject, a column a run."""
    benchmarks = benchmarks_of(runs)
    titles = benchmark_titles(benchmarks)
    tables: list[Table] = []
    for name, facts in benchmarks.items():
        scored = {run.label: knowledge.get((run.label, name)) for run in runs if f"grades.{name}" in run.artifacts}
        if any(score is not None and score.num_subjects > 1 for score in scored.values()):
            tables.append(_table(name, titles[name], facts, scored))
    return tuple(tables)


def _table(benchmark: str, title: str, facts: BenchmarkFacts, scored: Scored) -> Table:
    categories: dict[str, list[str]] = {}
    for subject in dict.fromkeys(one for score in scored.values() if score for one in score.by_subject):
        known = facts.subjects.get(subject)
        categories.setdefault(known.category if known else "", []).append(subject)
    parts = tuple(_part_rows(scored))
    groups = [RowGroup(say("Categories and other parts"), parts)] if parts else []
    groups += [
        RowGroup(
            category or (say("Subjects") if len(categories) == 1 else say("no category")),
            tuple(_subject_row(subject, scored) for subject in subjects),
        )
        for category, subjects in categories.items()
    ]
    columns = (
        Column("subject", "Subject", is_number=False),
        Column("num_questions", "Questions"),
        *(Column(label, label, sources=Sources((label,))) for label in scored),
    )
    note = (
        "Shares of each subject\u2019s questions, with 95\u202f% intervals: Wilson\u2019s where answers are right or "
        "wrong, else by bootstrap over questions. Of few questions little can be told, and of many subjects some will "
        "stand out by chance: what was tested stands in the comparisons."
    )
    sources = Sources(roles=(f"grades.{benchmark}",))
    return Table(
        f"subjects.{benchmark}", say("{benchmark} by subject", benchmark=title), note, columns, tuple(groups), sources
    )


def _part_rows(scored: Scored) -> Iterator[tuple[Cell, ...]]:
    """Scores over some of the subjects, as the benchmark's authors group them."""
    names = dict.fromkeys(
        one.facts.name for score in scored.values() if score for one in score.scores if one.facts.is_part
    )
    for name in names:
        of_run = {
            label: score and next((one for one in score.scores if one.facts.name == name), None)
            for label, score in scored.items()
        }
        sizes = [one.num_examples for one in of_run.values() if one is not None]
        yield (
            text_cell(name),
            number_cell(max(sizes), plain),
            *(
                NOT_PLANNED_CELL
                if scored[label] is not None and one is None
                else estimate_cell(one and one.estimate, percent, bounds=points)
                for label, one in of_run.items()
            ),
        )


def _subject_row(subject: str, scored: Scored) -> tuple[Cell, ...]:
    sizes = [len(of_subject(score, subject)) for score in scored.values() if score]
    return (
        text_cell(subject),
        number_cell(max(sizes), plain),
        *(
            NOT_PLANNED_CELL
            if score is not None and not of_subject(score, subject)
            else estimate_cell(score and subject_estimate(score, subject), percent, bounds=points)
            for score in scored.values()
        ),
    )
