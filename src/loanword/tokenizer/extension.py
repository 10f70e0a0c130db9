"""An extension of a base's tokenizer by either method, and what is known of it on disk.

Out: the tokenizer's files; `constituents.json` (base ids of each new piece's text), `source_change.json` (what it
changes in held-out source text), `extension.json` (what it was learned from, and what is not as it should be),
`skipped.jsonl` (pieces that continued BPE passed over).
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from loanword.errors import UserError
from loanword.protocols import Work
from loanword.recipe import ExtendedTokenizerConfig
from loanword.records import Count, Record, write_json, write_lines
from loanword.tokenizer.append import append, lacking, learn_pieces, pieces_of_model
from loanword.tokenizer.convert import unlike
from loanword.tokenizer.extend import check_source_change, constituents, extend, lossy
from loanword.tokenizer.gate import foreign_characters
from loanword.tokenizer.interface import Tokenizer
from loanword.tokenizer.learn import LearnedPieces, continue_bpe
from loanword.tokenizer.measure import SourceChange, measure_change, unreachable_pieces

FACTS = "extension.json"


class ExtensionFacts(Record):
    """What an extension was learned from, and what is not as it should be.

    Words let go of were too rare to be kept in memory. Unreachable pieces stand for themselves in no text. Of
    `num_texts` held-out texts in both languages, lossy ones are not given back by decoding, the same under the base,
    and unlike ones get other ids from tokenizer.json than from tokenizer.model.
    """

    num_gate_bytes: Count
    num_dropped_words: Count
    unreachable_pieces: tuple[str, ...]
    lossy_texts: tuple[str, ...]
    num_texts: Count
    num_unlike_texts: Count


def extended(
    config: ExtendedTokenizerConfig,
    base: Tokenizer,
    texts: Iterable[str],
    gate_texts: Sequence[str],
    held_out: Sequence[str],
    held_out_source: Sequence[str],
    work: Work,
) -> Tokenizer:
    """The base with the new pieces that `config` asks for, saved in `work.out` with what is known of it.

    `texts` and `held_out` are target text, `gate_texts` and `held_out_source` source text.

    Raises:
        UserError: too little text, or too few pieces in `pieces_from`, for so many; too much change in source text.
    """
    learned = None
    if config.method == "append":
        target = list(texts)
        given = None if config.pieces_from is None else work.source(config.pieces_from)
        made = append(base, _appended(config, base, target, given))
        foreign = foreign_characters(Counter("".join(target)), Counter("".join(gate_texts)))
    else:
        learned = continue_bpe(
            base, texts, config.num_new_pieces, gate_texts, work.progress, num_workers=work.execution.threads
        )
        made, foreign = extend(base, learned), learned.foreign_characters
        write_lines(learned.skipped, work.out / "skipped.jsonl")
    change = measure_change(base, made, held_out_source, foreign)
    write_json(change, work.out / "source_change.json")
    if config.method == "continued-bpe":
        check_source_change(change, config.max_source_change)
    made.save(work.out)
    write_json({"constituents": constituents(base, made)}, work.out / "constituents.json")
    facts = _facts(base, made, learned, gate_texts, [*held_out, *held_out_source], work.out)
    write_json(facts, work.out / FACTS)
    for sentence in _remarks(config, change, facts):
        work.say(sentence)
    return made


def _appended(config: ExtendedTokenizerConfig, base: Tokenizer, texts: Sequence[str], given: Path | None) -> list[str]:
    """The pieces of a model that a base lacks, or those of one that is learned on the texts: so many as asked for."""
    if given is None:
        return learn_pieces(base, texts, config.num_new_pieces)
    pieces = lacking(base, pieces_of_model(given))
    if len(pieces) < config.num_new_pieces:
        raise UserError(
            "tokenizer.num_new_pieces",
            f"{config.num_new_pieces:,} pieces are asked for, and {given} has {len(pieces):,} that the base lacks",
            expected=f"at most {len(pieces):,}",
            do="lower it, or name another model in tokenizer.pieces_from",
        )
    return pieces[: config.num_new_pieces]


def _facts(
    base: Tokenizer,
    made: Tokenizer,
    learned: LearnedPieces | None,
    gate_texts: Sequence[str],
    held_out: Sequence[str],
    out: Path,
) -> ExtensionFacts:
    lost = lossy(made, held_out)
    assert lost == lossy(base, held_out), "an extension loses what its base loses, and nothing else"
    return ExtensionFacts(
        num_gate_bytes=sum(len(text.encode()) for text in gate_texts),
        num_dropped_words=0 if learned is None else learned.num_dropped_words,
        unreachable_pieces=tuple(unreachable_pieces(base, made)),
        lossy_texts=tuple(lost),
        num_texts=len(held_out),
        num_unlike_texts=unlike(out, made, held_out),
    )


def _remarks(config: ExtendedTokenizerConfig, change: SourceChange, facts: ExtensionFacts) -> Iterable[str]:
    if config.method == "continued-bpe" and not change.can_show(config.max_source_change):
        yield (
            f"{change.num_words:,} held-out source words are too few to check tokenizer.max_source_change: "
            "raise held_out_documents of the source's corpus"
        )
    if facts.num_dropped_words:
        yield f"{facts.num_dropped_words:,} rare words were let go of while pieces were learned"
    if facts.unreachable_pieces:
        yield f"{len(facts.unreachable_pieces):,} appended pieces are reached by no text ({FACTS})"
    if facts.num_unlike_texts:
        yield unlike_remark(facts)


def unlike_remark(facts: ExtensionFacts) -> str:
    """What is wrong with a tokenizer.json that gives other ids than the tokenizer.model beside it."""
    return (
        f"tokenizer.json gives other ids than tokenizer.model on {facts.num_unlike_texts:,} of {facts.num_texts:,} "
        "held-out texts (its format cannot tell pieces of one score); other tools must read tokenizer.model"
    )
