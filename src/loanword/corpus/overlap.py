"""How much of a benchmark is in a text that is trained on, and texts that hold what a frozen list names.

In: documents, and what is asked; or a file of records {id, text}. Out: one Overlap an example.

Only what is asked is held in memory; documents stream past it, and are counted alike by any number of processes.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from loanword.corpus.matching import Found, Matcher
from loanword.errors import UserError
from loanword.protocols import Progress, silent
from loanword.recipe import OverlapConfig
from loanword.records import Document, Overlap, Record, read_lines
from loanword.tokenizer.workers import ordered_map

BATCH_CHARACTERS = 500_000
PIECE_OVERLAP_CHARACTERS = 50_000
"""How much two pieces of a long document share, so that an example is whole in one of them."""


class ExampleText(NamedTuple):
    """What a benchmark asks, in full: passage, question and options."""

    id: str
    text: str


class ListedText(Record):
    """A line of a frozen list."""

    id: str
    text: str


class _Piece(NamedTuple):
    document: str
    text: str
    is_last: bool


def measure(
    documents: Iterable[Document],
    examples: Sequence[ExampleText],
    config: OverlapConfig,
    num_workers: int = 1,
    progress: Progress = silent,
) -> list[Overlap]:
    """How much of each example is in the documents, in the order of the examples.

    `num_found` counts n-grams over all documents; `short_share` and `document` are of the one that holds most. Of
    documents that hold as much the first counts.
    """
    matcher = Matcher([example.text for example in examples], config)
    ngrams: list[set[int]] = [set() for _ in examples]
    most, where = [(0.0, 0)] * len(examples), [""] * len(examples)

    def search(batch: list[_Piece]) -> tuple[list[Found], list[_Piece]]:
        found = matcher.search([piece.text for piece in batch])
        return found, [piece._replace(text="") for piece in batch]

    num_documents = 0
    for found, pieces in ordered_map(search, _batches(documents), num_workers):
        for one in found:
            ngrams[one.example] |= one.ngrams
            if (held := (one.share, len(one.ngrams))) > most[one.example]:
                most[one.example], where[one.example] = held, pieces[one.text].document
        num_documents += sum(piece.is_last for piece in pieces)
        progress(num_documents, 0, "documents")
    return [
        Overlap(
            id=example.id,
            num_ngrams=int(matcher.num_ngrams[place]),
            num_found=len(ngrams[place]),
            short_share=most[place][0],
            touched=_is_touched(len(ngrams[place]), most[place][0], config),
            document=where[place],
        )
        for place, example in enumerate(examples)
    ]


class FrozenList:
    """Texts of a file that no text which is trained on may hold; a text holds one as a document touches an example.

    Raises:
        UserError: no such file, a line that holds no text with an id, or no line at all.
    """

    def __init__(self, path: Path, config: OverlapConfig | None = None) -> None:
        listed = _listed(path)
        self._config = config or OverlapConfig()
        self._ids = [one.id for one in listed]
        self._matcher = Matcher([one.text for one in listed], self._config)

    def holds(self, text: str) -> str | None:
        """The id of a listed text that is in a text, the first of the list where several are."""
        return self.held([text])[0]

    def held(self, texts: Sequence[str]) -> list[str | None]:
        """What `holds` says of each text; of many short ones at once it is several times as fast."""
        pieces = [(place, piece) for place, text in enumerate(texts) for piece in _pieces(text)]
        first = [len(self._ids)] * len(texts)
        for one in self._matcher.search([piece for _, piece in pieces]):
            if _is_touched(len(one.ngrams), one.share, self._config):
                place = pieces[one.text][0]
                first[place] = min(first[place], one.example)
        return [self._ids[example] if example < len(self._ids) else None for example in first]


def _is_touched(num_found: int, share: float, config: OverlapConfig) -> bool:
    return num_found > 0 or share >= config.min_share


def _listed(path: Path) -> list[ListedText]:
    if not path.is_file():
        raise UserError(
            path,
            "no such file",
            expected="a frozen list of texts, a record {id, text} a line",
            do="write one (loanword overlap list), or mend the name",
        )
    listed = list(read_lines(ListedText, path))
    if not listed:
        raise UserError(
            path, "empty", expected="a record {id, text} a line", do="name what is to be left out, or leave without out"
        )
    return listed


def _batches(documents: Iterable[Document]) -> Iterator[list[_Piece]]:
    """Pieces of documents, about as much text at a time, whole documents wherever they are not long."""
    waiting: list[_Piece] = []
    num_characters = 0
    for document in documents:
        pieces = list(_pieces(document.text))
        for number, piece in enumerate(pieces, start=1):
            waiting.append(_Piece(document.id, piece, number == len(pieces)))
            num_characters += len(piece)
            if num_characters >= BATCH_CHARACTERS:
                yield waiting
                waiting, num_characters = [], 0
    if waiting:
        yield waiting


def _pieces(text: str) -> Iterator[str]:
    """A text in pieces that bound the memory of a search."""
    yield text[:BATCH_CHARACTERS]
    step = BATCH_CHARACTERS - PIECE_OVERLAP_CHARACTERS
    for first in range(step, len(text) - PIECE_OVERLAP_CHARACTERS, step):
        yield text[first : first + BATCH_CHARACTERS]
