"""What new pieces in the vocabulary save, language by language, and what they change in source text."""

from collections.abc import Callable

from loanword.records import TokenizerMeasure
from loanword.report.card.about import Exported
from loanword.report.card.markdown import table
from loanword.report.wording import bytes_text, decimal, language_name, percent, plain

_NUMBERS: tuple[tuple[str, Callable[[TokenizerMeasure], float | None], int], ...] = (
    ("Bytes per token", lambda one: one.bytes_per_token, 2),
    ("Tokens per character", lambda one: one.tokens_per_character, 3),
    ("Tokens per word", lambda one: one.tokens_per_word, 2),
)


def vocabulary_blocks(exported: Exported) -> list[str]:
    """How held-out text is encoded, beside the base's vocabulary where pieces were added."""
    run = exported.run
    if not run.measures:
        return []
    before = {one.language: one for one in (run.extension.base_measures if run.extension else ())}
    if not exported.is_extended:
        before = {}
    shown = [
        (title, read, digits) for title, read, digits in _NUMBERS if any(read(one) is not None for one in run.measures)
    ]
    rows = [
        (
            language_name(one.language),
            *(_number(read, digits, one, before.get(one.language)) for _, read, digits in shown),
            bytes_text(one.num_bytes),
        )
        for one in run.measures
    ]
    with_base = "The base\u2019s number stands before the arrow. " if before else ""
    note = f"{with_base}Measured on text that is held out from training; words only where spaces separate them."
    told = [table(("Language", *(title for title, _, _ in shown), "Measured on"), rows), note]
    return [*_lead(exported), *told, *_changes(exported)]


def _lead(exported: Exported) -> list[str]:
    decoder, new = exported.run.decoder, exported.recipe.tokenizer.num_new_pieces
    rows = f" The tables of the model have {plain(decoder.shape.num_pieces)} rows." if decoder else ""
    if not new:
        return [f"The vocabulary is the base\u2019s own.{rows}"]
    unused = [
        f"{plain(one.num_unused_new_pieces)} of them occur nowhere in the {language_name(one.language)} text"
        for one in exported.run.measures
        if one.num_unused_new_pieces and one.language == exported.recipe.target
    ]
    told = f" {unused[0]} below." if unused else ""
    return [f"{plain(new)} new pieces stand behind the base\u2019s, none of whose ids moved.{told}{rows}"]


def _number(
    read: Callable[[TokenizerMeasure], float | None],
    digits: int,
    one: TokenizerMeasure,
    before: TokenizerMeasure | None,
) -> str:
    value, base = read(one), before and read(before)
    if value is None:
        return "\u2013"
    return decimal(value, digits) if base is None else f"{decimal(base, digits)} \u2192 {decimal(value, digits)}"


def _changes(exported: Exported) -> list[str]:
    extension = exported.run.extension
    if not exported.is_extended or extension is None or extension.change is None or not extension.change.num_words:
        return []
    change, name = extension.change, language_name(exported.recipe.source)
    share = percent(change.num_changed_words / change.num_words, 3)
    changed = f"{plain(change.num_changed_words)} ({share})"
    words = f"{plain(change.num_words)} words of held-out {name} text"
    return [f"Of {words}, {changed} are encoded otherwise than by the base."]
