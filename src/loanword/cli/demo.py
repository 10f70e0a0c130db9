"""`loanword demo`: the whole way from text to report on an invented world, with no data, no key and no GPU."""

import argparse
import json
import os
import sys
from contextlib import redirect_stdout
from importlib import resources
from io import StringIO
from pathlib import Path

from loanword.cli import run as study_run
from loanword.microworld.phrasebook import phrasebooks
from loanword.microworld.write import SIZES, write_world

LANGUAGES = ("en", "hi", "sw", "zh")
"""Languages that the demo's study speaks."""
SEED = 1
STUDY = resources.files("loanword.microworld") / "demo.toml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder", type=Path, nargs="?", default=Path("demo"), help="where world and store go (default: ./demo)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Writes the world where it is not there yet, builds what is missing of the study, and says what came out."""
    world, store = arguments.folder / "world", arguments.folder / "store"
    if write_world(SEED, SIZES["small"], phrasebooks(LANGUAGES), world) is not None:
        print(f"an invented world, told in {len(LANGUAGES)} languages, is in {world}", file=sys.stderr)
    with resources.as_file(STUDY) as study:
        ended, page = _run_study(study, world, store)
        if ended == 0:
            print(_said(page, study.resolve()))
    return ended


def _run_study(study: Path, world: Path, store: Path) -> tuple[int, Path]:
    """How `loanword run` ended, and the page that it wrote."""
    parser = argparse.ArgumentParser()
    study_run.add_arguments(parser)
    printed = StringIO()
    with redirect_stdout(printed):
        ended = study_run.run(parser.parse_args([str(study), "--data", str(world), "--store", str(store)]))
    return ended, Path(printed.getvalue().strip())


def _said(page: Path, study: Path) -> str:
    """What the report answers to the study's questions, a line each, and where it lies."""
    findings = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))["findings"]
    lines = [finding["line"] for finding in findings if finding["line"]]
    return "\n".join([*lines, f"The report: {page}", f"The study, to change and run: {_short(study)}"])


def _short(path: Path) -> str:
    inside = path.is_relative_to(Path.cwd())
    return os.path.relpath(path) if inside else str(path)
