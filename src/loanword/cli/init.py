"""`loanword init`: a commented study for a base, a target language and some text, and what it still lacks."""

import argparse
import sys
from pathlib import Path

from loanword.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `init`."""
    parser.add_argument("--base", required=True, metavar="MODEL", help="a checkpoint folder or a Hub id")
    parser.add_argument("--target", required=True, metavar="LANG", help="target language, a BCP-47 code such as zh")
    parser.add_argument("--text", nargs="+", required=True, metavar="FILE", help="text in the target language")
    parser.add_argument("--source", default="en", metavar="LANG", help="the base's main language (default: en)")
    parser.add_argument(
        "--source-text", nargs="+", default=[], metavar="FILE", help="text in it: for replay and new pieces"
    )
    parser.add_argument(
        "--instructions", nargs="+", default=[], metavar="FILE", help="instructions in the target language"
    )
    parser.add_argument("--held-out", nargs="+", default=[], metavar="LANG=FILE", help="text that no run trains on")
    parser.add_argument(
        "--data", type=Path, default=Path(), metavar="DIR", help="data root that paths start from (default: .)"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="where to write it (default: studies/TARGET.toml)")


def run(arguments: argparse.Namespace) -> int:
    """Writes the study, then says what is missing and what to do next."""
    from loanword.cli.study_text import study_text
    from loanword.cli.survey import survey

    out: Path = arguments.out or Path("studies") / f"{arguments.target}.toml"
    if out.exists():
        raise UserError(out, "is already there", expected="a new file", do="name another with --out, or remove it")
    surveyed = survey(arguments, name=out.stem)
    _write(study_text(surveyed), out)
    data = "" if arguments.data == Path() else f" --data {arguments.data}"
    print(out)
    for missing in surveyed.missing:
        print(f"missing: {missing}", file=sys.stderr)
    print(f"next: loanword doctor --study {out}{data}; loanword plan {out}{data}", file=sys.stderr)
    return 0


def _write(text: str, out: Path) -> None:
    """Writes a study once it has been read back: what `init` writes, `plan` accepts.

    Raises:
        UserError: the folder cannot be written to, or a value that was given is not one a study may have.
    """
    from loanword.study.file import cells, read_study

    temporary = out.with_name(f".{out.name}.part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, encoding="utf-8")
        cells(read_study(temporary), out)
        temporary.replace(out)
    except OSError as error:
        raise UserError(out, f"cannot be written: {error.strerror}", do="name another place with --out") from None
    finally:
        temporary.unlink(missing_ok=True)
