"""`loanword tokenizer advise`: what a larger vocabulary would save and cost, before anything is trained.

The largest size is learned once; smaller ones are its beginning, as continued BPE would have found them. Documents are
held out by the digest of their text: files are often ordered by source, and equal texts must not stand on both sides.
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loanword.errors import UserError
from loanword.protocols import Progress

if TYPE_CHECKING:
    from loanword.cli.advice import Advice, Base, Size, Told
    from loanword.tokenizer.interface import Tokenizer
    from loanword.tokenizer.learn import LearnedPieces

VERB = "loanword tokenizer advise"
SIZES = (1_000, 2_000, 4_000, 8_000, 16_000, 32_000)
HELD_OUT_SHARE = 0.1
MOST_HELD_OUT_BYTES = 2_000_000


@dataclass(frozen=True)
class _Model:
    """A base's tokenizer and, where a config.json is there and of a known kind, its decoder."""

    name: str
    tokenizer: "Tokenizer"
    decoder: "Base | None"


@dataclass(frozen=True)
class _Text:
    """A file's documents, of which a share is held out."""

    language: str
    path: Path
    num_bytes: int
    held_out_share: float

    def held_out(self) -> Iterator[str]:
        """Documents that nothing is learned from."""
        return self._part(0.0, self.held_out_share)

    def rest(self) -> Iterator[str]:
        """All other documents."""
        return self._part(self.held_out_share, 1.0)

    def some(self, num_bytes: int) -> list[str]:
        """Other documents from all over the file that fill so many bytes, fewer where there are fewer."""
        # Half as much again, because documents differ in size: the share that is drawn is one of documents.
        drawn = self._part(self.held_out_share, self.held_out_share + 1.5 * num_bytes / self.num_bytes)
        found: list[str] = []
        for text in sorted(drawn, key=_place):
            if num_bytes <= 0:
                break
            found.append(text)
            num_bytes -= len(text.encode())
        return found

    def _part(self, low: float, high: float) -> Iterator[str]:
        from loanword.cli.tokenizer import documents

        for text in documents(self.path):
            if low <= _place(text) < high:
                yield text


def add_arguments(actions: Any) -> None:
    """The flags of `advise`; `actions` are the subparsers of `tokenizer`."""
    summary = "what a larger vocabulary would save and cost, before any training"
    advise: argparse.ArgumentParser = actions.add_parser("advise", help=summary)
    advise.add_argument("model", metavar="MODEL", help="a checkpoint folder, a tokenizer's file, or a Hub id")
    advise.add_argument("--text", nargs="+", required=True, metavar="LANG=FILE", help="text of target languages")
    advise.add_argument("--source-text", required=True, metavar="LANG=FILE", help="text of the base's main language")
    advise.add_argument(
        "--pieces", nargs="+", type=int, default=list(SIZES), metavar="N", help="sizes (default: 1000, 2000 .. 32000)"
    )
    advise.add_argument("--workers", type=int, default=1, metavar="N", help="processes that read text (default: 1)")
    advise.add_argument("--study", type=Path, metavar="FILE", help="a study whose finished records say what it gains")
    advise.add_argument("--store", type=Path, default=Path("store"), help="that study's store (default: ./store)")
    advise.add_argument("--data", type=Path, default=Path(), metavar="DIR", help="that study's data root (default: .)")
    advise.add_argument("--json", action="store_true", help="for machines")


def run(arguments: argparse.Namespace) -> int:
    """Prints sizes, what is certain of them, and what only a study can tell."""
    from loanword.cli.tokenizer import named_files

    sizes = _sizes(arguments.pieces)
    if arguments.workers < 1:
        raise UserError(
            f"--workers {arguments.workers}", "no number of processes", expected="1 or more", do="correct --workers"
        )
    files = named_files(arguments.text, "--text")
    ((source_language, source_file),) = named_files([arguments.source_text], "--source-text").items()
    if source_language in files:
        raise UserError(
            f"--text {source_language}={files[source_language]}",
            f"{source_language} is the source language too",
            expected="text of another language",
            do="correct --text or --source-text",
        )
    model = _model(arguments.model)
    told = _told(arguments, model.decoder) if arguments.study else []
    source = _text(source_language, source_file)
    advised = [
        _advised(model, _text(language, path), source, sizes, arguments.workers) for language, path in files.items()
    ]
    lacking = None if model.decoder else _lacking(arguments.model)
    if arguments.json:
        plain = {
            "model": model.name,
            "source": source_language,
            "lacking": lacking,
            "advice": [advice.model_dump(mode="json") for advice in advised],
            "study": {
                one.answer.language: {
                    "outcome": one.answer.outcome,
                    "points": list(one.answer.points),
                    "laws": list(one.laws),
                    "other_base": one.other_base or None,
                }
                for one in told
            },
        }
        print(json.dumps(plain, ensure_ascii=False, indent=2))
        return 0
    for number, advice in enumerate(advised):
        print("\n" if number else "", end="")
        _print(advice, [one for one in told if one.answer.language == advice.language], arguments)
    if lacking:
        print(f"\nlacking: {lacking}")
    return 0


def _sizes(asked: Sequence[int]) -> list[int]:
    for size in asked:
        if size < 1:
            raise UserError(f"--pieces {size}", "no number of pieces", expected="1 or more", do="correct --pieces")
    return sorted(set(asked))


def _model(name: str) -> _Model:
    from loanword.cli.advice import Base
    from loanword.cli.tokenizer import tokenizer_path
    from loanword.model.shape import published_context, published_shape
    from loanword.tokenizer.files import read_object
    from loanword.tokenizer.load import load_tokenizer

    path = tokenizer_path(name)
    tokenizer = load_tokenizer(path)
    config = read_object((path if path.is_dir() else path.parent) / "config.json")
    shape = published_shape(config)
    if shape is None:
        return _Model(name, tokenizer, None)
    if tokenizer.num_pieces > shape.num_pieces:
        raise UserError(
            name,
            f"the tokenizer has {tokenizer.num_pieces:,} pieces, but the model has {shape.num_pieces:,} embedding rows",
            expected="a row for every piece",
            do="use the tokenizer that belongs to this checkpoint",
        )
    num_spare_rows = shape.num_pieces - tokenizer.num_pieces
    return _Model(name, tokenizer, Base(shape, published_context(config), num_spare_rows))


def _lacking(name: str) -> str:
    return (
        f"no config.json of a known kind of decoder lies beside {name}, so FLOPs, memory and parameters are not known; "
        "name the checkpoint's folder"
    )


def _text(language: str, path: Path) -> _Text:
    from loanword.cli.tokenizer import documents

    num_bytes = sum(len(text.encode()) for text in documents(path))
    text = _Text(language, path, num_bytes, min(HELD_OUT_SHARE, MOST_HELD_OUT_BYTES / max(1, num_bytes)))
    if next(text.held_out(), None) is None or next(text.rest(), None) is None:
        raise UserError(
            path,
            "too few documents to hold any out",
            expected="some dozens of documents: one a line, or as many records",
            do="give more text, or one document a line and not one file of all",
        )
    return text


def _place(text: str) -> float:
    """Where a text stands between 0 and 1, whatever file it is in."""
    from loanword.corpus.order import order_key

    return order_key(0, text.encode()) / 2**64


def _advised(model: _Model, text: _Text, source: _Text, sizes: Sequence[int], workers: int) -> "Advice":
    from loanword.cli.advice import Advice, certain, dominated
    from loanword.cli.watching import watched
    from loanword.recipe import ExtendedTokenizerConfig

    usual = ExtendedTokenizerConfig()
    gate = source.some(usual.gate_bytes)
    with watched(f"{text.language}, +{sizes[-1]:,} pieces") as progress:
        learned = _learned(model.tokenizer, text, gate, sizes, workers, progress)
    too_many = [size for size in sizes if size > len(learned.pieces)]
    sizes = sizes[: len(sizes) - len(too_many)]
    with watched(f"{text.language}, measured") as progress:
        measured = _measured(model, text, source, learned, sizes, progress)
    num_held_out_bytes = sum(len(one.encode()) for one in text.held_out())
    worse = dominated(measured)
    refused = tuple(
        size.num_new_pieces
        for size in measured
        if size.num_source_words * usual.max_source_change >= 1 and size.changed_share > usual.max_source_change
    )
    return Advice(
        language=text.language,
        num_learned_bytes=text.num_bytes - num_held_out_bytes,
        num_held_out_bytes=num_held_out_bytes,
        num_gate_bytes=sum(len(one.encode()) for one in gate),
        sizes=tuple(measured),
        too_many=tuple(too_many),
        passed_over=dict(Counter(piece.reason for piece in learned.skipped)),
        num_dropped_words=learned.num_dropped_words,
        dominated=worse,
        refused=refused,
        certain=certain(text.language, measured, worse, refused, model.decoder),
    )


def _learned(
    base: "Tokenizer", text: _Text, gate: Sequence[str], sizes: Sequence[int], workers: int, progress: Progress
) -> "LearnedPieces":
    """Pieces for the largest size that the text has enough for.

    Raises:
        UserError: it has too few for any.
    """
    from loanword.tokenizer.learn import continue_bpe

    reached = 0

    def counted(done: int, total: int, unit: str) -> None:
        nonlocal reached
        reached = max(reached, done)
        progress(done, total, unit)

    try:
        return continue_bpe(base, text.rest(), sizes[-1], gate, counted, num_workers=workers)
    except UserError as error:
        # It speaks of a study's settings, which there are none of here.
        if error.where != "tokenizer.num_new_pieces":
            raise
        enough = [size for size in sizes[:-1] if size <= reached]
        if enough:
            return _learned(base, text, gate, enough, workers, progress)
        raise UserError(
            text.path, error.what, expected=error.expected, do="give more text, or smaller sizes with --pieces"
        ) from None


def _measured(
    model: _Model, text: _Text, source: _Text, learned: "LearnedPieces", sizes: Sequence[int], progress: Progress
) -> "list[Size]":
    from dataclasses import replace

    from loanword.cli.advice import size_of
    from loanword.tokenizer.extend import extend
    from loanword.tokenizer.measure import measure, measure_change

    base, held_out, source_text = model.tokenizer, list(text.held_out()), list(source.held_out())
    before = measure(base, held_out, text.language)
    found: list[Size] = []
    for done, size in enumerate((0, *sizes)):
        extended = extend(base, replace(learned, pieces=learned.pieces[:size])) if size else base
        change = measure_change(base, extended, source_text, learned.foreign_characters)
        words = (change.num_words, change.num_changed_words)
        now = measure(extended, held_out, text.language) if size else before
        found.append(size_of(size, now, before, words, model.decoder))
        progress(done, len(sizes), "sizes")
    return found


def _told(arguments: argparse.Namespace, decoder: "Base | None") -> "list[Told]":
    """What a study's finished records say, as its report does; of another base only where it has none of this one.

    Raises:
        UserError: the study cannot be opened, or there is no store.
    """
    from loanword.cli.advice import told
    from loanword.cli.opening import DEFAULT_STAGES, open_study
    from loanword.cli.report import run_folders
    from loanword.report.gather import read_runs
    from loanword.report.likelihoods import score_languages
    from loanword.report.scaling import bits_curves, crossings, laws
    from loanword.report.seeds import over_seeds
    from loanword.report.vocabulary import vocabulary_pairs

    if not arguments.store.is_dir():
        raise UserError(
            arguments.store, "no such store", expected="the store that the study's runs are in", do="give it by --store"
        )
    wanted = argparse.Namespace(
        study=arguments.study, data=arguments.data, store=arguments.store, stages=DEFAULT_STAGES
    )
    runs = read_runs(run_folders(open_study(wanted)))
    arms = over_seeds(runs, score_languages(runs), {})
    crossed = crossings(laws(bits_curves(arms.runs, arms.scores)))
    return told(vocabulary_pairs(arms.runs, arms.scores), crossed, decoder)


def _print(advice: "Advice", told: "Sequence[Told]", arguments: argparse.Namespace) -> None:
    from loanword.cli.advice import LEGEND, table_rows
    from loanword.cli.amounts import table
    from loanword.report.wording import bytes_text, language_name

    print(
        f"{language_name(advice.language)}: learned from {bytes_text(advice.num_learned_bytes)}, "
        f"measured on {bytes_text(advice.num_held_out_bytes)} held out; "
        f"gate of {bytes_text(advice.num_gate_bytes)} of source text; "
        f"{advice.sizes[0].num_source_words:,} other words of it for changes\n"
    )
    table(table_rows(advice))
    if advice.sizes[0].costs:
        print(LEGEND)
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in advice.passed_over.items())
    print(f"\npassed over on the way to +{advice.sizes[-1].num_new_pieces:,}: {reasons or 'no piece'}")
    if advice.too_many:
        sizes = ", ".join(f"+{size:,}" for size in advice.too_many)
        print(f"left out: {sizes}, because the text has fewer pieces that save anything")
    if advice.num_dropped_words:
        print(f"left out: {advice.num_dropped_words:,} rare words, because the text has too many different ones")
    print("\ncertain without training:")
    for sentence in advice.certain:
        print(f"- {sentence}")
    print("\nonly a study can tell bits per byte, and from how much text on a larger vocabulary breaks even:")
    for sentence in _open(advice, told, arguments):
        print(f"- {sentence}")


def _open(advice: "Advice", told: "Sequence[Told]", arguments: argparse.Namespace) -> Iterator[str]:
    """What a study says, or which one to run."""
    for one in told:
        of = f", of another base ({one.other_base})" if one.other_base else ""
        yield f"{arguments.study}{of}: {one.answer.heading}."
        yield from one.answer.points
        yield from one.laws
    if any(not one.other_base for one in told):
        return
    if arguments.study and not told:
        yield f"{arguments.study} has no runs in {advice.language} that differ in their new pieces alone."
    language, source = advice.language, arguments.source_text.partition("=")
    file = next(pair.partition("=")[2] for pair in arguments.text if pair.partition("=")[0] == language)
    yield (
        f"loanword init --base {arguments.model} --target {language} --text {file} --source {source[0]} "
        f"--source-text {source[2]}"
    )
    good = [
        size.num_new_pieces
        for size in advice.sizes[1:]
        if size.num_new_pieces not in advice.dominated and size.num_new_pieces not in advice.refused
    ]
    if good:
        sizes = " or ".join(f"{size:_}" for size in good[-2:])
        yield f"writes studies/{language}.toml: make its tokenizer.num_new_pieces {sizes}, then run it"
