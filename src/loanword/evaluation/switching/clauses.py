"""Clauses in another language that is written in the same script, as Marathi within Hindi.

A clause is what stands between two marks of punctuation; a long one is cut. One that is not surely in the expected
language is also looked at a few words at a time.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

import regex

from loanword.evaluation.switching.exempt import kind
from loanword.evaluation.switching.languages import (
    CACHED_WORDS,
    Probabilities,
    clause_languages,
    other_dictionary,
)
from loanword.evaluation.switching.runs import num_letters
from loanword.records import SwitchedSpan
from loanword.writing import writing

# Where it is not known which words are typical. Probabilities of py3langid are tempered by length: of 506 sentences of
# FLORES in Hindi, Marathi, Nepali, Arabic and Urdu, one to four hold a clause as likely in another language.
MIN_WORDS, MAX_WORDS = 4, 10
MIN_PROBABILITY, MIN_LONG_PROBABILITY, LONG_LETTERS = 0.7, 0.55, 30
MIN_WINDOW_PROBABILITY, WINDOW_WORDS = 0.8, 5
SURE = 0.95

# What stands between typical words is another language's already; the library says whose.
MIN_LETTERS, LEAST, MOST_OWN = 12, 0.5, 0.02
MIN_CHOSEN_LETTERS, SHORT_LEAST, SHORT_MOST_OWN = 4, 0.9, 0.002

_CLAUSE = regex.compile(r"(?V1)[^\n.!?,;:\"“”„«»‹›「」『』《》()（）\[\]【】。！？，；：、…۔،؛।॥—–]+")

Place = tuple[int, int]


def switched_clauses(
    expected: str, is_typical: Callable[[str], bool] | None = None
) -> Callable[[str, frozenset[str]], list[SwitchedSpan]]:
    """Finds clauses, and parts of them, in another language of the expected one's script; exempt words do not count.

    Where it is known which words are typical of the expected language, only what stands between them is looked at.
    """
    script = writing(expected).scripts[0]
    own = expected.split("-")[0]
    probabilities = clause_languages(script, own)
    letters = rf"\p{{Script={script}}}\p{{M}}\u200c\u200d"
    word = regex.compile(rf"\p{{Script={script}}}[{letters}]*+(?:['’][{letters}]++)*+")
    part = _part(script, is_typical)
    if probabilities is None:
        return lambda text, exempt: []

    def find(text: str, exempt: frozenset[str]) -> list[SwitchedSpan]:
        found: list[SwitchedSpan] = []
        for match in _CLAUSE.finditer(text):
            first, last = match.span()
            parts = [
                (place.span(), said)
                for place in word.finditer(text, first, last)
                if (said := part(place.group(), place.start() == first)) and place.group().lower() not in exempt
            ]
            for stretch in _untypical(parts) if is_typical else _cut([place for place, _ in parts]):
                for (start, end), language in _foreign(
                    text, stretch, own, probabilities, chosen=is_typical is not None
                ):
                    _add(found, text, SwitchedSpan(start=start, end=end, level="word", language=language))
        return found

    return find


def _part(script: str, is_typical: Callable[[str], bool] | None) -> Callable[[str, bool], str]:
    """What a word says of the language of its clause: nothing (a name), that it is the expected one, or another."""

    @lru_cache(maxsize=CACHED_WORDS)
    def part(word: str, first: bool) -> str:
        if script == "Latin" and kind(word) != "word" and not (first and kind(word) == "name"):
            return ""
        return "typical" if is_typical and is_typical(word.lower()) else "other"

    return part


def _untypical(parts: Sequence[tuple[Place, str]]) -> Iterator[list[Place]]:
    stretch: list[Place] = []
    kept = 0
    for place, said in parts:
        if said == "other":
            stretch.append(place)
            kept = len(stretch)
        elif stretch:
            stretch.append(place)
            if len(stretch) > kept + 1:  # two typical words in a row
                yield stretch[:kept]
                stretch = []
    if stretch:
        yield stretch[:kept]


def _cut(places: Sequence[Place]) -> Iterator[Sequence[Place]]:
    """Equal parts of a clause, of at most so many words: of a longer one, half may be lost in the other half."""
    num_parts = max(1, -(-len(places) // MAX_WORDS))
    for part in range(num_parts):
        yield places[len(places) * part // num_parts : len(places) * (part + 1) // num_parts]


def _foreign(
    text: str, places: Sequence[Place], own: str, probabilities: Probabilities, *, chosen: bool
) -> Iterator[tuple[Place, str]]:
    if chosen:
        # One word by itself is for `words` to judge; in English most that no dictionary has are another language's.
        if len(places) < 2 and own != "en":
            return
        language = _chosen(_joined(text, places), own, probabilities)
        if not language and own == "en":
            small = [said for start, end in places if (said := text[start:end]).islower() and len(said) > 3]
            language = next(filter(None, map(other_dictionary, small)), None)
        if language:
            yield (places[0][0], places[-1][1]), language
        return
    said = _joined(text, places)
    if len(places) < MIN_WORDS or (whole := probabilities(said))[own] >= SURE:
        return
    best = max(whole, key=lambda language: whole[language])
    least = MIN_LONG_PROBABILITY if num_letters(said) >= LONG_LETTERS else MIN_PROBABILITY
    if best != own and whole[best] >= least:
        yield (places[0][0], places[-1][1]), best
    elif len(places) > WINDOW_WORDS:
        for at in range(len(places) - WINDOW_WORDS + 1):
            some = places[at : at + WINDOW_WORDS]
            part = probabilities(_joined(text, some))
            best = max(part, key=lambda language: part[language])
            if best != own and part[best] >= MIN_WINDOW_PROBABILITY:
                yield (some[0][0], some[-1][1]), best


def _chosen(said: str, own: str, probabilities: Probabilities) -> str | None:
    letters = num_letters(said)
    if letters < MIN_CHOSEN_LETTERS:
        return None
    found = probabilities(said)
    best = max(found, key=lambda language: found[language])
    least, most = (LEAST, MOST_OWN) if letters >= MIN_LETTERS else (SHORT_LEAST, SHORT_MOST_OWN)
    # Latin is quoted, and names species; it is not switched into.
    return best if best not in (own, "la") and found[best] >= least and found[own] <= most else None


def _joined(text: str, places: Sequence[Place]) -> str:
    return " ".join(text[start:end] for start, end in places).lower()


def _add(found: list[SwitchedSpan], text: str, span: SwitchedSpan) -> None:
    last = found[-1] if found else None
    if last and last.language == span.language and not num_letters(text[last.end : span.start]):
        found[-1] = SwitchedSpan(start=last.start, end=max(last.end, span.end), level="word", language=span.language)
    else:
        found.append(span)
