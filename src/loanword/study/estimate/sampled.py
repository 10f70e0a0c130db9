"""What source files hold, told from their beginnings, and how many bytes of it a token will stand for.

Of each file that can be read by lines the first megabyte is unpacked; what all of it holds follows from its size. A
gzip file ends with the size of what it unpacks to; for other packings, and for Parquet, a usual ratio is assumed.
"""

import math
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import cast

from loanword.corpus.lines import batches, parsed
from loanword.corpus.read import document_of
from loanword.corpus.sources import SourceFile, local_files
from loanword.recipe import CorpusConfig, SourceConfig
from loanword.records import Document

COMPRESSION = {".gz": 2.7, ".zst": 3.0, ".parquet": 2.5}
PLAUSIBLE_EXPANSION = 50
LOOKED_AT = 100_000
"""Characters of a sample whose script is counted."""
LAST_LATIN = "\u024f"
UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")
"""Characters of scripts that put no spaces between words: Thai, Lao, Burmese, Khmer, kana, Chinese."""


@dataclass(frozen=True)
class Sampled:
    """What a source holds: text and documents in all, and what its characters are like.

    `foreign_share` is that of characters beyond Latin letters, which take `foreign_bytes` each; `spaced`: words of such
    characters are separated by spaces. `num_documents` is None where no line could be read.
    """

    unpacked_bytes: int
    text_bytes: int
    num_documents: int | None
    foreign_share: float = 0.0
    foreign_bytes: float = 1.0
    spaced: bool = True

    @property
    def bytes_per_character(self) -> float:
        """Of all its characters."""
        return 1 + self.foreign_share * (self.foreign_bytes - 1)


class Samples:
    """Samples of sources below a data root, each taken once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._taken: dict[tuple[tuple[str, ...], object], Sampled | None] = {}

    def of(self, config: SourceConfig) -> Sampled | None:
        """What a source holds; None where it is not on this machine."""
        key = (config.files, getattr(config, "text_field", None))
        if key not in self._taken:
            here = not config.hub and all((self._root / name).exists() for name in config.files)
            self._taken[key] = self._sampled(config) if here else None
        return self._taken[key]

    def _sampled(self, config: SourceConfig) -> Sampled:
        files = [file for name in config.files for file in local_files(self._root / name)]
        unpacked = sum(map(unpacked_bytes, files))
        readable = next((file for file in files if file.kind != "rows" and file.num_bytes), None)
        beginning = None if readable is None else _beginning(readable, config)
        if beginning is None:
            return Sampled(unpacked, unpacked, None)
        num_lines_bytes, texts = beginning
        shown = "".join(texts)[:LOOKED_AT]
        foreign = "".join(character for character in shown if character > LAST_LATIN)
        return Sampled(
            unpacked_bytes=unpacked,
            text_bytes=int(unpacked * sum(len(text.encode()) for text in texts) / num_lines_bytes),
            num_documents=max(1, round(unpacked / num_lines_bytes * len(texts))),
            foreign_share=len(foreign) / len(shown),
            foreign_bytes=len(foreign.encode()) / max(1, len(foreign)),
            spaced=not foreign or 2 * len(UNSPACED.findall(foreign)) < len(foreign),
        )


def unpacked_bytes(file: SourceFile) -> int:
    """What a file unpacks to."""
    suffix = PurePosixPath(file.label).suffix.lower()
    if suffix == ".gz" and file.path is not None and (said := _gzip_size(file.path, file.num_bytes)):
        return said
    return int(file.num_bytes * COMPRESSION.get(suffix, 1.0))


def _gzip_size(path: Path, num_bytes: int) -> int | None:
    """The size that stands at the end of a gzip file; None where it cannot be that of the whole."""
    if num_bytes < 18:
        return None
    with path.open("rb") as file:
        file.seek(-4, 2)
        (said,) = struct.unpack("<I", file.read(4))
    # Of several members it is the last one's, and beyond 4 GiB only the rest.
    return said if num_bytes <= said <= PLAUSIBLE_EXPANSION * num_bytes else None


def _beginning(file: SourceFile, config: SourceConfig) -> tuple[int, list[str]] | None:
    """Bytes of the first batch of lines, and the texts in them; None where there are none."""
    batch = next(iter(batches(file, config)), None)
    if batch is None or not batch.content:
        return None
    if not isinstance(config, CorpusConfig):
        lines = [line for line in parsed(batch) if line.fault is None]
        texts = ["".join(_strings(line.fields)) for line in lines]
    else:
        found = (document_of(line, config.text_field) for line in parsed(batch))
        texts = [one.text for one in found if isinstance(one, Document)]
    return (len(batch.content), texts) if any(texts) else None


def _strings(value: object) -> Iterator[str]:
    """All texts in a value of JSON."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in cast("Mapping[str, object]", value).values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in cast("list[object]", value):
            yield from _strings(item)


def bytes_per_token_of_own(text: Sampled, num_pieces: int) -> float:
    """Of text that a vocabulary was learned on, of which `num_pieces` pieces are.

    Latin characters come 3.05 a token, other spaced ones 2.3, those of scripts without spaces 0.95, and a little more
    with each doubling of a vocabulary above 4,096 pieces, or 2,000: as vocabularies that this program learned were
    counted (docs/planning.md).
    """
    latin = 3.05 + 0.27 * max(0.0, math.log2(num_pieces / 4_096))
    doublings = max(0.0, math.log2(num_pieces / 2_000))
    foreign = 2.3 + 0.2 * doublings if text.spaced else 0.95 + 0.1 * doublings
    return text.bytes_per_character / ((1 - text.foreign_share) / latin + text.foreign_share / foreign)


def bytes_per_token_of_other(text: Sampled) -> float:
    """Of text in another language than the one that a small vocabulary was learned on.

    Characters that it has no pieces for are a token a byte, Latin ones come in short pieces.
    """
    return text.bytes_per_character / ((1 - text.foreign_share) / 1.6 + text.foreign_share * text.foreign_bytes)


def bytes_per_token_of_published(text: Sampled) -> float:
    """Of text with the vocabulary of a published model, which nobody has counted here: 3.6 Latin, 1.2 other bytes."""
    foreign = text.foreign_share * text.foreign_bytes / text.bytes_per_character
    return 1 / ((1 - foreign) / 3.6 + foreign / 1.2)
