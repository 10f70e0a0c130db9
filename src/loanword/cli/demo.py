"""`loanword demo`: the whole way from text to report on an invented world, with no data, no key and no GPU."""

import argparse
import json
import sys
from importlib import resources
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
    study = _own_study(arguments.folder)
    words = argparse.ArgumentParser()
    study_run.add_arguments(words)
    ended, page = study_run.run_study(words.parse_args([str(study), "--data", str(world), "--store", str(store)]))
    if page is not None:
        print("\n".join([*_answers(page), f"The report: {page}", f"The study, to change and run again: {study}"]))
    return ended


def _own_study(folder: Path) -> Path:
    """A copy of the package's study that its user may change; one that is there already stays as it is."""
    path, packaged = folder / "demo.toml", STUDY.read_bytes()
    if not path.is_file():
        path.write_bytes(packaged)
    elif path.read_bytes() != packaged:
        print(f"{path} is not as this version has it: it runs as it is; remove it for this version's", file=sys.stderr)
    return path


def _answers(page: Path) -> list[str]:
    """What the report answers to the study's questions, a line each."""
    findings = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))["findings"]
    return [finding["line"] for finding in findings if finding["line"]]
