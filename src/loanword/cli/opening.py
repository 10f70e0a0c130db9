"""What the verbs about studies share: their arguments, and a study opened over a data root and a store."""

import argparse
import gc
import importlib
import json
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from loanword.errors import UserError
from loanword.store import Sources, Store
from loanword.study.study import StageModule, Study, load_study

DEFAULT_STAGES = "loanword.stages"
SMOKE = 1 / 1000


@dataclass(frozen=True)
class Opened:
    """A study file, what it means here, and where its artifacts are."""

    file: Path
    data: Path
    study: Study
    store: Store
    sources: Sources
    stages: StageModule
    finished: set[str]


def add_study_arguments(parser: argparse.ArgumentParser) -> None:
    """The study file and where things are."""
    parser.add_argument("study", type=Path, help="the study file (TOML)")
    add_place_arguments(parser)


def add_place_arguments(parser: argparse.ArgumentParser) -> None:
    """Where things are."""
    parser.add_argument(
        "--data", type=Path, default=Path(), help="the folder that source paths start from (default: .)"
    )
    parser.add_argument("--store", type=Path, default=Path("store"), help="where artifacts are kept (default: ./store)")
    parser.add_argument("--stages", default=DEFAULT_STAGES, help="a module with stages of your own")


def open_study(arguments: argparse.Namespace, *, smoke: bool = False, provisional: bool = False) -> Opened:
    """The study of a command line; with `smoke`, at a thousandth of its budgets in a store of its own.

    With `provisional`, sources may be missing: what reads them is named by their names, and can only be planned.

    Raises:
        UserError: the file, the data root, a source or the store is not as it must be.
    """
    data, file = Path(arguments.data), Path(arguments.study)
    if not data.is_dir():
        raise UserError(
            data,
            "no such data root",
            expected="a folder in which the study's source paths start (docs/data.md describes the usual layout)",
            do="give it with --data; `loanword doctor --data DIR --study FILE` lists what is missing",
        )
    root = Path(arguments.store)
    store = Store(root.with_name(f"{root.name}-smoke") if smoke else root)
    stages = stage_module(arguments.stages)
    cache_file = store.root / "sources.json"
    sources = Sources(data.resolve(), cache_file=cache_file, commits=read_lock(file), provisional=True)
    with _uncollected():
        study = load_study(file, stages, sources, scale=SMOKE if smoke else 1.0)
    if not provisional:
        sources.require()
    return Opened(file, data.resolve(), study, store, sources, stages, store.finished_keys())


@contextmanager
def _uncollected() -> Generator[None]:
    """What is made here lives as long as the process: looking through it for garbage again and again finds none."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def stage_module(name: str) -> StageModule:
    """The module of stages that a user named.

    Raises:
        UserError: it cannot be imported or holds no stages.
    """
    sys.path.insert(0, "")  # a module beside where the command runs is meant to be found
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise UserError(f"--stages {name}", str(error), do="name a module that Python can import from here") from None
    if not isinstance(getattr(module, "STAGES", None), dict) or not callable(getattr(module, "wire", None)):
        raise UserError(
            f"--stages {name}",
            "holds no stages",
            expected="STAGES (name -> Stage) and wire(recipe, job), as loanword/stages.py has them",
            do="see docs/extending.md",
        )
    return module  # type: ignore[return-value]


def lock_path(file: Path) -> Path:
    """Where the commits of a study's Hub repositories are kept."""
    return file.with_suffix(".lock.json")


def read_lock(file: Path) -> dict[str, str]:
    """`id@revision` -> commit, as first resolved."""
    path = lock_path(file)
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
