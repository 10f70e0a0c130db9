"""`loanword verify`: whether every byte of a store, or of a study in it, is still the one that was written."""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from loanword.cli import USAGE
from loanword.cli.machine import num_cores
from loanword.cli.opening import add_place_arguments, open_study
from loanword.cli.watching import watched
from loanword.errors import UserError
from loanword.store import Store
from loanword.store.verify import Verified, discard, verify


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "study", type=Path, nargs="?", help="only the artifacts of this study (default: all of the store)"
    )
    add_place_arguments(parser)
    parser.add_argument("--threads", type=int, default=None, help="files read at once (default: one a core)")
    parser.add_argument(
        "--discard",
        action="store_true",
        help="move what is damaged, and what was built from it, to STORE/damaged: the next run builds it anew",
    )
    parser.add_argument("--json", action="store_true", help="for machines")


def run(arguments: argparse.Namespace) -> int:
    """2 where anything is not what was written, also where it was discarded."""
    store, keys = _asked(arguments)
    if arguments.discard:
        _check_nobody_builds(store)
    with watched("reading") as progress:
        found = verify(store, keys, progress, num_threads=arguments.threads or num_cores())
    discarded = discard(store, found) if arguments.discard and found.damaged else []
    if arguments.json:
        moved = [path.relative_to(store.root).as_posix() for path in discarded]
        print(json.dumps({**asdict(found), "discarded": moved}, ensure_ascii=False))
    else:
        _print(store, found, discarded)
    return 0 if found.whole else USAGE


def _asked(arguments: argparse.Namespace) -> tuple[Store, set[str]]:
    if arguments.threads is not None and arguments.threads < 1:
        raise UserError(f"--threads {arguments.threads}", "not a positive number", do="give 1 or more")
    if not arguments.store.is_dir():
        raise UserError(arguments.store, "no such store", do="name it with --store")
    if arguments.study is None:
        store = Store(arguments.store)
        return store, store.finished_keys()
    opened = open_study(arguments)
    return opened.store, opened.finished & opened.study.jobs.keys()


def _check_nobody_builds(store: Store) -> None:
    if builders := store.builders():
        key, holder = next(iter(builders.items()))
        raise UserError(
            store.root,
            f"{holder.host or 'somebody'} is building {key}, and may read what is damaged",
            expected="a store in which nothing is being built",
            do="stop what runs (it can be continued), then discard; `loanword verify` without --discard only looks",
        )


def _print(store: Store, found: Verified, discarded: list[Path]) -> None:
    for key, files in found.damaged.items():
        for name, wrong in files.items():
            print(f"{store.place(key) / name}: {wrong}")
    for key, sources in found.tainted.items():
        print(f"{key}: was built from {', '.join(sources)}")
    for key, goal in found.unlinked.items():
        print(f"{key}: is a link to {goal}, which is not there; `loanword run` links it anew where it is read")
    sizes = f"{found.num_artifacts:,} artifacts, {found.num_files:,} files, {found.num_bytes / 1e9:,.2f} GB"
    print(f"{sizes}: {len(found.damaged):,} damaged, {len(found.tainted):,} built from damaged ones")
    if found.num_unsealed:
        print(f"{found.num_unsealed:,} of an earlier version: what their manifests say of provenance has no digest")
    if discarded:
        print(f"moved to {discarded[0].parent}: {len(discarded):,} artifacts; `loanword run` builds them anew")
    elif found.damaged:
        print(
            "error: the store is damaged; `loanword verify --discard` moves aside what is damaged and what was built "
            "from it, and the next `loanword run` builds that anew",
            file=sys.stderr,
        )
