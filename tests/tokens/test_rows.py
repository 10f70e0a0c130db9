"""Rows of a token stream: each token predicted once, documents apart, budgets exact."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loanword.errors import UserError
from loanword.recipe import Budget
from loanword.tokens.rows import NOT_COUNTED, TokenRows
from loanword.tokens.stream import tokenize_corpus
from tests.tokens.fakes import Characters
from tests.tokens.written import written

TEXTS = st.lists(st.text(alphabet="abc语é", max_size=12), min_size=1, max_size=8)
ROW_TOKENS = st.integers(1, 17)


class Pairs(Characters):
    """About half as many tokens as characters: another vocabulary over the same text."""

    def encode_batch(self, texts):
        return [ids[::2] for ids in super().encode_batch(texts)]


@contextmanager
def stream(texts: list[str], tokenizer: Characters | None = None) -> Iterator[Path]:
    # A file of the stream holds two documents or so: rows go across their borders.
    with tempfile.TemporaryDirectory() as folder:
        files = written(texts, Path(folder) / "corpus")
        tokenize_corpus(files, tokenizer or Characters(), Path(folder), "zh", shard_tokens=12, unit_bytes=1)
        yield Path(folder)


def flat(texts: list[str]) -> list[int]:
    return [id for text in texts for id in (1, *(ord(character) + 3 for character in text), 2)]


@given(TEXTS, ROW_TOKENS)
def test_every_token_but_bos_is_predicted_exactly_once(texts: list[str], row_tokens: int):
    with stream(texts) as folder:
        rows = TokenRows(folder, row_tokens)
        labels = [int(label) for index in range(rows.num_rows) for label in rows.row(index).labels]
        assert [label for label in labels if label != NOT_COUNTED] == [id for id in flat(texts) if id != 1]


@given(TEXTS, ROW_TOKENS, st.integers(1, 150))
def test_rows_are_the_stream_cut_at_its_limit(texts: list[str], row_tokens: int, limit: int):
    ids = (flat(texts) * 80)[:limit]
    with stream(texts) as folder:
        rows = TokenRows(folder, row_tokens, limit_tokens=limit)
        read = [rows.row(index) for index in range(rows.num_rows)]
    inputs = [int(id) for row in read for id in row.ids]
    labels = [int(label) for row in read for label in row.labels]
    for place in range(limit - 1):
        assert inputs[place] == ids[place]
        assert labels[place] == (NOT_COUNTED if ids[place + 1] == 1 else ids[place + 1])
    assert set(labels[limit - 1 :]) <= {NOT_COUNTED}
    assert len(labels) - row_tokens < limit


@given(TEXTS, ROW_TOKENS, st.integers(1, 150))
def test_starts_are_where_documents_and_padding_begin(texts: list[str], row_tokens: int, limit: int):
    ids = (flat(texts) * 80)[:limit]
    with stream(texts) as folder:
        rows = TokenRows(folder, row_tokens, limit_tokens=limit)
        for index in range(rows.num_rows):
            row, before = rows.row(index), index * row_tokens
            begins = {at for at, id in enumerate(ids[before : before + row_tokens]) if id == 1}
            padding = {limit - before} if limit - before < row_tokens else set[int]()
            assert row.starts == tuple(sorted({0} | begins | padding))


@given(TEXTS, ROW_TOKENS, st.data())
def test_a_limit_gives_the_rows_of_a_corpus_that_ends_there(texts: list[str], row_tokens: int, data: st.DataObject):
    k = data.draw(st.integers(1, len(texts)))
    with stream(texts) as whole, stream(texts[:k]) as part:
        limited = TokenRows(whole, row_tokens, TokenRows(whole, row_tokens).tokens_of_documents(k))
        short = TokenRows(part, row_tokens)
        assert limited.num_rows == short.num_rows
        for index in range(short.num_rows):
            for one, other in zip(limited.row(index), short.row(index), strict=True):
                assert np.array_equal(one, other)


@given(TEXTS, ROW_TOKENS, st.integers(2, 3))
def test_epochs_join_without_a_seam(texts: list[str], row_tokens: int, epochs: int):
    with stream(texts) as once, stream(texts * epochs) as often:
        one = TokenRows(once, row_tokens, TokenRows(once, row_tokens).tokens_of_documents(epochs * len(texts)))
        other = TokenRows(often, row_tokens)
        assert one.num_rows == other.num_rows
        for index in range(other.num_rows):
            for ours, theirs in zip(one.row(index), other.row(index), strict=True):
                assert np.array_equal(ours, theirs)


@given(TEXTS, st.sampled_from(["documents", "bytes", "tokens"]), st.integers(0, 200))
def test_a_budget_is_the_fewest_documents_that_reach_it(texts: list[str], unit: str, amount: int):
    size = {
        "documents": lambda text: 1,
        "bytes": lambda text: len(text.encode()),
        "tokens": lambda text: len(text) + 2,
    }[unit]
    sizes = [size(text) for text in texts]
    if not sum(sizes):
        return
    with stream(texts) as folder:
        k = TokenRows(folder, 4).documents_for_budget(Budget(**{unit: amount}), allow_epochs=True)
    until = np.cumsum([0, *(sizes * (amount // sum(sizes) + 1))])
    assert until[k] >= amount
    assert k == 0 or until[k - 1] < amount


@given(TEXTS.filter(lambda texts: len("".join(texts)) > 3), st.data())
def test_a_budget_in_base_tokens_is_the_same_documents_under_every_vocabulary(texts: list[str], data: st.DataObject):
    with stream(texts) as base, stream(texts, Pairs()) as other:
        base_rows, other_rows = TokenRows(base, 4), TokenRows(other, 4)
        budget = Budget(tokens=data.draw(st.integers(1, base_rows.num_tokens)))
        assert other_rows.documents_for_budget(budget, base_rows) == base_rows.documents_for_budget(budget)


def test_a_budget_larger_than_the_corpus_says_how_many_epochs_it_takes():
    with stream(["abcd", "efgh"]) as folder, pytest.raises(UserError) as caught:
        TokenRows(folder, 4).documents_for_budget(Budget(bytes=20))
    assert str(caught.value).startswith("budget of 20 bytes - it would take 2.50 epochs of the zh corpus")
    assert "allow_epochs = true" in caught.value.do


def test_a_measure_of_other_documents_is_refused():
    with stream(["abcd"]) as one, stream(["abc"]) as other, pytest.raises(ValueError, match="same documents"):
        TokenRows(one, 4).documents_for_budget(Budget(tokens=1), TokenRows(other, 4))


@given(TEXTS, ROW_TOKENS, st.integers(1, 100), st.data())
def test_bytes_and_tokens_of_rows_add_up(texts: list[str], row_tokens: int, limit: int, data: st.DataObject):
    with stream(texts) as folder:
        rows = TokenRows(folder, row_tokens, limit)
        last = rows.num_rows
        middle = data.draw(st.integers(0, last))
        if last:
            assert rows.bytes_in_rows(0, middle) + rows.bytes_in_rows(middle, last) == rows.bytes_of_tokens(limit)
            assert rows.tokens_in_rows(0, middle) + rows.tokens_in_rows(middle, last) == limit
        for k in range(len(texts) + 1):
            exact = sum(len(text.encode()) for text in texts[:k])
            assert rows.bytes_of_tokens(rows.tokens_of_documents(k)) == exact


def test_no_row_outside_the_stream():
    with stream(["abc"]) as folder:
        rows = TokenRows(folder, 2)
        assert rows.num_rows == 2
        for index in (-1, 2):
            with pytest.raises(IndexError):
                rows.row(index)
        assert TokenRows(folder, 2, limit_tokens=0).num_rows == 0
