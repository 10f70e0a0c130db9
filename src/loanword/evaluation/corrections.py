"""Flagged translations as a file for people to correct, and what they made of it.

Out: a line a text: where it stands first, the text, its translation and what came back of it, and why it is flagged.
In: the same lines with another `translation`, or with `reviewed` set to true where it is right as it is.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from loanword.errors import UserError
from loanword.evaluation.translation import Content, Text, Translated
from loanword.records import Count, Record, read_lines, write_lines


class Flagged(Record):
    """A text whose translation somebody should look at; equal texts elsewhere in the set go with it.

    `machine` is what the model said, which `translation` is compared with.
    """

    file: str
    line: Count
    id: str
    field: str
    source: str
    translation: str
    back_translation: str | None = None
    chrf: float | None = None
    why: tuple[str, ...] = ()
    reviewed: bool = False
    machine: str | None = None

    def corrects(self, said: str | None) -> bool:
        """Whether this is people's translation of a text that the model gave as `said`; None where that is unknown."""
        before = said if self.machine is None else self.machine
        return bool(self.translation.strip()) and (self.reviewed or before not in (None, self.translation))


class Settled(NamedTuple):
    """Translations by content, as the set is written with them, and those that are still flagged."""

    translations: dict[Content, str]
    num_corrected: int
    flagged: list[Translated]


def flagged_line(one: Translated) -> Flagged:
    """A translation as it is put before people."""
    score = None if one.chrf is None else round(one.chrf, 1)
    return Flagged(
        file=one.text.file,
        line=one.text.line,
        id=one.text.id,
        field=one.text.field,
        source=one.text.text,
        translation=one.translation,
        back_translation=one.back_translation,
        chrf=score,
        why=one.why,
        machine=one.translation,
    )


def write_flagged(flagged: Sequence[Translated], path: Path) -> Path:
    """Writes flagged translations, and gives the file: `path`, or one beside it where another list is there already.

    A file that is there may be half corrected by somebody, so that it is never written again.
    """
    lines = [flagged_line(one) for one in flagged]
    content = "".join(line.to_json() + "\n" for line in lines).encode()
    number, free = 1, path
    while free.exists():
        if free.read_bytes() == content:
            return free
        number += 1
        free = path.with_name(path.name.removesuffix(".jsonl") + f"-{number}.jsonl")
    write_lines(lines, free)
    return free


def read_corrections(files: Sequence[Path], texts: Sequence[Text]) -> dict[Content, Flagged]:
    """What people made of flagged texts, by content; of several lines on one text the last counts.

    Raises:
        UserError: no such file; a line on a text that the set does not have; a reviewed translation without text.
    """
    by_place = {text.place: text for text in texts}
    found: dict[Content, Flagged] = {}
    for file in files:
        if not file.is_file():
            raise UserError(file, "no such file", expected="a file of flagged texts", do="check the name")
        for number, line in enumerate(read_lines(Flagged, file), start=1):
            where = f"{file}:{number}"
            text = by_place.get((line.file, line.line, line.field))
            if text is None or text.text != line.source:
                raise UserError(
                    where,
                    f"{line.file}:{line.line}, {line.field} is another text" if text else "no such text in the set",
                    expected="a line of the file that this set's translation left",
                    do="correct that file, and change nothing but translation and reviewed",
                )
            if line.reviewed and not line.translation.strip():
                raise UserError(where, "reviewed, but without a translation", expected="text", do="write it")
            found[text.content] = line
    return found


def given(corrections: Mapping[Content, Flagged]) -> frozenset[Content]:
    """The contents that people have translated, whatever the model says to them."""
    return frozenset(content for content, line in corrections.items() if line.corrects(None))


def settle(translated: Sequence[Translated], corrections: Mapping[Content, Flagged]) -> Settled:
    """Corrected translations in place of the model's, and what is still flagged.

    A line is a correction where its translation is another than the model's at that time, or where it was reviewed.
    """
    translations: dict[Content, str] = {}
    flagged: list[Translated] = []
    num_corrected = 0
    for one in translated:
        line = corrections.get(one.text.content)
        if line is not None and line.corrects(one.translation):
            num_corrected += 1
            translations[one.text.content] = line.translation
            continue
        translations[one.text.content] = one.translation
        if one.why:
            flagged.append(one)
    return Settled(translations, num_corrected, flagged)
