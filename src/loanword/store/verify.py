"""Whether every byte of a store's artifacts is the one that was written, and what was built from those that are not.

In: `artifacts/STAGE/NAME/`. A manifest holds the digests of the files beside it and a seal over itself, so that
nothing in an artifact can change unseen; a manifest of an earlier version has no seal, and what it says of provenance
cannot be checked.
"""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from loanword.protocols import Progress, silent
from loanword.records import canonical_json, file_sha256, indented_json
from loanword.store.artifacts import MANIFEST, Manifest, Store, files_of

AT_ONCE = 10_000
"""Files that are waited for together: a store may have millions."""


@dataclass(frozen=True)
class Verified:
    """What was found: how much was read, and what is wrong by the keys of artifacts.

    `damaged` says of each file what is wrong with it. `tainted` are whole themselves, but were built from damaged
    artifacts, which are named, directly or through others: whether before or after the damage nobody can tell.
    `unlinked` hold a link to a checkpoint outside the store that is not where it was, given as the link's goal: nothing
    of the store is damaged by it, and a run that reads it links it anew.
    """

    num_artifacts: int
    num_files: int
    num_bytes: int
    num_unsealed: int
    damaged: Mapping[str, Mapping[str, str]]
    tainted: Mapping[str, tuple[str, ...]]
    unlinked: Mapping[str, str]

    @property
    def whole(self) -> bool:
        """Whether nothing is wrong."""
        return not self.damaged and not self.unlinked


@dataclass(frozen=True)
class _File:
    key: str
    name: str
    path: Path
    digest: str
    num_bytes: int


def verify(store: Store, keys: Collection[str], progress: Progress = silent, *, num_threads: int = 1) -> Verified:
    """Reads every file of the artifacts of some keys anew; those built from what is damaged are sought in all of them.

    `progress` counts megabytes.
    """
    damaged: dict[str, dict[str, str]] = {}
    unlinked: dict[str, str] = {}
    files: list[_File] = []
    num_unsealed = 0
    for key in sorted(keys):
        manifest, wrong = _read(store.place(key))
        if manifest is not None:
            listed, others, goal = _listed(store.place(key), key, manifest)
            wrong |= others
            files.extend(listed)
            num_unsealed += manifest.seal is None
            if goal is not None:
                unlinked[key] = str(goal)
        if wrong:
            damaged[key] = wrong
    total, done = sum(file.num_bytes for file in files), 0
    with ThreadPoolExecutor(num_threads) as pool:
        for begin in range(0, len(files), AT_ONCE):
            some = files[begin : begin + AT_ONCE]
            for file, wrong in zip(some, pool.map(_differs, some), strict=True):
                if wrong:
                    damaged.setdefault(file.key, {})[file.name] = wrong
                done += file.num_bytes
                progress(done // 1_000_000, total // 1_000_000, "MB")
    tainted = _built_from(store, damaged) if damaged else {}
    return Verified(len(keys), len(files), total, num_unsealed, damaged, tainted, unlinked)


def discard(store: Store, found: Verified) -> list[Path]:
    """Moves what is damaged, and what was built from it, aside: a study that needs it builds it anew."""
    return [store.set_aside(key, "damaged") for key in (*found.damaged, *found.tainted)]


def _read(folder: Path) -> tuple[Manifest | None, dict[str, str]]:
    """A manifest as far as it can be trusted, and what is wrong with it."""
    try:
        written = (folder / MANIFEST).read_bytes()
    except OSError as error:
        return None, {MANIFEST: _unreadable(error)}
    try:
        manifest = Manifest.model_validate_json(written)
        as_written = indented_json(json.loads(written)) == written.decode()
    except (ValueError, ValidationError):
        return None, {MANIFEST: "is not a manifest"}
    content = hashlib.sha256(canonical_json(manifest.digests).encode()).hexdigest()
    whole = manifest.seal is None or manifest == manifest.sealed()
    placed = f"{manifest.stage}/{manifest.name}" == f"{folder.parent.name}/{folder.name}"
    if as_written and whole and placed and content == manifest.content:
        return manifest, {}
    return (manifest if content == manifest.content else None), {MANIFEST: "is not what was written"}


def _listed(folder: Path, key: str, manifest: Manifest) -> tuple[list[_File], dict[str, str], Path | None]:
    """The files that are to be read, what is wrong with the others, and the goal of a link that leads nowhere."""
    there = {path.relative_to(folder).as_posix(): path for path in files_of(folder)}
    there.pop(MANIFEST, None)
    files: list[_File] = []
    wrong: dict[str, str] = {}
    for name, digest in manifest.digests.items():
        if name in there and there[name].exists():
            files.append(_File(key, name, there[name], digest, there[name].stat().st_size))
        else:
            wrong[name] = "is missing"
    wrong |= {name: "is none of the artifact's" for name in there if name not in manifest.digests}
    # What a base is linked to is named by its top; all that is missing lies behind it.
    link = next((path for path in there.values() if path.is_symlink() and not path.exists()), None)
    if link is None:
        return files, wrong, None
    behind = link.relative_to(folder).as_posix()
    return (
        files,
        {name: what for name, what in wrong.items() if not f"{name}/".startswith(f"{behind}/")},
        link.readlink(),
    )


def _differs(file: _File) -> str:
    try:
        return "" if file_sha256(file.path) == file.digest else "is not what was written"
    except OSError as error:
        return _unreadable(error)


def _unreadable(error: OSError) -> str:
    return "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror or error}"


def _built_from(store: Store, damaged: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Whole artifacts of a store that were built from damaged ones, and from which."""
    readers: dict[str, list[str]] = {}
    for key in store.finished_keys():
        for read in _reads(store, key):
            readers.setdefault(read, []).append(key)
    behind: dict[str, set[str]] = {}
    for source in damaged:
        for key in _following(source, readers):
            behind.setdefault(key, set()).add(source)
    return {key: tuple(sorted(behind[key])) for key in sorted(behind) if key not in damaged}


def _following(key: str, readers: Mapping[str, list[str]]) -> Iterator[str]:
    seen, ahead = {key}, [key]
    while ahead:
        for reader in readers.get(ahead.pop(), ()):
            if reader not in seen:
                seen.add(reader)
                ahead.append(reader)
                yield reader


def _reads(store: Store, key: str) -> list[str]:
    """What an artifact was built from: its inputs, and the smaller cut that it went on from."""
    manifest, _ = _read(store.place(key))
    if manifest is None:
        return []
    before = manifest.provenance.get("continued_from")
    return [*manifest.inputs.values(), *([f"{manifest.stage}/{before}"] if before else [])]
