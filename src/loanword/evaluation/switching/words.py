"""Words of another language that is written in the same script, as English within Indonesian.

A word in small letters counts where the other language is likely enough for it, or for it and its neighbour together.
Names and loans between words that count are marked with them.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import regex

from loanword.evaluation.switching.exempt import kind
from loanword.evaluation.switching.languages import CACHED_WORDS, code_of, known, word_odds
from loanword.evaluation.switching.runs import Word, clauses_at
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


class Evidence(NamedTuple):
    """Which other language a word is likeliest in, and how much likelier than in the expected one, as log-odds."""

    language: str
    odds: float


_AT_HOME = Evidence("", -math.inf)
"""What a word says that is in the expected language's dictionary, or a loan."""


class _Said(NamedTuple):
    """What a word says: it may count ("word"), or is a name, a name or a word ("first"), a connector, or neutral."""

    role: str
    language: str = ""
    odds: float = 0.0

    @property
    def joins(self) -> bool:
        return self.role in ("word", "first") and self.odds >= _MIN_JOINING


_NEUTRAL, _NAME = _Said("neutral"), _Said("name")


def word_evidence(expected: str, others: Sequence[str]) -> Callable[[str], Evidence] | None:
    """What is to be said of words in small letters; None where none of the other languages shares the script, and for a
    language that no library has."""
    script, own = writing(expected).scripts[0], code_of(expected)
    same_script = dict.fromkeys(code_of(each) for each in others if writing(each).scripts[0] == script)
    others = [each for each in same_script if each != own]
    odds_of = word_odds(own, others) if others and writing(expected).spaced else None
    if odds_of is None:
        return None
    own_loans = loans(own)
    functions = function_words("en") if "en" in others and own in _SHARE_NO_FUNCTION_WORDS else frozenset[str]()

    def evidence(word: str) -> Evidence:
        if word in functions:
            return Evidence("en", odds_of(word)[1] + _FUNCTION_WORD)
        if word in own_loans or known(word, own):
            return _AT_HOME
        language, odds = odds_of(word)
        in_dictionary = known(word, language)
        if in_dictionary is False:
            odds = min(odds, _MAX_UNKNOWN)
        elif in_dictionary:
            odds += {True: _FIT_SHAPE, False: _ODD_SHAPE, None: 0.0}[fits(word, own)]
        return Evidence(language, odds)

    return lru_cache(maxsize=CACHED_WORDS)(evidence)


def switched_words(
    expected: str, evidence: Callable[[str], Evidence] | None, min_posterior: float
) -> Callable[[str, Sequence[Word], frozenset[str]], list[SwitchedSpan]]:
    """Finds words of the other languages that share the expected one's script; exempt ones do not count."""
    if evidence is None:
        return lambda text, found, exempt: []
    script = writing(expected).scripts[0]
    least = math.log(min_posterior / (1 - min_posterior)) if min_posterior < 1 else math.inf
    said_of = _said(evidence)

    def find(text: str, found: Sequence[Word], exempt: frozenset[str]) -> list[SwitchedSpan]:
        spans: list[SwitchedSpan] = []
        own = [word for word in found if word.script == script]
        said = [said_of(word.text) for word in own]
        for at, each in enumerate(said):
            if each is _NAME and (not at or _BREAK.search(text, own[at - 1].end, own[at].start)):
                said[at] = _first(evidence(own[at].text.lower()))
        # What is less likely counts neither by itself nor with a neighbour.
        likely = [at for at, each in enumerate(said) if each.odds * 2 >= least]
        for first_word, after in clauses_at(text, own, likely, _BREAK):
            clause = own[first_word:after]
            seen = _roles(
                clause,
                [
                    _NEUTRAL if word.text.lower() in exempt else each
                    for word, each in zip(clause, said[first_word:after], strict=True)
                ],
            )
            for first, last in _stretches(text, clause, seen, least):
                best = max(seen[first : last + 1], key=lambda each: each.odds)
                spans.append(
                    SwitchedSpan(start=clause[first].start, end=clause[last].end, level="word", language=best.language)
                )
        return spans

    return find


def _said(evidence: Callable[[str], Evidence]) -> Callable[[str], _Said]:
    @lru_cache(maxsize=CACHED_WORDS)
    def said(word: str) -> _Said:
        looks = kind(word)
        if looks == "symbol":
            return _NEUTRAL
        if looks == "name":
            return _NAME
        found = evidence(word)
        role = "neutral" if found is _AT_HOME else "connector" if word in listed("connectors") else "word"
        return _Said(role, found.language, found.odds)

    return said


def _first(found: Evidence) -> _Said:
    """What a word with a capital says that begins a clause."""
    return _NEUTRAL if found is _AT_HOME else _Said("first", found.language, found.odds)


def _roles(clause: Sequence[Word], said: Sequence[_Said]) -> list[_Said]:
    """A connector beside a name is part of it. What begins a clause with a capital is a word, if no name follows."""
    names = [False, *(kind(word.text) != "word" for word in clause), False]
    changed: list[_Said] = []
    for at, each in enumerate(said, start=1):
        role = each.role
        if role == "connector":
            role = "neutral" if names[at - 1] or names[at + 1] else "word"
        elif role == "name" or (role == "first" and names[2]):
            role = "neutral"
        elif role == "first" and clause[0].text.lower() in function_words("en"):
            role = "word"
        changed.append(each if role == each.role else each._replace(role=role))
    return changed


def _stretches(text: str, clause: Sequence[Word], seen: Sequence[_Said], least: float) -> Iterator[tuple[int, int]]:
    """First and last of the words that count, with those that join them."""
    counted = [each.role == "word" and each.odds >= least for each in seen]
    for at, (one, two) in enumerate(pairwise(seen)):
        both = one.role in ("word", "first") and two.role == "word" and min(one.odds, two.odds) > 0
        if both and one.odds + two.odds >= least and text[clause[at].end : clause[at + 1].start].isspace():
            counted[at] = counted[at + 1] = True
    if not any(counted):
        return
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
