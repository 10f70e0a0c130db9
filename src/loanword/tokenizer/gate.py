"""What an extension must leave alone: how the base encodes the source language.

Source text quotes other languages. A word (what spaces part) that holds a character foreign to the source is a
quotation: it may be encoded otherwise after an extension, since such characters are what the extension is for.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from loanword.tokenizer.interface import Tokenizer
from loanword.tokenizer.words import BATCH_CHARACTERS, batches, encode_flat
from loanword.tokenizer.workers import ordered_map
from loanword.writing import script_letters

FOREIGN_SHARE = 0.01
FOREIGN_RATIO = 100
LEAST_EXPECTED = 10

Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Gate:
    """The characters, and the pairs of ids side by side, that source text has outside quotations.

    New pieces merge after all of the base's, so one fires exactly where its two parts end up side by side.
    """

    characters: frozenset[str]
    pairs: frozenset[tuple[int, int]]


def gate(base: Tokenizer, texts: Iterable[str], foreign: frozenset[str], *, num_workers: int = 1) -> Gate:
    """What a base makes of source texts."""
    characters: set[str] = set()
    pairs: set[tuple[int, int]] = set()
    segments = (segment for text in texts for segment in plain_segments(text, foreign))
    for more_characters, left, right in ordered_map(
        partial(_side_by_side, base), batches(segments, BATCH_CHARACTERS), num_workers
    ):
        characters |= more_characters
        pairs.update(zip(left.tolist(), right.tolist(), strict=True))
    return Gate(frozenset(characters), frozenset(pairs))


def _side_by_side(base: Tokenizer, segments: Sequence[str]) -> tuple[set[str], Ids, Ids]:
    """Characters of segments, and the different pairs of ids side by side in their spans."""
    spans = {span for segment in segments for span in base.spans(segment)}
    length_W, ids = encode_flat(base, spans)
    goes_on = np.ones(len(ids), dtype=bool)
    goes_on[np.cumsum(length_W[length_W > 0]) - 1] = False
    places = np.flatnonzero(goes_on)
    pairs = np.unique(ids[places].astype(np.int64) << 32 | ids[places + 1])
    return set[str]().union(*segments), pairs >> 32, pairs & 0xFFFFFFFF


def plain_segments(text: str, foreign: frozenset[str]) -> Sequence[str]:
    """A source text's parts between quotations, in order, without the spaces around quotations."""
    if foreign.isdisjoint(text):
        return [text]
    return [" ".join(words) for plain, words in groupby(text.split(" "), foreign.isdisjoint) if plain]


def foreign_characters(target: Counter[str], source: Counter[str]) -> frozenset[str]:
    """Characters of the target that the source only quotes, from how often each occurs in either.

    They are the letters of scripts that the target writes (1 % of its letters) and the source does not, and every
    character that is a hundred times as frequent in the target: Vietnamese shares its script with English. Where so
    little source text would hold a character less than ten times, were it as frequent there, its absence says nothing.
    """
    scripts = {letter: script for letter in target | source for script in script_letters(letter)}
    target_shares, source_shares = _script_shares(target, scripts), _script_shares(source, scripts)
    foreign_scripts = {
        script
        for script, share in target_shares.items()
        if share >= FOREIGN_SHARE and source_shares.get(script, 0.0) < FOREIGN_SHARE
    }
    target_per_source = max(1, target.total()) / max(1, source.total())
    return frozenset(
        character
        for character, count in target.items()
        if scripts.get(character) in foreign_scripts
        or count >= target_per_source * max(LEAST_EXPECTED, FOREIGN_RATIO * source[character])
    )


def _script_shares(characters: Counter[str], scripts: dict[str, str]) -> dict[str, float]:
    counts: Counter[str] = Counter()
    for character, count in characters.items():
        if character in scripts:
            counts[scripts[character]] += count
    return {script: count / counts.total() for script, count in counts.items()}
