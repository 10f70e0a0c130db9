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
    Identifier,
    clause_languages,
    code_of,
    other_dictionary,
)
from loanword.evaluation.switching.runs import Word, clauses_at, num_letters
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

_BREAKS = '\n.!?,;:"“”„«»‹›「」『』《》()（）[]【】。！？，；：、…۔،؛।॥—–'
_BREAK = regex.compile(f"[{regex.escape(_BREAKS)}]")


def switched_clauses(
    expected: str, is_typical: Callable[[str], bool] | None = None
) -> Callable[[str, Sequence[Word], frozenset[str]], list[SwitchedSpan]]:
    """Finds clauses, and parts of them, in another language of the expected one's script; exempt words do not count.

    Where it is known which words are typical of the expected language, only what stands between them is looked at.
    """
    script = writing(expected).scripts[0]
    own = code_of(expected)
    among = clause_languages(script, own)
    part = _part(script, is_typical)
    if among is None:
        return lambda text, found, exempt: []

    def find(text: str, found: Sequence[Word], exempt: frozenset[str]) -> list[SwitchedSpan]:
        spans: list[SwitchedSpan] = []
        own_words = [word for word in found if word.script == script]
        said = [part(word.text, not word.start or text[word.start - 1] in _BREAKS) for word in own_words]
        looked_at = [at for at, each in enumerate(said) if each == "other"] if is_typical else range(len(said))
        for first, last in clauses_at(text, own_words, looked_at, _BREAK):
            parts = [
                (word, each)
                for word, each in zip(own_words[first:last], said[first:last], strict=True)
                if each and word.text.lower() not in exempt
            ]
            for stretch in _untypical(parts) if is_typical else _cut([word for word, _ in parts]):
                for (start, end), language in _foreign(stretch, own, among, chosen=is_typical is not None):
                    _add(spans, text, SwitchedSpan(start=start, end=end, level="word", language=language))
        return spans

    return find


def _part(script: str, is_typical: Callable[[str], bool] | None) -> Callable[[str, bool], str]:
    """What a word says of the language of its clause: nothing (a name), that it is the expected one, or another."""

    @lru_cache(maxsize=CACHED_WORDS)
    def part(word: str, first: bool) -> str:
        if script == "Latin" and kind(word) != "word" and not (first and kind(word) == "name"):
            return ""
        return "typical" if is_typical and is_typical(word.lower()) else "other"

    return part


def _untypical(parts: Sequence[tuple[Word, str]]) -> Iterator[list[Word]]:
    stretch: list[Word] = []
    kept = 0
    for word, said in parts:
        if said == "other":
            stretch.append(word)
            kept = len(stretch)
        elif stretch:
            stretch.append(word)
            if len(stretch) > kept + 1:  # two typical words in a row
                yield stretch[:kept]
                stretch = []
    if stretch:
        yield stretch[:kept]


def _cut(words: Sequence[Word]) -> Iterator[Sequence[Word]]:
    """Equal parts of a clause, of at most so many words: of a longer one, half may be lost in the other half."""
    num_parts = max(1, -(-len(words) // MAX_WORDS))
    for part in range(num_parts):
        yield words[len(words) * part // num_parts : len(words) * (part + 1) // num_parts]


def _foreign(
    words: Sequence[Word], own: str, among: Identifier, *, chosen: bool
) -> Iterator[tuple[tuple[int, int], str]]:
    if chosen:
        # One word by itself is for `words` to judge; in English most that no dictionary has are another language's.
        if len(words) < 2 and own != "en":
            return
        language = _chosen(_joined(words), own, among)
        if not language and own == "en":
            small = [word.text for word in words if word.text.islower() and len(word.text) > 3]
            language = next(filter(None, map(other_dictionary, small)), None)
        if language:
            yield (words[0].start, words[-1].end), language
        return
    said = _joined(words)
    if len(words) < MIN_WORDS or (whole := among.probabilities(said))[own] >= SURE:
        return
    best = max(whole, key=lambda language: whole[language])
    least = MIN_LONG_PROBABILITY if num_letters(said) >= LONG_LETTERS else MIN_PROBABILITY
    if best != own and whole[best] >= least:
        yield (words[0].start, words[-1].end), best
    elif len(words) > WINDOW_WORDS:
        for at in range(len(words) - WINDOW_WORDS + 1):
            some = words[at : at + WINDOW_WORDS]
            best, probability = among.likeliest(_joined(some))
            if best != own and probability >= MIN_WINDOW_PROBABILITY:
                yield (some[0].start, some[-1].end), best


def _chosen(said: str, own: str, among: Identifier) -> str | None:
    letters = num_letters(said)
    if letters < MIN_CHOSEN_LETTERS:
        return None
    best, probability = among.likeliest(said)
    least, most = (LEAST, MOST_OWN) if letters >= MIN_LETTERS else (SHORT_LEAST, SHORT_MOST_OWN)
    # Latin is quoted, and names species; it is not switched into.
    if best in (own, "la") or probability < least:
        return None
    return best if among.probabilities(said)[own] <= most else None


def _joined(words: Sequence[Word]) -> str:
    return " ".join(word.text for word in words).lower()


def _add(found: list[SwitchedSpan], text: str, span: SwitchedSpan) -> None:
    last = found[-1] if found else None
    if last and last.language == span.language and not num_letters(text[last.end : span.start]):
        found[-1] = SwitchedSpan(start=last.start, end=max(last.end, span.end), level="word", language=span.language)
    else:
        found.append(span)
