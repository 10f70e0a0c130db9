"""`loanword tokenizer measure`: how well tokenizers suit the text of each language."""

import argparse
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from loanword.errors import UserError

if TYPE_CHECKING:
    from loanword.records import TokenizerMeasure


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The one thing to do with tokenizers here, and its flags."""
    actions = parser.add_subparsers(dest="action", metavar="measure", required=True)
    measure = actions.add_parser("measure", help="tokens per byte, character and word, by language")
    measure.add_argument(
        "models", nargs="+", type=Path, metavar="MODEL", help="a checkpoint folder, tokenizer.model or tokenizer.json"
    )
    measure.add_argument(
        "--text", nargs="+", default=[], metavar="LANG=FILE", help="text: .txt, .jsonl, .gz, .zst, .parquet"
    )
    measure.add_argument("--flores", type=Path, metavar="DIR", help="a folder of LANG.txt, one sentence a line")
    measure.add_argument("--json", action="store_true", help="for machines")


def run(arguments: argparse.Namespace) -> int:
    """Prints the measures of every tokenizer on every language's text."""
    texts = named_files(arguments.text, "--text") | (_flores(arguments.flores) if arguments.flores else {})
    if not texts:
        raise UserError(
            "loanword tokenizer measure", "no text to measure on", do="give --text LANG=FILE or --flores DIR"
        )
    measured = {str(model): _measures(model, texts) for model in arguments.models}
    if arguments.json:
        plain = {model: [one.model_dump(mode="json") for one in measures] for model, measures in measured.items()}
        print(json.dumps(plain, ensure_ascii=False, indent=2))
    else:
        _print(measured)
    return 0


def named_files(pairs: Sequence[str], flag: str) -> dict[str, Path]:
    """Language -> file, of arguments written LANG=FILE.

    Raises:
        UserError: one is not written so, or a language comes twice.
    """
    files: dict[str, Path] = {}
    for pair in pairs:
        language, equals, name = pair.partition("=")
        if not (language and equals and name):
            raise UserError(f"{flag} {pair}", "no language", expected="LANG=FILE", do=f"write {flag} zh={pair}")
        if language in files:
            raise UserError(
                f"{flag} {pair}", f"{language} is there twice", expected="one file a language", do="join the files"
            )
        files[language] = Path(name)
    return files


def _flores(folder: Path) -> dict[str, Path]:
    files = {path.stem: path for path in sorted(folder.glob("*.txt"))}
    if not files:
        raise UserError(
            folder, "no LANG.txt here", expected="FLORES sentences, one a line, a file a language", do="check --flores"
        )
    return files


def _measures(model: Path, texts: Mapping[str, Path]) -> "list[TokenizerMeasure]":
    from loanword.tokenizer.load import load_tokenizer
    from loanword.tokenizer.measure import measure

    tokenizer = load_tokenizer(model)
    return [measure(tokenizer, _lines(path), language) for language, path in texts.items()]


def _lines(path: Path) -> Iterable[str]:
    """Documents; of a .txt file its lines, which otherwise would be one document."""
    from loanword.corpus.read import read_documents

    for document in read_documents([path]):
        lines = document.text.split("\n") if ".txt" in path.suffixes else [document.text]
        yield from (line for line in lines if line.strip())


def _print(measured: "Mapping[str, Sequence[TokenizerMeasure]]") -> None:
    from loanword.cli.plan import table

    header = ("tokenizer", "language", "tokens", "tokens/character", "bytes/token", "tokens/word", "byte fallback")
    rows = [
        (
            model,
            one.language,
            f"{one.num_tokens:,}",
            f"{one.tokens_per_character:.3f}",
            f"{one.bytes_per_token:.2f}",
            "-" if one.tokens_per_word is None else f"{one.tokens_per_word:.2f}",
            f"{100 * one.byte_fallback_share:.1f} %",
        )
        for model, measures in measured.items()
        for one in measures
    ]
    table([header, *rows])
