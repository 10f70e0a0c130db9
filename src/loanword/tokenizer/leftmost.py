"""Pieces of one score above all others, which SentencePiece joins leftmost first and no ranked list of merges does.

The Chinese-LLaMA recipe gives every piece that it appends this score. What comes of joining them leftmost first is the
longest match from the left among those that merges of this score alone lead to; so `tokenizers` is told to split text
into these matches before it merges, and to take what equals a piece whole. What equals a piece that merges do not lead
to ("<s>" between two matches) is split once more, where SentencePiece has a border.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

from loanword.tokenizer.proto import Model, PieceType

# Branches that a regular expression tries one after the other before it halves them.
_MAX_BRANCHES = 8


def leftmost_pre_tokenizer(model: Model) -> dict[str, Any] | None:
    """The pre-tokenizer that, with `ignore_merges`, splits as the pieces of highest score do; None where merges do too.

    It is None too where a lower merge would join two matches: then no tokenizer.json gives SentencePiece's ids.
    """
    scores = {piece.piece: piece.score for piece in model.pieces if piece.type == PieceType.NORMAL}
    highest = max(scores.values(), default=0.0)
    tied = {text: score for text, score in scores.items() if score == highest}
    matches = {text for text in _beyond_merges(tied, scores) if _symbols(text, tied) == [text]}
    if not matches:
        return None
    texts = [piece.piece for piece in model.pieces if piece.type != PieceType.USER_DEFINED]
    symbols = {text: _symbols(text, scores) for text in texts}
    reached = {text for text in scores if symbols[text] == [text]}
    if any(_joins(text, reached, matches) for text in reached - matches):
        return None
    splits = [_longest(matches), _borders({text: symbols[text] for text in texts if symbols[text] != [text]})]
    return {"type": "Sequence", "pretokenizers": [
        {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False} for pattern in splits
    ]}  # fmt: skip


def _beyond_merges(tied: Collection[str], pieces: Collection[str]) -> set[str]:
    """Tied pieces that can claim a character which another, or the same a second time, claims, or that hold a character
    which is no piece and so has no merges; and what contains one."""
    starts = {text[:end] for text in tied for end in range(1, len(text))}
    ends = {text[start:] for text in tied for start in range(1, len(text))}
    found = {
        text
        for text in tied
        if any(text[cut:] in starts or text[:cut] in ends for cut in range(1, len(text)))
        or (len(text) > 1 and any(character not in pieces for character in text))
    }
    return found | {text for text in tied if any(part in found for part in _parts(text))}


def _parts(text: str) -> Iterator[str]:
    return (text[start:end] for start in range(len(text)) for end in range(start + 1, len(text) + 1))


def _symbols(text: str, scores: Mapping[str, float]) -> list[str]:
    """What SentencePiece makes of a text: the adjacent symbols of highest joint score are joined, leftmost first."""
    symbols = list(text)
    while True:
        joints = [(-scores[joint], at) for at in range(len(symbols) - 1)
                  if (joint := symbols[at] + symbols[at + 1]) in scores]  # fmt: skip
        if not joints:
            return symbols
        _, at = min(joints)
        symbols[at : at + 2] = [symbols[at] + symbols[at + 1]]


def _joins(text: str, reached: Collection[str], matches: Collection[str]) -> bool:
    """Whether merging to a text crosses the border of a match."""
    for cut in range(1, len(text)):
        left, right = text[:cut], text[cut:]
        if left in reached and right in reached:
            ends = (left[start:] for start in range(cut))
            starts = (right[:end] for end in range(1, len(right) + 1))
            if any(part in matches for part in (*ends, *starts)):
                return True
    return False


def _borders(symbols: Mapping[str, Sequence[str]]) -> str:
    """A regular expression for the start of each text that is one of these, up to a border between its symbols."""
    starts: list[str] = []
    for text, parts in symbols.items():
        cuts = accumulate(map(len, parts[:-1]))
        fits = (cut for cut in cuts if text[:cut] not in symbols and text[cut:] not in symbols)
        cut = next(fits, len(parts[0]))
        starts.append(rf"{re.escape(text[:cut])}(?={re.escape(text[cut:])}\z)")
    # Most of what is looked at is none of these, which the look ahead finds out fast.
    return rf"\A(?={_longest(symbols)}\z)(?:{'|'.join(starts)})"


def _longest(texts: Iterable[str]) -> str:
    """A regular expression for the longest of some texts."""
    return _branches(sorted(_trie(texts).items()))


def _trie(texts: Iterable[str]) -> dict[str, Any]:
    """Characters lead on to tries; "" marks an end."""
    root: dict[str, Any] = {}
    for text in texts:
        node = root
        for character in (*text, ""):
            node = node.setdefault(character, {})
    return root


def _branches(nodes: Sequence[tuple[str, dict[str, Any]]]) -> str:
    """What leads on from a place in a trie; a look at the next character halves the many branches."""
    if len(nodes) > _MAX_BRANCHES:
        half = len(nodes) // 2
        first, last = re.escape(nodes[0][0]), re.escape(nodes[half - 1][0])
        return f"(?:(?=[{first}-{last}]){_branches(nodes[:half])}|{_branches(nodes[half:])})"
    return f"(?:{'|'.join(re.escape(character) + _after(node) for character, node in nodes)})"


def _after(node: dict[str, Any]) -> str:
    nodes = sorted((character, child) for character, child in node.items() if character)
    if not nodes:
        return ""
    return _branches(nodes) + ("?" if "" in node else "")
