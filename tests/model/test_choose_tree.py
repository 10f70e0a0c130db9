from collections.abc import Sequence

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from loanword.model.prefix_tree import Read, prefix_tree, rows
from loanword.model.prompts import Ids
from loanword.model.shared_prefix import visible

sequences = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=14).map(tuple), min_size=1, max_size=12)
limits = {"longest": st.integers(1, 9), "least": st.integers(1, 6)}


def asked(sequences: Sequence[Ids]) -> list[tuple[Ids, list[Read]]]:
    """Of each sequence its last position is read, and its first."""
    return [(ids, [Read(len(ids) - 1, 7, (n, 0)), Read(0, 8, (n, 1))]) for n, ids in enumerate(sequences)]


@settings(deadline=None)
@given(sequences, limits["longest"], limits["least"])
def test_what_is_read_of_a_sequence_stands_behind_that_sequence(given: Sequence[Ids], longest: int, least: int):
    nodes = prefix_tree(asked(given), longest, least)
    texts: list[Ids] = []
    for node in nodes:
        before = () if node.parent is None else texts[node.parent]
        assert len(before) == node.start
        assert 0 < len(node.ids) <= longest
        texts.append(before + node.ids)
    found = {
        read.cell: (text[: node.start + read.place + 1], read.next_id)
        for node, text in zip(nodes, texts, strict=True)
        for read in node.reads
    }
    expected = {(n, 0): (ids, 7) for n, ids in enumerate(given)} | {(n, 1): (ids[:1], 8) for n, ids in enumerate(given)}
    assert found == expected


@settings(deadline=None)
@given(sequences, limits["longest"])
def test_every_beginning_is_one_place_of_the_tree(given: Sequence[Ids], longest: int):
    distinct = {ids[:length] for ids in given for length in range(1, len(ids) + 1)}
    assert sum(len(node.ids) for node in prefix_tree(asked(given), longest, least=1)) == len(distinct)


@settings(deadline=None)
@given(sequences, limits["longest"], limits["least"], st.integers(9, 40))
def test_an_id_sees_what_stands_before_it_in_its_sequence(
    given: Sequence[Ids], longest: int, least: int, row_tokens: int
):
    nodes = prefix_tree(asked(given), longest, least)
    texts: list[Ids] = []
    for node in nodes:
        texts.append((() if node.parent is None else texts[node.parent]) + node.ids)
    wholes = iter([text[: node.start + place + 1] for node, text in zip(nodes, texts, strict=True)
                   for place in range(len(node.ids))])  # fmt: skip
    path: list[int] = []
    for row in rows(nodes, row_tokens):
        assert len(path) == row.num_path
        assert len(row.ids) <= row_tokens
        keys = path + row.ids
        for place, seen in enumerate(visible(row, range(len(row.ids)))):
            assert tuple(keys[key] for key in torch.nonzero(seen).flatten().tolist()) == next(wholes)
            assert row.positions[place] == int(seen.sum()) - 1
        path = path[: row.num_kept_path] + [keys[key] for key in row.kept]
    assert next(wholes, None) is None


@settings(deadline=None)
@given(sequences, st.randoms(use_true_random=False))
def test_the_order_of_sequences_does_not_matter(given: Sequence[Ids], random: object):
    shuffled = list(given)
    random.shuffle(shuffled)  # pyright: ignore[reportAttributeAccessIssue]
    plain = [[(node.ids, node.start, node.end) for node in prefix_tree(asked(one), 9)] for one in (given, shuffled)]
    assert plain[0] == plain[1]


def test_a_short_beginning_is_not_worth_a_node():
    given = [(1, 2, 3, 4, 5), (1, 2, 3, 6, 7), (1, 2, 3, 6, 8)]
    assert [node.ids for node in prefix_tree(asked(given), 9, least=3)] == [(1, 2, 3), (4, 5), (6, 7), (6, 8)]
