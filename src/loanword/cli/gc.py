"""`loanword gc`: what of a store none of the named studies needs, and its removal."""

import argparse
import sys
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

from loanword.cli.amounts import human, table
from loanword.cli.opening import add_place_arguments, open_study
from loanword.cli.watching import watched
from loanword.errors import UserError
from loanword.store import Store
from loanword.store.collect import Leftover, evaluated, leftovers, remove
from loanword.store.identity import unresolved_revisions

KINDS = {
    "artifact": "artifacts",
    "unfinished": "left of stopped builds",
    "log": "logs",
    "failure": "failures kept",
    "damaged": "set aside by verify",
    "removed": "half removed",
    "link": "links to nothing",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("studies", type=Path, nargs="+", metavar="STUDY", help="what these need stays")
    add_place_arguments(parser)
    parser.add_argument("--smoke", action="store_true", help="of the smoke run's store")
    parser.add_argument(
        "--no-evaluations", action="store_true", help="what only `loanword evaluate` made goes too (default: it stays)"
    )
    parser.add_argument("--delete", action="store_true", help="remove it (default: say what would be removed)")
    parser.add_argument("--list", action="store_true", help="name every single thing")


def run(arguments: argparse.Namespace) -> int:
    store, needed = _needed(arguments)
    found = leftovers(store, needed)
    _print(found, arguments.list)
    strangers = {key: holder for key, holder in store.builders().items() if key not in needed}
    for key, holder in strangers.items():
        print(f"being built on {holder.host}, by a study that is not named here: {key}", file=sys.stderr)
    if not arguments.delete:
        if found:
            print("Nothing was removed: --delete does it.")
        return 0
    if strangers:
        raise UserError(
            store.root,
            "somebody builds what none of the named studies needs, and reads what would be removed",
            expected="every study that is running, among the named ones",
            do="name that study too, or wait until it has ended",
        )
    with watched("removing") as progress:
        stay = remove(store, found, progress)
    for item in stay:
        print(f"{item.name}: stays, somebody has begun to build it", file=sys.stderr)
    print(f"removed: {human(sum(item.num_bytes for item in found if item not in stay), 'B')}")
    return 0


def _needed(arguments: argparse.Namespace) -> tuple[Store, set[str]]:
    """The store, and the keys of all that the studies name and that was evaluated.

    Raises:
        UserError: a study whose artifacts have no names yet, so that nobody can say what it needs.
    """
    needed: set[str] = set()
    store = None
    for file in arguments.studies:
        opened = open_study(argparse.Namespace(**{**vars(arguments), "study": file}), smoke=arguments.smoke)
        store = opened.store
        if unresolved := unresolved_revisions(opened.study.jobs.values()):
            raise UserError(
                file,
                f"the commit of {unresolved[0]} is not known, and with it the names of what is made of it",
                expected="the study's lock file, which its first run writes beside it",
                do="put the lock file back, or run the study first",
            )
        needed |= opened.study.jobs.keys()
    assert store is not None
    return store, needed if arguments.no_evaluations else needed | evaluated(store)


def _print(found: Sequence[Leftover], every: bool) -> None:
    if not found:
        print("nothing: the named studies need all that is there")
        return
    ordered = sorted(found, key=lambda item: (list(KINDS).index(item.kind), _part(item), item.name))
    rows = [_row(kind, part, list(items)) for (kind, part), items in groupby(ordered, lambda i: (i.kind, _part(i)))]
    total = human(sum(item.num_bytes for item in found), "B")
    table([("what nobody needs", "number", "disk"), *rows, ("in total", f"{len(found):,}", total)])
    for item in ordered if every else ():
        print(item.path)


def _part(item: Leftover) -> str:
    return item.name.partition("/")[0] if item.kind in ("artifact", "unfinished") else ""


def _row(kind: str, part: str, items: Iterable[Leftover]) -> tuple[str, str, str]:
    sizes = [item.num_bytes for item in items]
    return f"{KINDS[kind]}{f': {part}' if part else ''}", f"{len(sizes):,}", human(sum(sizes), "B")
