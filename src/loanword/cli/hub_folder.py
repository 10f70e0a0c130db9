"""A finished model copied to a folder in the Hub's layout, whole or not at all.

In: the `checkpoint/` of an artifact, and the manifest that holds the digest of each of its files.
Out: config.json, generation_config.json, safetensors as they are sharded, the tokenizer's files, the chat template
where there is one, and what else the caller writes. Pickles and code of a published base stay behind.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path

from loanword.errors import UserError
from loanword.inputs import CHECKPOINT
from loanword.records import file_sha256, write_json
from loanword.store.artifacts import Artifact
from loanword.tokenizer.files import read_object
from loanword.tokenizer.interface import Tokenizer

GENERATION, WEIGHTS, MODEL_WEIGHTS = "generation_config.json", "*.safetensors", "model*.safetensors"
LAYOUT = (
    "config.json", GENERATION, WEIGHTS, "*.safetensors.index.json", "tokenizer.json", "tokenizer.model",
    "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt", "*.jinja",
)  # fmt: skip
TERMS = ("LICENSE*", "LICENCE*", "NOTICE*", "USE_POLICY*")
"""What a published base is given under, which goes with whatever is made of it."""

CHUNK_BYTES = 1 << 22
ROOM_BYTES = 1 << 24
"""Room for the small files that are written beside the copied ones."""


def model_files(model: Artifact, patterns: tuple[str, ...] = LAYOUT) -> dict[str, str]:
    """Digests of the files that belong to a checkpoint in the Hub's layout, by name."""
    inside = f"{CHECKPOINT}/"
    named = {path.removeprefix(inside): of for path, of in model.manifest.digests.items() if path.startswith(inside)}
    found = {name: of for name, of in named.items() if "/" not in name and _fits(name, *patterns)}
    if any(_fits(name, MODEL_WEIGHTS) for name in found):
        # Whoever loads a folder puts an adapter in it to the model, which was measured without.
        return {name: of for name, of in found.items() if _fits(name, MODEL_WEIGHTS) or not _fits(name, WEIGHTS)}
    return found


def write_folder(model: Artifact, base: Artifact | None, folder: Path, finish: Callable[[Path], None]) -> None:
    """Copies a model to a folder that is not there yet; `finish` writes what belongs beside it.

    Raises:
        UserError: the folder is there, the disk has too little room, or a file is not what its manifest says.
    """
    if folder.exists() or folder.is_symlink():
        raise UserError(folder, "exists already", do="name a new folder; nothing was overwritten")
    sources = {model.folder / CHECKPOINT / name: digest for name, digest in model_files(model).items()}
    if base is not None:
        sources |= {base.folder / CHECKPOINT / name: digest for name, digest in model_files(base, TERMS).items()}
    folder.parent.mkdir(parents=True, exist_ok=True)
    _check_room(sources, folder)
    part = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        for source, digest in sources.items():
            _copy(source, part / source.name, digest)
        finish(part)
        # A temporary folder is its owner's alone; this one is to be as any other that the user makes.
        part.chmod(0o777 & ~_umask())
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def is_copy_of(folder: Path, model: Artifact) -> bool:
    """Whether a folder holds every file of a model as it is in the store, and no other weights."""
    wanted = {name: digest for name, digest in model_files(model).items() if name != GENERATION}
    found = [path for path in folder.glob("*") if path.name in wanted or _fits(path.name, WEIGHTS)]
    return {path.name: file_sha256(path) for path in found if path.is_file()} == wanted


def write_generation_settings(folder: Path, tokenizer: Tokenizer) -> None:
    """Makes a checkpoint generate the likeliest tokens, as studies do, up to every id that ends a response.

    A base's own settings for drawing tokens go: they were chosen for the base.
    """
    said = read_object(folder / GENERATION).get("eos_token_id")
    named: list[int] = [said] if isinstance(said, int) else said or []
    stops = list(dict.fromkeys([tokenizer.eos_id, *(id for id in named if id < tokenizer.num_pieces)]))
    settings = {
        "bos_token_id": tokenizer.bos_id,
        "eos_token_id": stops[0] if len(stops) == 1 else stops,
        # Where a tokenizer has no padding of its own, rows of a batch are filled with EOS, which the mask hides.
        "pad_token_id": tokenizer.eos_id if tokenizer.pad_id is None else tokenizer.pad_id,
        "do_sample": False,
    }
    write_json(settings, folder / GENERATION)


def _check_room(sources: Mapping[Path, str], folder: Path) -> None:
    missing = next((path for path in sources if not path.is_file()), None)
    if missing is not None:
        raise _damaged(missing, "is gone")
    num_bytes = sum(path.stat().st_size for path in sources) + ROOM_BYTES
    free = shutil.disk_usage(folder.parent).free
    if free < num_bytes:
        raise UserError(
            folder.parent,
            f"{free / 1e9:,.1f} GB of the disk are free",
            expected=f"{num_bytes / 1e9:,.1f} GB, the size of the model",
            do="name a folder on another disk, or make room",
        )


def _copy(source: Path, goal: Path, digest: str) -> None:
    found = hashlib.sha256()
    with goal.open("xb") as file:
        for chunk in _chunks(source):
            found.update(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    if found.hexdigest() != digest:
        raise _damaged(source, f"has the digest {found.hexdigest()[:12]}", f"{digest[:12]}, as its manifest says")


def _damaged(source: Path, what: str, expected: str = "the file that its manifest names") -> UserError:
    artifact = next(folder for folder in source.parents if folder.name == CHECKPOINT).parent
    do = f"remove {artifact}; `loanword run` builds it again (where it is a base, restore the checkpoint it points to)"
    return UserError(source, f"is damaged: {what}", expected=expected, do=do)


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def _fits(name: str, *patterns: str) -> bool:
    return any(fnmatch(name, one) for one in patterns)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
