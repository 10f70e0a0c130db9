"""What a corpus keeps is decided by seed and content alone."""

from hypothesis import given
from hypothesis import strategies as st

from loanword.corpus.split import Index, Split, split_documents
from loanword.records import Document

TEXTS = st.lists(st.text(alphabet="ab语 ", min_size=1, max_size=6), max_size=30)
LIMITS = st.none() | st.integers(1, 60)


def split_of(texts: list[str], *, held_out: int = 2, limit: int | None = None, shard: int = 10, seed: int = 0) -> Split:
    index = Index(seed)
    for text in texts:
        index.add(Document(id=f"id {text}", text=text))
    return split_documents(index, held_out, limit, shard)


def in_order(texts: list[str], split: Split) -> list[str]:
    kept = [(rank, text) for rank, text in zip(split.rank.tolist(), texts, strict=True) if rank >= 0]
    return [text for _, text in sorted(kept)]


@given(TEXTS, LIMITS, st.integers(0, 5), st.randoms())
def test_the_order_of_reading_changes_nothing(texts, limit, held_out, random):
    shuffled = random.sample(texts, len(texts))
    one, other = (split_of(each, held_out=held_out, limit=limit) for each in (texts, shuffled))
    assert in_order(texts, one) == in_order(shuffled, other)
    assert (one.part_ends, one.part_bytes) == (other.part_ends, other.part_bytes)


@given(TEXTS, LIMITS, st.integers(0, 5))
def test_every_distinct_text_is_held_out_kept_or_over_the_limit(texts, limit, held_out):
    split = split_of(texts, held_out=held_out, limit=limit)
    kept = in_order(texts, split)
    assert len(kept) == len(set(kept)) == split.part_ends[-1]
    assert len(kept) + split.num_over_limit == len(set(texts))
    assert split.num_duplicates == len(texts) - len(set(texts))


@given(TEXTS, LIMITS, st.integers(0, 5), st.integers(1, 30))
def test_shards_and_limit_are_kept(texts, limit, held_out, shard):
    split = split_of(texts, held_out=held_out, limit=limit, shard=shard)
    kept = in_order(texts, split)
    starts = [0, *split.part_ends[:-1]]
    parts = [kept[start:end] for start, end in zip(starts, split.part_ends, strict=True)]
    sizes = tuple(sum(len(text.encode()) for text in part) for part in parts)
    assert sizes == split.part_bytes
    assert limit is None or sum(sizes[1:]) <= limit
    assert all(size <= shard or len(part) == 1 for size, part in zip(sizes[1:], parts[1:], strict=True))
    assert all(part for part in parts[1:])


@given(TEXTS, st.integers(1, 60), st.integers(1, 60))
def test_a_smaller_corpus_is_the_start_of_a_larger_one(texts, one, other):
    small, large = (in_order(texts, split_of(texts, limit=limit)) for limit in sorted((one, other)))
    assert large[: len(small)] == small


@given(TEXTS, st.integers(1, 60))
def test_the_limit_is_used_up_to_the_next_document(texts, limit):
    split, whole = split_of(texts, limit=limit), in_order(texts, split_of(texts))
    end = split.part_ends[-1]
    if split.num_over_limit:
        assert sum(split.part_bytes[1:]) + len(whole[end].encode()) > limit


def test_a_limit_that_documents_fill_exactly_keeps_them():
    texts = ["aa", "bb", "cc", "dd"]
    assert split_of(texts, held_out=1, limit=4).part_ends[-1] == 3


@given(st.lists(st.tuples(st.sampled_from("xyz"), st.sampled_from("abcdef")), max_size=12))
def test_all_but_the_first_of_a_repeated_id_are_marked(pairs):
    index = Index(0)
    for name, text in pairs:
        index.add(Document(id=name, text=text))
    split = split_documents(index, 0, None, 10)
    ranked = sorted((rank, place) for place, rank in enumerate(split.rank.tolist()) if rank >= 0)
    seen: set[str] = set()
    for _, place in ranked:
        assert bool(split.id_taken[place]) == (pairs[place][0] in seen)
        seen.add(pairs[place][0])


def test_another_seed_gives_another_order():
    texts = [f"document {number}" for number in range(50)]
    assert in_order(texts, split_of(texts, seed=1)) != in_order(texts, split_of(texts, seed=2))
