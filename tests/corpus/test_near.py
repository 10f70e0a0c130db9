"""Near duplicates: what similarity means, that nothing goes without a kept text like it, and how few are missed."""

import gzip
import hashlib
import json
import random
import tempfile
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from loanword.corpus import bands, near, shingles
from loanword.corpus.near import Likeness, later_duplicates, signature, similarity
from loanword.tokenizer.workers import ordered_map

WORDS = ("the", "river", "runs", "to", "town", "and", "back", "again", "while", "nobody", "is", "looking")
MIXED = st.text(alphabet="aAbß1 .\n\t-é语言模型，。ไทย่กขकि\u0301\u0323ーコ한글\u200b😀", max_size=60)
SENTENCES = regex.compile(r"[^.!?。！？।\n]+[.!?。！？।\n]*\s*")
UNITS = regex.compile(r"\p{Han}|[^\s\p{Han}]+|\s+")

# The same rule once more, as a pattern: letters of scripts without spaces, alone with their marks; else words.
_UNSPACED = r"\p{Han}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\u3000-\u30ff"
_TOKENS = regex.compile(
    rf"[[\p{{L}}\p{{N}}]&&[{_UNSPACED}]][\p{{M}}&&[{_UNSPACED}]]*|[[\p{{L}}\p{{M}}\p{{N}}]--[{_UNSPACED}]]+[\p{{M}}&&[{_UNSPACED}]]*"
    rf"|[\p{{M}}&&[{_UNSPACED}]]+",
    regex.VERSION1,
)


@lru_cache(maxsize=10_000)
def reference_ngrams(text: str) -> frozenset[tuple[str, ...]]:
    lowered = "".join(each.lower() if len(each.lower()) == 1 else each for each in text)
    tokens = _TOKENS.findall(lowered)
    if not tokens:
        return frozenset({("nothing but", text)})
    return frozenset(tuple(tokens[at : at + 5]) for at in range(max(1, len(tokens) - 4)))


def reference_similarity(one: str, other: str) -> float:
    ours, theirs = reference_ngrams(one), reference_ngrams(other)
    return len(ours & theirs) / len(ours | theirs)


def sentence(rng: random.Random, num_words: int) -> str:
    return " ".join(f"{rng.choice(WORDS)}{rng.randrange(40)}" for _ in range(num_words))


def edited(text: str, num_edits: int, rng: random.Random) -> str:
    words = text.split(" ")
    for _ in range(num_edits):
        words[rng.randrange(len(words))] = f"edit{rng.randrange(1000)}"
    return " ".join(words)


def families(seed: int, num_families: int) -> list[str]:
    """Texts in families, from equal to far: none is like one of another family."""
    rng = random.Random(seed)
    texts: list[str] = []
    for _ in range(num_families):
        first = sentence(rng, rng.choice((3, 8, 30, 60, 90)))
        texts += [edited(first, rng.choice((0, 0, 1, 1, 2, 3, 4)), rng) for _ in range(rng.randrange(1, 6))]
    rng.shuffle(texts)
    return texts


def removed(texts: Sequence[str], rank: Sequence[int], threshold: float = 0.8) -> list[bool]:
    with tempfile.TemporaryDirectory() as folder:
        signatures = np.array([signature(text) for text in texts])
        ranks = np.array(rank, np.int64)
        return later_duplicates(signatures, ranks, threshold, texts.__getitem__, Path(folder)).tolist()


def kept_texts(texts: Sequence[str], rank: Sequence[int], threshold: float = 0.8) -> list[str]:
    return sorted(text for text, gone in zip(texts, removed(texts, rank, threshold), strict=True) if not gone)


def greedily_removed(texts: Sequence[str], rank: Sequence[int], threshold: float) -> list[bool]:
    gone = [False] * len(texts)
    kept: list[int] = []
    for number in sorted(range(len(texts)), key=rank.__getitem__):
        gone[number] = any(reference_similarity(texts[number], texts[other]) >= threshold for other in kept)
        kept += [] if gone[number] else [number]
    return gone


@given(MIXED, MIXED)
@settings(max_examples=200)
def test_similarity_is_the_jaccard_similarity_of_five_grams(one, other):
    assert len(np.unique(shingles.ngrams(one))) == len(reference_ngrams(one))
    assert similarity(one, other) == reference_similarity(one, other)
    joined = one + other
    assert similarity(one, joined) == reference_similarity(one, joined)


def test_texts_longer_than_a_piece_have_the_ngrams_of_the_whole():
    rng = random.Random(3)
    word = "x" * 150_000
    text = f"{sentence(rng, 40_000)} 。 {'语言模型学习' * 3} {word} {' ' * 70_000} {sentence(rng, 5)} {word}y"
    assert len(text) > 5 * 65_536
    assert len(np.unique(shingles.ngrams(text))) == len(reference_ngrams(text))
    other = f"{sentence(rng, 7)} {text[9_000:]} {sentence(rng, 7)}"
    assert similarity(text, other) == reference_similarity(text, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The river, it runs: to town", "the RIVER it runs\n\nto - town!"),
        ("机器学习是人工智能的分支。", "机器 学习，是人工智能\n的分支"),
        ("", ""),
        ("😀", "😀"),
        ("\ud800", "\ud800"),
    ],
)
def test_case_spaces_and_punctuation_count_for_nothing(one, other):
    assert similarity(one, other) == 1.0


def test_short_texts_are_alike_where_their_tokens_are_equal():
    assert similarity("one two three", "One, two, three.") == 1.0
    assert similarity("one two three", "one two four") == 0.0
    assert similarity("one two three four five", "one two three four five six") == 0.5
    assert similarity("😀", "😁") == similarity("", "😀") == similarity("a", "😀") == 0.0


def test_a_mark_belongs_to_its_letter_in_scripts_without_spaces():
    assert len(shingles.ngrams("กำลังอ่าน")) == len(reference_ngrams("กำลังอ่าน"))
    assert similarity("น้ำใจดีมาก", "นำใจดีมาก") < 1.0


def test_signatures_are_the_same_on_every_machine():
    texts = [
        "",
        "a",
        "The river runs to town.",
        "机器学习是人工智能的分支。",
        "हिन्दी में एक छोटा वाक्य है।",
        "น้ำใจดีมาก",
        " ".join(f"word {number}" for number in range(5000)),
    ]
    digest = hashlib.sha256(b"".join(signature(text).astype("<u4").tobytes() for text in texts)).hexdigest()
    assert digest[:16] == "98a98e6069e324f2", "another signature: raise the version of the stages that keep its results"


def test_forked_workers_make_the_same_signatures_after_a_long_text():
    long = sentence(random.Random(1), 250_000)
    texts = [long[:1000], long, "short"]
    here = [signature(text) for text in texts]
    for ours, theirs in zip(here, ordered_map(signature, texts, 2), strict=True):
        assert np.array_equal(ours, theirs)


def test_equal_slots_estimate_the_similarity():
    rng = random.Random(11)
    errors: list[float] = []
    for num_edits in (1, 3, 6, 12) * 60:
        one = sentence(rng, rng.choice((20, 80, 300)))
        other = edited(one, num_edits, rng)
        errors.append(float(np.mean(signature(one) == signature(other))) - similarity(one, other))
    assert abs(np.mean(errors)) < 0.01
    assert np.max(np.abs(errors)) < 5 * 0.5 / near.NUM_SLOTS**0.5


@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0])
def test_bands_miss_few_at_the_threshold_and_fewer_above_it(threshold):
    cut = bands.banding(threshold, near.NUM_SLOTS, near.MAX_MISSED)
    assert cut.num_bands * cut.num_rows <= near.NUM_SLOTS
    assert cut.recall(threshold) >= 0.995
    assert cut.recall(min(1.0, threshold + 0.05)) >= 0.999


@given(st.integers(0, 10_000), st.randoms(use_true_random=False))
@settings(max_examples=25)
def test_the_order_of_reading_changes_nothing(seed, rng):
    texts = families(seed, 8)
    order = rng.sample(range(len(texts)), len(texts))
    rank = rng.sample(range(len(texts)), len(texts))
    assert kept_texts(texts, rank) == kept_texts([texts[at] for at in order], [rank[at] for at in order])


@given(st.integers(0, 10_000), st.sampled_from((0.5, 0.7, 0.8, 0.9, 1.0)))
@settings(max_examples=25)
def test_whatever_goes_has_a_kept_text_of_lower_rank_that_is_as_similar(seed, threshold):
    texts = families(seed, 8)
    rank = random.Random(seed).sample(range(len(texts)), len(texts))
    gone = removed(texts, rank, threshold)
    for number in np.flatnonzero(gone).tolist():
        kept_before = [at for at in range(len(texts)) if not gone[at] and rank[at] < rank[number]]
        assert any(reference_similarity(texts[number], texts[at]) >= threshold for at in kept_before)
    kept = [reference_ngrams(text) for text, is_gone in zip(texts, gone, strict=True) if not is_gone]
    assert len(kept) == len({frozenset(ngrams) for ngrams in kept}), "equal texts are always found"


@pytest.mark.parametrize("threshold", [0.6, 0.8, 0.9])
def test_what_goes_is_what_comparing_all_with_all_would_remove(threshold):
    texts = families(7, 120)
    rank = random.Random(8).sample(range(len(texts)), len(texts))
    expected = greedily_removed(texts, rank, threshold)
    assert sum(expected) >= 30
    assert removed(texts, rank, threshold) == expected


def test_nothing_goes_for_being_like_what_went():
    rng = random.Random(2)
    first = sentence(rng, 60)
    second = edited(first, 2, rng)
    third = edited(second, 2, rng)
    assert similarity(first, second) >= 0.65 <= similarity(second, third)
    assert similarity(first, third) < 0.65
    assert removed([first, second, third], [0, 1, 2], 0.65) == [False, True, False]
    assert removed([first, second, third], [1, 0, 2], 0.65) == [True, False, True]


def test_documents_without_a_rank_take_no_part():
    texts = ["one text that is there twice", "one text that is there twice", "another text"]
    assert removed(texts, [-1, 5, 2]) == [False, False, False]
    assert removed(texts, [7, 5, -1]) == [True, False, False]
    assert removed([texts[0]], [0]) == [False]
    assert later_duplicates(np.zeros((0, 128), np.uint32), np.zeros(0, np.int64), 0.8, str, Path("none")).tolist() == []


@pytest.mark.parametrize("part_bytes", [300, 4_000, 4_000_000])
def test_memory_and_files_change_nothing(tmp_path, monkeypatch, part_bytes):
    texts = families(21, 60)
    rank = np.array(random.Random(8).sample(range(len(texts)), len(texts)))
    signatures = np.array([signature(text) for text in texts])
    expected = later_duplicates(signatures, rank, 0.8, texts.__getitem__, tmp_path)
    assert expected.sum() >= 25
    monkeypatch.setattr(bands, "PART_BYTES", part_bytes)
    np.save(tmp_path / "signatures.npy", signatures)
    (tmp_path / "near").mkdir()
    (tmp_path / "near" / "pairs-0").write_bytes(b"left behind by a run that was killed")
    mapped = np.load(tmp_path / "signatures.npy", mmap_mode="r")
    assert np.array_equal(later_duplicates(mapped, rank, 0.8, texts.__getitem__, tmp_path), expected)
    parts = [np.concatenate([mapped[::-1], mapped]), np.concatenate([rank[::-1] + len(rank), rank])]
    twice = later_duplicates(parts[0], parts[1], 0.8, [*texts[::-1], *texts].__getitem__, tmp_path)
    assert twice.tolist() == [True] * len(texts) + expected.tolist()
    assert [path.name for path in tmp_path.iterdir()] == ["signatures.npy"]


def test_of_many_near_duplicates_each_is_read_about_once():
    rng = random.Random(4)
    asked: list[int] = []
    first = sentence(rng, 300)
    texts = [edited(first, 1, rng) for _ in range(300)]

    def text_of(number: int) -> str:
        asked.append(number)
        return texts[number]

    with tempfile.TemporaryDirectory() as folder:
        signatures = np.array([signature(text) for text in texts])
        gone = later_duplicates(signatures, np.arange(300), 0.8, text_of, Path(folder))
    assert gone.tolist() == [False] + [True] * 299
    assert len(asked) == 300


@given(st.integers(0, 10_000), st.sampled_from((0.3, 0.5, 0.7, 0.8, 1.0)))
@settings(max_examples=25)
def test_likeness_finds_all_that_are_as_similar_and_no_others(seed, threshold):
    texts = families(seed, 8)
    held_out, asked = texts[::3], [*texts, "", "word", "a word of which nobody has ever heard"]
    likeness = Likeness(held_out, threshold)
    for text in asked:
        expected = [at for at, each in enumerate(held_out) if reference_similarity(text, each) >= threshold]
        assert likeness.resembled(text) == expected


def test_nothing_is_like_no_texts():
    assert Likeness([], 0.7).resembled("a text that is somewhat longer than an n-gram") == []


def _words_replaced(text: str, share: float, rng: random.Random, words: list[str]) -> str:
    return "".join(
        rng.choice(words) if not each.isspace() and rng.random() < 0.08 * share else each
        for each in UNITS.findall(text)
    )


def _sentences_dropped(text: str, share: float, rng: random.Random, words: list[str]) -> str:
    return "".join(each for each in SENTENCES.findall(text) if rng.random() > 0.35 * share)


def _sentences_moved(text: str, share: float, rng: random.Random, words: list[str]) -> str:
    sentences = SENTENCES.findall(text)
    for _ in range(round(0.5 * share * len(sentences))):
        sentences.insert(rng.randrange(len(sentences)), sentences.pop(rng.randrange(len(sentences))))
    return "".join(sentences)


def _boilerplate_added(text: str, share: float, rng: random.Random, words: list[str]) -> str:
    line = " ".join(rng.choices(words, k=1 + round(0.15 * share * len(UNITS.findall(text)))))
    return f"{line}\n{text}" if rng.random() < 0.5 else f"{text}\n{line}"


def _tail_cut(text: str, share: float, rng: random.Random, words: list[str]) -> str:
    return text[: round(len(text) * (1 - 0.3 * share))]


EDITS: tuple[Callable[[str, float, random.Random, list[str]], str], ...] = (
    _words_replaced,
    _sentences_dropped,
    _sentences_moved,
    _boilerplate_added,
    _tail_cut,
)


def first_texts(path: Path, number: int) -> list[str]:
    with gzip.open(path) as lines:
        return [json.loads(line)["text"][:6000] for line, _ in zip(lines, range(number), strict=False)]


@pytest.mark.parametrize("language", ["en", "zh", "hi"])
def test_planted_near_duplicates_are_found_in_real_text(shared_data, language):
    rng = random.Random(17)
    texts = list(dict.fromkeys(first_texts(shared_data / f"text/{language}.jsonl.gz", 400)))
    words = [each for text in texts[:30] for each in UNITS.findall(text) if not each.isspace()]
    planted = [EDITS[number % 5](text, rng.random(), rng, words) for number, text in enumerate(texts)]
    true = [reference_similarity(text, other) for text, other in zip(texts, planted, strict=True)]
    every, half = [*texts, *planted], len(texts)
    rank = rng.sample(range(len(every)), len(every))
    gone = removed(every, rank)
    partners = [(at, half + at) if rank[at] < rank[half + at] else (half + at, at) for at in range(half)]
    found = {low: [0, 0] for low in (0.80, 0.85, 0.90, 0.95)}
    for similar, (first, later) in zip(true, partners, strict=True):
        if 0.8 <= similar < 1 and not gone[first]:
            band = found[max(low for low in found if low <= similar)]
            band[0] += gone[later]
            band[1] += 1
    assert all(number >= 15 for _, number in found.values()), found
    assert all(hits / number >= least for (hits, number), least in zip(found.values(), (0.98, 1, 1, 1), strict=True))
    kept = [at for at in range(len(every)) if not gone[at]]
    for number in np.flatnonzero(gone).tolist():
        partner = number + half if number < half else number - half
        likely = [partner, *kept] if gone[partner] or rank[partner] > rank[number] else [partner]
        earlier = [at for at in likely if not gone[at] and rank[at] < rank[number]]
        assert any(reference_similarity(every[number], every[at]) >= 0.8 for at in earlier)
