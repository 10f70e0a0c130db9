"""Artifacts: directories that are finished if and only if their manifest is there.

In:  a directory under `building/` that a stage has filled.
Out: `artifacts/STAGE/NAME/` with a manifest, moved there in one rename; `studies/STUDY/RUN/` with links for people.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loanword.errors import UserError
from loanword.records import Record, canonical_json, file_sha256, read_json, write_json
from loanword.store import failures, leases
from loanword.store.identity import Job

FORMAT = 1
MANIFEST = "manifest.json"
SCRATCH = ".scratch"
LONGEST_NAME_BYTES = 200
"""Of a folder or link that is named after a label; file systems take 255, some of which a suffix may need."""


class Manifest(Record):
    """What an artifact is: its name and what went into it, the digest of every payload file, and provenance.

    `content` is the digest of the digests; provenance is in neither. `seal` is the digest of all of the manifest but
    itself, None where an earlier version wrote it.
    """

    name: str
    stage: str
    stage_version: int
    seed: int | None
    config: dict[str, Any]
    identity: dict[str, Any]
    inputs: dict[str, str]
    digests: dict[str, str]
    content: str
    provenance: dict[str, Any]
    seal: str | None = None

    def sealed(self) -> "Manifest":
        """The same with its seal."""
        written = canonical_json(self.model_dump(mode="json", exclude={"seal"}))
        return self.model_copy(update={"seal": hashlib.sha256(written.encode()).hexdigest()})


@dataclass(frozen=True)
class Artifact:
    """A finished artifact: where it lies, and its manifest."""

    folder: Path
    manifest: Manifest


class Store:
    """A directory of artifacts, safe for any number of processes at once."""

    def __init__(self, root: Path) -> None:
        """Opens a store.

        Raises:
            UserError: it was written by a newer version of this program.
        """
        self.root = root
        self.building = root / "building"
        self._check_format()

    def _check_format(self) -> None:
        path = self.root / "format.json"
        if not path.is_file():
            return
        try:
            found = json.loads(path.read_bytes())["format"]
        except (ValueError, TypeError, KeyError):
            found = "that cannot be read"
        if found != FORMAT:
            raise UserError(
                path,
                f"the store has format {found}",
                expected=f"format {FORMAT}, which this version of loanword reads and writes",
                do="update loanword, or name another store with --store",
            )

    def create(self) -> None:
        """Makes the directories of a new store; an existing one stays as it is."""
        try:
            self.building.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                self.root, f"cannot make the store: {error.strerror}", do="name another folder with --store"
            ) from None
        if not (self.root / "format.json").is_file():
            try:
                write_json({"format": FORMAT}, self.root / "format.json")
            except FileNotFoundError:
                # Another process made the same store at the same moment, and moved the file that both wrote.
                if not (self.root / "format.json").is_file():
                    raise

    def folder(self, job: Job) -> Path:
        """Where a job's artifact lies once it is finished."""
        return self.place(job.key)

    def place(self, key: str) -> Path:
        """Where the artifact of a key lies."""
        return self.root / "artifacts" / key

    def finished(self, job: Job) -> bool:
        """Whether a job's artifact is there, whole."""
        return self.has(job.key)

    def has(self, key: str) -> bool:
        """Whether the artifact of a key is there, whole."""
        return (self.place(key) / MANIFEST).is_file()

    def finished_keys(self) -> set[str]:
        """`stage/name` of every finished artifact, by one listing a stage."""
        artifacts = self.root / "artifacts"
        if not artifacts.is_dir():
            return set()
        # The rename that puts a folder here is the last act of building: its being here is enough.
        return {f"{stage.name}/{entry.name}" for stage in os.scandir(artifacts) for entry in os.scandir(stage.path)}

    def open(self, job: Job) -> Artifact:
        """The finished artifact of a job."""
        folder = self.folder(job)
        return Artifact(folder, read_json(Manifest, folder / MANIFEST))

    def lease(self, job: Job, host: str | None = None) -> leases.Lease | None:
        """The right to build a job's artifact, or None while another process has it; `host` is this machine's name."""
        return leases.acquire(self.building, _stem(job), host)

    def holder(self, job: Job) -> leases.Holder | None:
        """Who is building a job's artifact now, if anyone."""
        newest = leases.newest_lease(self.building, _stem(job))
        return None if newest is None else leases.holder(newest)

    def builders(self) -> dict[str, leases.Holder]:
        """Who builds what at this moment, by key; by one listing, whatever the store holds."""
        holders = {key_of(stem): leases.holder(path) for stem, path in leases.newest_leases(self.building).items()}
        return {key: holder for key, holder in holders.items() if holder is not None and not holder.stale}

    def log(self, job: Job) -> Path:
        """Where what a job's processes write goes."""
        return failures.log_path(self.root, _stem(job))

    def failed(self, job: Job, kind: failures.Kind, error: str) -> None:
        """Keeps why a job could not be built, until it is."""
        failures.keep(self.root, _stem(job), job.key, kind, error)

    def failures(self) -> dict[str, failures.Failure]:
        """Why artifacts could not be built that are not there still, by key."""
        return failures.kept(self.root)

    def unlinked(self) -> set[str]:
        """Keys of finished artifacts whose checkpoint is a link to nothing: it was moved, or the store was."""
        links = (folder / "checkpoint" for folder in (self.root / "artifacts").glob("base/*"))
        return {f"base/{link.parent.name}" for link in links if link.is_symlink() and not link.exists()}

    def set_aside(self, key: str, place: str) -> Path:
        """Moves an artifact to a folder of the store, out of the way of one that is built anew; where it is then."""
        aside = self.root / place / stem_of(key)
        number = 1
        while aside.exists():
            number += 1
            aside = self.root / place / f"{stem_of(key)}-{number}"
        aside.parent.mkdir(exist_ok=True)
        self.place(key).rename(aside)
        return aside

    def building_folder(self, job: Job) -> Path:
        """The directory that a job's stage fills, with what a killed process left in it."""
        folder = self.building / _stem(job)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def finish(self, job: Job, provenance: Mapping[str, Any]) -> Artifact:
        """Turns a filled directory into a finished artifact: digests, manifest, one rename."""
        folder = self.building_folder(job)
        shutil.rmtree(folder / SCRATCH, ignore_errors=True)
        (folder / MANIFEST).unlink(missing_ok=True)
        digests = payload_digests(folder)
        manifest = Manifest(
            name=job.name,
            stage=job.stage,
            stage_version=job.stage_version,
            seed=job.seed,
            config=job.config.model_dump(mode="json"),
            identity=dict(job.identity),
            inputs={role: made.key for role, made in job.inputs.items()},
            digests=digests,
            content=hashlib.sha256(canonical_json(digests).encode()).hexdigest(),
            provenance=dict(provenance),
        ).sealed()
        write_json(manifest, folder / MANIFEST)
        final = self.folder(job)
        final.parent.mkdir(parents=True, exist_ok=True)
        folder.rename(final)
        failures.forget(self.root, _stem(job))
        return Artifact(final, manifest)

    def link(self, folder: Path, role: str, job: Job) -> None:
        """Leaves a readable link to a finished artifact in a folder of the store, named after its role."""
        folder.mkdir(parents=True, exist_ok=True)
        link, goal = folder / file_name(role), os.path.relpath(self.folder(job), folder)
        if link.is_symlink() and str(link.readlink()) == goal:
            return
        link.unlink(missing_ok=True)
        link.symlink_to(goal)


def run_folder(root: Path, study: str, run: str) -> Path:
    """Where a store keeps links to the artifacts of one run of a study."""
    return root / "studies" / file_name(study) / "runs" / file_name(run)


def evaluation_folder(root: Path, label: str) -> Path:
    """Where a store keeps links to what one model was asked without a study."""
    return root / "evaluations" / file_name(label)


def file_name(label: str) -> str:
    """A label as one path component; a long one is cut, and ends in a digest of the whole."""
    name = "".join(char if char.isalnum() or char in "-_.=" else "-" for char in label).strip(".-") or "unnamed"
    if len(name.encode()) <= LONGEST_NAME_BYTES:
        return name
    digest = hashlib.sha256(label.encode()).hexdigest()[:12]
    return f"{name.encode()[: LONGEST_NAME_BYTES - 13].decode(errors='ignore')}-{digest}"


def payload_digests(folder: Path) -> dict[str, str]:
    """sha256 of every payload file by its path inside the artifact; links are followed."""
    files = sorted(path for path in files_of(folder) if path != folder / MANIFEST)
    return {path.relative_to(folder).as_posix(): file_sha256(path) for path in files}


def files_of(folder: Path) -> list[Path]:
    """Every file in a folder and below it; links are followed."""
    return [Path(place) / name for place, _, names in os.walk(folder, followlinks=True) for name in names]


def stem_of(key: str) -> str:
    """An artifact's key as one path component."""
    return key.replace("/", "-", 1)


def key_of(stem: str) -> str:
    """The key that a path component stands for."""
    return "/".join(stem.rsplit("-", 1))


def _stem(job: Job) -> str:
    return stem_of(job.key)
