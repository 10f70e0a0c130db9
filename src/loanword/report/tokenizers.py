"""How the tokenizers of a study encode its languages: a table, and bars side by side."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from loanword.records import TokenizerMeasure
from loanword.report.arms import vocabulary_name
from loanword.report.axes import Axis, linear_axis, tick_text
from loanword.report.cells import Cell, Column, Sources, Table, number_cell, one_group, text_cell
from loanword.report.gather import NEW_PIECES, RunRecords
from loanword.report.saying import clauses, listed, say
from loanword.report.svg import Element, Style, add, drawing, markup, shortened, text_width
from loanword.report.wording import bytes_text, decimal, language_name, percent, plain, setting_phrase

WIDTH = 420.0
LEFT = 1.0
LEGEND_ROW, TITLE_ROW, BAR_ROW = 19.0, 22.0, 18.0
LANGUAGE_GAP, AXIS_ROOM = 12.0, 46.0


@dataclass(frozen=True)
class MeasuredTokenizer:
    """One tokenizer of a study, by a name that no other has."""

    name: str
    measures: tuple[TokenizerMeasure, ...]


def measured_tokenizers(runs: Sequence[RunRecords]) -> list[MeasuredTokenizer]:
    """Each distinct tokenizer once, in the order of the runs, those that were extended before what came of them.

    A base is measured beside its extension on the same text; its own artifact may tell of more languages. Of two that
    share their name, the first run tells.
    """
    named: dict[Path, tuple[str, str]] = {}
    measured: dict[Path, dict[str, TokenizerMeasure]] = {}
    for folder, name, label, measures in [*_bases(runs), *_own(runs)]:
        named.setdefault(folder, (name, label))
        for one in measures:
            measured.setdefault(folder, {}).setdefault(one.language, one)
    names = [named[folder][0] for folder in measured]
    return [
        MeasuredTokenizer(name if names.count(name) == 1 else f"{name} ({named[folder][1]})", tuple(found.values()))
        for name, (folder, found) in zip(names, measured.items(), strict=True)
    ]


_Told = tuple[Path, str, str, tuple[TokenizerMeasure, ...]]


def _bases(runs: Sequence[RunRecords]) -> Iterator[_Told]:
    """Bases by their folders, as their extensions' artifacts measure them."""
    original = setting_phrase(NEW_PIECES, 0)
    for run in runs:
        base = run.artifacts.get("tokenizer.base") or run.artifacts.get("base")
        if base and run.extension:
            yield base.folder, original, run.label, run.extension.base_measures


def _own(runs: Sequence[RunRecords]) -> Iterator[_Told]:
    for run in runs:
        if run.tokenizer:
            yield run.tokenizer.folder, vocabulary_name(run), run.label, run.measures


def tokenizers_table(runs: Sequence[RunRecords]) -> Table:
    """How each language is encoded by each distinct tokenizer; columns that no record fills are left out."""
    measured = [(tokenizer.name, one) for tokenizer in measured_tokenizers(runs) for one in tokenizer.measures]
    languages = dict.fromkeys(one.language for _, one in measured)
    found = [(name, one) for language in languages for name, one in measured if one.language == language]
    shown = [(column, read, text) for column, read, text in _NUMBERS if any(read(one) is not None for _, one in found)]
    columns = (
        Column("tokenizer", "Vocabulary", is_number=False),
        Column("language", "Language", is_number=False),
        *(column for column, _, _ in shown),
    )
    rows: list[list[Cell]] = [
        [
            text_cell(name),
            text_cell(language_name(one.language)),
            *(number_cell(read(one), text, planned=False) for _, read, text in shown),
        ]
        for name, one in found
    ]
    note = "Tokens per word stand only where a language separates its words with spaces."
    return Table(
        "tokenizers", "How the tokenizers encode", note, columns, one_group(rows), Sources(roles=("tokenizer",))
    )


_NUMBERS: tuple[tuple[Column, Callable[[TokenizerMeasure], float | None], Callable[[float], str]], ...] = (
    (Column("bytes_per_token", "Bytes per token"), lambda one: one.bytes_per_token, lambda value: decimal(value, 2)),
    (
        Column("tokens_per_character", "Tokens per character"),
        lambda one: one.tokens_per_character,
        lambda value: decimal(value, 3),
    ),
    (Column("tokens_per_word", "Tokens per word"), lambda one: one.tokens_per_word, lambda value: decimal(value, 2)),
    (
        Column("byte_fallback_share", "Tokens of no whole character"),
        lambda one: one.byte_fallback_share,
        lambda value: percent(value, 2),
    ),
    (Column("num_unused_new_pieces", "New pieces unused"), lambda one: one.num_unused_new_pieces, plain),
    (Column("num_bytes", "Measured on"), lambda one: one.num_bytes, bytes_text),
)


def tokenizers_panel(tokenizers: Sequence[MeasuredTokenizer]) -> Markup:
    """A drawing of tokens per character: a group of bars for each language, a colour for each tokenizer."""
    languages = list(dict.fromkeys(one.language for tokenizer in tokenizers for one in tokenizer.measures))
    groups = {language: _bars(language, tokenizers) for language in languages}
    top = LEGEND_ROW * len(tokenizers) + LANGUAGE_GAP
    bottom = top + sum(TITLE_ROW + BAR_ROW * len(bars) + LANGUAGE_GAP for bars in groups.values())
    described = clauses(
        say(
            "{language}: {bars}",
            language=language_name(language),
            bars=listed(
                say("{vocabulary} {value}", vocabulary=tokenizers[number].name, value=decimal(value, 3))
                for number, value in bars
            ),
        )
        for language, bars in groups.items()
    )
    root = drawing(
        "tokenizers-bars",
        WIDTH,
        bottom + AXIS_ROOM,
        say("Tokens per character by language"),
        say("{told}.", told=described),
    )
    for number, tokenizer in enumerate(tokenizers):
        y = LEGEND_ROW * number
        add(root, "rect", x=LEFT, y=y + 3, width=11, height=11, class_=f"marker {Style(number).colour}")
        add(root, "text", shortened(tokenizer.name, WIDTH - 20), x=18, y=y + 13, class_="label")
    axis = linear_axis(0.0, max(value for bars in groups.values() for _, value in bars), tick_text)
    _draw_axis(root, axis, top, bottom)
    for language, bars in groups.items():
        add(root, "text", language_name(language), x=LEFT, y=top + 14, class_="label halo")
        top += TITLE_ROW
        for number, value in bars:
            _draw_bar(root, axis, Style(number), value, top)
            top += BAR_ROW
        top += LANGUAGE_GAP
    return markup(root)


def _bars(language: str, tokenizers: Sequence[MeasuredTokenizer]) -> list[tuple[int, float]]:
    """Place of each tokenizer that was measured in a language, with its tokens per character."""
    return [
        (number, one.tokens_per_character)
        for number, tokenizer in enumerate(tokenizers)
        for one in tokenizer.measures
        if one.language == language
    ]


def _place(axis: Axis, value: float) -> float:
    return LEFT + axis.place(value) * (WIDTH - 46 - LEFT)


def _draw_axis(root: Element, axis: Axis, top: float, bottom: float) -> None:
    for value, text in axis.ticks:
        x = _place(axis, value)
        add(root, "line", x1=x, y1=top, x2=x, y2=bottom, class_="grid")
        add(root, "text", text, x=x, y=bottom + 18, text_anchor="middle" if value else "start", class_="tick")
    centre = _place(axis, axis.ticks[-1][0]) / 2
    add(root, "text", say("tokens per character"), x=centre, y=bottom + 38, text_anchor="middle", class_="name")


def _draw_bar(root: Element, axis: Axis, style: Style, value: float, top: float) -> None:
    end, text = _place(axis, value), decimal(value, 3)
    add(root, "rect", x=LEFT, y=top, width=max(end - LEFT, 0.5), height=14, rx=1.5, class_=f"marker {style.colour}")
    x = min(end + 6, WIDTH - text_width(text))
    add(root, "text", text, x=x, y=top + 11.5, class_="value halo")
