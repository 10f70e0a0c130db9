"""`loanword overlap`: what of benchmarks is in a text, and frozen lists of what no training text may hold."""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from loanword.errors import UserError

if TYPE_CHECKING:
    from loanword.corpus.overlap import ExampleText
    from loanword.recipe import BenchmarkConfig
    from loanword.records import Document, Overlap

SPLITS: Mapping[str, tuple[str, ...]] = {"mmlu": ("dev", "val", "test"), "ceval": ("dev", "val", "test")}
"""Splits of benchmarks that hold questions; of others there is one that is usually asked, or no split at all."""
USUALLY_LISTED = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What can be done about overlap here, and its flags."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    made = actions.add_parser("list", help="write the questions of benchmarks as a frozen list, for `without`")
    made.add_argument("file", type=Path, metavar="FILE", help="the list to write, a record {id, text} a line")
    _add_questions(made, "all of them")
    measured = actions.add_parser("measure", help="say how much of benchmarks is in texts of your own")
    measured.add_argument(
        "texts", nargs="+", type=Path, metavar="TEXT", help="a file or a folder: .jsonl, .txt, .gz, .zst, .parquet"
    )
    measured.add_argument("--text-field", default="text", metavar="NAME", help="the field of the text (default: text)")
    _add_questions(measured, "the one that `loanword evaluate` asks")
    measured.add_argument(
        "--show", type=int, default=USUALLY_LISTED, metavar="N",
        help=f"touched examples that are named of each benchmark (default: {USUALLY_LISTED})",
    )  # fmt: skip
    measured.add_argument("--workers", type=int, default=1, metavar="N", help="processes (default: 1)")
    measured.add_argument("--json", action="store_true", help="for machines")


def _add_questions(parser: argparse.ArgumentParser, usual_splits: str) -> None:
    from loanword.evaluation.benchmarks import USUAL

    parser.add_argument("--benchmarks", nargs="+", default=[], choices=sorted(USUAL), metavar="NAME",
                        help=f"which: {', '.join(sorted(USUAL))}")  # fmt: skip
    parser.add_argument("--study", type=Path, metavar="FILE", help="also what the runs of this study are asked")
    parser.add_argument(
        "--data", type=Path, default=Path(), metavar="DIR", help="data root of the benchmarks (default: .)"
    )
    parser.add_argument("--folder", action="append", default=[], metavar="NAME=PATH", help="where one lies instead")
    parser.add_argument(
        "--splits", nargs="+", default=[], choices=("dev", "val", "test"), help=f"default: {usual_splits}"
    )


def run(arguments: argparse.Namespace) -> int:
    """Does what was asked about overlap."""
    return _list(arguments) if arguments.action == "list" else _measure(arguments)


def _list(arguments: argparse.Namespace) -> int:
    from loanword.corpus.matching import Matcher
    from loanword.corpus.overlap import ListedText
    from loanword.recipe import OverlapConfig
    from loanword.records import file_sha256, write_lines

    file: Path = arguments.file
    if file.exists():
        raise UserError(
            file,
            "is there already",
            expected="a new file: what a corpus was cleaned by must stay what it was",
            do="choose another name",
        )
    if not file.parent.is_dir():
        raise UserError(file.parent, "no such folder", do="make it, or choose another place")
    asked = _asked(arguments, every_split=True)
    for name, examples in asked.items():
        num_ngrams = Matcher([one.text for one in examples], OverlapConfig()).num_ngrams
        too_short = sum(not one for one in num_ngrams)
        print(f"{name}: {len(examples):,} questions, {too_short:,} of them too short to be found in a text")
    listed = [ListedText(id=f"{name}/{one.id}", text=one.text) for name, examples in asked.items() for one in examples]
    write_lines(listed, file)
    print(f"{file}: {len(listed):,} texts, sha256 {file_sha256(file)}")
    return 0


def _measure(arguments: argparse.Namespace) -> int:
    from loanword.cli.watching import watched
    from loanword.corpus.overlap import measure
    from loanword.recipe import OverlapConfig

    if arguments.workers < 1:
        raise UserError(f"--workers {arguments.workers}", "not a positive number", do="give 1 or more")
    asked = _asked(arguments, every_split=False)
    found: dict[str, list[Overlap]] = {}
    for name, examples in asked.items():
        with watched(name) as progress:
            read = _documents(arguments.texts, arguments.text_field)
            found[name] = measure(read, examples, OverlapConfig(), arguments.workers, progress)
    if arguments.json:
        plain = {name: _as_json(overlaps) for name, overlaps in found.items()}
        print(json.dumps(plain, ensure_ascii=False, indent=2))
    else:
        _print(found, arguments.show)
    return 0


def _documents(texts: Sequence[Path], text_field: str) -> "Iterator[Document]":
    from loanword.corpus.read import read_documents

    try:
        yield from read_documents(texts, text_field=text_field)
    except UserError as error:
        # A study has settings for these, the command line has flags, or nothing.
        do = "mend the line, or name the field with --text-field" if "broken_lines" in error.do else error.do
        raise UserError(error.where, error.what, expected=error.expected, do=do) from None


def _asked(arguments: argparse.Namespace, *, every_split: bool) -> "dict[str, list[ExampleText]]":
    """What is asked, by benchmark; ids are as benchmarks give them, which names their splits."""
    from loanword.cli.opening import read_lock
    from loanword.corpus.overlap import ExampleText
    from loanword.evaluation.benchmarks import benchmark_of
    from loanword.inputs import benchmark_folder

    asked: dict[str, dict[str, ExampleText]] = {}
    commits = {} if arguments.study is None else read_lock(arguments.study)
    for name, config in _configs(arguments, every_split=every_split):
        for subject in benchmark_of(config).load(benchmark_folder(config, arguments.data, commits), config):
            for one in subject.examples:
                asked.setdefault(name, {})[one.id] = ExampleText(one.id, one.text)
    if not asked:
        raise UserError(
            f"loanword overlap {arguments.action}",
            "no questions to look for",
            expected="--benchmarks or --study",
            do="for example --benchmarks mmlu",
        )
    return {name: list(examples.values()) for name, examples in asked.items()}


def _configs(arguments: argparse.Namespace, *, every_split: bool) -> "Iterator[tuple[str, BenchmarkConfig]]":
    from loanword.cli.asking import named_folders
    from loanword.evaluation.benchmarks import BENCHMARKS, USUAL
    from loanword.recipe import BenchmarkConfig
    from loanword.records import canonical_json

    folders = named_folders(arguments.folder, arguments.benchmarks, "names none of the benchmarks")
    for name in arguments.benchmarks:
        usual = (USUAL[name].split,)
        splits = arguments.splits or (SPLITS.get(name, usual) if every_split else usual)
        for split in splits if BENCHMARKS[name].has_splits else usual:
            # Without shots, so that nothing of another split is asked for.
            values = {"name": name, "folder": folders.get(name, USUAL[name].folder), "split": split, "num_shots": 0}
            yield name, BenchmarkConfig.from_json(canonical_json(values), where=name)
    if arguments.study is not None:
        yield from _of_study(arguments.study)


def _of_study(file: Path) -> "Iterator[tuple[str, BenchmarkConfig]]":
    """What a study's runs are asked, in full: a limit of examples does not limit what is looked for."""
    from loanword.study.file import cells, read_study

    asked: dict[str, tuple[str, BenchmarkConfig]] = {}
    for cell in cells(read_study(file), file):
        for name, config in cell.recipe.benchmarks.items():
            whole = {"name": config.name or name, "limit_examples": None, "num_shots": 0}
            config = config.model_copy(update=whole)
            asked[config.to_json()] = config.name, config
    yield from asked.values()


def _as_json(overlaps: "Sequence[Overlap]") -> dict[str, object]:
    return {
        "num_examples": len(overlaps),
        "num_too_short": sum(not one.num_ngrams for one in overlaps),
        "num_touched": sum(one.touched for one in overlaps),
        "touched": [one.model_dump(mode="json") for one in overlaps if one.touched],
    }


def _print(found: "Mapping[str, Sequence[Overlap]]", num_shown: int) -> None:
    from loanword.cli.amounts import table
    from loanword.cli.chat import printable

    rows = [("benchmark", "examples", "too short to tell", "touched", "of them verbatim", "share")]
    for name, overlaps in found.items():
        touched = [one for one in overlaps if one.touched]
        verbatim = sum(one.num_found > 0 for one in touched)
        rows.append(
            (
                name,
                f"{len(overlaps):,}",
                f"{sum(not one.num_ngrams for one in overlaps):,}",
                f"{len(touched):,}",
                f"{verbatim:,}",
                f"{100 * len(touched) / len(overlaps):.2f} %",
            )
        )
    table(rows)
    for name, overlaps in found.items():
        touched = sorted((one for one in overlaps if one.touched), key=lambda one: (-one.short_share, one.id))
        if touched[:num_shown]:
            left = len(touched) - num_shown
            print(f"\n{name}" + (f", the {num_shown:,} nearest ({left:,} more: --show)" if left > 0 else ""))
            table(
                [
                    ("example", "n-grams", "share", "document"),
                    *(
                        (
                            printable(one.id),
                            f"{one.num_found:,} of {one.num_ngrams:,}",
                            f"{100 * one.short_share:.0f} %",
                            printable(one.document),
                        )
                        for one in touched[:num_shown]
                    ),
                ]
            )
