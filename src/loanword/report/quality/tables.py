"""How good responses are, as tables: by judge, item and category, and an arm beside its control."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from loanword.records import JudgeFacts
from loanword.report.cells import (
    MISSING_CELL,
    Cell,
    Column,
    RowGroup,
    Sources,
    Table,
    estimate_cell,
    number_cell,
    one_group,
    pair_group,
    run_cell,
    text_cell,
)
from loanword.report.gather import RunRecords
from loanword.report.quality.preferences import compared_responses, preferences_table
from loanword.report.quality.ratings import AVERAGE, MEAN_OF_ITEMS, Part, estimates
from loanword.report.quality.saturation import saturation_table
from loanword.report.quality.scores import JudgedBenchmark, JudgedDifference, RunScores
from loanword.report.quality.words import (
    difference_text,
    heading,
    is_share,
    scale_range,
    scale_text,
    titled,
    value_text,
    verdict_text,
)
from loanword.report.saying import clauses, say, sentences
from loanword.report.statistics import Estimate
from loanword.report.tables import COMPARED, REACHED, RUN, TONES
from loanword.report.trust.judges import NOT_CHECKED
from loanword.report.wording import joined, p_text, percent, plain

OUTCOMES = ("rated", "unparsed", "refused", "not answered")

Notes = Mapping[tuple[str, str, str], str]
"""How far a judge can be trusted, by run, benchmark and judge."""


@dataclass(frozen=True)
class QualityTables:
    """The tables of how good responses are, and those that the page folds away."""

    main: tuple[Table, ...]
    folded: tuple[Table, ...]


def quality_tables(runs: Sequence[RunRecords], judged: Sequence[JudgedBenchmark], notes: Notes) -> QualityTables:
    """Every table of ratings and preferences that holds something."""
    headings = {(one.benchmark, one.judge): heading(one) for one in judged}
    last = (
        _differences_table(judged),
        preferences_table(compared_responses(runs), headings),
        saturation_table(judged),
    )
    keys = _keys(judged)
    scores = (
        _scores_table(key, one, [run.label for run in runs if run.label in one.scores], notes)
        for key, one in zip(keys, judged, strict=True)
    )
    folded = (_categories_table(key, one) for key, one in zip(keys, judged, strict=True))
    return QualityTables(
        main=(*scores, *(table for table in last if table.groups)),
        folded=tuple(table for table in folded if len(table.groups) > 1),
    )


def _scores_table(key: str, judged: JudgedBenchmark, labels: Sequence[str], notes: Notes) -> Table:
    columns = (
        RUN,
        *_part_columns(judged),
        Column("unparsed_share", "Share unparsed"),
        Column("num_questions", "Questions"),
        *(Column(f"num_{outcome.replace(' ', '_')}", outcome.capitalize()) for outcome in OUTCOMES),
    )
    rows = [[run_cell(label), *_scores_row(judged, label, len(columns) - 1)] for label in labels]
    note = _scores_note(judged, _trust_text(judged, notes))
    return Table(key, titled(judged), note, columns, one_group(rows), _sources(judged))


def _trust_text(judged: JudgedBenchmark, notes: Notes) -> str:
    """How far the judge can be trusted: said once for the runs of which the same is known."""
    found: dict[str, list[str]] = {}
    for label in judged.scored:
        note = notes.get((label, judged.benchmark, judged.judge), say(NOT_CHECKED))
        found.setdefault(note[:-1] if note.endswith(".") else note, []).append(label)
    if len(found) < 2:
        return next(iter(found), "")
    return clauses(say("{note} ({runs})", note=note, runs=joined(labels)) for note, labels in found.items())


def _scores_row(judged: JudgedBenchmark, label: str, width: int) -> list[Cell]:
    scores = judged.scores.get(label)
    if scores is None:
        return [MISSING_CELL] * width
    return [
        *(_estimate_cell(part, scores.estimates[part.key]) for part in judged.parts),
        number_cell(scores.unparsed_share, percent, planned=False),
        number_cell(scores.num_questions, plain),
        *(number_cell(scores.outcomes[outcome], plain) for outcome in OUTCOMES),
    ]


def _estimate_cell(part: Part, estimate: Estimate | None, *, with_interval: bool = True) -> Cell:
    if estimate is None:
        return text_cell(say("none rated"), tone="quiet")
    if not with_interval:
        return Cell(value_text(part, estimate.value), estimate.value)
    return estimate_cell(
        estimate, lambda value: value_text(part, value), bounds=lambda bound: value_text(part, bound, unit=False)
    )


def _part_columns(judged: JudgedBenchmark) -> Iterator[Column]:
    alike = bool(scale_text(judged)) or is_share(judged)
    for part in judged.parts:
        yield Column(
            part.key,
            part.title
            if alike
            else say("{item} ({scale})", item=part.title, scale=scale_range(part.lowest, part.highest)),
        )
    if not judged.parts:
        yield Column("score", "Score")


def _scores_note(judged: JudgedBenchmark, trust: str) -> str:
    every = [scores.judge for scores in judged.scored.values()]
    models = dict.fromkeys(model for judge in every if judge.kind != "people" for model in judge.models)
    told = (
        say("How far to trust it: {trust}.", trust=trust) if trust else "",
        say("Answered by {models}.", models=joined(models)) if models else "",
        say("Rubric {rubric}.", rubric=judged.facts.rubric) if judged.facts else "",
        _parts_note(judged),
        say("Brackets hold 95\u202f% bootstrap intervals over questions."),
        _repeats_note(every),
        say("What is unparsed, refused or not answered is no zero: it is in no mean."),
    )
    return sentences(told)


def _parts_note(judged: JudgedBenchmark) -> str:
    keys = {part.key for part in judged.parts}
    if is_share(judged):
        return say("Scores are shares of all points.")
    if AVERAGE in keys:
        return say("AVG is the mean of the items, as in the paper.")
    if MEAN_OF_ITEMS in keys and judged.facts and judged.facts.kind != "rules":
        return say("The mean is that of the items that were rated, which is not the paper\u2019s AVG.")
    if MEAN_OF_ITEMS in keys:
        return say("Rules see only what they can check; an item is a mean over the questions that it can be asked of.")
    return ""


def _repeats_note(every: Sequence[JudgeFacts]) -> str:
    repeats = max((judge.repeats for judge in every), default=1)
    if repeats < 2:
        return ""
    if every[0].kind == "people":
        return say(
            "A response counts once, with the mean over the people who rated it; the counts are of their ratings."
        )
    return say(
        "Each question was judged {number} times and counts once, with its mean; the counts are of judgements.",
        number=str(repeats),
    )


def _categories_table(key: str, judged: JudgedBenchmark) -> Table:
    columns = (RUN, *_part_columns(judged), Column("num_rated", "Rated"), Column("num_unparsed", "Unparsed"))
    subjects = dict.fromkeys(rating.subject for scores in judged.scored.values() for rating in scores.ratings)
    groups = [
        RowGroup(
            subject or say("no category"),
            tuple(_category_row(judged, label, scores, subject) for label, scores in judged.scored.items()),
        )
        for subject in subjects
    ]
    note = (
        "Means of each category\u2019s questions; brackets hold 95\u202f% bootstrap intervals over them. Of few "
        "questions little can be told."
    )
    title = titled(judged, say("by category"))
    return Table(f"{key}.categories", title, note, columns, tuple(groups), _sources(judged))


def _category_row(judged: JudgedBenchmark, label: str, scores: RunScores, subject: str) -> tuple[Cell, ...]:
    found = estimates(scores.examples.of(subject), judged.parts)
    outcomes = Counter(rating.outcome for rating in scores.ratings if rating.subject == subject)
    return (
        run_cell(label),
        *(_estimate_cell(part, found[part.key], with_interval=part == judged.headline) for part in judged.parts),
        number_cell(outcomes["rated"], plain),
        number_cell(outcomes["unparsed"], plain),
    )


def _differences_table(judged: Sequence[JudgedBenchmark]) -> Table:
    columns = (
        Column("part", "Item", is_number=False),
        *COMPARED,
        Column("num_examples", "Questions"),
        *REACHED,
    )
    groups: list[RowGroup] = []
    for one in judged:
        for pair in dict.fromkeys((found.arm, found.control) for found in one.differences):
            rows = tuple(_difference_row(found) for found in one.differences if (found.arm, found.control) == pair)
            groups.append(replace(pair_group(*pair, rows, titled(one)), sources=Sources(pair, _sources(one).roles)))
    note = (
        "Over the questions that were rated in both, which may be fewer than each was asked. Brackets hold 95\u202f% "
        "intervals of the paired difference, from a bootstrap over questions; p is adjusted by Holm over the whole "
        "table. No difference: the interval stays within a tenth of the scale."
    )
    title = "Arms against their controls, as judged"
    return Table("quality.differences", title, note, columns, tuple(groups))


def _difference_row(found: JudgedDifference) -> tuple[Cell, ...]:
    part, word = found.part, found.verdict.word if found.verdict else ""
    control, arm = (None, None) if found.values is None else found.values[::-1]
    return (
        text_cell(part.title),
        number_cell(control, lambda value: value_text(part, value), planned=found.is_missing),
        number_cell(arm, lambda value: value_text(part, value), planned=found.is_missing),
        estimate_cell(
            found.paired and found.paired.difference,
            lambda value: difference_text(part, value),
            planned=found.is_missing,
        ),
        number_cell(found.paired and found.paired.num_examples, plain, planned=found.is_missing),
        number_cell(found.adjusted_p, p_text, planned=found.is_missing),
        text_cell(verdict_text(found), tone=TONES.get(word, "quiet")),
    )


def _sources(judged: JudgedBenchmark) -> Sources:
    of = f"{judged.benchmark}.{judged.judge}"
    return Sources(roles=(f"ratings.{of}", f"judgements.{of}", f"responses.{judged.benchmark}"))


def _keys(judged: Sequence[JudgedBenchmark]) -> list[str]:
    """A key for each, numbered where names differ in signs that a key has not."""
    keys: list[str] = []
    for one in judged:
        key, number = _key(one), 1
        while key in keys:
            number += 1
            key = f"{_key(one)}-{number}"
        keys.append(key)
    return keys


def _key(judged: JudgedBenchmark) -> str:
    """A name that is fit for a file and for an anchor."""
    names = [judged.benchmark, judged.judge]
    names += [judged.facts.rubric] if judged.facts and not judged.is_alone else []
    return ".".join(["quality", *(re.sub(r"\W+", "-", name).strip("-") for name in names)])
