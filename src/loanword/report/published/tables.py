"""Published figures beside a study's own: tables, and how many pairs of runs stand in the same order.

A published number has neither interval nor text to compare on, so that a difference is given and no test is made of it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from loanword.report.cells import (
    MISSING_CELL,
    NOT_PLANNED_CELL,
    Cell,
    Column,
    RowGroup,
    Sources,
    Table,
    Tone,
    estimate_cell,
    number_cell,
    one_group,
    pair_group,
    run_cell,
    text_cell,
)
from loanword.report.gather import PublishedBeside, RunRecords
from loanword.report.knowledge import Knowledge, compare_knowledge
from loanword.report.likelihoods import Scores
from loanword.report.published.figures import AVERAGE, PublishedTable, Statement
from loanword.report.quality.scores import JudgedBenchmark
from loanword.report.quality.switching import switching_score
from loanword.report.quality.words import heading
from loanword.report.saying import say, sentences
from loanword.report.statistics import Estimate
from loanword.report.summary import Finding
from loanword.report.tables import RUN
from loanword.report.wording import decimal, language_name, percent, plain, signed, significant

SCALE = "llm-eval-0-3"
"""The rubric whose items and scale are those of the published ratings."""


@dataclass(frozen=True)
class Beside:
    """What the page shows of published figures: tables, those folded away, and what they say together."""

    title: str
    lead: str
    tables: tuple[Table, ...]
    folded: tuple[Table, ...] = ()
    answers: tuple[Finding, ...] = ()


def beside(
    published: PublishedBeside,
    runs: Sequence[RunRecords],
    scores: Scores,
    knowledge: Knowledge,
    judged: Sequence[JudgedBenchmark],
) -> Beside:
    """A study's results beside the published ones that it repeats."""
    table = published.table
    lead = sentences((say("{table} ({source}).", table=table.title, source=table.source), published.note))
    match table.measure:
        case "ratings":
            shown = _ratings(table, runs, judged)
        case "perplexity":
            shown = _perplexities(table, runs, scores)
        case "switching":
            shown = [(_switching(table, runs), None, None)]
        case "statements":
            shown = [(_statements(table, runs, knowledge), None, None)]
    return Beside(
        say("Beside the published figures"),
        lead,
        tuple(main for main, _, _ in shown),
        tuple(folded for _, folded, _ in shown if folded),
        tuple(found for _, _, found in shown if found),
    )


_JUDGED, _READ = Sources(roles=("ratings",)), Sources(roles=("likelihoods",))
_SEEN, _GRADED = Sources(roles=("switching",)), Sources(roles=("grades",))

Shown = tuple[Table, Table | None, Finding | None]


def _ratings(table: PublishedTable, runs: Sequence[RunRecords], judged: Sequence[JudgedBenchmark]) -> list[Shown]:
    alike = [one for one in judged if _on_scale(one)]
    shown: list[Shown] = []
    for place, one in enumerate(alike or judged):
        key = "published" if not place else f"published.{place + 1}"
        means = {row.run: table.mean_of_items(row) for row in table.rows}
        order = _order(means, _headlines(table, one), heading(one))
        shown.append((_averages(key, table, runs, one), _items(f"{key}.items", table, runs, one), order))
    return shown


def _on_scale(judged: JudgedBenchmark) -> bool:
    return judged.facts is not None and judged.facts.rubric == SCALE


def _headlines(table: PublishedTable, judged: JudgedBenchmark) -> dict[str, float]:
    found = {row.run: _estimate(judged, row.run, AVERAGE) for row in table.rows}
    return {run: estimate.value for run, estimate in found.items() if estimate is not None}


def _estimate(judged: JudgedBenchmark, run: str, column: str) -> Estimate | None:
    """What a judge gave a run in an item, or on average; None where it gave nothing of the kind."""
    scored = judged.scored.get(run)
    part = judged.headline if column == AVERAGE else next((one for one in judged.parts if one.key == column), None)
    return None if scored is None or part is None else scored.estimates[part.key]


def _averages(key: str, table: PublishedTable, runs: Sequence[RunRecords], judged: JudgedBenchmark) -> Table:
    same = _on_scale(judged)
    num_marked = sum(map(table.is_inconsistent, table.rows))
    ours = judged.headline.title if judged.headline else say("Average")
    columns = (
        RUN,
        Column("stated", "Published AVG"),
        Column("mean_of_items", "Mean of its items"),
        Column("ours", say("Ours: {measure}", measure=ours)),
        *([Column("difference", "Ours minus its items\u2019 mean")] if same else []),
        Column("mark", "Mark", is_number=False),
    )
    rows: list[list[Cell]] = []
    for row in table.rows:
        mean, estimate = table.mean_of_items(row), _estimate(judged, row.run, AVERAGE)
        stated = decimal(table.value(row, AVERAGE), 3)
        mark = ""
        if table.is_inconsistent(row):
            mark = say("stated {stated}, items give {mean}", stated=stated, mean=decimal(mean, 3))
        tone: Tone = "bad" if mark else "quiet"
        rows.append(
            [
                run_cell(row.run),
                number_cell(table.value(row, AVERAGE), _three),
                number_cell(mean, _three),
                _ours(estimate, _three, row.run, runs),
                *([_difference(estimate, mean, row.run, runs)] if same else []),
                text_cell(mark or say("consistent"), tone=tone),
            ]
        )
    marked = (
        say(
            "{number} of {all} published averages are not the mean of their own items, by more than rounding; they are "
            "marked, and their items\u2019 mean is compared.",
            number=plain(num_marked),
            all=plain(len(rows)),
        )
        if num_marked
        else ""
    )
    note = sentences(
        (
            say("Published: judged by {judge}, no interval given.", judge=table.judge),
            marked,
            say("Ours: {measure}.", measure=heading(judged)),
            "" if same else say("Ours are on another scale: only their order can be compared."),
        )
    )
    return Table(key, say("{table}, average", table=table.title), note, columns, one_group(rows), _JUDGED)


def _items(key: str, table: PublishedTable, runs: Sequence[RunRecords], judged: JudgedBenchmark) -> Table | None:
    """Item by item, where the judge rates the same ones."""
    items = [item for item in table.items if any(part.key == item for part in judged.parts)]
    if not items or not _on_scale(judged):
        return None
    groups = tuple(
        RowGroup(
            say(item.capitalize()),
            tuple(
                (
                    run_cell(row.run),
                    number_cell(table.value(row, item), _three),
                    _ours(_estimate(judged, row.run, item), _three, row.run, runs),
                    _difference(_estimate(judged, row.run, item), table.value(row, item), row.run, runs),
                )
                for row in table.rows
            ),
        )
        for item in items
    )
    columns = (RUN, Column("published", "Published"), Column("ours", "Ours"), Column("difference", "Ours minus it"))
    note = say("Ours: {measure}.", measure=heading(judged))
    return Table(key, say("{table}, item by item", table=table.title), note, columns, groups, _JUDGED)


def _perplexities(table: PublishedTable, runs: Sequence[RunRecords], scores: Scores) -> list[Shown]:
    shown: list[Shown] = []
    for language in table.columns:
        name = language_name(language)
        of = {row.run: scores.get((row.run, language)) for row in table.rows}
        rows = [
            [
                run_cell(row.run),
                number_cell(table.value(row, language), significant),
                _ours(score and score.perplexity, significant, row.run, runs),
                _ours(score and score.bits_per_byte, _three, row.run, runs),
            ]
            for row, score in zip(table.rows, of.values(), strict=True)
        ]
        columns = (
            RUN,
            Column("published", "Published perplexity"),
            Column("ours", "Our perplexity"),
            Column("bits_per_byte", "Our bits per byte"),
        )
        note = say(
            "Perplexity is per token, on other text than the published: what changes from run to run can be compared, "
            "the values cannot. Bits per byte compare across vocabularies; none are published."
        )
        title = say("{table}: {language}", table=table.title, language=name)
        main = Table(f"published.{language}", title, note, columns, one_group(rows), _READ)
        ours = {run: score.perplexity.value for run, score in of.items() if score is not None}
        published = {row.run: table.value(row, language) for row in table.rows}
        shown.append((main, None, _order(published, ours, say("Held-out {language}", language=name))))
    return shown


def _switching(table: PublishedTable, runs: Sequence[RunRecords]) -> Table:
    by_label = {run.label: run for run in runs}
    rows: list[list[Cell]] = []
    for row in table.rows:
        run = by_label.get(row.run)
        seen = [one for found in run.switching.values() for one in found] if run else []
        score = switching_score(seen)
        low, high = row.values
        rows.append(
            [
                run_cell(row.run),
                Cell(say("{low} to {high}", low=percent(low, 0), high=percent(high, 0)), f"{low} to {high}"),
                _ours(score and score.switched, percent, row.run, runs),
                _reading(_against_range(score.switched, low, high) if score else "", row.run, runs),
            ]
        )
    columns = (
        RUN,
        Column("published", "Published, all languages together", is_number=False),
        Column("ours", "Ours"),
        Column("reads", "Ours against it", is_number=False),
    )
    note = say(
        "Published: about so many responses mix languages and stay coherent; by language, and how they were found, is "
        "not stated. Ours: responses that the detector finds to switch, with Wilson\u2019s 95\u202f% intervals."
    )
    return Table("published", table.title, note, columns, one_group(rows), _SEEN)


def _against_range(share: Estimate, low: float, high: float) -> str:
    if share.low > high:
        return say("above")
    if share.high < low:
        return say("below")
    return say("within") if low <= share.value <= high else say("not told apart from it")


def _statements(table: PublishedTable, runs: Sequence[RunRecords], knowledge: Knowledge) -> Table:
    columns = (
        Column("benchmark", "Benchmark", is_number=False),
        Column("published", "Published", is_number=False),
        Column("difference", "Ours: arm minus control, points"),
        Column("reads", "Ours against it", is_number=False),
    )
    groups = tuple(
        pair_group(one.arm, one.control, tuple(_statement_rows(one, runs, knowledge))) for one in table.statements
    )
    note = say(
        "The figure\u2019s bars have no printed values: this is what the text says of them. Differences are paired "
        "over the same questions, with 95\u202f% intervals; agreement is read off the interval."
    )
    return Table("published", table.title, note, columns, groups, _GRADED)


def _statement_rows(
    one: Statement, runs: Sequence[RunRecords], knowledge: Knowledge
) -> Iterator[tuple[Cell, Cell, Cell, Cell]]:
    for benchmark in one.benchmarks:
        sides = [knowledge.get((label, benchmark)) for label in (one.arm, one.control)]
        arm, control = sides
        paired = compare_knowledge(arm, control) if arm and control else None
        difference = paired.difference if paired else None
        yield (
            text_cell(benchmark),
            text_cell(say("higher") if one.said == "higher" else say("about equal")),
            _ours(difference, lambda share: signed(100 * share, 1), one.arm, runs),
            _reading(_reads(one.said, difference) if difference else "", one.arm, runs),
        )


def _reads(said: str, difference: Estimate) -> str:
    if said == "higher":
        return (
            say("agrees")
            if difference.low > 0
            else say("the opposite")
            if difference.high < 0
            else say("no difference shown")
        )
    is_shown = not difference.low <= 0 <= difference.high
    return say("a difference is shown") if is_shown else say("agrees: no difference shown")


def _order(published: Mapping[str, float], ours: Mapping[str, float], title: str) -> Finding | None:
    """How many pairs of runs stand in one order in both, of those that neither has tied."""
    both = [(value, ours[run]) for run, value in published.items() if run in ours]
    products = [(a - c) * (b - d) for (a, b), (c, d) in combinations(both, 2)]
    told = [product for product in products if product]
    if not told:
        return None
    alike = sum(product > 0 for product in told)
    text = say(
        "{number} of {all} pairs of runs stand in the same order as in the published figures.",
        number=plain(alike),
        all=plain(len(told)),
    )
    return Finding(say("{title}: order of runs", title=title), text)


def _ours(estimate: Estimate | None, shown: Callable[[float], str], run: str, runs: Sequence[RunRecords]) -> Cell:
    return estimate_cell(estimate, shown, planned=_is_among(runs, run))


def _difference(estimate: Estimate | None, published: float, run: str, runs: Sequence[RunRecords]) -> Cell:
    if estimate is None:
        return MISSING_CELL if _is_among(runs, run) else NOT_PLANNED_CELL
    return number_cell(estimate.value - published, lambda value: signed(value, 3))


def _reading(words: str, run: str, runs: Sequence[RunRecords]) -> Cell:
    return text_cell(words) if words else MISSING_CELL if _is_among(runs, run) else NOT_PLANNED_CELL


def _is_among(runs: Sequence[RunRecords], label: str) -> bool:
    return any(run.label == label for run in runs)


def _three(value: float) -> str:
    return decimal(value, 3)
