"""`loanword export`: one run's model and tokenizer, copied to a folder in the Hub's layout."""

import argparse
import shutil
import sys
from pathlib import Path

from loanword.cli.opening import add_study_arguments, open_study
from loanword.errors import UserError
from loanword.records import read_json
from loanword.tokenizer.extension import FACTS, ExtensionFacts, unlike_remark

MODEL_ROLES = ("tuning", "pretraining", "base")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_study_arguments(parser)
    parser.add_argument("run", help="the run's label, as `loanword status` lists it")
    parser.add_argument("folder", type=Path, help="where to; must not exist")


def run(arguments: argparse.Namespace) -> int:
    opened = open_study(arguments)
    found = next((run for run in opened.study.runs if run.label == arguments.run), None)
    if found is None:
        labels = ", ".join(repr(run.label) for run in opened.study.runs)
        raise UserError(opened.file, f"no run is named {arguments.run!r}", expected=f"one of {labels}")
    job = found.jobs[next(role for role in MODEL_ROLES if role in found.jobs)]
    if not opened.store.finished(job):
        raise UserError(job.key, "the run's model is not built yet", do=f"loanword run {opened.file}")
    if arguments.folder.exists():
        raise UserError(arguments.folder, "exists already", do="name a new folder; nothing was overwritten")
    shutil.copytree(opened.store.folder(job) / "checkpoint", arguments.folder)
    print(f"{arguments.folder}: {job.key} of run {found.label!r}")
    extension = found.jobs.get("tokenizer")
    if extension is not None:
        facts = read_json(ExtensionFacts, opened.store.folder(extension) / FACTS)
        if facts.num_unlike_texts:
            print(f"{arguments.folder}: {unlike_remark(facts)}", file=sys.stderr)
    return 0
