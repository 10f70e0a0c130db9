"""Tables of how far judges can be trusted: whom they agree with, by item and category, and what they do alone."""

from collections.abc import Callable, Sequence

from loanword.report.cells import Cell, Column, RowGroup, Sources, Table, number_cell, text_cell
from loanword.report.gather import RunRecords
from loanword.report.saying import clauses, say, term
from loanword.report.trust.concordance import SMALLEST_NUM_FOR_INTERVAL, Measured
from loanword.report.trust.judges import KINDS, NOT_CHECKED, JudgeTrust, Peer, all_trusts
from loanword.report.trust.rated import OVERALL, GroupAgreement, ItemAgreement
from loanword.report.trust.rated_alone import Saturation
from loanword.report.wording import (
    NARROW,
    NOT_PLANNED,
    benchmark_name,
    decimal,
    joined,
    language_name,
    percent,
    plain,
    signed,
)

SOURCES = Sources(roles=("ratings",))
AGREEMENT = (
    Column("num_responses", "Responses"),
    Column("spearman", "Spearman\u2019s rho"),
    Column("kendall", "Kendall\u2019s tau-b"),
    Column("kappa", "Quadratic kappa"),
    Column("alpha", "Krippendorff\u2019s alpha"),
    Column("order", "Pairs in the same order"),
    Column("bias", "Judge minus other"),
)
DASH = Cell(NOT_PLANNED, tone="quiet")


def trust_tables(runs: Sequence[RunRecords], trusts: Sequence[JudgeTrust] | None = None) -> tuple[Table, ...]:
    """For each benchmark that was judged: what each judge does alone, agreement by item, and by category.

    `trusts` are those of these runs, where they are known already.
    """
    found = all_trusts(runs) if trusts is None else trusts
    tables: list[Table] = []
    for benchmark in dict.fromkeys(one.benchmark for one in found):
        judges = [one for one in found if one.benchmark == benchmark]
        title = _title(benchmark, runs, judges[0].language)
        tables.append(_alone_table(benchmark, title, judges))
        compared = [(one, peer) for one in judges for peer in one.peers if peer.items]
        if compared:
            tables.append(_agreement_table(benchmark, title, compared))
        by_subject = [(one, peer) for one, peer in compared if len(peer.subjects) > 1]
        if by_subject:
            tables.append(_subjects_table(benchmark, title, by_subject))
    return tuple(tables)


def _title(benchmark: str, runs: Sequence[RunRecords], language: str) -> str:
    titles = (run.benchmarks[benchmark].title for run in runs if benchmark in run.benchmarks)
    name = next((title for title in titles if title), benchmark_name(benchmark))
    return say("{name} ({language})", name=name, language=language_name(language)) if language else name


def _agreement_table(benchmark: str, title: str, compared: Sequence[tuple[JudgeTrust, Peer]]) -> Table:
    groups = tuple(
        RowGroup(
            _heading(one, peer),
            tuple((text_cell(_item_name(found.item)), *agreement_cells(found)) for found in peer.items),
            reasons_text(peer.items),
        )
        for one, peer in compared
    )
    columns = (Column("item", "Item", is_number=False), *AGREEMENT)
    within = any(found.order_within for _, peer in compared for found in peer.items)
    return Table(
        f"trust.{benchmark}",
        say("Agreement of judges: {benchmark}", benchmark=title),
        _agreement_note(within),
        columns,
        groups,
        SOURCES,
    )


def _agreement_note(within: bool) -> str:
    pairs = "responses to one question" if within else "responses"
    return say(
        "All runs\u2019 responses together. Brackets hold 95\u202f% bootstrap intervals over examples; none is "
        "given below {fewest}. Scores of several repeats or raters are averaged first. Kappa "
        "weighs differences by their squares; alpha is that of ordered categories. Pairs are those of "
        "{pairs} that the other tells apart: a judge that rates all alike has 50\u202f%.",
        fewest=plain(SMALLEST_NUM_FOR_INTERVAL),
        pairs=say(pairs),
    )


def _subjects_table(benchmark: str, title: str, compared: Sequence[tuple[JudgeTrust, Peer]]) -> Table:
    groups = tuple(
        RowGroup(
            say("{heading}, {item}", heading=_heading(one, peer), item=_item_name(peer.subjects[0].agreement.item)),
            tuple((text_cell(found.group), *agreement_cells(found.agreement)) for found in peer.subjects),
            group_reasons_text(peer.subjects),
        )
        for one, peer in compared
    )
    columns = (Column("category", "Category", is_number=False), *AGREEMENT)
    note = _agreement_note(any(found.agreement.order_within for _, peer in compared for found in peer.subjects))
    title = say("Agreement by category: {benchmark}", benchmark=title)
    return Table(f"trust_categories.{benchmark}", title, note, columns, groups, SOURCES)


def _alone_table(benchmark: str, title: str, trusts: Sequence[JudgeTrust]) -> Table:
    groups = tuple(RowGroup(_judge_heading(one), _alone_rows(one), _alone_note(one)) for one in trusts)
    columns = (
        Column("item", "Item", is_number=False),
        Column("num_responses", "Responses"),
        Column("at_top", "Highest score"),
        Column("spread", "Largest minus smallest run"),
        Column("equal", "Repeats that are equal"),
        Column("alpha", "Alpha of repeats"),
        Column("length", "Length and score"),
        Column("length_given_other", "The same, people\u2019s score held constant"),
    )
    note = (
        "An item where most responses have the highest score hardly tells them apart. Repeats are a judge\u2019s "
        "answers to the same request, or several people\u2019s ratings. Length is Spearman\u2019s correlation of "
        "characters with the score. Brackets hold 95\u202f% bootstrap intervals over examples."
    )
    title = say("Judges by themselves: {benchmark}", benchmark=title)
    return Table(f"trust_alone.{benchmark}", title, note, columns, groups, SOURCES)


def _alone_rows(one: JudgeTrust) -> tuple[tuple[Cell, ...], ...]:
    repeats = {found.item: found for found in one.repeats}
    lengths = {found.item: found for found in one.lengths}
    rows: list[tuple[Cell, ...]] = []
    for full in one.saturation:
        again, length = repeats.get(full.item), lengths.get(full.item)
        rows.append(
            (
                text_cell(_item_name(full.item)),
                number_cell(full.num_responses, plain),
                measured_cell(full.at_top, percent),
                _spread_cell(full),
                measured_cell(again and again.equal, percent),
                measured_cell(again and again.alpha),
                measured_cell(length and length.spearman),
                measured_cell(length and length.given_other),
            )
        )
    return tuple(rows)


def _alone_note(one: JudgeTrust) -> str:
    found = [
        *(number for again in one.repeats for number in (again.equal, again.alpha)),
        *(number for length in one.lengths for number in (length.spearman, length.given_other) if number),
    ]
    counts = {"responses": plain(one.num_responses), "judgements": plain(one.num_judgements)}
    said = [say("{responses} responses rated in {judgements} judgements", **counts)]
    if one.facts.kind != "people" and not one.is_checked:
        said.append(say(NOT_CHECKED))
    return clauses([*said, *dict.fromkeys(number.why for number in found if number.why)])


def _spread_cell(full: Saturation) -> Cell:
    return DASH if full.spread is None else Cell(decimal(full.spread, 3), full.spread)


def _judge_heading(one: JudgeTrust) -> str:
    return say("{judge}: {kind}", judge=one.judge, kind=say(KINDS[one.facts.kind]))


def _heading(one: JudgeTrust, peer: Peer) -> str:
    other = say("people")
    if peer.facts.kind != "people":
        other = say("judge {judge} ({kind})", judge=peer.judge, kind=say(KINDS[peer.facts.kind]))
    return say("{heading}; against {other}", heading=_judge_heading(one), other=other)


def _item_name(item: str) -> str:
    return say("Mean of items") if item == OVERALL else term(f"{item[:1].upper()}{item[1:]}")


def agreement_cells(found: ItemAgreement) -> tuple[Cell, ...]:
    """The cells of `AGREEMENT`."""
    return (
        number_cell(found.num_responses, plain),
        measured_cell(found.spearman),
        measured_cell(found.kendall),
        measured_cell(found.kappa),
        measured_cell(found.alpha),
        measured_cell(found.order, percent),
        measured_cell(found.bias, lambda value: signed(value, 2)),
    )


def measured_cell(number: Measured | None, shown: Callable[[float], str] = lambda value: decimal(value, 2)) -> Cell:
    """A cell of a number with its interval where it has one, or a dash."""
    if number is None or number.value is None:
        return DASH
    if number.low is None or number.high is None:
        return Cell(shown(number.value), number.value)
    interval = say("{low} to {high}", low=_bound(shown(number.low)), high=_bound(shown(number.high)))
    return Cell(shown(number.value), number.value, interval=interval, low=number.low, high=number.high)


def _bound(text: str) -> str:
    return text.split(NARROW)[0]


def reasons_text(items: Sequence[ItemAgreement]) -> str:
    """Why numbers or intervals are not there, item by item."""
    return _reasons([(_item_name(found.item), found.reasons) for found in items])


def group_reasons_text(groups: Sequence[GroupAgreement]) -> str:
    """The same, group by group."""
    return _reasons([(found.group, found.agreement.reasons) for found in groups])


def _reasons(of: Sequence[tuple[str, Sequence[str]]]) -> str:
    names: dict[str, list[str]] = {}
    for name, reasons in of:
        for reason in reasons:
            names.setdefault(reason, []).append(name)
    return clauses(say("{items}: {reason}", items=joined(found), reason=reason) for reason, found in names.items())
