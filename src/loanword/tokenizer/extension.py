"""An extension of a base's tokenizer by either method, and what is known of it on disk.

Out: `constituents.json` (base ids of each new piece's text), `source_change.json` (what it changes in held-out source
text), `skipped.jsonl` (pieces that continued BPE passed over).
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from loanword.errors import UserError
from loanword.protocols import Progress
from loanword.recipe import ExtendedTokenizerConfig
from loanword.records import write_json, write_lines
from loanword.tokenizer.append import append, lacking, learn_pieces, pieces_of_model
from loanword.tokenizer.extend import check_source_change, constituents, extend
from loanword.tokenizer.gate import foreign_characters
from loanword.tokenizer.interface import Tokenizer
from loanword.tokenizer.learn import continue_bpe
from loanword.tokenizer.measure import measure_change


def extended(
    config: ExtendedTokenizerConfig,
    base: Tokenizer,
    texts: Iterable[str],
    gate_texts: Sequence[str],
    held_out_source: Iterable[str],
    pieces_file: Path | None,
    out: Path,
    progress: Progress,
    *,
    num_workers: int = 1,
) -> Tokenizer:
    """The base with the new pieces that `config` asks for; what they are and change is written to `out`.

    Raises:
        UserError: too little text, or too few pieces in `pieces_file`, for so many; too much change in source text.
    """
    if config.method == "append":
        target = list(texts)
        made = append(base, _appended(config, base, target, pieces_file))
        foreign = foreign_characters(Counter("".join(target)), Counter("".join(gate_texts)))
    else:
        learned = continue_bpe(base, texts, config.num_new_pieces, gate_texts, progress, num_workers=num_workers)
        made, foreign = extend(base, learned), learned.foreign_characters
        write_lines(learned.skipped, out / "skipped.jsonl")
    write_json({"constituents": constituents(base, made)}, out / "constituents.json")
    change = measure_change(base, made, held_out_source, foreign)
    write_json(change, out / "source_change.json")
    if config.method == "continued-bpe":
        check_source_change(change, config.max_source_change)
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
