"""The engine against the slowest way to say the same."""

from collections import Counter
from collections.abc import Sequence
from itertools import chain, pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from loanword.tokenizer.merges import Choice, Merger
from loanword.tokenizer.words import EncodedWords

KNOWN, UNKNOWN = range(4), range(4, 6)
BYTES = {4: 3, 5: 2}

words = st.lists(st.lists(st.sampled_from([*KNOWN, *UNKNOWN]), min_size=1, max_size=9), min_size=1, max_size=12)


def encoded(words: Sequence[Sequence[int]], counts: Sequence[int]) -> EncodedWords:
    symbols, lengths = list(chain.from_iterable(words)), list(map(len, words))
    return EncodedWords(np.array(symbols, np.int32), np.array(lengths, np.int32), np.array(counts, np.int64))


def merged(word: list[int], left: int, right: int, new: int) -> list[int]:
    result: list[int] = []
    position = 0
    while position < len(word):
        if tuple(word[position : position + 2]) == (left, right):
            result.append(new)
            position += 2
        else:
            result.append(word[position])
            position += 1
    return result


def slow_choices(corpus: list[tuple[list[int], int]], num: int) -> list[Choice]:
    unknown, found = dict(BYTES), []
    banned: set[tuple[int, int]] = set()
    while len(found) < num:
        pairs: Counter[tuple[int, int]] = Counter()
        characters: Counter[int] = Counter()
        for word, count in corpus:
            for pair in pairwise(word):
                if unknown.keys().isdisjoint(pair) and pair not in banned:
                    pairs[pair] += count
            for symbol in word:
                characters[symbol] += count
        choices = [Choice(count, *pair) for pair, count in pairs.items()]
        choices += [Choice(characters[symbol] * (size - 1), symbol, None) for symbol, size in unknown.items()]
        choices = [choice for choice in choices if choice.num_tokens >= 2]
        if not choices:
            break
        best = min(choices, key=lambda choice: (-choice.num_tokens, choice.right is not None, _order(choice)))
        found.append(best)
        if best.right is None:
            del unknown[best.left]
        else:
            banned.add((best.left, best.right))
            corpus = [(merged(word, best.left, best.right, 10 + len(found)), count) for word, count in corpus]
    return found


def _order(choice: Choice) -> tuple[int, int]:
    return (choice.left, choice.right or 0)


@given(words, st.data())
def test_choices_are_those_of_counting_everything_again(word_list, data):
    counts = [data.draw(st.integers(1, 5)) for _ in word_list]
    merger = Merger(encoded(word_list, counts), BYTES, tracked_pairs=data.draw(st.integers(1, 40)))
    found = []
    for choice in merger.choices():
        found.append(choice)
        merger.accept(choice, 10 + len(found))
    assert found == slow_choices(list(zip(word_list, counts, strict=True)), 100)


@given(words, st.sets(st.integers(0, 30)), st.integers(1, 40))
def test_choices_do_not_depend_on_how_many_pairs_are_kept_track_of(word_list, refused, tracked_pairs):
    def chosen(tracked_pairs: int) -> list[Choice]:
        merger = Merger(encoded(word_list, [3] * len(word_list)), BYTES, tracked_pairs)
        found: list[Choice] = []
        for choice in merger.choices():
            found.append(choice)
            if len(found) not in refused:
                merger.accept(choice, 10 + len(found))
        return found

    assert chosen(tracked_pairs) == chosen(1000)


def test_counts_beyond_32_bits_are_exact():
    merger = Merger(encoded([[0, 1], [0, 1, 2]], [2**40, 2**31]), {})
    assert next(merger.choices()) == Choice(2**40 + 2**31, 0, 1)
    sums = Merger(encoded([[0, 1], [0, 1, 2]], [2**31 - 1, 2**31 - 1]), {})
    assert next(sums.choices()) == Choice(2**32 - 2, 0, 1)


def test_no_words_give_no_choices():
    assert list(Merger(encoded([], []), {}).choices()) == []


def test_a_pair_that_overlaps_itself_is_merged_leftmost_first():
    merger = Merger(encoded([[0, 0, 0, 0, 0], [0, 0, 0]], [1, 1]), {})
    choices = merger.choices()
    first = next(choices)
    merger.accept(first, 7)
    assert first == Choice(6, 0, 0)
    assert next(choices) == Choice(2, 7, 0), "aaaaa is aa aa a, and aaa is aa a"


def test_what_is_not_accepted_is_not_offered_again():
    merger = Merger(encoded([[0, 1, 2]], [5]), {})
    assert list(merger.choices()) == [Choice(5, 0, 1), Choice(5, 1, 2)]


def test_an_unknown_character_takes_part_in_no_merge_until_it_is_promoted():
    merger = Merger(encoded([[4, 4, 0]], [10]), BYTES)
    choices = merger.choices()
    promotion = next(choices)
    assert promotion == Choice(40, 4, None)
    merger.accept(promotion, 9)
    assert [next(choices), next(choices)] == [Choice(10, 4, 0), Choice(10, 4, 4)]
