"""Likelihood of held-out text, by document.

In: a text file, one document a line (.txt, or .dev and .devtest as FLORES-200 calls its own), or Document records
(.jsonl, .jsonl.gz). Out: DocumentLikelihood records in the file's order. Nats may be compared across vocabularies only
in bits per byte, over identical bytes.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from loanword.errors import UserError
from loanword.protocols import LanguageModel, Progress, silent
from loanword.recipe import LikelihoodsConfig
from loanword.records import Document, DocumentLikelihood, read_lines

_LINES = (".txt", ".dev", ".devtest")
"""What ends the names of files that hold one document a line; FLORES-200's are called `eng_Latn.devtest`."""


def read_held_out(path: Path) -> list[Document]:
    """The documents of a held-out text; lines of a text file are numbered from 1, which are their ids.

    Raises:
        UserError: a missing file, bytes that are not UTF-8, an empty line or file, a line that is no Document.
    """
    if not path.is_file():
        raise UserError(
            path,
            "file not found",
            expected="held-out text (.txt, .jsonl)",
            do="put it there, or correct the path",
        )
    if path.suffix in _LINES:
        documents = list(_lines_as_documents(path))
    elif path.name.endswith((".jsonl", ".jsonl.gz")):
        documents = list(_records(path))
    else:
        raise UserError(
            path,
            f"unknown kind of file {path.suffix!r}",
            expected=f"{', '.join(_LINES)}, .jsonl or .jsonl.gz",
            do="convert the file",
        )
    if not documents:
        raise UserError(path, "no documents", expected="one document a line", do="name a file that holds text")
    return documents


def _lines_as_documents(path: Path) -> Iterator[Document]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                text = line.decode("utf-8").rstrip("\r\n")
            except UnicodeDecodeError as error:
                raise UserError(
                    f"{path}:{number}",
                    f"not UTF-8 at byte {error.start} of the line",
                    expected="UTF-8 text",
                    do="convert the file",
                ) from None
            yield _not_empty(Document(id=str(number), text=text), f"{path}:{number}")


def _records(path: Path) -> Iterator[Document]:
    for number, document in enumerate(read_lines(Document, path), start=1):
        yield _not_empty(document, f"{path}:{number}")


def _not_empty(document: Document, where: str) -> Document:
    if not document.text.strip():
        raise UserError(where, "empty document", expected="text", do="remove the line")
    return document


def document_likelihoods(
    model: LanguageModel,
    documents: Sequence[Document],
    language: str,
    config: LikelihoodsConfig,
    progress: Progress = silent,
) -> list[DocumentLikelihood]:
    """Nats, tokens and bytes of each document, in order; special tokens count in none of them."""
    measured = model.likelihoods(
        [document.text for document in documents],
        window_tokens=config.window_tokens,
        stride_tokens=config.stride_tokens,
        progress=progress,
    )
    return [
        DocumentLikelihood(
            id=document.id,
            language=language,
            nats=likelihood.nats,
            num_tokens=likelihood.num_tokens,
            num_bytes=likelihood.num_bytes,
        )
        for document, likelihood in zip(documents, measured, strict=True)
    ]
