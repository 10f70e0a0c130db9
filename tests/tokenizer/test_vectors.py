"""Vectors of pieces: against a dense reference, on a corpus where the answer is known, and on real Chinese."""

import io
import string
from collections.abc import Iterable
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sentencepiece import SentencePieceTrainer

from loanword.tokenizer import vectors
from loanword.tokenizer.interface import NewPiece, Tokenizer
from loanword.tokenizer.proto import parse
from loanword.tokenizer.sentence_pieces import SentencePieceTokenizer
from loanword.tokenizer.tokenizer_json import JsonTokenizer, byte_level_json
from loanword.tokenizer.vectors import MIN_TOKENS, WINDOW_TOKENS, learn_vectors, neighbours, piece_counts, sparsemax
from tests.tokenizer.conftest import Documents

LETTERS = string.ascii_lowercase


def letters_tokenizer(*others: str) -> Tokenizer:
    """One piece a letter, behind whatever others are asked for."""
    pieces = [*others, *LETTERS]
    return JsonTokenizer(byte_level_json({piece: id for id, piece in enumerate(pieces)}, []), {}, eos_id=0)


def walk(num_letters: int, num_documents: int, seed: int = 0, num_states: int = 20) -> list[str]:
    """Documents in which letters follow each other by a fixed table; u to z stand in for a to f half of the time."""
    numbers = np.random.default_rng(seed)
    follows = np.random.default_rng(99).dirichlet(np.full(num_states, 0.2), num_states).cumsum(axis=1)
    texts: list[str] = []
    for _ in range(num_documents):
        states = [int(numbers.integers(num_states))]
        for draw in numbers.random(num_letters - 1):
            states.append(min(int(np.searchsorted(follows[states[-1]], draw)), num_states - 1))
        text = "".join(LETTERS[state] for state in states)
        texts.append("".join(chr(ord(c) + 20) if c in "abcdef" and numbers.random() < 0.5 else c for c in text))
    return texts


def reference(texts: list[str], width: int) -> NDArray[np.float64]:
    """The definition letter by letter in float64: counts, PPMI with smoothed contexts, singular vectors."""
    counts = np.zeros((26, 26))
    for text in texts:
        for place, left in enumerate(text):
            for right in text[place + 1 : place + 1 + WINDOW_TOKENS]:
                counts[ord(left) - 97, ord(right) - 97] += 1
                counts[ord(right) - 97, ord(left) - 97] += 1
    smooth = counts.sum(0) ** 0.75
    with np.errstate(divide="ignore"):
        information = np.log(counts / counts.sum(1, keepdims=True) / (smooth / smooth.sum()))
    left, values, _ = np.linalg.svd(np.maximum(information, 0))
    rows = left[:, :width] * np.sqrt(values[:width])
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("chunk_characters", [1_000_000, 700])
def test_vectors_are_what_the_definition_gives(chunk_characters: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "_CHUNK_CHARACTERS", chunk_characters)
    texts = walk(60, 100)
    rows = learn_vectors(letters_tokenizer(), texts, width=7)
    expected = reference(texts, 7)
    # Signs of singular vectors are free: similarities are not.
    np.testing.assert_allclose(rows @ rows.T, expected @ expected.T, atol=1e-5)
    counts = ["".join(texts).count(letter) for letter in LETTERS]
    assert piece_counts(letters_tokenizer(), iter(texts)).tolist() == counts


def test_the_same_texts_give_the_same_vectors() -> None:
    texts = walk(60, 100)
    first, second = (learn_vectors(letters_tokenizer(), iter(texts)) for _ in range(2))
    assert np.array_equal(first, second)


def test_pieces_that_can_stand_for_each_other_are_nearest() -> None:
    found = neighbours(letters_tokenizer(), 20, walk(100, 400))
    assert len(found) == 6
    for original, (ids, weights) in zip("abcdef", found, strict=True):
        assert LETTERS[ids[weights.argmax()]] == original
        assert weights.min() > 0
        assert abs(weights.sum() - 1) < 1e-5


def test_windows_do_not_leave_their_document() -> None:
    texts = walk(30, 200)
    rows, reordered = (learn_vectors(letters_tokenizer(), order) for order in (texts, sorted(texts)))
    np.testing.assert_allclose(reordered @ reordered.T, rows @ rows.T, atol=1e-5)


def test_rare_pieces_have_no_vector_and_no_neighbours() -> None:
    without = [text.replace("y", "").replace("z", "") for text in walk(100, 200)]
    texts = [*without, *["ay"] * MIN_TOKENS, *["az"] * (MIN_TOKENS - 1)]
    lengths = np.linalg.norm(learn_vectors(letters_tokenizer(), texts), axis=1)
    np.testing.assert_allclose(lengths, [1] * 25 + [0], atol=1e-5)
    *_, frequent, rare = neighbours(letters_tokenizer(), 20, texts)
    assert len(frequent.ids) > 0
    assert len(rare.ids) == len(rare.weights) == 0


def candidates(tokenizer: Tokenizer, num_base: int, texts: list[str]) -> set[str]:
    return {str(tokenizer.pieces[id]) for ids, _ in neighbours(tokenizer, num_base, texts) for id in ids.tolist()}


def test_bytes_are_nobodys_neighbours() -> None:
    tokenizer = letters_tokenizer("Ã", "©")  # the two bytes of "é", as a byte-level tokenizer writes them
    texts = [text.replace("a", "é") for text in walk(100, 100)]
    assert piece_counts(tokenizer, texts)[:2].tolist() == ["".join(texts).count("é")] * 2
    found = candidates(tokenizer, 22, texts)
    assert len(found) > 10
    assert found < set(LETTERS)


def test_the_unknown_piece_is_nobodys_neighbour() -> None:
    model = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter(walk(30, 50)), model_writer=model, model_type="char", vocab_size=30, minloglevel=2
    )
    parsed = parse(model.getvalue())
    assert parsed is not None
    tokenizer = SentencePieceTokenizer(parsed, {})
    texts = [text.replace("a", "雪") for text in walk(100, 100)]
    assert piece_counts(tokenizer, texts)[0] > MIN_TOKENS
    found = candidates(tokenizer, 20, texts)
    assert len(found) > 10
    assert found < {"▁", *LETTERS}


@pytest.mark.parametrize("texts", [[], [""], ["a"], ["ab"], ["a" * 50], ["a", "b"] * 50])
def test_too_little_text_gives_no_neighbours_and_no_error(texts: list[str]) -> None:
    assert [len(ids) for ids, _ in neighbours(letters_tokenizer(), 20, texts)] == [0] * 6


scores = st.lists(
    st.lists(st.floats(-1, 1, width=32), min_size=5, max_size=5), min_size=1, max_size=4
).map(lambda rows: np.array(rows, dtype=np.float32))  # fmt: skip


@given(scores_NC=scores)
def test_sparsemax_is_the_closest_point_of_the_simplex(scores_NC: NDArray[np.float32]) -> None:
    weights_NC = sparsemax(scores_NC)
    assert (weights_NC >= 0).all()
    np.testing.assert_allclose(weights_NC.sum(1), 1, atol=1e-5)
    # p is the projection of z if and only if (z - p)(q - p) <= 0 for every q of the simplex, so for its corners.
    gap_NC = scores_NC - weights_NC
    assert (gap_NC.max(1) <= (gap_NC * weights_NC).sum(1) + 1e-5).all()


@given(scores_NC=scores, shift=st.floats(-3, 3))
def test_sparsemax_does_not_see_a_shift_and_keeps_the_order(scores_NC: NDArray[np.float32], shift: float) -> None:
    weights_NC = sparsemax(scores_NC)
    np.testing.assert_allclose(sparsemax(scores_NC + np.float32(shift)), weights_NC, atol=1e-5)
    order = np.argsort(scores_NC, axis=1)
    assert (np.diff(np.take_along_axis(weights_NC, order, axis=1), axis=1) >= 0).all()


SIMPLIFIED, TRADITIONAL = (
    "国们这时来说对个学会后发经电车长门问间东书见开关",
    "國們這時來說對個學會後發經電車長門問間東書見開關",
)


def test_chinese_characters_of_a_kind_are_closer_than_others(llama: Tokenizer, documents: Documents) -> None:
    texts = documents("zh", 2_000_000)
    known = set(llama.pieces)
    characters = [c for c in sorted(set("".join(texts))) if c not in known and "\u4e00" <= c <= "\u9fff"]
    extended = llama.with_pieces([NewPiece(text=character) for character in characters])
    ids = {piece: id for id, piece in enumerate(extended.pieces)}
    rows = learn_vectors(extended, texts)
    frequent = np.flatnonzero(rows.any(axis=1))
    pairs = np.random.default_rng(0).choice(frequent, (5000, 2))
    by_chance = np.sum(rows[pairs[:, 0]] * rows[pairs[:, 1]], axis=1)

    def rank(kind: Iterable[tuple[str, str]]) -> float:
        """Share of random pairs that are less alike than a pair of a kind, on average."""
        alike = [float(rows[ids[one]] @ rows[ids[other]]) for one, other in kind]
        return float(np.mean([(by_chance < similarity).mean() for similarity in alike]))

    assert rank(combinations(string.digits, 2)) > 0.99
    assert rank(combinations("一二三四五六七八九十", 2)) > 0.95
    assert rank(zip(SIMPLIFIED, TRADITIONAL, strict=True)) > 0.8
