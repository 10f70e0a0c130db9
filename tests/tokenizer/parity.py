"""Ids of one tokenizer by several hands, on the real corpora."""

import gzip
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import sentencepiece
import tiktoken

from loanword.tokenizer.load import load_tokenizer

LANGUAGES = ("en", "zh", "ar", "bn", "gu", "hi", "id", "ml", "mr", "ne", "sw", "ta", "te", "ur", "vi")
_GPT_2 = r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""

Encode = Callable[[Sequence[str]], list[list[int]]]


@dataclass(frozen=True)
class Case:
    """A tokenizer's file or folder as published, and the folder that we saved it in again."""

    source: Path
    saved: Path


@dataclass(frozen=True)
class Compared:
    """Documents, and how many of them another hand gives other ids than we do; `where` names the first of these."""

    case: Case
    language: str
    num_documents: int
    num_unlike: int
    where: str


def documents(data: Path, language: str) -> Iterator[str]:
    with gzip.open(data / f"text/{language}.jsonl.gz", "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)["text"]


def compare_corpus(data: Path, case: Case, language: str) -> Compared:
    """On every document of a language, whole."""
    return compare(case, language, documents(data, language))


def compare(case: Case, language: str, texts: Iterable[str]) -> Compared:
    """On some texts."""
    ours = load_tokenizer(case.source)
    others = {"transformers": transformers_of(case.saved)}
    if case.source.is_file() or (case.source / "merges.txt").is_file():
        others["its own library"] = reference(case.source)
    num_documents = num_unlike = 0
    where = ""
    remaining = iter(texts)
    while batch := list(islice(remaining, 64)):
        ids = ours.encode_batch(batch)
        given = {name: encode(batch) for name, encode in others.items()}
        for number, text in enumerate(batch):
            unlike = [name for name, other in given.items() if other[number] != ids[number]]
            num_documents += 1
            num_unlike += bool(unlike)
            if unlike and not where:
                where = f"{', '.join(unlike)}: document {num_documents}, {text[:60]!r}"
    return Compared(case, language, num_documents, num_unlike, where)


def reference(source: Path) -> Encode:
    """The ids of the library that a tokenizer was made with: SentencePiece, or for GPT-2's two files tiktoken."""
    if source.is_dir():
        encoding = _gpt2(source)
        return lambda texts: [encoding.encode_ordinary(text) for text in texts]
    processor = sentencepiece.SentencePieceProcessor(model_file=str(source))
    return lambda texts: processor.encode(list(texts), num_threads=1)


def _gpt2(folder: Path) -> tiktoken.Encoding:
    from tiktoken.load import data_gym_to_mergeable_bpe_ranks

    os.environ["TIKTOKEN_CACHE_DIR"] = ""
    ranks = data_gym_to_mergeable_bpe_ranks(str(folder / "merges.txt"), str(folder / "vocab.json"))
    return tiktoken.Encoding("gpt2", pat_str=_GPT_2, mergeable_ranks=ranks, special_tokens={"<|endoftext|>": 50256})


def transformers_of(folder: Path) -> Encode:
    """The ids of transformers' AutoTokenizer, without BOS, special tokens in the text not minded."""
    from transformers import AutoTokenizer

    fast = AutoTokenizer.from_pretrained(folder)

    def encode(texts: Sequence[str]) -> list[list[int]]:
        return fast(list(texts), add_special_tokens=False, split_special_tokens=True).input_ids

    return encode
