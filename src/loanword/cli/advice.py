"""What is said about sizes of a larger vocabulary, by stated rules on what was counted.

Certain without training: tokens, and what a decoder of known shape does with them. Never said: what only training
shows, bits per byte and where a larger vocabulary breaks even.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from loanword.model.shape import DecoderShape
from loanword.model.vocabulary_cost import (
    VocabularyCost,
    affordable_pieces,
    moment_bytes,
    outgrown_pieces,
    tokens_saved,
)
from loanword.records import Count, Record, TokenizerMeasure
from loanword.report.scaling import Crossing
from loanword.report.scaling_tables import vocabulary_crossings
from loanword.report.vocabulary import VocabularyPair
from loanword.report.vocabulary_words import Answer, answers
from loanword.report.wording import bytes_text, count_text, decimal, flops_text, joined, language_name, percent, plain

LEAST_SAVED = 0.01
"""Share of tokens that a doubling of the new pieces must save."""
MEGABYTE = 1e6


@dataclass(frozen=True)
class Base:
    """A decoder that has so many rows more than its tokenizer has pieces; new pieces fill them first."""

    shape: DecoderShape
    context_tokens: int | None
    num_spare_rows: int


class Costs(Record):
    """What one size does to a decoder: `flops_per_megabyte` and more of the text, the rest of the model."""

    flops_per_megabyte: float
    flops_per_megabyte_with_attention: float | None
    key_value_bytes_per_character: float
    context_bytes: float | None
    num_added_parameters: Count
    moment_bytes: Count
    head_share: float


class Size(Record):
    """One number of new pieces on held-out text of the target and of the source; 0 pieces is the base.

    A token is a step of generation. `costs` is None where the decoder's shape is not known.
    """

    num_new_pieces: Count
    tokens_per_character: float
    bytes_per_token: float
    tokens_saved: float
    num_source_words: Count
    num_changed_words: Count
    costs: Costs | None

    @property
    def changed_share(self) -> float:
        """Source words that are encoded otherwise, quotations left out."""
        return self.num_changed_words / self.num_source_words if self.num_source_words else 0.0


class Advice(Record):
    """What was counted for one language, smallest size first, and what follows.

    `too_many` are sizes that the text has not pieces enough for, `dominated` those that a smaller one is as good as,
    with the reason, `refused` those that change more source words than a study allows.
    """

    language: str
    num_learned_bytes: Count
    num_held_out_bytes: Count
    num_gate_bytes: Count
    sizes: tuple[Size, ...]
    too_many: tuple[int, ...]
    passed_over: dict[str, int]
    num_dropped_words: Count
    dominated: dict[int, str]
    refused: tuple[int, ...]
    certain: tuple[str, ...]


def size_of(
    num_new_pieces: int,
    measured: TokenizerMeasure,
    base: TokenizerMeasure,
    source_words: tuple[int, int],
    decoder: Base | None,
) -> Size:
    """One size from its measure and the base's on the same text, and (all, changed) source words."""
    num_words, num_changed = source_words
    return Size(
        num_new_pieces=num_new_pieces,
        tokens_per_character=measured.tokens_per_character,
        bytes_per_token=measured.bytes_per_token,
        tokens_saved=tokens_saved(base.num_tokens, measured.num_tokens),
        num_source_words=num_words,
        num_changed_words=num_changed,
        costs=None if decoder is None else _costs(num_new_pieces, measured, decoder),
    )


def _costs(num_new_pieces: int, measured: TokenizerMeasure, decoder: Base) -> Costs:
    shape, context_tokens = decoder.shape, decoder.context_tokens
    num_new_rows = max(0, num_new_pieces - decoder.num_spare_rows)
    cost = VocabularyCost(shape.extended(num_new_rows), 1 / measured.bytes_per_token)
    bytes_per_character = measured.tokens_per_character * measured.bytes_per_token
    return Costs(
        flops_per_megabyte=MEGABYTE * cost.train_flops_per_byte(),
        flops_per_megabyte_with_attention=None
        if context_tokens is None
        else MEGABYTE * cost.train_flops_per_byte(context_tokens / 2),
        key_value_bytes_per_character=cost.key_value_bytes_per_byte() * bytes_per_character,
        context_bytes=None if context_tokens is None else cost.context_bytes(context_tokens),
        num_added_parameters=num_new_rows * shape.row_parameters,
        moment_bytes=moment_bytes(shape, num_new_rows),
        head_share=cost.head_share(),
    )


def dominated(sizes: Sequence[Size]) -> dict[int, str]:
    """Sizes that are not worth their rows beside the next smaller one that is, with the reason.

    The rule: between the two, a doubling of the pieces saves less than 1 % of tokens, or FLOPs per byte do not fall.
    The base has nothing to double: its first step counts as one.
    """
    found: dict[int, str] = {}
    kept = sizes[0]
    for size in sizes[1:]:
        doublings = math.log2(size.num_new_pieces / kept.num_new_pieces) if kept.num_new_pieces else 1.0
        saved = 1 - (kept.bytes_per_token / size.bytes_per_token) ** (1 / doublings)
        beside = f"+{plain(kept.num_new_pieces)}" if kept.num_new_pieces else "the base"
        if saved < LEAST_SAVED:
            found[size.num_new_pieces] = f"a doubling from {beside} saves {percent(saved, 2)} of tokens"
        elif size.costs and kept.costs and size.costs.flops_per_megabyte >= kept.costs.flops_per_megabyte:
            found[size.num_new_pieces] = f"FLOPs per byte do not fall below those of {beside}"
        else:
            kept = size
    return found


def certain(
    language: str, sizes: Sequence[Size], worse: Mapping[int, str], refused: Sequence[int], decoder: Base | None
) -> tuple[str, ...]:
    """What is certain without any training, in sentences."""
    base = sizes[0]
    good = [size for size in sizes[1:] if size.num_new_pieces not in worse and size.num_new_pieces not in refused]
    said = [_saving(language, base, size) for size in good[-1:]]
    said += [f"+{plain(pieces)} is dominated: {reason}." for pieces, reason in worse.items()]
    if refused:
        named = joined(f"+{plain(pieces)}" for pieces in refused)
        said.append(
            f"{named}: a study would refuse so many changed source words (tokenizer.max_source_change); a larger "
            "tokenizer.gate_bytes skips more of the merges that change them."
        )
    if not good:
        said.append(f"No size of these is worth its rows for {language_name(language)}.")
    return tuple(said) + (() if decoder is None else (_head(sizes, decoder),))


def _saving(language: str, base: Size, size: Size) -> str:
    before, after = (decimal(one.tokens_per_character, 3) for one in (base, size))
    text = (
        f"+{plain(size.num_new_pieces)} is the largest size that pays by these rules: {language_name(language)} takes "
        f"{percent(size.tokens_saved)} fewer tokens ({before} to {after} a character), so as many fewer steps of "
        "generation"
    )
    if size.costs is None or base.costs is None:
        return f"{text}."
    flops = tokens_saved(base.costs.flops_per_megabyte, size.costs.flops_per_megabyte)
    return (
        f"{text} and as much less KV memory a character; {percent(flops)} fewer training FLOPs per byte, for "
        f"{count_text(size.costs.num_added_parameters)} more parameters and {bytes_text(size.costs.moment_bytes)} of "
        "optimizer state in float32."
    )


def _head(sizes: Sequence[Size], decoder: Base) -> str:
    before, spare = VocabularyCost(decoder.shape, 1 / sizes[0].bytes_per_token), decoder.num_spare_rows
    # Pieces in spare rows make no head larger: along the curve stand new rows.
    curve = [(max(0, size.num_new_pieces - spare), 1 / size.bytes_per_token) for size in sizes[1:]]
    outgrown = outgrown_pieces(before, curve)
    if outgrown is not None:
        most = plain(round(outgrown) + spare)
        return f"Beyond about {most} pieces the larger head costs more FLOPs than the saved tokens."
    pieces, (_, tokens) = sizes[-1].num_new_pieces, curve[-1]
    bound = count_text(affordable_pieces(before, tokens) + spare)
    return (
        f"At +{plain(pieces)} the larger head costs fewer FLOPs than the saved tokens; if further pieces saved nothing "
        f"more, that would hold up to {bound} pieces."
    )


@dataclass(frozen=True)
class Told:
    """A study's answer for one language; `other_base` is its base, empty where that is not known to be another.

    `laws` say where new pieces break even beyond the budgets that were run, a sentence an arm.
    """

    answer: Answer
    other_base: str
    laws: tuple[str, ...]


def told(pairs: Sequence[VocabularyPair], crossed: Sequence[Crossing], decoder: Base | None) -> list[Told]:
    """A study's answers: of another base than this only for languages in which it has none of this one."""
    bases = [(pair, _other_base(pair, decoder)) for pair in pairs]
    own = {pair.target for pair, other in bases if not other}
    others = {pair.target: other for pair, other in bases if pair.target not in own}
    kept = [pair for pair, other in bases if not other or pair.target in others]
    return [
        Told(
            answer,
            others.get(answer.language, ""),
            tuple(vocabulary_crossings([pair for pair in kept if pair.target == answer.language], crossed)),
        )
        for answer in answers(kept)
    ]


def _other_base(pair: VocabularyPair, decoder: Base | None) -> str:
    shapes = [run.decoder.shape for run in pair.control.runs if run.decoder]
    if decoder is None or not shapes or decoder.shape in shapes:
        return ""
    shape = shapes[0]
    return f"width {shape.width:,}, {shape.num_layers} layers, {shape.num_pieces:,} rows"


LEGEND = """\
A token is a step of generation. FLOPs are of training, without attention and with it over a full context; KV is in
bf16; context is the text that fills one; head is its share of the FLOPs without attention."""


def table_rows(advice: Advice) -> list[tuple[str, ...]]:
    """The sizes as rows of text under a header; columns without any value are left out."""
    header = (
        "pieces", "tokens/char", "saved", "FLOPs/MB", "+ attention", "KV/char", "context", "parameters", "head",
        "words changed",
    )  # fmt: skip
    rows = [_row(size) for size in advice.sizes]
    kept = [place for place in range(len(header)) if any(row[place] != "-" for row in rows)]
    return [tuple(row[place] for place in kept) for row in (header, *rows)]


def _row(size: Size) -> tuple[str, ...]:
    costs, is_base = size.costs, not size.num_new_pieces
    return (
        "base" if is_base else f"+{size.num_new_pieces:,}",
        decimal(size.tokens_per_character, 3),
        "-" if is_base else percent(size.tokens_saved),
        flops_text(costs.flops_per_megabyte) if costs else "-",
        flops_text(costs.flops_per_megabyte_with_attention)
        if costs and costs.flops_per_megabyte_with_attention
        else "-",
        bytes_text(costs.key_value_bytes_per_character) if costs else "-",
        bytes_text(costs.context_bytes) if costs and costs.context_bytes else "-",
        f"+{count_text(costs.num_added_parameters)}" if costs and not is_base else "-",
        percent(costs.head_share) if costs else "-",
        "-" if is_base else f"{size.num_changed_words:,} ({percent(size.changed_share, 3)})",
    )
