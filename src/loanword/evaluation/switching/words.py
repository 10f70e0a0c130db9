"""Words of another language that is written in the same script, as English within Indonesian.

A word in small letters counts where the other language is likely enough for it, or for it and its neighbour together.
Names and loans between words that count are marked with them.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import regex

from loanword.evaluation.switching.exempt import kind
from loanword.evaluation.switching.languages import CACHED_WORDS, known, word_odds
from loanword.evaluation.switching.runs import Word, words
from loanword.evaluation.switching.vocabulary import fits, function_words, listed, loans
from loanword.records import SwitchedSpan
from loanword.writing import writing

# Log-odds on top of what the library says, for a word that cannot be the expected language's by its shape, and for one
# that can; the most for a word that the other language's dictionary lacks. Set on the first half of FLORES, as is what
# English words like "but" and "in" are worth in languages that share next to none of them.
_ODD_SHAPE, _FIT_SHAPE = 1.0, -0.7
_MAX_UNKNOWN = 0.4
_FUNCTION_WORD = 1.5
_SHARE_NO_FUNCTION_WORDS = frozenset({"id", "ms", "sw"})

# Words beside one that counts join it unless the expected language is e times likelier for them; so many that are in
# no language may stand between two.
_MIN_JOINING = -1.0
_MAX_BETWEEN = 2

_BREAK = regex.compile(r"""[\n.!?;:"“”„«»‹›「」『』《》()（）\[\]【】。！？…]""")


@dataclass(frozen=True, slots=True)
class Evidence:
    """Which other language a word is likeliest in, and how much likelier than in the expected one, as log-odds.

    One that is `at_home` is in the expected language's dictionary, or a loan.
    """

    language: str
    odds: float
    at_home: bool


class _Said(NamedTuple):
    """What a word says: it may count ("word"), or is a name, a name or a word ("first"), a connector, or neutral."""

    role: str
    language: str = ""
    odds: float = 0.0

    @property
    def joins(self) -> bool:
        return self.role in ("word", "first") and self.odds >= _MIN_JOINING


_NEUTRAL = _Said("neutral")


def word_evidence(expected: str, others: Sequence[str]) -> Callable[[str], Evidence] | None:
    """What is to be said of words in small letters; None where none of the other languages shares the script."""
    script = writing(expected).scripts[0]
    others = [each for each in others if writing(each).scripts[0] == script and each != expected]
    if not others or not writing(expected).spaced:
        return None
    odds_of = word_odds(expected, others)
    own_loans = loans(expected)
    functions = function_words("en") if "en" in others and expected in _SHARE_NO_FUNCTION_WORDS else frozenset[str]()

    def evidence(word: str) -> Evidence:
        language, odds = odds_of(word)
        in_dictionary = known(word, language)
        if word in functions:
            return Evidence("en", odds + _FUNCTION_WORD, at_home=False)
        if in_dictionary is False:
            odds = min(odds, _MAX_UNKNOWN)
        elif in_dictionary:
            odds += {True: _FIT_SHAPE, False: _ODD_SHAPE, None: 0.0}[fits(word, expected)]
        return Evidence(language, odds, at_home=word in own_loans or known(word, expected) is True)

    return lru_cache(maxsize=CACHED_WORDS)(evidence)


def switched_words(
    expected: str, evidence: Callable[[str], Evidence] | None, min_posterior: float
) -> Callable[[str, frozenset[str]], list[SwitchedSpan]]:
    """Finds words of the other languages that share the expected one's script; exempt ones do not count."""
    if evidence is None:
        return lambda text, exempt: []
    scripts = writing(expected).scripts
    least = math.log(min_posterior / (1 - min_posterior)) if min_posterior < 1 else math.inf
    said_of = _said(evidence)

    def find(text: str, exempt: frozenset[str]) -> list[SwitchedSpan]:
        spans: list[SwitchedSpan] = []
        for clause in _clauses(text, [word for word in words(text, scripts, own=True) if word.script == scripts[0]]):
            said = [said_of(word.text) for word in clause]
            if max(each.odds for each in said) <= 0:
                continue
            seen = _roles(
                clause,
                [_NEUTRAL if word.text.lower() in exempt else each for word, each in zip(clause, said, strict=True)],
            )
            for first, last in _stretches(text, clause, seen, least):
                best = max(seen[first : last + 1], key=lambda each: each.odds)
                spans.append(
                    SwitchedSpan(start=clause[first].start, end=clause[last].end, level="word", language=best.language)
                )
        return spans

    return find


def _clauses(text: str, found: Sequence[Word]) -> Iterator[list[Word]]:
    clause: list[Word] = []
    for word in found:
        if clause and _BREAK.search(text, clause[-1].end, word.start):
            yield clause
            clause = []
        clause.append(word)
    if clause:
        yield clause


def _said(evidence: Callable[[str], Evidence]) -> Callable[[str], _Said]:
    @lru_cache(maxsize=CACHED_WORDS)
    def said(word: str) -> _Said:
        looks, lower = kind(word), word.lower()
        if looks == "symbol":
            return _NEUTRAL
        found = evidence(lower)
        role = "neutral" if found.at_home else "name" if looks == "name" else "word"
        if role == "word" and lower in listed("connectors"):
            role = "connector"
        return _Said(role, found.language, found.odds)

    return said


def _roles(clause: Sequence[Word], said: Sequence[_Said]) -> list[_Said]:
    """A connector beside a name is part of it. What begins a clause with a capital is a word, if no name follows."""
    names = [False, *(kind(word.text) != "word" for word in clause), False]
    changed: list[_Said] = []
    for at, each in enumerate(said, start=1):
        role = each.role
        if role == "connector":
            role = "neutral" if names[at - 1] or names[at + 1] else "word"
        elif role == "name" and at == 1 and not names[2]:
            role = "word" if clause[0].text.lower() in function_words("en") else "first"
        elif role == "name":
            role = "neutral"
        changed.append(each._replace(role=role))
    return changed


def _stretches(text: str, clause: Sequence[Word], seen: Sequence[_Said], least: float) -> Iterator[tuple[int, int]]:
    """First and last of the words that count, with those that join them."""
    counted = [each.role == "word" and each.odds >= least for each in seen]
    for at, (one, two) in enumerate(pairwise(seen)):
        both = one.role in ("word", "first") and two.role == "word" and min(one.odds, two.odds) > 0
        if both and one.odds + two.odds >= least and text[clause[at].end : clause[at + 1].start].isspace():
            counted[at] = counted[at + 1] = True
    at = 0
    while at < len(seen):
        if not counted[at]:
            at += 1
            continue
        first = last = at
        while first > 0 and seen[first - 1].joins:
            first -= 1
        while (after := _next(seen, counted, last)) is not None:
            last = after
        yield first, last
        at = last + 1


def _next(seen: Sequence[_Said], counted: Sequence[bool], last: int) -> int | None:
    if last + 1 < len(seen) and (counted[last + 1] or seen[last + 1].joins):
        return last + 1
    for after in range(last + 2, min(len(seen), last + 2 + _MAX_BETWEEN)):
        if not all(each.role == "neutral" or each.joins for each in seen[last + 1 : after]):
            return None
        if counted[after]:
            return after
    return None
