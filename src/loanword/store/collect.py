"""What of a store nobody needs any more, and its removal.

Whatever is removed is first moved to `removed/` in one rename: an artifact is never half there, and what a killed
removal left is removed by the next.
"""

import os
import shutil
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from loanword.protocols import Progress, silent
from loanword.records import read_json
from loanword.store import failures, leases
from loanword.store.artifacts import MANIFEST, Manifest, Store, key_of, stem_of

REMOVED = "removed"


@dataclass(frozen=True)
class Leftover:
    """Something that nobody needs: what it is, its key or name, where it lies, and the disk that it takes."""

    kind: Literal["artifact", "unfinished", "log", "failure", "damaged", "removed", "link"]
    name: str
    path: Path
    num_bytes: int


def leftovers(store: Store, needed: Collection[str]) -> list[Leftover]:
    """Everything in a store but what is needed, by key, and what is being built.

    `needed` artifacts that are unfinished keep what a stopped process left of them: building goes on from there.
    """
    finished, built_now = store.finished_keys(), store.builders()
    found = [
        Leftover("artifact", key, store.place(key), _size(store.place(key))) for key in sorted(finished - set(needed))
    ]
    for folder in _entries(store.building):
        key = key_of(folder.name)
        if folder.is_dir() and key not in built_now and (key in finished or key not in needed):
            found.append(Leftover("unfinished", key, folder, _size(folder)))
    kept = {stem_of(key) for key in {*needed, *built_now}}
    places: tuple[tuple[Literal["log", "failure"], str], ...] = (
        ("log", failures.LOGS),
        ("failure", failures.FAILURES),
    )
    for kind, place in places:
        unneeded = [path for path in _entries(store.root / place) if _stem(path) not in kept]
        found.extend(Leftover(kind, path.name, path, _size(path)) for path in unneeded)
    found.extend(Leftover("damaged", path.name, path, _size(path)) for path in _entries(store.root / "damaged"))
    found.extend(Leftover("removed", path.name, path, _size(path)) for path in _entries(store.root / REMOVED))
    gone = {item.path for item in found if item.kind == "artifact"}
    links = ((link, _goal(link)) for link in _links(store.root))
    found.extend(
        Leftover("link", link.relative_to(store.root).as_posix(), link, 0)
        for link, goal in links
        if goal in gone or not goal.exists()
    )
    return found


def evaluated(store: Store) -> set[str]:
    """Keys of what was asked without a study, and of all that it was built from."""
    links = (_goal(link) for link in _links(store.root) if (store.root / "evaluations") in link.parents)
    ahead = [f"{goal.parent.name}/{goal.name}" for goal in links if goal.exists()]
    needed: set[str] = set()
    while ahead:
        key = ahead.pop()
        path = store.place(key) / MANIFEST
        if key not in needed and path.is_file():
            needed.add(key)
            ahead.extend(read_json(Manifest, path).inputs.values())
    return needed


def remove(store: Store, found: Sequence[Leftover], progress: Progress = silent) -> list[Leftover]:
    """Removes leftovers; returns those that stay, because somebody has begun to build them meanwhile."""
    trash, stay = store.root / REMOVED, list[Leftover]()
    if not found:
        return stay
    trash.mkdir(exist_ok=True)
    # Links first, so that none is ever seen that leads nowhere.
    for number, item in enumerate(sorted(found, key=lambda item: item.kind != "link"), start=1):
        if item.kind == "link":
            item.path.unlink(missing_ok=True)
        elif not _removed(store, item, trash):
            stay.append(item)
        progress(number, len(found), "leftovers")
    for place in ("studies/*/runs/*", "evaluations/*"):
        for folder in store.root.glob(place):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
    if not any(trash.iterdir()):
        trash.rmdir()
    return stay


def _removed(store: Store, item: Leftover, trash: Path) -> bool:
    lease = None
    if item.kind in ("artifact", "unfinished"):
        # Whoever wants to build it meanwhile waits until it is gone.
        lease = leases.acquire(store.building, stem_of(item.name))
        if lease is None:
            return False
    try:
        aside = item.path
        if item.kind != "removed":
            aside = trash / f"{item.kind}-{item.path.name}-{os.getpid()}"
            item.path.rename(aside)
        shutil.rmtree(aside) if aside.is_dir() and not aside.is_symlink() else aside.unlink()
    finally:
        if lease is not None:
            lease.release()
    return True


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _stem(path: Path) -> str:
    return path.name if path.is_dir() else path.stem


def _links(root: Path) -> Iterator[Path]:
    for place in ("studies/*/runs/*/*", "evaluations/*/*"):
        yield from (path for path in root.glob(place) if path.is_symlink())


def _goal(link: Path) -> Path:
    """Where a link of the store leads; it need not be there."""
    return Path(os.path.normpath(link.parent / link.readlink()))


def _size(path: Path) -> int:
    """Bytes on disk of a file or folder; what links lead to is not the store's."""
    if not path.is_dir() or path.is_symlink():
        return path.lstat().st_size
    return sum((Path(place) / name).lstat().st_size for place, _, names in os.walk(path) for name in names)
