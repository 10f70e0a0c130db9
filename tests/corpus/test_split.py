"""What a corpus keeps is decided by seed and content alone."""

from typing import NamedTuple

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from loanword.corpus.order import Keys, in_order, order_key, text_digest
from loanword.corpus.parts import COLUMNS
from loanword.corpus.split import (
    DUPLICATE,
    KEPT,
    KEPT_UNDER_OWN_ID,
    Section,
    kept,
    mark_duplicates,
    mark_repeated_ids,
    sections,
)

IDS = st.sampled_from("xyz")
DOCUMENTS = st.lists(st.tuples(IDS, st.text(alphabet="ab语 ", max_size=6)), max_size=30)
LIMITS = st.none() | st.integers(1, 60)
HELD_OUT = st.integers(0, 5)
GROUPS = st.sampled_from([1, 3, 100])

Named = tuple[str, str]


class Sorted:
    """Some documents as a part has them."""

    def __init__(self, documents: list[Named], seed: int):
        rows = [(*key(document, seed), id_key(document[0]), len(document[1].encode()), 0) for document in documents]
        columns = np.array(rows, np.uint64).reshape(-1, len(COLUMNS)).T
        places = in_order(*columns[:3])
        self.num_documents = len(documents)
        self.documents = [documents[place] for place in places]
        self._columns: dict[str, Keys] = dict(zip(COLUMNS, columns[:, places], strict=True))

    def column(self, name: str) -> Keys:
        return self._columns[name]


class Whole(NamedTuple):
    """What was decided: documents in order by the kind of their section, and the sections."""

    held_out: list[Named]
    trained_on: list[Named]
    over_limit: list[Named]
    sections: list[tuple[Section, list[Named]]]
    own_id: list[bool]
    num_duplicates: int


def key(document: Named, seed: int) -> tuple[int, int, int]:
    digest = text_digest(document[1])
    order = order_key(seed, digest)
    return order, int.from_bytes(digest[:8]), int.from_bytes(digest[8:])


def id_key(name: str) -> int:
    return int.from_bytes(text_digest(name)[:8])


def whole(documents, *, held_out=2, limit=None, shard=10, seed=0, num_parts=3, group=100) -> Whole:
    parts = [Sorted(documents[start::num_parts], seed) for start in range(num_parts)]
    fates = np.full(len(documents), KEPT, np.uint8)
    mark_duplicates(parts, fates, 5, group)
    mark_repeated_ids(parts, fates, group)
    kinds: dict[str, list[Named]] = {"held_out": [], "shard": [], "over_limit": []}
    found, own_id, before = [], [], np.zeros(num_parts, np.int64)
    firsts = np.cumsum([0, *(part.num_documents for part in parts)])
    for section, reached in sections(parts, fates, held_out, limit, shard, group):
        rows = [(part, row) for part in range(num_parts) for row in range(before[part], reached[part])]
        rows = [(part, row) for part, row in rows if kept(fates)[firsts[part] + row]]
        rows.sort(key=lambda place: key(parts[place[0]].documents[place[1]], seed))
        inside = [parts[part].documents[row] for part, row in rows]
        own_id += [bool(fates[firsts[part] + row] == KEPT_UNDER_OWN_ID) for part, row in rows]
        kinds[section.kind] += inside
        found.append((section, inside))
        before = reached
    num_duplicates = int((fates == DUPLICATE).sum())
    return Whole(kinds["held_out"], kinds["shard"], kinds["over_limit"], found, own_id, num_duplicates)


def in_seeded_order(documents: list[Named], seed: int = 0) -> list[Named]:
    first_of_text: dict[str, Named] = {}
    for document in sorted(documents, key=lambda document: (*key(document, seed), id_key(document[0]))):
        first_of_text.setdefault(document[1], document)
    return list(first_of_text.values())


def num_bytes(documents: list[Named]) -> int:
    return sum(len(text.encode()) for _, text in documents)


@given(DOCUMENTS, LIMITS, HELD_OUT, GROUPS, st.integers(1, 5))
def test_the_seeded_order_is_cut_into_held_out_trained_on_and_over_the_limit(documents, limit, held, group, parts):
    made = whole(documents, held_out=held, limit=limit, group=group, num_parts=parts)
    expected = in_seeded_order(documents)
    assert made.held_out == expected[:held]
    within, left = [], limit
    for document in expected[held:]:
        if left is not None:
            left -= num_bytes([document])
            if left < 0:
                break
        within.append(document)
    assert made.trained_on == within
    assert made.over_limit == expected[held + len(within) :]
    assert made.num_duplicates == len(documents) - len(expected)


@given(DOCUMENTS, LIMITS, HELD_OUT, st.randoms())
def test_neither_the_order_of_reading_nor_its_parts_change_anything(documents, limit, held_out, random):
    shuffled = random.sample(documents, len(documents))
    one = whole(documents, held_out=held_out, limit=limit)
    other = whole(shuffled, held_out=held_out, limit=limit, num_parts=1)
    assert one == other


@given(DOCUMENTS, LIMITS, HELD_OUT, st.integers(1, 30), GROUPS)
def test_sections_are_what_they_say_and_no_larger_than_asked_for(documents, limit, held_out, shard, group):
    made = whole(documents, held_out=held_out, limit=limit, shard=shard, group=group)
    for section, inside in made.sections:
        assert (section.num_documents, section.num_bytes) == (len(inside), num_bytes(inside))
        assert section.num_documents
        assert section.kind == "held_out" or section.num_bytes <= shard or section.num_documents == 1
    assert limit is None or num_bytes(made.trained_on) <= limit


@given(DOCUMENTS, st.integers(1, 60), st.integers(1, 60))
def test_a_smaller_corpus_is_the_start_of_a_larger_one(documents, one, other):
    small, large = (whole(documents, limit=limit) for limit in sorted((one, other)))
    assert large.trained_on[: len(small.trained_on)] == small.trained_on
    assert large.held_out == small.held_out


def test_a_limit_that_documents_fill_exactly_keeps_them():
    documents = [("x", text) for text in ("aa", "bb", "cc", "dd")]
    assert len(whole(documents, held_out=1, limit=4).trained_on) == 2


@given(DOCUMENTS, GROUPS)
def test_all_but_the_first_of_a_repeated_id_are_marked(documents, group):
    made = whole(documents, held_out=0, group=group)
    seen: set[str] = set()
    for (name, _), own_id in zip(made.trained_on, made.own_id, strict=True):
        assert own_id == (name in seen)
        seen.add(name)


@given(DOCUMENTS, GROUPS)
def test_examples_of_duplicates_name_what_is_kept_instead(documents, group):
    part = Sorted(documents, 0)
    fates = np.full(len(documents), KEPT, np.uint8)
    examples = mark_duplicates([part], fates, 3, group)
    left_out = sorted({key(document, 0)[0] for document, fate in zip(part.documents, fates, strict=True) if fate})
    assert [example.order for example in examples] == left_out[:3]
    for example in examples:
        assert fates[example.number] == DUPLICATE
        assert fates[example.kept] == KEPT
        assert part.documents[example.kept][1] == part.documents[example.number][1]


def test_another_seed_gives_another_order():
    documents = [("x", f"document {number}") for number in range(50)]
    assert whole(documents, seed=1).trained_on != whole(documents, seed=2).trained_on
