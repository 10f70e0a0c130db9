"""A corpus as one stream of ids, in which every document is BOS, its ids, EOS.

In: a corpus's files, one canonical record {id, text} a line.
Out: what `shards` writes, and `counts.json`.

Files are read in units of whole lines, by as many processes as there are; their documents are appended in order. What
is written follows from the text and the tokenizer alone: neither the number of processes nor a kill changes a byte.
"""

import json
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np

from loanword.errors import UserError
from loanword.protocols import Progress, Say, quiet, silent
from loanword.records import TokenCounts, write_json
from loanword.tokenizer.fast import LIBRARY, Encoder, FastEncoder, exact_encoder, fast_encoder, framed
from loanword.tokenizer.workers import ordered_map
from loanword.tokens.shards import SHARD_TOKENS, Encoded, Place, ShardWriter, id_type

UNIT_BYTES = 1_500_000
COMPARED_EVERY = 200
"""One document of so many is compared, where another library encodes; the first of every unit is among them."""


class _Lines(NamedTuple):
    path: Path
    begin: int
    end: int
    following: Place


class _Result(NamedTuple):
    documents: Encoded
    following: Place
    unlike: str | None


class _Corpus(NamedTuple):
    files: Sequence[Path]
    unit_bytes: int
    num_workers: int
    watch: Callable[[], None]


def tokenize_corpus(
    files: Sequence[Path],
    tokenizer: Encoder,
    out: Path,
    language: str,
    progress: Progress = silent,
    *,
    total_bytes: int = 0,
    num_workers: int = 1,
    say: Say = quiet,
    shard_tokens: int = SHARD_TOKENS,
    unit_bytes: int = UNIT_BYTES,
) -> TokenCounts:
    """Writes the token stream of a corpus's files to `out`, in their order. Special tokens carry no bytes.

    Progress is in bytes of text; `total_bytes` is only for it. Where another library encodes and a document that is
    compared has other ids, or the library refuses one, the whole stream is written again by the tokenizer itself.

    Raises:
        UserError: a line is no document.
    """
    writer = ShardWriter(out, shard_tokens)
    encoder = exact_encoder(tokenizer)
    if writer.library != encoder.library:
        encoder = fast_encoder(tokenizer, say)
    if writer.library != encoder.library:
        writer.begin(encoder.library)
    corpus = _Corpus(files, unit_bytes, num_workers, lambda: progress(writer.num_bytes, total_bytes, "bytes"))
    unlike = _write(corpus, encoder, tokenizer, writer)
    if unlike is not None:
        say(
            f"{encoder.library} does not give this tokenizer's ids ({unlike}); the tokenizer encodes by itself instead."
        )
        encoder = exact_encoder(tokenizer)
        writer.begin(encoder.library)
        _write(corpus, encoder, tokenizer, writer)
    shards = writer.finish()
    made = TokenCounts(
        language=language,
        num_documents=sum(shard.num_documents for shard in shards),
        num_bytes=sum(shard.num_bytes for shard in shards),
        num_tokens=sum(shard.num_tokens for shard in shards),
    )
    write_json(made, out / "counts.json")
    return made


def _write(corpus: _Corpus, encoder: FastEncoder, tokenizer: Encoder, writer: ShardWriter) -> str | None:
    """Appends what the corpus holds from `writer.next` on; says what has other ids or is refused, and stops there."""
    encode = partial(_encoded, encoder, tokenizer)
    # A process that has nothing to do is not started.
    num_workers = min(corpus.num_workers, 1 + sum(path.stat().st_size for path in corpus.files) // corpus.unit_bytes)
    mapped = ordered_map(encode, _units(corpus, writer.next), num_workers)
    with closing(cast("Generator[_Result | UserError]", mapped)) as results:
        for result in results:
            if isinstance(result, UserError):
                raise result
            if result.unlike is not None:
                return result.unlike
            writer.add(result.documents, result.following)
            corpus.watch()
    return None


def _units(corpus: _Corpus, place: Place) -> Iterator[_Lines]:
    """Whole lines from a place on, about so many bytes at once; the same units wherever it begins with one."""
    for number in range(place.file, len(corpus.files)):
        path = corpus.files[number]
        begin, size = place.byte if number == place.file else 0, path.stat().st_size
        with path.open("rb") as file:
            while begin < size:
                file.seek(min(begin + corpus.unit_bytes, size) - 1)
                file.readline()
                end = file.tell()
                following = Place(number, end) if end < size else Place(number + 1, 0)
                yield _Lines(path, begin, end, following)
                begin = end


def _encoded(encoder: FastEncoder, tokenizer: Encoder, lines: _Lines) -> _Result | UserError:
    with lines.path.open("rb") as file:
        file.seek(lines.begin)
        read = file.read(lines.end - lines.begin).removesuffix(b"\n").split(b"\n")
    texts: list[str] = []
    sizes: list[int] = []
    for number, line in enumerate(read):
        try:
            texts.append(json.loads(line)["text"])
            sizes.append(len(texts[-1].encode()))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return _no_document(lines, number, error)
    kind = id_type(tokenizer.num_pieces)
    unlike = encoder.differs(texts[::COMPARED_EVERY])
    try:
        encoded = encoder.encode(texts)
    except ValueError as error:
        if encoder.library != LIBRARY:
            raise
        nothing = np.empty(0, np.int64)
        return _Result(Encoded(nothing.astype(kind), nothing, nothing), lines.following, unlike or str(error))
    ids, num_tokens = framed(encoded, tokenizer.bos_id, tokenizer.eos_id)
    return _Result(Encoded(ids.astype(kind), num_tokens, np.array(sizes, np.int64)), lines.following, unlike)


def _no_document(lines: _Lines, number: int, error: Exception) -> UserError:
    # An error goes to the process that writes as a value: raised here, it would end this process and say nothing.
    with lines.path.open("rb") as file:
        before = file.read(lines.begin).count(b"\n")
    return UserError(
        f"{lines.path}:{before + number + 1}",
        f"is no document: {type(error).__name__}: {error}",
        expected='a line {"id": ..., "text": ...}',
        do="remove the corpus artifact, and run the study again",
    )
