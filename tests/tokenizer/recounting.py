"""Continued BPE in the slowest way to say it: on text, counting everything again after each piece."""

from collections import Counter
from collections.abc import Collection
from itertools import pairwise

from loanword.tokenizer.interface import NewPiece, Tokenizer
from loanword.tokenizer.words import count_words

Word = tuple[str, ...]


def recounted(base: Tokenizer, texts: list[str], num_pieces: int,
              gate: Collection[tuple[str, str]] = ()) -> tuple[list[NewPiece], list[Word]]:  # fmt: skip
    """The pieces, and every different word of the texts as they leave it."""
    counts = count_words(base, texts).counts
    lacking = sorted(set("".join(counts)) - set(base.pieces)) if base.family == "sentencepiece" else []
    atoms = base.with_pieces([NewPiece(text=character) for character in lacking])
    order = list(atoms.pieces)
    words = {word: tuple(order[id] for id in ids) for word, ids in zip(counts, atoms.encode_spans(counts), strict=True)}
    found: list[NewPiece] = []
    passed: set[Word] = {*gate}
    while len(found) < num_pieces:
        saved: Counter[Word] = Counter()
        for word, symbols in words.items():
            for symbol in symbols:
                if symbol in lacking:
                    saved[symbol,] += counts[word] * (len(symbol.encode()) - 1)
            for pair in pairwise(symbols):
                if pair not in passed and not set(pair) & set(lacking):
                    saved[pair] += counts[word]
        best = min(saved, key=lambda parts: (-saved[parts], len(parts), [order.index(part) for part in parts]))
        if len(best) == 1:
            lacking.remove(best[0])
            found.append(NewPiece(text=best[0]))
        elif "".join(best) in order or base.num_characters("".join(best)) > 16:
            passed.add(best)
        else:
            order.append("".join(best))
            found.append(NewPiece(text="".join(best), left=best[0], right=best[1]))
            words = {word: _merged(symbols, *best) for word, symbols in words.items()}
    return found, list(words.values())


def _merged(symbols: Word, left: str, right: str) -> Word:
    result: list[str] = []
    for symbol in symbols:
        if result and (result[-1], symbol) == (left, right):
            result[-1] = left + right
        else:
            result.append(symbol)
    return tuple(result)
