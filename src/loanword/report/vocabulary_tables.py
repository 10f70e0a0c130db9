"""Tables and the figure of what larger vocabularies save, cost and gain."""

from collections import Counter
from collections.abc import Sequence

from markupsafe import Markup

from loanword.model.vocabulary_cost import affordable_pieces, tokens_saved
from loanword.report.arms import Arm, vocabulary_name
from loanword.report.axes import budget_axis
from loanword.report.cells import (
    NOT_PLANNED_CELL,
    Cell,
    Column,
    RowGroup,
    Sources,
    Table,
    estimate_cell,
    number_cell,
    one_group,
    text_cell,
)
from loanword.report.extensions import Extension
from loanword.report.figures import Figure, described
from loanword.report.gather import RunRecords
from loanword.report.likelihoods import Scores
from loanword.report.panels import LinePanel, Point, Series, line_panel
from loanword.report.saying import listed, say
from loanword.report.svg import Style
from loanword.report.vocabulary import (
    FROM_THE_START,
    NEVER,
    BreakEven,
    Level,
    Measured,
    Reading,
    VocabularyPair,
    train_flops,
)
from loanword.report.vocabulary_words import Side, break_even_text, interval_text, sides
from loanword.report.wording import (
    bytes_text,
    count_text,
    decimal,
    flops_text,
    joined,
    language_name,
    p_text,
    percent,
    plain,
    signed,
)

MEGABYTE = 1e6
SOURCES = Sources(roles=("likelihoods", "tokenizer", "pretraining"))
MOST_NAMED_PIECES = 5


def costs_table(pairs: Sequence[VocabularyPair]) -> Table:
    """What each vocabulary saves and costs on each target language's text, whatever the budget."""
    groups: dict[str, dict[tuple[object, ...], list[Cell]]] = {}
    for pair in pairs:
        control, arm = sides(pair)
        rows = groups.setdefault(pair.target, {})
        for found, side in ((pair.control, control), (pair.arm, arm)):
            name = vocabulary_name(found.runs[-1])
            # Arms that differ in replay or tuning share their vocabulary, and so all that stands here.
            rows.setdefault((name, side.cost), [text_cell(name), *_cost_cells(side, control)])
    columns = (
        Column("vocabulary", "Vocabulary", is_number=False),
        Column("tokens_per_character", "Tokens per character"),
        Column("tokens_saved", "Tokens saved"),
        Column("flops_per_megabyte", "Training FLOPs per MB"),
        Column("flops_per_megabyte_attention", "The same with attention"),
        Column("key_value_bytes_per_character", "KV memory per character"),
        Column("context_bytes", "Text in a context"),
        Column("parameters", "Parameters"),
        Column("head_share", "Head\u2019s share of FLOPs"),
        Column("affordable_pieces", "Pieces that the savings pay for"),
    )
    note = (
        "Certain without training. Tokens of both vocabularies are of the same held-out text; one token is one step of "
        "generation. FLOPs are 6 for each parameter that a token is multiplied with, and in the next column attention "
        "over a full training row, to the half of it that a token sees on average. KV memory is of keys and values in "
        "bf16. The last column is how many new pieces the head could have before the FLOPs of this text rose above the "
        "original vocabulary\u2019s."
    )
    named = tuple(RowGroup(language_name(target), tuple(map(tuple, rows.values()))) for target, rows in groups.items())
    return Table("vocabulary.costs", "What a larger vocabulary saves and costs", note, columns, named, SOURCES)


def _cost_cells(side: Side, control: Side) -> list[Cell]:
    cost, before, is_control = side.cost, control.cost, side is control
    bytes_per_character = (
        side.tokens_per_character / side.tokens_per_byte if side.tokens_per_character and side.tokens_per_byte else None
    )
    saved = (
        tokens_saved(control.tokens_per_byte, side.tokens_per_byte)
        if control.tokens_per_byte and side.tokens_per_byte
        else None
    )
    attended = side.row_tokens / 2 if side.row_tokens else None
    return [
        number_cell(side.tokens_per_character, lambda value: decimal(value, 3)),
        number_cell(saved, percent, planned=not is_control) if not is_control else NOT_PLANNED_CELL,
        number_cell(cost and MEGABYTE * cost.train_flops_per_byte(), flops_text),
        number_cell(
            MEGABYTE * cost.train_flops_per_byte(attended) if cost and attended else None,
            flops_text,
            planned=attended is not None,
        ),
        number_cell(
            cost.key_value_bytes_per_byte() * bytes_per_character if cost and bytes_per_character else None, bytes_text
        ),
        number_cell(cost.context_bytes(side.context_tokens) if cost and side.context_tokens else None, bytes_text),
        number_cell(cost and cost.shape.num_parameters, count_text),
        number_cell(cost and cost.head_share(), percent),
        NOT_PLANNED_CELL
        if is_control
        else number_cell(
            affordable_pieces(before, cost.tokens_per_byte) if cost and before else None,
            lambda value: count_text(value) if value > 0 else say("none"),
        ),
    ]


def levels_table(pairs: Sequence[VocabularyPair]) -> Table:
    """Bits per byte of every arm at every budget, beside its control at equal text and at equal compute."""
    groups = [
        RowGroup(
            say(
                "{language}: {arm} against {control}",
                language=language_name(pair.target),
                arm=_phrases(pair.arm),
                control=_phrases(pair.control),
            ),
            tuple(_level_row(level, pair) for level in pair.levels),
        )
        for pair in pairs
    ]
    columns = (
        Column("budget", "Target text", is_number=False),
        Column("flops", "The arm\u2019s compute"),
        Column("control", "Control"),
        Column("arm", "Arm"),
        Column("equal_text", "Arm minus control, equal text"),
        Column("equal_text_p", "p (Holm)"),
        Column("equal_compute", "Arm minus control, equal compute"),
        Column("equal_compute_p", "p (Holm)"),
    )
    note = (
        "Bits per byte of held-out text: fewer is better. Arm and control differ in their new pieces alone. At equal "
        "text both have read the same documents. At equal compute the control is interpolated, straight in the "
        "logarithm of training FLOPs, between its budgets around the arm\u2019s FLOPs; outside them nothing is said. "
        "Brackets hold 95\u202f% intervals of the paired difference by bootstrap over documents; p is adjusted by Holm "
        "over the whole table."
    )
    title = "Bits per byte against the original vocabulary"
    return Table("vocabulary.bits", title, note, columns, tuple(groups), SOURCES)


def _phrases(arm: Arm) -> str:
    return listed(arm.phrases) or say("all runs")


def _labels(pair: VocabularyPair) -> tuple[str, ...]:
    return tuple(run.label for line in (pair.arm, pair.control) for run in line.runs)


def _level_row(level: Level, pair: VocabularyPair) -> tuple[Cell, ...]:
    return (
        Cell(
            level.asked,
            level.asked if level.target_bytes is None else level.target_bytes,
            sources=Sources((level.run, *(run.label for run in pair.control.runs))),
        ),
        number_cell(level.flops, lambda value: flops_text(value) if value else say("none")),
        number_cell(level.control and level.control.bits_per_byte.value, lambda value: decimal(value, 3)),
        number_cell(level.arm and level.arm.bits_per_byte.value, lambda value: decimal(value, 3)),
        *_difference_cells(level.equal_text, measured=True),
        # No training is at no compute but its own.
        *_difference_cells(level.equal_compute, measured=level.flops != 0),
    )


def _difference_cells(found: Measured, *, measured: bool) -> tuple[Cell, Cell]:
    if found.outside:
        return text_cell(say(f"{found.outside} the control\u2019s"), tone="quiet"), NOT_PLANNED_CELL
    difference = found.paired and found.paired.difference
    return (
        estimate_cell(difference, lambda value: signed(value, 3), planned=measured),
        number_cell(found.adjusted_p, p_text, planned=measured),
    )


def break_even_table(pairs: Sequence[VocabularyPair]) -> Table:
    """The budget of target text at which each arm breaks even, with what resampled documents say of it."""
    rows = [
        [
            _pair_cell(pair),
            text_cell(say(reading)),
            *_break_even_cells(found, reading),
        ]
        for pair in pairs
        for reading, found in pair.break_evens
    ]
    columns = (
        Column("arm", "Arm", is_number=False),
        Column("reading", "At", is_number=False),
        Column("break_even", "Breaks even", is_number=False),
        Column("median", "Median of resamples"),
        Column("interval", "95\u202f% interval"),
        Column("share_from_start", "Ahead at every budget"),
        Column("share_never", "Behind at the largest"),
    )
    note = (
        "The amount of target text from which the arm has no more bits per byte than its control at every larger "
        "measured budget, straight in the logarithm of the budget between two of them. Documents are resampled and the "
        "crossing found each time; the last two columns are shares of resamples without one. This is uncertainty "
        "over documents: how the crossing moves with the size of the model is for scaling fits to say."
    )
    return Table(
        "vocabulary.break_even", "Where a larger vocabulary breaks even", note, columns, one_group(rows), SOURCES
    )


def _pair_cell(pair: VocabularyPair) -> Cell:
    named = say("{language}: {arm}", language=language_name(pair.target), arm=_phrases(pair.arm))
    return Cell(named, named, sources=Sources(_labels(pair)))


def _break_even_cells(found: BreakEven | None, reading: Reading) -> list[Cell]:
    if found is None:
        return [NOT_PLANNED_CELL] * 5
    words = {
        FROM_THE_START: say("below {amount}", amount=bytes_text(found.smallest)),
        NEVER: say("beyond {amount}", amount=bytes_text(found.largest)),
    }
    return [
        text_cell(break_even_text(found, reading, with_interval=False)),
        Cell(words[found.median], words[found.median])
        if found.median in words
        else number_cell(found.median, bytes_text),
        text_cell(interval_text(found)),
        number_cell(found.share_from_start, percent),
        number_cell(found.share_never, percent),
    ]


def extensions_table(runs: Sequence[RunRecords]) -> Table:
    """What each distinct extended tokenizer changes in source text, and the pieces that were passed over."""
    rows: dict[object, list[Cell]] = {}
    for run in runs:
        if run.extension is not None and run.tokenizer is not None:
            target = language_name(str(run.settings.get("target", "")))
            name = say("{language}: {arm}", language=target, arm=vocabulary_name(run))
            rows.setdefault(run.tokenizer.folder, [text_cell(name), *_extension_cells(run.extension)])
    columns = (
        Column("vocabulary", "Vocabulary", is_number=False),
        Column("num_words", "Source words"),
        Column("num_changed_words", "Encoded otherwise"),
        Column("changed_share", "Share"),
        Column("changed_pieces", "By", is_number=False),
        Column("num_passed_over", "Pieces passed over"),
        Column("reasons", "Because", is_number=False),
    )
    note = (
        "Words of held-out source text, quotations in the target\u2019s script apart, and those that an extension "
        "encodes otherwise than the base. Pieces were passed over while new ones were learned, most of them because "
        "they would have fired in source text."
    )
    return Table(
        "vocabulary.source",
        "What new pieces change in source text",
        note,
        columns,
        one_group(list(rows.values())),
        Sources(roles=("tokenizer",)),
    )


def _extension_cells(extension: Extension) -> list[Cell]:
    change = extension.change
    reasons = Counter(piece.reason for piece in extension.passed_over)
    named = [f"{piece.text} ({plain(piece.num_words)})" for piece in change.firing_pieces] if change else []
    more = (
        [say("{number} more", number=plain(len(named) - MOST_NAMED_PIECES))] if len(named) > MOST_NAMED_PIECES else []
    )
    share = change.num_changed_words / change.num_words if change and change.num_words else None
    because = joined(f"{reason}: {plain(count)}" for reason, count in reasons.most_common())
    return [
        number_cell(change and change.num_words, plain),
        number_cell(change and change.num_changed_words, plain),
        number_cell(share, lambda value: percent(value, 3)),
        text_cell(joined([*named[:MOST_NAMED_PIECES], *more])) if named else NOT_PLANNED_CELL,
        number_cell(len(extension.passed_over), plain),
        text_cell(because) if because else NOT_PLANNED_CELL,
    ]


def compute_figure(pairs: Sequence[VocabularyPair], scores: Scores) -> Figure | None:
    """Bits per byte against training compute, a panel each control, a line each vocabulary; None where nothing is."""
    panels: dict[tuple[str, tuple[str, ...]], list[Arm]] = {}
    for pair in pairs:
        lines = panels.setdefault((pair.target, tuple(run.label for run in pair.control.runs)), [pair.control])
        lines.append(pair.arm)
    drawn = [
        _compute_panel(f"vocabulary-{place}", target, lines, scores)
        for place, ((target, _), lines) in enumerate(panels.items())
    ]
    drawings = tuple(drawing for drawing in drawn if drawing is not None)
    if not drawings:
        return None
    caption = (
        "Lower is better. At equal compute: at one place of the horizontal axis, the lower line is the vocabulary "
        "to choose. Whiskers are 95\u202f% intervals over documents; the paired differences below are known more "
        "precisely. Runs without further pretraining are left out."
    )
    return Figure("vocabulary", "Bits per byte against training compute", caption, drawings)


def _compute_panel(identifier: str, target: str, lines: Sequence[Arm], scores: Scores) -> Markup | None:
    series = [
        Series(line.phrases or (say("all runs"),), points, Style(place))
        for place, line in enumerate(lines)
        if (points := _compute_points(line, target, scores))
    ]
    if not series:
        return None
    name = language_name(target)
    return line_panel(
        LinePanel(
            identifier=identifier,
            title=say("{language}: bits per byte against training compute", language=name),
            description=described((one, flops_text) for one in series),
            x_title=say("training compute after the base"),
            y_title=say("{language}, bits per byte", language=name),
            x_axis=budget_axis([point.x for one in series for point in one.points], lambda value, _: flops_text(value)),
            series=series,
            markers=True,
        )
    )


def _compute_points(line: Arm, target: str, scores: Scores) -> tuple[Point, ...]:
    found: list[Point] = []
    for run in line.runs:
        flops, score = train_flops(run), scores.get((run.label, target))
        if flops and score is not None:
            estimate = score.bits_per_byte
            found.append(Point(flops, estimate.value, estimate.low, estimate.high))
    return tuple(found)
