"""What is written to disk is what was encoded, nothing dropped, doubled or cut."""

import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loanword.errors import UserError
from loanword.records import ConversationCounts
from loanword.tokens.fit import best_fit, fitted_rows
from loanword.tokens.pack import EncodedConversation, pack_conversations, write_rows
from loanword.tokens.rows import NOT_COUNTED, ConversationRows

LENGTHS = st.lists(st.integers(1, 16), max_size=60)


@given(LENGTHS)
def test_best_fit_packs_every_item_once_and_overfills_no_row(lengths: list[int]):
    rows = best_fit(np.array(lengths, dtype=np.int64), 16)
    assert sorted(item for row in rows for item in row) == list(range(len(lengths)))
    assert all(0 < sum(lengths[item] for item in row) <= 16 for row in rows)


@given(LENGTHS)
def test_best_fit_takes_the_fullest_row_with_room(lengths: list[int]):
    rooms: list[int] = []
    for length in sorted(lengths, reverse=True):
        fitting = [room for room in rooms if room >= length]
        if fitting:
            rooms[rooms.index(min(fitting))] -= length
        else:
            rooms.append(16 - length)
    rows = best_fit(np.array(lengths, dtype=np.int64), 16)
    assert sorted(16 - sum(lengths[item] for item in row) for row in rows) == sorted(rooms)


@given(LENGTHS)
def test_a_row_holds_its_longest_item_first_and_equal_ones_in_their_order(lengths: list[int]):
    for row in best_fit(np.array(lengths, dtype=np.int64), 16):
        assert row == sorted(row, key=lambda item: (-lengths[item], item))


@given(LENGTHS)
def test_fitted_rows_hold_every_item_once_in_no_more_rows_than_best_fit_needs(lengths: list[int]):
    rows = fitted_rows(np.array(lengths, dtype=np.int64), 16)
    assert sorted(rows.item_N.tolist()) == list(range(len(lengths)))
    ends = np.cumsum(rows.num_items_R).tolist()
    parts = [rows.item_N[begin:end].tolist() for begin, end in pairwise([0, *ends])]
    assert all(0 < sum(lengths[item] for item in part) <= 16 for part in parts)
    assert len(parts) <= len(best_fit(np.array(lengths, dtype=np.int64), 16))


@pytest.mark.parametrize("row_tokens", [2048, 4096])
def test_rows_of_many_conversations_are_filled_to_the_last_two_thousandths(row_tokens: int):
    # As long as those of Alpaca: none is shorter than the template, half of them hold about a hundred tokens.
    lengths = np.minimum(42 + np.random.default_rng(7).lognormal(4.1, 0.8, 50_000).astype(np.int64), row_tokens)
    rows = fitted_rows(lengths, row_tokens)
    assert lengths.sum() / (len(rows.num_items_R) * row_tokens) > 0.998
    assert len(best_fit(lengths, row_tokens)) > len(rows.num_items_R)


@st.composite
def encoded(draw: st.DrawFn) -> EncodedConversation:
    prompt = draw(st.lists(st.integers(3, 99), max_size=8))
    response = draw(st.lists(st.integers(3, 99), max_size=8))
    return EncodedConversation([1, *prompt, *response, 2], [False] * (len(prompt) + 1) + [True] * (len(response) + 1))


def packed(conversations: list[EncodedConversation], out: Path, row_tokens: int = 16) -> ConversationCounts:
    return pack_conversations(
        conversations, out, row_tokens=row_tokens, num_pieces=100, pad_id=2, num_read=50, num_removed={"duplicate": 4}
    )


@given(st.lists(encoded(), min_size=1, max_size=20).filter(lambda made: any(len(each.ids) <= 16 for each in made)))
def test_conversations_come_back_whole_and_isolated(conversations: list[EncodedConversation]):
    with tempfile.TemporaryDirectory() as folder:
        made = packed(conversations, Path(folder))
        rows = ConversationRows(Path(folder))
        fitting = [each for each in conversations if len(each.ids) <= 16]
        found: list[tuple[tuple[int, ...], tuple[int, ...]]] = []
        for row in map(rows.row, range(rows.num_rows)):
            assert row.starts[0] == 0
            for start, end in zip(row.starts, (*row.starts[1:], 16), strict=True):
                ids, labels = row.ids[start:end], row.labels[start:end]
                assert labels[-1] == NOT_COUNTED
                if ids[0] == 1:
                    found.append((tuple(ids.tolist()), tuple(labels[:-1].tolist())))
                else:
                    assert end == 16 and (ids == 2).all() and (labels == NOT_COUNTED).all()
        expected = [
            (
                tuple(each.ids),
                tuple(
                    id if counted else NOT_COUNTED for id, counted in zip(each.ids[1:], each.counted[1:], strict=True)
                ),
            )
            for each in fitting
        ]
        assert sorted(found) == sorted(expected)
        assert made.num_conversations == len(fitting)
        assert made.num_removed == {"duplicate": 4, "longer_than_row": len(conversations) - len(fitting)}
        assert made.num_response_tokens == sum(sum(each.counted) for each in fitting)
        assert made.num_rows == rows.num_rows
        assert {path.name for path in Path(folder).rglob("*") if path.is_file()} == {
            "ids.npy",
            "counted.npy",
            "starts.npy",
            "starts_offsets.npy",
            "counts.json",
        }


def test_rows_that_are_written_in_several_goes_hold_every_token_once(tmp_path: Path):
    # 600 rows of 1,024: more than are written at once.
    draw = np.random.default_rng(3)
    lengths = draw.integers(1, 1025, 1200)
    ids = np.arange(lengths.sum(), dtype="<u4") + 7
    made = write_rows(ids, ids % 3 == 0, lengths, tmp_path, row_tokens=1024, pad_id=5)
    ids_RT, counted_RT = np.load(tmp_path / "ids.npy"), np.load(tmp_path / "counted.npy")
    assert ids_RT.shape == (made.num_rows, 1024)
    assert np.array_equal(np.sort(ids_RT[ids_RT != 5]), ids)
    assert np.array_equal(counted_RT, (ids_RT % 3 == 0) & (ids_RT != 5))
    rows, firsts = ConversationRows(tmp_path), np.cumsum(lengths) - lengths + 7
    begins = np.concatenate([ids_RT[index, list(rows.row(index).starts)] for index in range(made.num_rows)])
    assert np.array_equal(np.sort(begins[begins != 5]), firsts)
    assert (made.num_tokens, made.num_response_tokens) == (len(ids), np.count_nonzero(ids % 3 == 0))


def test_a_conversation_as_long_as_a_row_is_kept_whole(tmp_path: Path):
    whole = EncodedConversation([1, *range(3, 17), 2], [False] * 8 + [True] * 8)
    packed([whole], tmp_path)
    row = ConversationRows(tmp_path).row(0)
    assert row.ids.tolist() == whole.ids
    assert row.starts == (0,)
    assert np.count_nonzero(row.labels != NOT_COUNTED) == 8


def test_packing_the_same_again_gives_the_same_bytes(tmp_path: Path):
    conversations = [
        EncodedConversation([1, *range(3, 3 + n % 11), 2], [False] + [True] * (n % 11 + 1)) for n in range(40)
    ]
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        packed(conversations, tmp_path / name)
    for path in (tmp_path / "one").glob("*.[nj]*"):
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_no_conversation_that_fits_is_an_error(tmp_path: Path):
    with pytest.raises(UserError, match="none of them fits a row of row_tokens = 4; 1 are longer"):
        packed([EncodedConversation([1, 3, 4, 5, 2], [False] * 5)], tmp_path, row_tokens=4)
