"""Units of text and their n-grams, beside a reference that reads one character after the other."""

import subprocess
import sys
import unicodedata

import numpy as np
import regex
from hypothesis import given
from hypothesis import strategies as st

from loanword.corpus.ngrams import UNSPACED, Keys, folded, ngrams, units

ALPHABETS = "abcXYZ éßİ ﬁ½Ａ　， 世界的한국 กา แม่ हिन्दी নৌ カタカナﾊﾞ 0123४५ \\frac{} .,;-'’\u00ad\u200dA\u0301 \ud800"
texts = st.text(st.sampled_from(ALPHABETS) | st.characters(), max_size=60)


def reference_units(text: str) -> list[str]:
    """The units as the module's description has them."""
    visible = regex.sub(r"[\p{Cf}\p{Variation_Selector}]", "", folded(text))
    found: list[str] = []
    for match in regex.finditer(rf"{UNSPACED.pattern}|[\p{{L}}\p{{M}}\p{{N}}]", visible):
        letter, place = match[0], match.start()
        own = UNSPACED.match(letter) is not None
        if not regex.match(r"[\p{L}\p{M}\p{N}]", letter):
            continue
        before = visible[place - 1] if place else " "
        goes_on = bool(regex.match(r"[\p{L}\p{M}\p{N}]", before)) and not UNSPACED.match(before)
        if found and goes_on and not own:
            found[-1] += letter
        else:
            found.append(("\\" if before == "\\" and not own else "") + letter)
    return [unit for unit in found if not regex.fullmatch(r"[a-z]|\\.*", unit)]


@given(st.lists(texts, max_size=6))
def test_units_are_words_and_single_characters_of_scripts_without_spaces(some: list[str]):
    cut = units(some)
    wanted = [reference_units(text) for text in some]
    assert np.diff(cut.starts).tolist() == [len(found) for found in wanted]
    flat = [unit for found in wanted for unit in found]
    pairs = set(zip(flat, cut.numbers_U.tolist(), strict=True))
    assert len(pairs) == len(set(flat)) == len(set(cut.numbers_U.tolist()))
    assert cut.are_characters_U.tolist() == [UNSPACED.match(unit) is not None for unit in flat]


def test_spelling_does_not_tell_units_apart():
    plain = units(["the cafe\u0301 costs 25 dollars 世界和平"]).numbers_U.tolist()
    assert units(["Ｔｈｅ CAFÉ, (costs) “25”\ndol\u00adlars: 世界，和平！"]).numbers_U.tolist() == plain
    assert not set(units(["dollar cost"]).numbers_U.tolist()) & set(plain)


def test_labels_of_options_and_markup_of_formulas_are_no_units():
    bare = units([r"frac 1 2 yes no"]).numbers_U.tolist()[1:]
    assert units(["\\frac{1}{2} (A) yes (B) no"]).numbers_U.tolist() == bare


def test_numerals_are_told_from_other_units():
    cut = units(["in 1066 and ① and ४५"])
    assert cut.are_numerals_U.tolist() == [False, True, False, True, False, True]


@given(st.lists(texts, min_size=1, max_size=5))
def test_the_units_of_a_text_do_not_depend_on_what_stands_beside_it(some: list[str]):
    together = units(some)
    for place, text in enumerate(some):
        first, last = together.starts[place : place + 2]
        assert together.numbers_U[first:last].tolist() == units([text]).numbers_U.tolist()


@given(texts, st.integers(1, 30))
def test_an_ngram_is_the_same_number_wherever_it_stands(text: str, length: int):
    cut = units([text])
    numbers = ngrams(cut.numbers_U, length)
    assert len(numbers) == max(0, len(cut.numbers_U) - length + 1)
    for place, number in enumerate(numbers.tolist()):
        assert ngrams(cut.numbers_U[place : place + length].copy(), length).tolist() == [number]


def test_ngrams_of_the_same_units_in_another_order_differ():
    numbers = units(["one two three four", "one three two four", "four three two one"]).numbers_U
    assert len({int(ngrams(numbers[first : first + 4], 4)[0]) for first in (0, 4, 8)}) == 3


@given(st.lists(st.integers(0, 2**64 - 1), max_size=30), st.lists(st.integers(0, 2**64 - 1), max_size=30))
def test_keys_are_found_and_nothing_else(known: list[int], others: list[int]):
    keys, asked = Keys(np.array(known, dtype=np.uint64)), [*others, *known]
    places, ranks = keys.find(np.array(asked, dtype=np.uint64))
    assert places.tolist() == [place for place, number in enumerate(asked) if number in set(known)]
    assert [int(keys.keys_K[rank]) for rank in ranks] == [asked[place] for place in places]


def test_numbers_are_the_same_in_every_process():
    program = "from loanword.corpus.ngrams import units; print(units(['Hello, 世界']).numbers_U.tolist())"
    ran = [
        subprocess.run([sys.executable, "-c", program], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True)
        for seed in ("1", "2")
    ]
    assert ran[0].stdout == ran[1].stdout == f"{units(['Hello, 世界']).numbers_U.tolist()}\n".encode()


def test_folding_is_done_once_and_for_all():
    for text in ("ﬁnd ½ ㎏ İstanbul ﾊﾞ", "가".encode().decode(), unicodedata.normalize("NFD", "가é")):
        assert folded(folded(text)) == folded(text)
