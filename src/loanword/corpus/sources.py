"""Which files a source is: files, folders of files and data sets on the Hub, in a fixed order.

Settings name them in the order in which they are read. A folder stands for every file in it and in the folders below,
sorted by name; patterns of a data set stand for every file of its repository that they match, sorted by name.

Left out of folders and of what a pattern matches: names that start with `.` or `_` (also of folders on the way), and
what lies beside data without being any (README, LICENSE, dataset_infos.json, ...). Any other file that cannot be read
by its name is an error, so that nothing is left out by mistake.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple

from loanword.corpus.hub import HubFile, hub_matches
from loanword.errors import UserError
from loanword.recipe import SourceConfig

Kind = Literal["lines", "text", "rows"]
"""How a file is read: JSON Lines, one text, or rows of Parquet."""

_KINDS: dict[str, Kind] = {".jsonl": "lines", ".json": "lines", ".txt": "text", ".parquet": "rows"}
_PACKINGS = (".gz", ".zst")
READABLE = ".jsonl or .txt, either also with .gz or .zst, or .parquet"
_BESIDE = {
    "readme",
    "license",
    "licence",
    "copying",
    "notice",
    "citation",
    "changelog",
    "dataset_infos",
    "dataset_info",
}
_BESIDE_SUFFIXES = {"", ".md", ".rst", ".txt", ".cff", ".json"}


class SourceFile(NamedTuple):
    """One file on this machine (`path`) or in a data set on the Hub (`hub`).

    `name` is how errors name it, `label` how ids and records do: its name, or where it lies inside its folder or data
    set. `num_bytes` is its size as it lies there, packed.
    """

    name: str
    path: Path | None
    hub: HubFile | None
    num_bytes: int
    label: str

    @property
    def kind(self) -> Kind:
        """How it is read, which its name says."""
        return kind_of(self.label) or "lines"

    @property
    def packing(self) -> str:
        """`.gz`, `.zst`, or nothing."""
        suffix = PurePosixPath(self.label).suffix.lower()
        return suffix if suffix in _PACKINGS else ""


def source_files(config: SourceConfig, root: Path, commits: Mapping[str, str]) -> list[SourceFile]:
    """The files of a source, in the order in which they are read; `config.files` lie below `root`.

    `commits` maps `datasets/id@revision` to the commit that is meant.

    Raises:
        UserError: a missing file, one that cannot be read by its name, one that is named twice, an empty folder, a
            pattern that nothing matches, or a data set that cannot be reached.
    """
    found = [file for name in config.files for file in local_files(root / name)]
    for part in config.hub:
        for hub, num_bytes in hub_matches(part, commits, _reads_by_pattern):
            file = SourceFile(f"{hub.id}/{hub.file}", None, hub, num_bytes, hub.file)
            found.append(_readable(file))
    seen = set[HubFile | Path | None]()
    for file in found:
        # Its label depends on the folder that it is named by, and the same file may be in several.
        where = file.hub or (file.path and file.path.resolve())
        if where in seen:
            do = "name the file, or its folder, but not both"
            raise UserError(file.name, "is named twice", expected="each file once", do=do)
        seen.add(where)
    return found


def local_files(path: Path) -> list[SourceFile]:
    """A file on this machine, or the files of a folder.

    Raises:
        UserError: as `source_files` does.
    """
    if path.is_dir():
        found = [_local(inside, inside.relative_to(path).as_posix()) for inside in sorted(_inside(path))]
        if not found:
            raise UserError(path, "no file to read in this folder", expected=READABLE, do="check what lies there")
        return found
    if not path.exists():
        raise UserError(path, "no such file", expected="a source file", do="check the name and the data root (--data)")
    return [_local(path, path.name)]


def name_stem(path: Path | PurePosixPath) -> str:
    """The file's name without the suffixes that say how to read it."""
    return path.name[: len(PurePosixPath(_unpacked_name(path.name)).stem)]


def kind_of(name: str) -> Kind | None:
    """How a file is read, which its name says; None: it cannot be."""
    plain = _unpacked_name(name)
    kind = _KINDS.get(PurePosixPath(plain).suffix.lower())
    return None if kind == "rows" and plain != name else kind


def _local(path: Path, label: str) -> SourceFile:
    if not path.is_file():
        raise UserError(path, "is not a file", expected=READABLE, do="name a file, or a folder of files")
    return _readable(SourceFile(str(path), path, None, path.stat().st_size, label))


def _inside(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if _beside_data(path.name):
            continue
        if path.is_dir():
            if path.is_symlink():
                # A link may lead back up; and what a corpus is made of is named by the files below its folders.
                raise UserError(path, "is a link to a folder", expected="files", do="name the folder itself")
            yield from _inside(path)
        elif path.exists():
            yield path
        else:
            raise UserError(path, "is a link to nothing", expected="a source file", do="mend or remove the link")


def _reads_by_pattern(file: str) -> bool:
    return not any(map(_beside_data, PurePosixPath(file).parts))


def _beside_data(name: str) -> bool:
    stem, dot, suffix = name.lower().partition(".")
    return name.startswith((".", "_")) or (stem in _BESIDE and dot + suffix in _BESIDE_SUFFIXES)


def _unpacked_name(name: str) -> str:
    suffix = PurePosixPath(name).suffix
    return name.removesuffix(suffix) if suffix.lower() in _PACKINGS else name


def _readable(file: SourceFile) -> SourceFile:
    if kind_of(file.label) is None:
        suffixes = "".join(PurePosixPath(file.label).suffixes)
        raise UserError(
            file.name,
            f"do not know how to read {suffixes or 'a file without a suffix'}",
            expected=READABLE,
            do="convert the file, name it by what it holds, or move it out of the folder",
        )
    return file
