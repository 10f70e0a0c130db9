"""`loanword report`: a study's page from what is finished."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from loanword.cli.opening import Opened, add_study_arguments, open_study
from loanword.store.artifacts import file_name

if TYPE_CHECKING:
    from loanword.report.gather import RunFolders, StudyInfo
    from loanword.report.saying import Code

LANGUAGES = ("en", "zh")
"""Of the report's interface."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_study_arguments(parser)
    parser.add_argument("--smoke", action="store_true", help="of the smoke run's store")
    parser.add_argument(
        "--out", type=Path, default=None, help="folder for the page, JSON and CSV (default: in the store)"
    )
    parser.add_argument(
        "--language",
        choices=LANGUAGES,
        default="en",
        help="language of the page that is named at the end; all are written",
    )


def run(arguments: argparse.Namespace) -> int:
    print(write_study_report(open_study(arguments, smoke=arguments.smoke), arguments.out, arguments.language))
    return 0


def write_study_report(opened: Opened, out: Path | None, language: "Code" = "en") -> Path:
    """Writes the report of a study and returns the page's path."""
    from loanword.report.page import write_report

    default = opened.store.root / "studies" / file_name(opened.study.name) / "report"
    return write_report(run_folders(opened), study_info(opened), out or default, language)


def study_info(opened: Opened) -> "StudyInfo":
    """What a study says of itself, and which of its runs it compares."""
    from loanword.report.gather import PublishedBeside, Question, StudyInfo
    from loanword.report.published.figures import read_published

    study = opened.study
    pairs = tuple((pair.arm, pair.control) for pair in study.comparisons)
    questions = {(one.arm, one.control): Question(one.question, one.on) for one in study.comparisons if one.question}
    published = study.published and PublishedBeside(read_published(study.published.table), study.published.note)
    return StudyInfo(study.name, study.summary, pairs, questions, published)


def run_folders(opened: Opened) -> "list[RunFolders]":
    """Every run of a study with the folders of its artifacts, as a report reads them."""
    from loanword.report.gather import RunFolders

    store = opened.store
    return [
        RunFolders(
            label=run.label,
            settings=run.settings(),
            seed=run.recipe.seed,
            arm=run.arm if run.arm != run.label else "",
            artifacts={role: store.folder(job) if store.finished(job) else None for role, job in run.jobs.items()},
        )
        for run in opened.study.runs
    ]
