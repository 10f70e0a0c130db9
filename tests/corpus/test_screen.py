"""Looking through many documents at a time finds what looking at each one does."""

import gzip
import itertools
import json
import tracemalloc
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from loanword.corpus import screen
from loanword.corpus.near import similarity
from loanword.corpus.screen import Screen

WORDS = st.lists(
    st.sampled_from(["one", "two", "three", "Four", "语", "文字", "qzxqzx", "\u0301", "-", "é"]), max_size=30
)
TEXTS = WORDS.map(" ".join) | st.text(max_size=30)


def each_by_itself(texts: list[str], documents: list[str], threshold: float) -> list[tuple[int, list[int]]]:
    near = (
        (place, [number for number, text in enumerate(texts) if similarity(text, document) >= threshold])
        for place, document in enumerate(documents)
    )
    return [(place, found) for place, found in near if found]


@given(st.lists(TEXTS, min_size=1, max_size=5), st.lists(TEXTS, max_size=12), st.sampled_from([0.2, 0.7, 1.0]))
@settings(max_examples=50)
def test_documents_strung_together_are_near_what_they_are_near_by_themselves(texts, documents, threshold):
    documents += texts
    assert list(Screen(texts, threshold).near(documents)) == each_by_itself(texts, documents, threshold)


def test_real_text_is_found_among_real_text(shared_data: Path):
    with gzip.open(shared_data / "text" / "zh.jsonl.gz") as file:
        read = [json.loads(line)["text"] for line in itertools.islice(file, 400)]
    edited = [text[: int(len(text) * 0.9)] for text in read[::20]]
    assert sum(map(len, read)) > 2 * screen.BATCH_CHARACTERS
    found = list(Screen(edited, 0.7).near(read))
    assert found == each_by_itself(edited, read, 0.7)
    assert len(found) >= 20


def test_what_is_held_does_not_grow_with_the_texts_that_nothing_resembles():
    texts = [f"{number} one two three four five six seven" for number in range(4000)]
    screen, documents = Screen(texts, 0.7), ["x"] * 500 + [texts[7]]
    tracemalloc.start()
    try:
        found = list(screen.near(documents))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert 7 in dict(found)[500]
    assert peak < 8 * len(documents) * len(texts) / 2, f"{peak:,} bytes"
