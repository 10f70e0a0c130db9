"""`loanword tokenizer`: how well tokenizers suit each language's text; `advise` has a module of its own."""

import argparse
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from loanword.cli import advise
from loanword.errors import UserError

if TYPE_CHECKING:
    from loanword.records import TokenizerMeasure
    from loanword.tokenizer.interface import Tokenizer
    from loanword.tokenizer.measure import PieceUse, TokenizerMeasures

USUAL_SOURCE = "en"
WIDEST_NAME = 28
_FILE_NAMES = ("tokenizer.model", "tokenizer.json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What can be done with tokenizers here, and its flags."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    measure = actions.add_parser("measure", help="tokens per byte, character and word, by language")
    measure.add_argument(
        "models", nargs="+", metavar="MODEL", help="a checkpoint folder, tokenizer.model, tokenizer.json or Hub id"
    )
    measure.add_argument(
        "--text", nargs="+", default=[], metavar="LANG=FILE", help="text: .txt, .jsonl, .gz, .zst, .parquet"
    )
    measure.add_argument(
        "--flores", type=Path, metavar="DIR", help="a folder of LANG.txt: the same sentences, one a line"
    )
    measure.add_argument(
        "--source", metavar="LANG", help=f"the language whose tokens others' are measured against ({USUAL_SOURCE})"
    )
    measure.add_argument("--json", action="store_true", help="for machines")
    advise.add_arguments(actions)


def run(arguments: argparse.Namespace) -> int:
    """Does what was asked of tokenizers."""
    return advise.run(arguments) if arguments.action == "advise" else _measure(arguments)


def _measure(arguments: argparse.Namespace) -> int:
    texts = named_files(arguments.text, "--text")
    parallel = _flores(arguments.flores) if arguments.flores else {}
    if not texts and not parallel:
        raise UserError(
            "loanword tokenizer measure", "no text to measure on", do="give --text LANG=FILE or --flores DIR"
        )
    for language in texts.keys() & parallel.keys():
        raise UserError(
            f"--text {language}={texts[language]}",
            f"{language} is in {arguments.flores} too",
            expected="one text a language",
            do="measure the two in two calls",
        )
    source = _source(arguments.source, parallel)
    measured = _measured(arguments.models, texts | parallel, frozenset(parallel), source)
    if arguments.json:
        plain = {model: measures.model_dump(mode="json") for model, measures in measured.items()}
        print(json.dumps(plain, ensure_ascii=False, indent=2))
    else:
        _print(measured, source)
    return 0


def named_files(pairs: Sequence[str], flag: str) -> dict[str, Path]:
    """Language -> file, of arguments written LANG=FILE.

    Raises:
        UserError: one is not written so, or a language comes twice or is no language's code.
    """
    files: dict[str, Path] = {}
    for pair in pairs:
        language, equals, name = pair.partition("=")
        if not (language and equals and name):
            raise UserError(f"{flag} {pair}", "no language", expected="LANG=FILE", do=f"write {flag} zh={pair}")
        _check_language(f"{flag} {pair}", language, f"write {flag} CODE={name}")
        if language in files:
            raise UserError(
                f"{flag} {pair}", f"{language} is there twice", expected="one file a language", do="join the files"
            )
        files[language] = Path(name)
    return files


def _check_language(where: object, code: str, do: str) -> None:
    from pydantic import TypeAdapter, ValidationError

    from loanword.records import Language

    try:
        TypeAdapter(Language).validate_python(code)
    except ValidationError:
        raise UserError(
            where, f"{code!r} is no language's code", expected="a BCP-47 code: en, zh, sr-Cyrl", do=do
        ) from None


def _flores(folder: Path) -> dict[str, Path]:
    files = {path.stem: path for path in sorted(folder.glob("*.txt"))}
    if not files:
        raise UserError(
            folder,
            "no LANG.txt here",
            expected="FLORES sentences, one a line, a file a language",
            do="check --flores; files that FLORES-200 names itself (eng_Latn.devtest) must be called en.txt and so on",
        )
    for code, path in files.items():
        _check_language(
            path, code, "name it LANG.txt (en.txt for eng_Latn), or move it elsewhere if it is no such text"
        )
    return files


def _source(named: str | None, parallel: Mapping[str, Path]) -> str:
    """The language that parallel texts are measured against, empty where it is not among them."""
    source = named or USUAL_SOURCE
    if named and source not in parallel:
        raise UserError(
            f"--source {named}",
            "no parallel text in this language",
            expected=f"a {named}.txt in the folder that --flores names",
            do=f"choose from {', '.join(parallel)}" if parallel else "give --flores DIR",
        )
    if source not in parallel:
        return ""
    places = {language: _places(path) for language, path in parallel.items()}
    wanted, name = places[source], parallel[source].name
    for language, found in places.items():
        if found == wanted:
            continue
        what, expected = f"{len(found):,} lines with text", f"{len(wanted):,}, each what the same line of {name} says"
        if len(found) == len(wanted):
            line = min(set(found) ^ set(wanted))
            empty = parallel[language].name if line in wanted else name
            what, expected = f"line {line:,} is blank in {empty} alone", f"each line what the same line of {name} says"
        raise UserError(
            parallel[language],
            what,
            expected=expected,
            do="mend the file, or give it by --text, where nothing is measured against another language",
        )
    return source


def _places(path: Path) -> list[int]:
    return [number for number, line in enumerate(_lines(path), start=1) if line.strip()]


def _measured(
    models: Sequence[str], texts: Mapping[str, Path], parallel: frozenset[str], source: str
) -> "dict[str, TokenizerMeasures]":
    from loanword.tokenizer.load import load_tokenizer
    from loanword.tokenizer.measure import measure_languages

    measured: dict[str, TokenizerMeasures] = {}
    loaded: list[Tokenizer] = []
    for model in models:
        path = tokenizer_path(model)
        tokenizer = load_tokenizer(path)
        read = {language: documents(file) for language, file in texts.items()}
        num_base_pieces = _num_base_pieces(tokenizer, path, loaded)
        try:
            measured[model] = measure_languages(
                tokenizer, read, num_base_pieces=num_base_pieces, parallel=parallel, source=source
            )
        except UserError as error:
            # It speaks of a study's settings, which there are none of here.
            files = [file for language, file in texts.items() if error.where == f"text of {language}"]
            if not files:
                raise
            raise UserError(files[0], error.what, expected=error.expected, do="give a file with text") from None
        loaded.append(tokenizer)
    return measured


def tokenizer_path(model: str) -> Path:
    """A path as it is; what is none and has the form of a Hub id is fetched."""
    from loanword.store.identity import is_hub_id

    if Path(model).exists() or not is_hub_id(model):
        return Path(model)
    from loanword.model.hub import tokenizer_folder

    return tokenizer_folder(model)


def _num_base_pieces(tokenizer: "Tokenizer", path: Path, others: "Sequence[Tokenizer]") -> int | None:
    """Where a tokenizer's new pieces begin: after the largest of the others that it extends, or as its folder says."""
    from loanword.tokenizer.files import read_shaped
    from loanword.tokenizer.shapes import Constituents

    bases = [
        other.num_pieces
        for other in others
        if other.num_pieces < tokenizer.num_pieces and tokenizer.pieces[: other.num_pieces] == other.pieces
    ]
    beside = (path if path.is_dir() else path.parent) / "constituents.json"
    said = read_shaped(beside, Constituents).get("constituents")
    if said is not None and len(said) >= tokenizer.num_pieces:
        raise UserError(
            beside,
            f"{len(said):,} new pieces, where the tokenizer has {tokenizer.num_pieces:,} pieces in all",
            expected="constituents of the new pieces of this tokenizer",
            do="copy both files from one and the same tokenizer",
        )
    return max(bases, default=None if said is None else tokenizer.num_pieces - len(said))


def documents(path: Path) -> Iterator[str]:
    """Texts of records that have any; of a .txt file its lines, which otherwise would be one document."""
    return (line for line in _lines(path) if line.strip())


def _lines(path: Path) -> Iterator[str]:
    from loanword.corpus.read import read_documents

    try:
        for document in read_documents([path]):
            is_text = ".txt" in path.suffixes
            yield from (line.removesuffix("\r") for line in document.text.split("\n")) if is_text else [document.text]
    except UserError as error:
        # A study has settings for text fields, broken lines and its data root, the command line has none.
        settings = {"broken_lines": "mend the line, or give records with text in 'text'", "--data": "check the name"}
        do = next((do for setting, do in settings.items() if setting in error.do), error.do)
        raise UserError(error.where, error.what, expected=error.expected, do=do) from None


def _print(measured: "Mapping[str, TokenizerMeasures]", source: str) -> None:
    """Tokenizers below each other under each language; columns that nothing is known for are left out."""
    from loanword.cli.amounts import table

    names = dict(zip(measured, _short_names(measured), strict=True))
    languages = [one.language for one in next(iter(measured.values())).languages]
    rows: list[tuple[str, ...]] = []
    for place, language in enumerate(languages):
        for number, (model, measures) in enumerate(measured.items()):
            first = language if number == 0 else ""
            rows.append((f"{first:<8} {names[model]}", *_row(measures.languages[place])))
    if len(languages) > 1:
        for number, (model, measures) in enumerate(measured.items()):
            first = "together" if number == 0 else ""
            rows.append((f"{first:<8} {names[model]}", *("",) * 6, *_use(measures.together)))
    header = (
        ("", "", "tokens per", "bytes per", "tokens per", "byte", "tokens", "pieces", "new pieces"),
        (
            "language tokenizer",
            "tokens",
            "character",
            "token",
            "word",
            "fallback",
            f"over {source}",
            "unused",
            "unused",
        ),
    )
    table(_without_empty([*header, *rows], num_headers=len(header)))


def _row(one: "TokenizerMeasure") -> tuple[str, ...]:
    return (
        f"{one.num_tokens:,}",
        f"{one.tokens_per_character:.3f}",
        f"{one.bytes_per_token:.2f}",
        "" if one.tokens_per_word is None else f"{one.tokens_per_word:.2f}",
        f"{100 * one.byte_fallback_share:.1f} %",
        "" if one.premium is None else f"{one.premium:.2f}",
        *_use(one),
    )


def _use(one: "TokenizerMeasure | PieceUse") -> tuple[str, ...]:
    return tuple("" if count is None else f"{count:,}" for count in (one.num_unused_pieces, one.num_unused_new_pieces))


def _without_empty(rows: Sequence[tuple[str, ...]], num_headers: int) -> list[tuple[str, ...]]:
    columns = [column for column in zip(*rows, strict=True) if any(column[num_headers:])]
    return list(zip(*columns, strict=True))


def _short_names(models: Iterable[str]) -> list[str]:
    """The last part of each path that tells one from another, the whole where none does."""
    whole = list(models)
    paths = [Path(model) for model in whole]
    short = [(path.parent if path.name in _FILE_NAMES and path.parent.name else path).name for path in paths]
    chosen = [name if name and short.count(name) == 1 else model for name, model in zip(short, whole, strict=True)]
    return [name if len(name) <= WIDEST_NAME else "…" + name[1 - WIDEST_NAME :] for name in chosen]
