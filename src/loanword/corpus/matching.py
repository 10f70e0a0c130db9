"""Which of many short texts are in a longer one, verbatim or lightly edited.

Verbatim: a long n-gram of an example is there; of an example that is shorter than that, all of it. Lightly edited: a
stretch of text, half as long again as the example, shares some of its short n-grams and holds most of its units in any
order, for words may be replaced and options shuffled. What more than a few examples share is a form that tells none
of them from the others: it counts neither here nor there.

Shapes: E examples, P pairs of an n-gram and an example that holds it, H places where one stands in a text, S stretches.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np

from loanword.corpus.bags import Bag, distinct_pairs, held_share, make_bag, owned_ngrams, weights, worded_ngrams
from loanword.corpus.ngrams import Bools, Keys, Numbers, Places, Units, ngrams, units
from loanword.corpus.order import changes
from loanword.recipe import OverlapConfig

COMMON = 10
"""Examples up to which what they share still tells them from others."""
LEAST_SHORT_SHARE = 0.09
"""The share of an example's short n-grams that a stretch needs to be looked at; rounded up, so that one is needed."""
WORDED = 0.4
"""The share of an example's units that must not be numerals for an edited copy of it to be told."""
NEVER = 1 << 40
STRETCH = 1.5
"""How many times as long as an example a stretch is."""


class Found(NamedTuple):
    """An example in a text: which of its long n-grams, and the largest share of its units in one stretch."""

    text: int
    example: int
    ngrams: frozenset[int]
    share: float


class Matcher:
    """Examples to search texts for. `num_ngrams` of those that are too short to tell is 0."""

    def __init__(self, examples: Sequence[str], config: OverlapConfig) -> None:
        cut = units(examples)
        of_characters_E = 2 * _sums(cut.are_characters_U, cut) >= np.diff(cut.starts)
        forms = (
            _Form(config.word_ngram, config.short_word_ngram, config.shortest_words, together=1),
            _Form(config.character_ngram, config.short_character_ngram, config.shortest_characters, together=2),
        )
        members = (np.flatnonzero(~of_characters_E), np.flatnonzero(of_characters_E))
        self._parts = [_Part(form, cut, some) for form, some in zip(forms, members, strict=True) if len(some)]
        by_part = [np.zeros(len(examples), dtype=np.int64), *(part.num_ngrams_E for part in self._parts)]
        self.num_ngrams: list[int] = np.sum(by_part, axis=0).tolist()

    def search(self, texts: Sequence[str]) -> list[Found]:
        """What of the examples is in each text, in the order of texts and of examples."""
        cut = units(texts)
        return sorted((found for part in self._parts for found in part.search(cut)), key=lambda one: one[:2])


@dataclass(frozen=True)
class _Form:
    # Long and short n-grams and the shortest example of one kind of script, in units; `together` of them are compared
    # as one in a stretch.
    long: int
    short: int
    shortest: int
    together: int


class _Owned:
    """N-grams, and which examples hold them; those that more than `most` hold are left out."""

    def __init__(self, numbers: Numbers, owners: Places, most: int = COMMON) -> None:
        numbers, owners = distinct_pairs(numbers, owners)
        _, times_K = np.unique(numbers, return_counts=True)
        kept = np.repeat(times_K <= most, times_K)
        numbers, self.owners_P = numbers[kept], owners[kept]
        self.keys = Keys(numbers)
        self._first_K = np.append(np.searchsorted(numbers, self.keys.keys_K), len(numbers)).astype(np.int64)

    def find(self, cut: Units, length: int) -> tuple[Places, Places]:
        """Where in the texts an n-gram stands, [H], and the pairs that it is in."""
        places, ranks = self.keys.find(ngrams(cut.numbers_U, length))
        if not len(places):
            return places, places
        inside = cut.text_at(places) == cut.text_at(places + length - 1)
        places, ranks = places[inside], ranks[inside]
        first, times = self._first_K[ranks], self._first_K[ranks + 1] - self._first_K[ranks]
        pairs_H = np.arange(times.sum(), dtype=np.int64) + np.repeat(first - np.cumsum(times) + times, times)
        return np.repeat(places, times), pairs_H


class _Part:
    """The examples of one kind of script."""

    def __init__(self, form: _Form, cut: Units, members: Places) -> None:
        self._form, self._cut = form, cut
        self._lengths_E = np.zeros(len(cut.starts) - 1, dtype=np.int64)
        self._lengths_E[members] = np.diff(cut.starts)[members]
        self._width_E = np.ceil(STRETCH * self._lengths_E).astype(np.int64)
        tells_E = self._lengths_E - _sums(cut.are_numerals_U, cut) >= form.shortest
        is_whole_E = tells_E & (self._lengths_E < form.long)
        self._long = _Owned(*_chosen(*worded_ngrams(cut, form.long), tells_E))
        self._short = _Owned(*_chosen(*owned_ngrams(cut, form.short), tells_E))
        self._beginnings = _Owned(*_chosen(*_beginnings(cut, form.shortest), is_whole_E), most=len(tells_E))
        self.num_ngrams_E = np.bincount(self._long.owners_P, minlength=len(tells_E)) + is_whole_E
        num_short_E = np.bincount(self._short.owners_P, minlength=len(tells_E))
        needed_E = np.maximum(1, np.ceil(LEAST_SHORT_SHARE * num_short_E)).astype(np.int64)
        self._needed_E = np.where(self.num_ngrams_E, needed_E, NEVER)
        self._weights = weights(cut, members, form.together)
        self._bag = cache(self._make_bag)

    def search(self, cut: Units) -> Iterator[Found]:
        """What of the examples is in each text."""
        found: dict[tuple[int, int], tuple[frozenset[int], float]] = {}
        for text, example, first, last, verbatim in self._stretches(cut):
            ngrams_found, largest = found.get((text, example), (frozenset[int](), 0.0))
            share = self._share(cut, text, example, first, last)
            found[text, example] = ngrams_found | verbatim, max(largest, share)
        return (Found(*key, *both) for key, both in found.items())

    def _stretches(self, cut: Units) -> Iterator[tuple[int, int, int, int, frozenset[int]]]:
        """Where to look closer: text, example, first and last place, and the long n-grams that begin there.

        Places are in one stretch where it is wide enough to go from each to the next.
        """
        places_V, owners_V, ngrams_V = self._verbatim(cut)
        places_S, owners_S, ngrams_S = self._near(cut, cut.text_at(places_V) * len(self._lengths_E) + owners_V)
        if not len(places_V) + len(places_S):
            return
        places_H, owners_H = np.concatenate([places_V, places_S]), np.concatenate([owners_V, owners_S])
        ngrams_H, texts_H = np.concatenate([ngrams_V, ngrams_S]), cut.text_at(places_H)
        order_H = np.lexsort((places_H, owners_H, texts_H))
        places_H, owners_H, ngrams_H, texts_H = (of_H[order_H] for of_H in (places_H, owners_H, ngrams_H, texts_H))
        begins_H = changes(texts_H, owners_H)
        begins_H[1:] |= np.diff(places_H) > self._width_E[owners_H[1:]]
        stretch_H, first_S = np.cumsum(begins_H) - 1, np.flatnonzero(begins_H)
        last_S = np.append(first_S[1:], len(places_H))
        looked_at_S = self._have_enough(stretch_H, ngrams_H, self._needed_E[owners_H[first_S]])
        for first, last in zip(first_S[looked_at_S].tolist(), last_S[looked_at_S].tolist(), strict=True):
            verbatim = frozenset(one for one in ngrams_H[first:last].tolist() if one >= 0)
            yield int(texts_H[first]), int(owners_H[first]), int(places_H[first]), int(places_H[last - 1]), verbatim

    def _verbatim(self, cut: Units) -> tuple[Places, Places, Places]:
        """Places, examples and n-grams of what is there verbatim; an example that is found whole has one, number 0."""
        places_L, pairs_L = self._long.find(cut, self._form.long)
        places_W, owners_W = self._wholes(cut)
        owners_V = np.concatenate([self._long.owners_P[pairs_L], owners_W])
        return np.concatenate([places_L, places_W]), owners_V, np.concatenate([pairs_L, np.zeros_like(owners_W)])

    def _near(self, cut: Units, held_V: Places) -> tuple[Places, Places, Places]:
        """Places, examples and numbers below 0 of short n-grams, where a text has enough of an example's or holds some
        of it verbatim.

        `held_V` says what is held so, text times number of examples plus example.
        """
        places_S, pairs_S = self._short.find(cut, self._form.short)
        owners_S, num_examples = self._short.owners_P[pairs_S], len(self._lengths_E)
        both_S = cut.text_at(places_S) * num_examples + owners_S
        ordered = np.sort(both_S)
        first = np.flatnonzero(changes(ordered))
        known, times = ordered[first], np.diff(np.append(first, len(ordered)))
        wanted = np.sort(np.concatenate([known[times >= self._needed_E[known % num_examples]], held_V]))
        if not len(wanted):
            nothing = np.empty(0, dtype=np.int64)
            return nothing, nothing, nothing
        kept_S = wanted[np.minimum(np.searchsorted(wanted, both_S), len(wanted) - 1)] == both_S
        return places_S[kept_S], owners_S[kept_S], -1 - pairs_S[kept_S]

    def _have_enough(self, stretch_H: Places, ngrams_H: Places, needed_S: Places) -> Bools:
        """Which stretches hold something verbatim, or as many different short n-grams as they need."""
        order_H = np.lexsort((ngrams_H, stretch_H))
        stretch_H, ngrams_H = stretch_H[order_H], ngrams_H[order_H]
        is_new_H = changes(stretch_H, ngrams_H)
        enough_S = np.bincount(stretch_H[is_new_H & (ngrams_H < 0)], minlength=len(needed_S)) >= needed_S
        enough_S[stretch_H[ngrams_H >= 0]] = True
        return enough_S

    def _wholes(self, cut: Units) -> tuple[Places, Places]:
        """Where an example stands that is shorter than a long n-gram, and which."""
        places_H, pairs_H = self._beginnings.find(cut, self._form.shortest)
        if not len(places_H):
            return places_H, places_H
        owners_H = self._beginnings.owners_P[pairs_H]
        ends_H = cut.starts[cut.text_at(places_H) + 1]
        is_there_H = np.array(
            [
                place + len(own := self._units(owner)) <= end
                and np.array_equal(cut.numbers_U[place : place + len(own)], own)
                for place, owner, end in zip(places_H.tolist(), owners_H.tolist(), ends_H.tolist(), strict=True)
            ],
            dtype=np.bool_,
        )
        return places_H[is_there_H], owners_H[is_there_H]

    def _share(self, cut: Units, text: int, example: int, first: int, last: int) -> float:
        """The largest share of an example's units that a stretch around these places holds, by weight."""
        bag, width = self._bag(example), int(self._width_E[example])
        if bag is None:
            return 0.0
        first = max(int(cut.starts[text]), first - width)
        last = min(int(cut.starts[text + 1]), last + self._form.short + width)
        return held_share(bag, ngrams(cut.numbers_U[first:last], self._form.together), width)

    def _make_bag(self, example: int) -> Bag | None:
        own, form = self._units(example), self._form
        if len(own) < form.short:
            return None
        numbers = ngrams(own, form.together)
        telling = np.zeros(len(own) - form.short + 1, dtype=np.int64)
        telling[self._short.keys.find(ngrams(own, form.short))[0]] = 1
        telling_U = np.convolve(telling, np.ones(form.short, dtype=np.int64))[: len(numbers)] > 0
        numerals = self._cut.are_numerals_U[self._cut.starts[example] : self._cut.starts[example + 1]]
        are_numerals_U = np.convolve(numerals, np.ones(form.together, dtype=np.int64), "valid") > 0
        num_worded = np.count_nonzero(telling_U & ~are_numerals_U)
        # Texts with formulas and tables hold the same numerals in any case.
        if num_worded < max(form.shortest // form.together, WORDED * np.count_nonzero(telling_U)):
            return None
        return make_bag(numbers, telling_U, self._weights)

    def _units(self, example: int) -> Numbers:
        return self._cut.numbers_U[self._cut.starts[example] : self._cut.starts[example + 1]]


def _chosen(numbers: Numbers, owners: Places, chosen_E: Bools) -> tuple[Numbers, Places]:
    return numbers[chosen_E[owners]], owners[chosen_E[owners]]


def _beginnings(cut: Units, length: int) -> tuple[Numbers, Places]:
    """The first n-gram of each text that has one, and which text that is."""
    numbers, owners = owned_ngrams(cut, length)
    is_first = changes(owners)
    return numbers[is_first], owners[is_first]


def _sums(flags_U: Bools, cut: Units) -> Places:
    """How many of each text's units have a flag."""
    return np.diff(np.concatenate([[0], np.cumsum(flags_U)])[cut.starts])
