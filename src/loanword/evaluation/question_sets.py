"""Sets of questions and of instructions as files: which of their texts are translated, and how they are written again.

In: a file, or a folder of them: JSON Lines or one JSON value (.jsonl, .json, also .gz), .csv and .tsv.
Out: the same files with other texts, in the same layout, order and ids. Answers, ids, letters and keys stay as they
are; so does a file that is no table (a licence). What is not recognised is an error, never left untranslated.
"""

import gzip
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from loanword.errors import UserError
from loanword.evaluation.set_files import TABLES, SetFile, Slot, read_set_file
from loanword.evaluation.translation import Content, Text


@dataclass(frozen=True)
class QuestionSet:
    """A file or a folder that was read; `others` are files of the folder that are no tables."""

    root: Path
    files: Mapping[str, SetFile]
    others: tuple[str, ...]

    @property
    def texts(self) -> list[Text]:
        """All texts that are translated, in order; white space alone is none."""
        return [
            Text(name, slot.line, slot.id, slot.field, slot.text, _context(slot), slot.leading is None)
            for name, file in self.files.items()
            for slot in file.slots
            if slot.text.strip()
        ]

    @property
    def fields(self) -> dict[str, list[str]]:
        """Names of the fields that are translated, and of the others, in the order in which they are first seen."""
        names: dict[str, dict[str, None]] = {"translated": {}, "others": {}}
        for file in self.files.values():
            names["translated"] |= dict.fromkeys(_without_numbers(slot.field) for slot in file.slots)
            names["others"] |= dict.fromkeys(file.other_fields)
        return {what: list(found) for what, found in names.items()}

    def write(self, translations: Mapping[Content, str], out: Path) -> None:
        """Writes the set with translations by the content of a text; it appears whole or not at all.

        May be called once: the set that was read becomes the one that is written.
        """
        part = out.with_name(out.name + ".part")
        if part.is_dir():
            shutil.rmtree(part)
        for name, file in self.files.items():
            for slot in file.slots:
                if slot.text.strip():
                    slot.put(translations[slot.text, _context(slot)])
            target = part / name if self.root.is_dir() else part
            target.parent.mkdir(parents=True, exist_ok=True)
            content = file.content().encode()
            target.write_bytes(gzip.compress(content, mtime=0) if name.lower().endswith(".gz") else content)
        for name in self.others:
            (part / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.root / name, part / name)
        part.rename(out)


def read_set(path: Path, fields: Sequence[str] = (), only: Sequence[str] = ()) -> QuestionSet:
    """A set with the fields that are translated: those named, or those that its shape tells.

    `only` are patterns of names below a folder; other files are then not part of the set.

    Raises:
        UserError: no such file or folder, nothing in it, a line that cannot be read, a shape that is not known.
    """
    if path.is_file():
        return QuestionSet(path, {path.name: read_set_file(path, fields)}, ())
    if not path.is_dir():
        raise UserError(path, "no such file or folder", expected="a set of questions", do="check the name")
    names = sorted(
        file.relative_to(path).as_posix()
        for file in path.rglob("*")
        if file.is_file() and not any(part.startswith(".") for part in file.relative_to(path).parts)
    )
    wanted = {name for name in names if any(Path(name).match(pattern) for pattern in only)} if only else set(names)
    tables = [name for name in names if name in wanted and name.lower().removesuffix(".gz").endswith(TABLES)]
    if not tables:
        raise UserError(
            path, "holds no table" if not only else f"no table is named as {', '.join(only)}",
            expected=f"files with the suffix {', '.join(TABLES)}", do="check the folder, or --only",
        )  # fmt: skip
    files = {name: read_set_file(path / name, fields) for name in tables}
    return QuestionSet(path, files, tuple(name for name in names if name in wanted and name not in files))


def _context(slot: Slot) -> str:
    return slot.leading.text if slot.leading is not None else ""


def _without_numbers(field: str) -> str:
    return "".join(character for character in field if not character.isdigit() and character not in "[]")
