"""Corpora on disk as the corpus stage leaves them."""

from collections.abc import Sequence
from pathlib import Path

from loanword.records import Document, write_lines


def written(texts: Sequence[str], folder: Path, num_files: int = 1) -> list[Path]:
    """Files of documents in the order of `texts`, about as many in each."""
    folder.mkdir(parents=True, exist_ok=True)
    size = -(-len(texts) // num_files) or 1
    files: list[Path] = []
    for first in range(0, max(1, len(texts)), size):
        files.append(folder / f"documents-{len(files):05}.jsonl")
        documents = [Document(id=str(first + n), text=text) for n, text in enumerate(texts[first : first + size])]
        write_lines(documents, files[-1])
    return files
