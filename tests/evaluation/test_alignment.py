"""Retrieval of translations: exact on what is known, chance on what is shuffled, and fair to repeated sentences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from loanword.errors import UserError
from loanword.evaluation.alignment import aligned, margins, read_parallel
from loanword.protocols import Progress, silent
from loanword.recipe import AlignmentConfig
from loanword.records import AlignedLayer

TWO = AlignmentConfig(texts={"en": "en.txt", "zh": "zh.txt"})
SENTENCES = [f"sentence number {number}" for number in range(300)]


@dataclass
class Known:
    """Vectors that a test lays down, by text; others are drawn from the text and the layer alone."""

    by_text: Mapping[str, Sequence[float]] = field(default_factory=dict[str, Sequence[float]])
    num_layers: int = 1
    width: int = 16
    longest: int = 1_000

    def vectors(
        self, texts: Sequence[str], pooling: Literal["mean", "last"], progress: Progress = silent
    ) -> NDArray[np.float32]:
        progress(len(texts), len(texts), "sentences")
        layers = [
            [self.by_text.get(text, self._drawn(text, layer)) for text in texts] for layer in range(self.num_layers)
        ]
        return np.array(layers, dtype=np.float32)

    def num_cut(self, texts: Sequence[str]) -> int:
        return sum(len(text) > self.longest for text in texts)

    def _drawn(self, text: str, layer: int) -> NDArray[np.float64]:
        return np.random.default_rng([layer, *text.encode()]).normal(size=self.width)


def one_layer(encoder: Any, source: Sequence[str], target: Sequence[str]) -> AlignedLayer:
    (found,) = aligned(encoder, {"en": source, "zh": target}, TWO)
    return found


def test_identical_sentences_are_all_hits_at_every_layer():
    for layer in aligned(Known(num_layers=3), {"en": SENTENCES, "zh": SENTENCES}, TWO):
        assert layer.forward_hits == layer.backward_hits == "1" * len(SENTENCES)
        assert layer.forward_margin == pytest.approx(layer.backward_margin)
        assert layer.forward_margin > 0.1


def test_unrelated_vectors_and_shuffled_translations_are_hit_by_chance():
    layers = aligned(Known(num_layers=40), {"en": SENTENCES, "zh": [f"句 {number}" for number in range(300)]}, TWO)
    # 40 layers of 600 hits, each 1 in 300 by chance: 80 on average, with a deviation of 9.
    assert 50 < sum(layer.shuffled_accuracy * 600 for layer in layers) < 110
    assert 50 < sum((layer.forward_hits + layer.backward_hits).count("1") for layer in layers) < 110


def test_shuffled_translations_of_identical_sentences_are_hit_by_chance():
    layers = aligned(Known(num_layers=4), {"en": SENTENCES, "zh": SENTENCES}, TWO)
    # Where the deal leaves a sentence in its place, and nowhere else: 1 on average, the same at every layer.
    (accuracy,) = {layer.shuffled_accuracy for layer in layers}
    assert accuracy * 300 in range(6)


def test_vectors_that_do_not_tell_sentences_apart_hit_nothing():
    collapsed = {text: [1.0, 2.0, 3.0] for text in SENTENCES}
    found = one_layer(Known(collapsed), SENTENCES, SENTENCES)
    assert "1" not in found.forward_hits + found.backward_hits
    assert found.forward_margin == pytest.approx(0)
    assert found.shuffled_accuracy == 0


def test_sentences_that_repeat_are_hits_with_either_translation():
    source = ["a dog", "a cat", "a dog", "a bird"]
    target = ["一条狗", "一只猫", "狗", "一只鸟"]
    placed = {
        "a dog": [1, 0, 0, 0.1],
        "一条狗": [0.2, 0, 0, 1],
        "狗": [1, 0, 0, 0],
        "a cat": [0, 1, 0, 0],
        "一只猫": [0, 1, 0.1, 0],
        "a bird": [0, 0, 1, 0],
        "一只鸟": [0, 0, 1, 0.1],
    }
    found = one_layer(Known(placed), source, target)
    # Either dog finds the nearer of the two, and the farther one finds a dog too.
    assert (found.forward_hits, found.backward_hits) == ("1111", "1111")
    turned = one_layer(Known(placed), target, source)
    assert (turned.forward_margin, turned.backward_margin) == (found.backward_margin, found.forward_margin)
    apart = {f"{text} {place}": placed[text] for place, text in enumerate(source)}
    assert one_layer(Known({**placed, **apart}), list(apart), target).forward_hits == "0111"


def test_a_translation_counts_only_where_it_is_nearer_than_rounding():
    near = {"a": [1.0, 0.0], "b": [0.0, 1.0], "甲": [1.0, 1.0], "乙": [1.0, 1.0 + 1e-7]}
    assert one_layer(Known(near), ["a", "b"], ["甲", "乙"]).forward_hits == "00"
    apart = {**near, "乙": [1.0, 1.01]}
    assert one_layer(Known(apart), ["a", "b"], ["甲", "乙"]).forward_hits == "11"


@given(st.integers(2, 40), st.integers(1, 6), st.integers(0, 2**31))
def test_margins_equal_those_from_a_table_of_cosine_distances(num_sentences: int, width: int, seed: int):
    rng = np.random.default_rng(seed)
    one, other = rng.normal(size=(2, num_sentences, width))
    texts = np.arange(num_sentences, dtype=np.int64)
    distances = cdist(one, other, "cosine")
    own = np.diag(distances).copy()
    np.fill_diagonal(distances, np.inf)
    unit, others = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in (one, other))
    assert margins(unit, others, texts, texts) == pytest.approx(distances.min(axis=1) - own, abs=1e-12)


def test_sentences_in_several_parts_are_compared_as_in_one(monkeypatch: pytest.MonkeyPatch):
    target = [f"{text}." for text in SENTENCES]
    whole = aligned(Known(), {"en": SENTENCES, "zh": target}, TWO)
    monkeypatch.setattr("loanword.evaluation.alignment.AT_ONCE_SENTENCES", 7)
    (parts,), (one,) = aligned(Known(), {"en": SENTENCES, "zh": target}, TWO), whole
    assert parts.forward_margin == pytest.approx(one.forward_margin, abs=1e-12)
    assert (parts.forward_hits, parts.backward_hits) == (one.forward_hits, one.backward_hits)


@given(st.randoms(use_true_random=False))
def test_the_order_of_lines_changes_no_hit(random: Any):
    rng = np.random.default_rng(random.randrange(2**31))
    pairs = [(f"a{number}", f"b{number}") for number in range(12)]
    placed = {text: rng.normal(size=3).tolist() for pair in pairs for text in pair}
    before = one_layer(Known(placed), *map(list, zip(*pairs, strict=True)))
    order = random.sample(range(12), 12)
    after = one_layer(Known(placed), *map(list, zip(*(pairs[place] for place in order), strict=True)))
    assert after.forward_hits == "".join(before.forward_hits[place] for place in order)
    assert after.backward_hits == "".join(before.backward_hits[place] for place in order)


def test_every_language_is_compared_with_the_source_and_progress_counts_all_of_them():
    config = AlignmentConfig(texts=dict.fromkeys(("vi", "en", "zh"), "text"), source="en")
    seen: list[tuple[int, int, str]] = []
    texts = {language: [f"{language} {number}" for number in range(5)] for language in config.texts}
    found = aligned(Known(num_layers=2, longest=4), texts, config, lambda *report: seen.append(report))
    assert [(one.source, one.target, one.layer) for one in found] == [
        ("en", "vi", 0), ("en", "vi", 1), ("en", "zh", 0), ("en", "zh", 1),
    ]  # fmt: skip
    assert seen == [(5, 15, "sentences"), (10, 15, "sentences"), (15, 15, "sentences")]
    assert [one.num_cut for one in found] == [0] * 4
    assert aligned(Known(longest=3), texts, config)[0].num_cut == 10


def test_layers_say_which_sentences_they_are_of():
    """Equal digests are of equal sentences in both languages, line by line."""
    source, target = ["a", "bc", "d"], ["甲", "乙", "丙"]
    others = (
        (["a", "bc", "e"], target),
        (source, ["甲", "乙", "丁"]),
        (["a", "d", "bc"], ["甲", "丙", "乙"]),
        (["ab", "c", "d"], target),
        (source[:2], target[:2]),
    )
    digests = [one_layer(Known(), *texts).texts for texts in ((source, target), *others)]
    assert len(set(digests)) == len(digests)
    layers = aligned(Known({"a": [1.0] * 16}, num_layers=2), {"zh": target, "en": source}, TWO)
    assert {layer.texts for layer in layers} == {digests[0]}


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_vectors_that_are_not_finite_are_refused_by_layer(bad: float):
    with pytest.raises(UserError, match=r"en-zh, layer 0 - vectors that are not finite"):
        one_layer(Known({"a": [1.0, bad], "b": [0, 1], "c": [1, 1]}), ["a", "b"], ["b", "c"])


def test_a_vector_of_zeros_hits_nothing_and_breaks_nothing():
    placed = {"a": [0.0, 0.0], "b": [1, 0], "甲": [1, 0.2], "乙": [1, 0]}
    assert one_layer(Known(placed), ["a", "b"], ["甲", "乙"]).forward_hits == "01"


def test_text_in_which_everything_is_a_translation_of_everything_is_refused():
    with pytest.raises(UserError, match="every sentence is a translation of some other one"):
        one_layer(Known(), ["a", "a", "a"], ["甲", "乙", "丙"])


def write(folder: Path, **lines: Sequence[str]) -> dict[str, Path]:
    paths = {language: folder / f"{language}.txt" for language in lines}
    for language, path in paths.items():
        path.write_text("".join(f"{line}\n" for line in lines[language]), encoding="utf-8")
    return paths


def test_parallel_files_are_read_line_by_line_up_to_the_limit(tmp_path: Path):
    paths = write(tmp_path, en=["one", "two ", "three"], zh=["一", "二", "三"])
    assert read_parallel(paths, TWO) == {"en": ["one", "two ", "three"], "zh": ["一", "二", "三"]}
    limited = TWO.model_copy(update={"limit_sentences": 2})
    assert read_parallel(paths, limited) == {"en": ["one", "two "], "zh": ["一", "二"]}


def test_files_of_different_length_are_refused_with_both_counts(tmp_path: Path):
    with pytest.raises(UserError, match=r"zh\.txt - 2 sentences, where .*en\.txt has 3"):
        read_parallel(write(tmp_path, en=["one", "two", "three"], zh=["一", "二"]), TWO)


def test_an_empty_line_is_refused_by_file_and_line(tmp_path: Path):
    with pytest.raises(UserError, match=r"zh\.txt:2 - empty"):
        read_parallel(write(tmp_path, en=["one", "two", "three"], zh=["一", "  ", "三"]), TWO)


@pytest.mark.parametrize("limit", [None, 1])
def test_one_sentence_alone_is_refused(tmp_path: Path, limit: int | None):
    lines = 1 if limit is None else 3
    config = TWO.model_copy(update={"limit_sentences": limit})
    with pytest.raises(UserError, match="one sentence alone"):
        read_parallel(write(tmp_path, en=["one"] * lines, zh=["一"] * lines), config)
