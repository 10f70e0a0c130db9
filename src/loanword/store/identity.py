"""Names: what an artifact is called before it is built.

A name is sha256(stage, stage version, whole config, seed, names of inputs). Outside leaves count by content: a
file's sha256, a Hub repository's commit. Paths, Execution and the git commit are never in it.
"""

import hashlib
import json
import os
import typing
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from loanword.errors import UserError
from loanword.recipe import BaseConfig, CheckpointSource, DescriptionConfig, HubFiles
from loanword.records import OutsideFile, Record, canonical_json, file_sha256

NAME_LENGTH = 20
UNRESOLVED = "unresolved"
SEAL = "seal"
"""In the cache of digests, beside the absolute paths: the digest of all of it."""
DATASETS = "datasets/"
"""What the name of a Hub data set begins with where it stands beside those of models."""
ABSENT = "absent"
"""What the digest of a source begins with that is not there."""


@dataclass(frozen=True)
class Job:
    """One artifact to be: its stage, everything that decides its content, and the name that follows.

    `config` holds the settings as written (paths included), `identity` what of them is in the name.
    """

    stage: str
    stage_version: int
    config: Record
    identity: Mapping[str, Any] = field(repr=False)
    inputs: Mapping[str, "Job"] = field(repr=False)
    seed: int | None
    name: str

    @cached_property
    def key(self) -> str:
        """Stage and name: where the artifact lies in the store."""
        return f"{self.stage}/{self.name}"


class Sources:
    """Content digests of outside files and folders below a data root, cached by path, size and time.

    `commits` maps `id@revision` of Hub repositories to commits that are known (the study's lock file); the id of a
    data set begins with `datasets/`. What is not there is an error, or with `provisional` counts by its name and is
    kept in `absent`, as a Hub repository counts whose commit is not known: what is named by it is only planned.
    """

    def __init__(
        self,
        root: Path,
        *,
        cache_file: Path | None = None,
        commits: Mapping[str, str] | None = None,
        provisional: bool = False,
    ) -> None:
        self.root = root
        self.absent: dict[str, UserError] = {}
        self._provisional = provisional
        self.commits = dict(commits or {})
        self._cache_file = cache_file
        self._digests: dict[str, str] = {}
        self._cached = _read_cache(cache_file)
        self._changed = False

    def digest(self, name: str) -> str:
        """sha256 of a file, or of the names and digests of a folder's files.

        Raises:
            UserError: nothing is there.
        """
        if name not in self._digests:
            path = self.root / name
            if path.is_dir():
                self._digests[name] = self._folder_digest(path)
            elif path.is_file():
                self._digests[name] = self._file_digest(path)
            else:
                error = UserError(
                    path,
                    "no such file or folder",
                    expected=f"{name} below the data root {self.root}",
                    do="give the data root with --data, or correct the path in the study file",
                )
                self._digests[name] = self._by_name(name, error)
        return self._digests[name]

    def checkpoint(self, name: str, revision: str | None = None) -> str:
        """Digest of a checkpoint folder, or `id@commit`, or `unresolved:id@revision`."""
        if (self.root / name).is_dir():
            return self.digest(name)
        if not is_hub_id(name):
            error = UserError(
                self.root / name,
                "no such checkpoint folder",
                expected="a folder with config.json and safetensors below the data root, or a Hub id such as org/name",
                do="correct the base in the study file, or give the data root with --data",
            )
            return self._by_name(name, error)
        return self._at_commit(hub_revision(name, revision))

    def dataset(self, name: str, revision: str | None = None) -> str:
        """`datasets/id@commit` of a Hub data set, or `unresolved:datasets/id@revision`."""
        return self._at_commit(hub_revision(f"{DATASETS}{name}", revision))

    def require(self) -> None:
        """Nothing, where all is there that was asked for.

        Raises:
            UserError: something is not; all of it at once.
        """
        errors = list(self.absent.values())
        if len(errors) == 1:
            raise errors[0]
        if errors:
            raise UserError(
                self.root,
                f"{len(errors)} sources are not there\n    " + "\n    ".join(self.absent),
                expected="each of them below this data root",
                do="give the data root with --data, or correct the study file; "
                "`loanword doctor --study FILE --data DIR` says what belongs there",
            )

    def save(self) -> None:
        """Keeps the digests for the next start."""
        if self._changed and self._cache_file is not None:
            self._cache_file.parent.mkdir(parents=True, exist_ok=True)
            temporary = self._cache_file.with_name(f"{self._cache_file.name}.{os.getpid()}")
            sealed = self._cached | {SEAL: [_cache_seal(self._cached)]}
            temporary.write_text(json.dumps(sealed, sort_keys=True), encoding="utf-8")
            temporary.replace(self._cache_file)
            self._changed = False

    def _by_name(self, name: str, error: UserError) -> str:
        if not self._provisional:
            raise error
        self.absent[name] = error
        return f"{ABSENT}:{name}"

    def _at_commit(self, wanted: str) -> str:
        id, _, revision = wanted.partition("@")
        if len(revision) == 40 and set(revision) <= set("0123456789abcdef"):
            return wanted
        commit = self.commits.get(wanted)
        return f"{id}@{commit}" if commit else f"{UNRESOLVED}:{wanted}"

    def _file_digest(self, path: Path) -> str:
        status = path.stat()
        key, stamp = str(path.resolve()), f"{status.st_size}:{status.st_mtime_ns}"
        known = self._cached.get(key)
        if known is None or known[0] != stamp:
            known = self._cached[key] = [stamp, file_sha256(path)]
            self._changed = True
        return known[1]

    def _folder_digest(self, folder: Path) -> str:
        files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
        listing = [(path.relative_to(folder).as_posix(), self._file_digest(path)) for path in files]
        return hashlib.sha256(canonical_json(listing).encode()).hexdigest()


def is_hub_id(name: str) -> bool:
    """Whether a string has the form of a Hub id: `org/name`, no path."""
    return name.count("/") == 1 and not name.startswith((".", "/", "~")) and not name.endswith("/")


def hub_revision(name: str, revision: str | None = None) -> str:
    """`id@revision` of a Hub repository that is named `id` or `id@revision`; its main branch where nothing is said."""
    model, _, named = name.partition("@")
    return f"{model}@{revision or named or 'main'}"


def unresolved_revisions(jobs: Iterable[Job]) -> list[str]:
    """`id@revision` of every Hub repository that jobs name and whose commit is not known, in order."""
    # Jobs of one config share one identity.
    identities = {id(job.identity): job.identity for job in jobs}.values()
    marked = {name for identity in identities for name in _strings(identity) if name.startswith(f"{UNRESOLVED}:")}
    return sorted(name.partition(":")[2] for name in marked)


class Naming:
    """Makes jobs; equal ones come back as the same object, however many runs ask for them."""

    def __init__(self, sources: Sources, versions: Mapping[str, int]) -> None:
        self.sources = sources
        self.versions = versions
        self.jobs: dict[str, Job] = {}
        self._identities: dict[str, dict[str, Any]] = {}
        self._asked: dict[tuple[object, ...], Job] = {}

    def job(self, stage: str, config: Record, *, seed: int | None = None, **inputs: Job | None) -> Job:
        """The job of a stage with a config over its inputs; inputs that are None are not there."""
        present = {role: job for role, job in sorted(inputs.items()) if job is not None}
        names = {role: job.name for role, job in present.items()}
        line = f"{type(config).__name__}:{config.model_dump_json()}"
        asked = (stage, line, seed, *names.items())
        if asked not in self._asked:
            identity = self._identity(line, config)
            named = [stage, self.versions[stage], type(config).__name__, identity, seed, names]
            name = hashlib.sha256(canonical_json(named).encode()).hexdigest()[:NAME_LENGTH]
            made = Job(stage, self.versions[stage], config, identity, present, seed, name)
            self._asked[asked] = self.jobs.setdefault(name, made)
        return self._asked[asked]

    def _identity(self, line: str, config: Record) -> dict[str, Any]:
        if line not in self._identities:
            config.to_json()  # raises where the config does not survive JSON
            self._identities[line] = identity_of(config, self.sources)
        return self._identities[line]


def identity_of(config: Record, sources: Sources) -> dict[str, Any]:
    """A config's plain values, with every outside file or checkpoint replaced by its content."""
    hints = _hints(type(config))
    plain = {name: _plain(hints[name], getattr(config, name), sources) for name in type(config).model_fields}
    if isinstance(config, BaseConfig) and config.model is not None:
        plain["model"] = sources.checkpoint(config.model, plain.pop("revision"))
    if isinstance(config, DescriptionConfig) and config.hub is not None:
        plain["hub"] = sources.dataset(config.hub, plain.pop("revision"))
    if isinstance(config, HubFiles):
        plain["id"] = sources.dataset(config.id, plain.pop("revision"))
    return plain


@cache
def _hints(kind: type[Record]) -> dict[str, Any]:
    hints = typing.get_type_hints(kind, include_extras=True)
    return {name: hints[name] for name in kind.model_fields}


@cache
def _marked(hint: Any, marker: type) -> bool:
    return any(isinstance(part, marker) or _marked(part, marker) for part in _parts(hint))


def _parts(hint: Any) -> tuple[Any, ...]:
    return (*getattr(hint, "__metadata__", ()), *typing.get_args(hint))


def _plain(hint: Any, value: Any, sources: Sources) -> Any:
    if isinstance(value, Record):
        return identity_of(value, sources)
    if isinstance(value, tuple):
        items = typing.cast("tuple[Any, ...]", value)
        return [_plain(hint, item, sources) for item in items]
    if isinstance(value, dict):
        entries = typing.cast("dict[str, Any]", value)
        return {key: _plain(hint, item, sources) for key, item in sorted(entries.items())}
    if isinstance(value, str) and _marked(hint, OutsideFile):
        return f"sha256:{sources.digest(value)}"
    if isinstance(value, str) and _marked(hint, CheckpointSource):
        return sources.checkpoint(value)
    return value


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in typing.cast("Mapping[str, Any]", value).values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in typing.cast("list[Any]", value):
            yield from _strings(item)


def _read_cache(path: Path | None) -> dict[str, list[str]]:
    if path is None or not path.is_file():
        return {}
    try:
        cached = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return {}  # a cache: losing it costs a second reading, nothing else
    seal = cached.pop(SEAL, None)
    # A digest that is not what was written would rename all that is made of the file.
    return cached if seal in (None, [_cache_seal(cached)]) else {}


def _cache_seal(cached: Mapping[str, list[str]]) -> str:
    return hashlib.sha256(canonical_json(cached).encode()).hexdigest()
