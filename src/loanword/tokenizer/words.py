"""The different words of texts with their counts, as text and as ids: what continued BPE and its gate count in.

A word lies inside one span of the base, across whose ends no merge goes, and all its letters are of one script. Each
different word is kept once; where there are more than MAX_WORDS of them the rarest are let go of, and counted.

Shapes: W words, S symbols of all of them.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain, islice
from typing import NamedTuple

import numpy as np
import regex
from numpy.typing import NDArray

from loanword.tokenizer.interface import BYTE_OF, Tokenizer
from loanword.tokenizer.workers import ordered_map
from loanword.writing import SCRIPTS

# 45 MB of Chinese, in which whole clauses are words, have 1.2 million different ones; 45 MB of English 0.25 million.
MAX_WORDS = 4_000_000

BATCH_CHARACTERS = 500_000
_LOT_WORDS = 10_000

_JAPANESE = ("Han", "Hiragana", "Katakana")
_SCRIPT_SETS = [
    "".join(rf"\p{{Script={name}}}" for name in _JAPANESE),
    *(rf"\p{{Script={name}}}" for name in SCRIPTS if name not in _JAPANESE),
]
_NO_LETTER = r"[\p{Script=Common}\p{Script=Inherited}]"

# A space starts a word and digits stand alone, as LLaMA's trainer has it; letters of one script stay together, and
# whether their language writes spaces makes no difference: without them a word is a whole run of letters.
# Punctuation is tried first because it is frequent; it begins no run of letters.
_LETTERS = [rf"[[{letters}\p{{Script=Inherited}}ー]--[\p{{N}}\p{{P}}▁]]+" for letters in _SCRIPT_SETS]
_UNLISTED = rf"[[\p{{L}}\p{{M}}]--[{''.join(_SCRIPT_SETS)}]]+"
_OTHERS = r"[^\p{L}\p{M}\p{N}\s▁]+"
_PUNCTUATION = rf"(?=[\p{{Script=Common}}--[\p{{L}}\p{{M}}]]){_OTHERS}"
_WORD = regex.compile(rf"\p{{N}}|▁?(?:{'|'.join([_PUNCTUATION, *_LETTERS, _UNLISTED, _OTHERS])})|▁|\s", regex.V1)

# A byte-level base has parted text into words of its own by now: only scripts that meet in one are parted still.
_UNKNOWN = rf"[^{''.join(_SCRIPT_SETS)}\p{{Script=Common}}\p{{Script=Inherited}}]"
_RUNS = "|".join(rf"[{letters}{_NO_LETTER}]++" for letters in [*_SCRIPT_SETS, _UNKNOWN])
_ONE_SCRIPT = regex.compile(rf"{_NO_LETTER}*+(?:{_RUNS})|{_NO_LETTER}++", regex.V1)

_LATIN_OF = {ord(letter): chr(byte) for letter, byte in BYTE_OF.items()}
_LETTER_OF = {byte: letter for letter, byte in BYTE_OF.items()}


class CountedWords(NamedTuple):
    """Words in a tokenizer's alphabet, the characters of the texts, and words let go of, each time that one occurs."""

    counts: dict[str, int]
    characters: Counter[str]
    num_dropped: int


class EncodedWords(NamedTuple):
    """Symbols of words one after another, how many each word has, and how often it occurs."""

    symbol_S: NDArray[np.int32]
    length_W: NDArray[np.int32]
    count_W: NDArray[np.int64]


def count_words(base: Tokenizer, texts: Iterable[str], *, num_workers: int = 1,
                max_words: int = MAX_WORDS, batch_characters: int = BATCH_CHARACTERS) -> CountedWords:  # fmt: skip
    """The words of texts, in no order that means anything; exact where there are at most `max_words` different ones.

    Beyond that the words seen least often so far are let go of, down to half as many.
    """
    words: Counter[str] = Counter()
    characters: Counter[str] = Counter()
    num_dropped = 0
    for of_batch in ordered_map(partial(_count, base), batches(texts, batch_characters), num_workers):
        words.update(of_batch.counts)
        characters.update(of_batch.characters)
        if len(words) > max_words:
            num_dropped += _drop_rare(words, max_words // 2)
    return CountedWords(words, characters, num_dropped)


def encode_words(base: Tokenizer, counts: Mapping[str, int], *, num_workers: int = 1) -> EncodedWords:
    """Words as a base encodes each by itself."""
    lots = ordered_map(partial(encode_flat, base), _lots(counts), num_workers)
    lengths, symbols = zip(*lots, strict=True) if counts else ([_NONE], [_NONE])
    return EncodedWords(
        np.concatenate(symbols), np.concatenate(lengths), np.fromiter(counts.values(), np.int64, len(counts))
    )


def encode_flat(base: Tokenizer, spans: Iterable[str]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """How many ids each span has, and the ids of all of them."""
    encoded = base.encode_spans(spans)
    length_W = np.fromiter(map(len, encoded), np.int32, len(encoded))
    return length_W, np.fromiter(chain.from_iterable(encoded), np.int32, int(length_W.sum()))


def batches(texts: Iterable[str], num_characters: int) -> Iterator[list[str]]:
    """Texts in lists of that many characters, or as few more as whole texts give."""
    batch: list[str] = []
    size = 0
    for text in texts:
        batch.append(text)
        size += len(text)
        if size >= num_characters:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


_NONE = np.zeros(0, np.int32)


def _count(base: Tokenizer, texts: Sequence[str]) -> CountedWords:
    spans = chain.from_iterable(map(base.spans, texts))
    if base.family == "sentencepiece":
        counts = Counter(chain.from_iterable(map(_WORD.findall, spans)))
    else:
        counts = _count_bytewise(Counter(spans))
    return CountedWords(counts, Counter("".join(texts)), 0)


def _count_bytewise(spans: Counter[str]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for span, count in spans.items():
        text = span.translate(_LATIN_OF).encode("latin-1").decode()
        for word in _ONE_SCRIPT.findall(text):
            counts[word] += count
    return Counter({word.encode().decode("latin-1").translate(_LETTER_OF): count for word, count in counts.items()})


def _drop_rare(words: Counter[str], num_kept: int) -> int:
    """Takes the rarest words out, and says how often they occurred."""
    remaining, limit, num_dropped = len(words), 0, 0
    for count, num_words in sorted(Counter(words.values()).items()):
        if remaining <= num_kept:
            break
        remaining, limit, num_dropped = remaining - num_words, count, num_dropped + count * num_words
    for word in [word for word, count in words.items() if count <= limit]:
        del words[word]
    return num_dropped


def _lots(words: Iterable[str]) -> Iterator[list[str]]:
    remaining = iter(words)
    while lot := list(islice(remaining, _LOT_WORDS)):
        yield lot
