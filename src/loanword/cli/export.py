"""`loanword export`: one run's model and tokenizer in a folder of the Hub's layout, with its card; and to the Hub."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from loanword.cli.hub_folder import is_copy_of, write_folder, write_generation_settings
from loanword.cli.opening import Opened, add_study_arguments, open_study
from loanword.cli.report import run_folders, study_info
from loanword.errors import UserError
from loanword.records import read_json
from loanword.store.artifacts import Artifact
from loanword.study.study import Run
from loanword.tokenizer.extension import FACTS, ExtensionFacts, unlike_remark

if TYPE_CHECKING:
    from loanword.report.card.about import Exported

MODEL_ROLES = ("tuning", "pretraining", "base")
CARD = "README.md"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_study_arguments(parser)
    parser.add_argument("run", help="the run's label, as `loanword status` lists it")
    parser.add_argument(
        "folder", type=Path, help="where to; must not exist, or hold this very model where it is pushed"
    )
    parser.add_argument("--smoke", action="store_true", help="of the smoke run's store")
    parser.add_argument("--license", default="", metavar="ID", help="its licence by the Hub's list, as apache-2.0")
    parser.add_argument("--license-name", default="", metavar="NAME", help="a licence that the list does not have")
    parser.add_argument("--license-link", default="", metavar="URL", help="where that can be read")
    parser.add_argument(
        "--push", default="", metavar="ORG/NAME", help="also to a repository of the Hub, made if need be"
    )
    parser.add_argument("--private", action="store_true", help="make that repository private")
    parser.add_argument("--revision", default="main", metavar="BRANCH", help="its branch (default: main)")
    parser.add_argument("--overwrite", action="store_true", help="replace what the branch holds")


def run(arguments: argparse.Namespace) -> int:
    """0 once the folder is whole, and where it is pushed, the repository too."""
    _check(arguments)
    opened = open_study(arguments, smoke=arguments.smoke)
    exported = _run_of(opened, arguments.run)
    model, base = _model(opened, exported)
    if arguments.push:
        from loanword.cli.pushing import check_repository

        check_repository(arguments.push, arguments.revision, private=arguments.private, overwrite=arguments.overwrite)
    remarks = _remarks(opened, exported)
    if arguments.push and arguments.folder.exists() and is_copy_of(arguments.folder, model):
        print(f"{arguments.folder}: holds this model already; pushed as it is, its card too", file=sys.stderr)
    else:
        about = _about(opened, exported, arguments, remarks)
        write_folder(model, base, arguments.folder, lambda folder: _finish(folder, about))
        print(f"{arguments.folder}: {model.manifest.stage}/{model.manifest.name} of run {exported.label!r}")
        if not about.licence.is_named:
            print(f"{arguments.folder / CARD}: names no licence yet; give --license, or write it in", file=sys.stderr)
    for remark in remarks:
        print(f"{arguments.folder}: {remark}", file=sys.stderr)
    if arguments.push:
        from loanword.cli.pushing import push

        print(push(arguments.folder, arguments.push, arguments.revision, private=arguments.private))
    return 0


def _check(arguments: argparse.Namespace) -> None:
    if arguments.license_link and not arguments.license_name:
        raise UserError("--license-link", "a link to a licence without a name", do="give --license-name too")
    if arguments.license_name and arguments.license not in ("", "other"):
        raise UserError(
            f"--license {arguments.license}",
            f"and --license-name {arguments.license_name!r} name two licences",
            expected="an id of the Hub's list, or a name of another licence",
            do="leave one out",
        )
    given = [f"--{name}" for name in ("private", "overwrite") if getattr(arguments, name)]
    given += ["--revision"] if arguments.revision != "main" else []
    if given and not arguments.push:
        raise UserError(
            given[0], "says how to push, and nothing is pushed", do="give --push ORG/NAME too, or leave it out"
        )


def _run_of(opened: Opened, label: str) -> Run:
    found = next((run for run in opened.study.runs if run.label == label), None)
    if found is None:
        labels = ", ".join(repr(run.label) for run in opened.study.runs)
        raise UserError(opened.file, f"no run is named {label!r}", expected=f"one of {labels}")
    return found


def _model(opened: Opened, run: Run) -> tuple[Artifact, Artifact | None]:
    """The artifact that holds a run's model, and that of its base where it is another."""
    job = run.jobs[next(role for role in MODEL_ROLES if role in run.jobs)]
    if run.recipe.base.served is not None:
        raise UserError(
            f"run {run.label!r}",
            f"its model is {run.recipe.base.served!r} behind a server, of which there is nothing here to export",
            expected="a run whose base is a checkpoint or is trained",
            do="name another run",
        )
    if not opened.store.finished(job):
        smoke = " --smoke" if opened.store.root.name.endswith("-smoke") else ""
        raise UserError(job.key, "the run's model is not built yet", do=f"loanword run {opened.file}{smoke}")
    base = run.jobs["base"]
    return opened.store.open(job), opened.store.open(base) if opened.store.finished(base) else None


def _remarks(opened: Opened, run: Run) -> list[str]:
    """What the vocabulary's artifact says that users of it have to know."""
    extension = run.jobs.get("tokenizer")
    if extension is None or not opened.store.finished(extension):
        return []
    facts = read_json(ExtensionFacts, opened.store.folder(extension) / FACTS)
    return [unlike_remark(facts)] if facts.num_unlike_texts else []


def _about(opened: Opened, run: Run, arguments: argparse.Namespace, remarks: list[str]) -> "Exported":
    from loanword.report.card.about import Exported, Licence
    from loanword.report.gather import read_runs

    records = {one.label: one for one in read_runs(run_folders(opened))}
    return Exported(
        run=records[run.label],
        runs=list(records.values()),
        study=study_info(opened),
        recipe=run.recipe,
        licence=Licence(arguments.license, arguments.license_name, arguments.license_link),
        repository=arguments.push,
        smoke=arguments.smoke,
        remarks=tuple(remarks),
    )


def _finish(folder: Path, about: "Exported") -> None:
    """Writes what stands beside a copied checkpoint: how to generate with it, and its card."""
    from loanword.report.card.page import card
    from loanword.tokenizer.load import load_tokenizer

    write_generation_settings(folder, load_tokenizer(folder))
    (folder / CARD).write_text(card(about), encoding="utf-8", newline="\n")
