"""Alignment as the report shows it: accuracy of runs, comparisons, every layer, and a figure by layer."""

from collections.abc import Sequence

from markupsafe import Markup

from loanword.records import AlignedLayer
from loanword.report.alignment.scores import (
    Alignment,
    AlignmentComparison,
    AlignmentDifference,
    Alignments,
    Languages,
    accuracy,
    accuracy_estimate,
    language_pairs,
    measures,
    score_alignment,
)
from loanword.report.arms import budget_arms, factors
from loanword.report.axes import Axis
from loanword.report.cells import (
    MISSING_CELL,
    Cell,
    Column,
    RowGroup,
    Sources,
    Table,
    estimate_cell,
    number_cell,
    pair_group,
    run_cell,
    text_cell,
)
from loanword.report.comparisons import reference_run
from loanword.report.figures import Figure, described
from loanword.report.gather import RunRecords
from loanword.report.panels import LinePanel, Point, Series, line_panel
from loanword.report.saying import clauses, say, sentences
from loanword.report.svg import NUM_COLOURS, Style
from loanword.report.tables import COMPARED, REACHED, RUN, TONES
from loanword.report.wording import joined, language_name, p_text, percent, plain, points, signed

MOST_LINES = 6
"""Runs that a panel tells apart by colour; where there are more, only some are drawn."""
MOST_MARKED_LAYERS = 13
SOURCES = Sources(roles=("alignment",))
MOST_TICKS = 9
CONTROL = Style(2 * NUM_COLOURS - 1)
"""Grey and dashed: the last colour, in the dash that no run has."""


def alignment_tables(runs: Sequence[RunRecords], comparisons: Sequence[AlignmentComparison]) -> tuple[Table, ...]:
    """Alignment of every run, and the comparisons; none where no run has any."""
    alignments = score_alignment(runs)
    if not alignments:
        return ()
    compared = (_comparisons_table(runs, comparisons),) if comparisons else ()
    return (_runs_table(runs, alignments), *compared)


def alignment_layer_tables(runs: Sequence[RunRecords]) -> tuple[Table, ...]:
    """Every layer of every run, one table a pair of languages: the figure's numbers, to be folded away."""
    alignments = score_alignment(runs)
    return tuple(_layers_table(languages, runs, alignments) for languages in language_pairs(runs))


def _runs_table(runs: Sequence[RunRecords], alignments: Alignments) -> Table:
    groups = [
        RowGroup(
            languages_text(languages),
            tuple(
                tuple(_run_cells(run.label, alignments.get((run.label, languages))))
                for run in runs
                if measures(run, languages)
            ),
            _counted(languages, alignments),
        )
        for languages in language_pairs(runs)
    ]
    columns = (
        RUN,
        Column("middle_layer", "Middle layer"),
        Column("middle_accuracy", "Accuracy there"),
        Column("middle_forward", "From source"),
        Column("middle_backward", "From target"),
        Column("middle_margin", "Margin"),
        Column("best_layer", "Best layer"),
        Column("best_accuracy", "Accuracy there"),
        Column("shuffled", "Shuffled"),
        Column("num_cut", "Cut"),
    )
    note = (
        "A sentence is a hit where its own translation is nearer, by cosine, than every other sentence of the other "
        "language; accuracy is of both directions together, with a 95\u202f% bootstrap interval over sentences. Layer "
        "0 is the embeddings, the middle layer is halfway to the last. The best layer is chosen on the same sentences, "
        "which flatters it. Margin: cosine to the translation minus the largest to another sentence, averaged. "
        "Shuffled: the middle layer with translations dealt out at random. Cut: sentences longer than the context."
    )
    title = "Translations that are nearest to each other"
    return Table("alignment", title, note, columns, tuple(groups), SOURCES)


def _run_cells(label: str, alignment: Alignment | None) -> list[Cell]:
    if alignment is None:
        return [run_cell(label), *[MISSING_CELL] * 9]
    middle, best = alignment.middle, alignment.best
    return [
        run_cell(label),
        number_cell(middle.layer, plain),
        estimate_cell(accuracy_estimate(middle), percent, bounds=points),
        number_cell(_share(middle.forward_hits), percent),
        number_cell(_share(middle.backward_hits), percent),
        number_cell((middle.forward_margin + middle.backward_margin) / 2, lambda value: signed(value, 3)),
        number_cell(best.layer, plain),
        estimate_cell(accuracy_estimate(best), percent, bounds=points),
        number_cell(middle.shuffled_accuracy, percent),
        number_cell(middle.num_cut, plain),
    ]


def _counted(languages: Languages, alignments: Alignments) -> str:
    counts = sorted({found.middle.num_sentences for (_, pair), found in alignments.items() if pair == languages})
    chances = joined(percent(1 / count, 2) for count in counts)
    return say("{numbers} sentences; {chances} by chance", numbers=joined(map(plain, counts)), chances=chances)


def _comparisons_table(runs: Sequence[RunRecords], comparisons: Sequence[AlignmentComparison]) -> Table:
    by_label = {run.label: run for run in runs}
    groups = [
        pair_group(
            found.arm,
            found.control,
            tuple(_comparison_row(one) for one in found.differences),
            say("differs in {factors}", factors=clauses(factors(by_label[found.arm], by_label[found.control]))),
        )
        for found in comparisons
    ]
    columns = (
        Column("measure", "Measure", is_number=False),
        *COMPARED,
        *REACHED,
    )
    note = (
        "First new pieces against none after the same text, then every other run against the untouched base. "
        "Differences are in percentage points over the same sentences, with 95\u202f% bootstrap intervals; p is of an "
        "exact sign test over the sentences that one of the two hits more often, adjusted by Holm over the whole "
        "table. Best layers are each run\u2019s own."
    )
    return Table("alignment.comparisons", "Alignment compared", note, columns, tuple(groups), SOURCES)


def _comparison_row(found: AlignmentDifference) -> tuple[Cell, ...]:
    word = found.word
    return (
        text_cell(say("{languages}, {place}", languages=languages_text(found.languages), place=_places(found))),
        number_cell(found.control and accuracy(found.control), percent),
        number_cell(found.arm and accuracy(found.arm), percent),
        estimate_cell(found.paired and found.paired.difference, points_text),
        number_cell(found.adjusted_p, p_text),
        text_cell(say(word), tone=TONES.get(word, "quiet")),
    )


def _places(found: AlignmentDifference) -> str:
    if found.arm is None or found.control is None:
        return say(found.place)
    layers = list(dict.fromkeys((found.control.layer, found.arm.layer)))
    return say("{place} ({layers})", place=say(found.place), layers=joined(map(str, layers)))


def _layers_table(languages: Languages, runs: Sequence[RunRecords], alignments: Alignments) -> Table:
    groups = [
        RowGroup(run.label, tuple(tuple(_layer_cells(layer)) for layer in found.layers), sources=Sources((run.label,)))
        for run in runs
        if (found := alignments.get((run.label, languages))) is not None
    ]
    columns = (
        Column("layer", "Layer"),
        Column("forward", "From source"),
        Column("backward", "From target"),
        Column("forward_margin", "Margin from source"),
        Column("backward_margin", "Margin from target"),
        Column("shuffled", "Shuffled"),
    )
    source, target = languages
    title = say("{languages}, layer by layer", languages=languages_text(languages))
    note = "Layer 0 is the embeddings; the last layer stands behind the final norm."
    return Table(f"alignment.layers.{source}-{target}", title, note, columns, tuple(groups), SOURCES)


def _layer_cells(layer: AlignedLayer) -> list[Cell]:
    return [
        number_cell(layer.layer, plain),
        number_cell(_share(layer.forward_hits), percent),
        number_cell(_share(layer.backward_hits), percent),
        number_cell(layer.forward_margin, lambda value: signed(value, 3)),
        number_cell(layer.backward_margin, lambda value: signed(value, 3)),
        number_cell(layer.shuffled_accuracy, percent),
    ]


def alignment_figure(runs: Sequence[RunRecords]) -> Figure | None:
    """Accuracy by layer beside the shuffled control, one panel a pair of languages; None where no run has any."""
    alignments = score_alignment(runs)
    panels = [_panel(languages, runs, alignments) for languages in language_pairs(runs)]
    if not panels:
        return None
    caption = say(
        "Higher is better: how often a sentence\u2019s own translation is the nearest of all sentences, both "
        "directions together. Layer 0 is the embeddings. Dashed: the same vectors with translations dealt out at "
        "random, the mean of the runs drawn."
    )
    left_out = sum(num_left_out for _, num_left_out in panels)
    if left_out:
        drawn = say(
            "Of the runs, at most {most} are drawn: the untouched base and, of those that differ in their budget of "
            "text alone, the largest; the others are in the tables.",
            most=str(MOST_LINES),
        )
        caption = sentences((caption, drawn))
    return Figure("alignment", "Alignment by layer", caption, tuple(drawn for drawn, _ in panels))


def _panel(languages: Languages, runs: Sequence[RunRecords], alignments: Alignments) -> tuple[Markup, int]:
    """A drawing, and how many runs are not in it."""
    measured = [run for run in runs if (run.label, languages) in alignments]
    drawn = _drawn(measured, reference_run(runs))
    found = [(run.label, alignments[run.label, languages]) for run in drawn]
    series = [
        Series(
            tuple(label.split(", ")),
            tuple(Point(one.layer, 100 * accuracy(one)) for one in alignment.layers),
            Style(place),
        )
        for place, (label, alignment) in enumerate(found)
    ]
    depth = max(len(alignment.layers) for _, alignment in found)
    shuffled = [
        [alignment.layers[layer].shuffled_accuracy for _, alignment in found if layer < len(alignment.layers)]
        for layer in range(depth)
    ]
    series.append(
        Series(
            (say("shuffled"),),
            tuple(Point(layer, 100 * sum(shares) / len(shares)) for layer, shares in enumerate(shuffled)),
            CONTROL,
        )
    )
    name = languages_text(languages)
    panel = LinePanel(
        identifier=f"alignment-{'-'.join(languages)}",
        title=say("{languages}: translations that are nearest, by layer", languages=name),
        description=described(((one, _layer_text) for one in series), digits=1),
        x_title=say("layer"),
        y_title=say("{languages}: nearest, % of sentences", languages=name),
        x_axis=_layer_axis(depth - 1),
        series=series,
        markers=depth <= MOST_MARKED_LAYERS,
    )
    return line_panel(panel), len(measured) - len(drawn)


def _drawn(runs: Sequence[RunRecords], base: RunRecords | None) -> list[RunRecords]:
    """The base first, then the others; only the largest budget of each kind where there are too many."""
    first = [run for run in runs if run is base]
    others = [run for run in runs if run is not base]
    if len(runs) > MOST_LINES:
        largest = [arm.runs[-1] for arm in budget_arms(runs)]
        others = ([run for run in others if run in largest] or others)[: MOST_LINES - len(first)]
    return first + others


def _layer_axis(last: int) -> Axis:
    step = -(-last // (MOST_TICKS - 1)) or 1
    ticks = tuple((float(layer), str(layer)) for layer in range(0, last + 1, step))
    return Axis(ticks, lambda layer: layer / max(1, last))


def _layer_text(place: float) -> str:
    return say("layer {number}", number=plain(place))


def languages_text(languages: Languages) -> str:
    """Two languages by name."""
    source, target = map(language_name, languages)
    return say("{source}\u2013{target}", source=source, target=target)


def points_text(value: float) -> str:
    """A difference of shares in percentage points, with its sign."""
    return signed(100 * value, 1)


def _share(hits: str) -> float:
    return hits.count("1") / len(hits)
