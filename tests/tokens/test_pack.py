"""What is written to disk is what was encoded, nothing dropped, doubled or cut."""

import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loanword.errors import UserError
from loanword.records import ConversationCounts, Document
from loanword.tokens.pack import EncodedConversation, best_fit, pack_conversations, tokenize_corpus
from loanword.tokens.rows import NOT_COUNTED, ConversationRows
from tests.tokens.fakes import Characters


def documents(texts: list[str]) -> list[Document]:
    return [Document(id=str(number), text=text) for number, text in enumerate(texts)]


@given(st.lists(st.text(max_size=20), max_size=8))
def test_the_stream_holds_every_document_between_bos_and_eos(texts: list[str]):
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        made = tokenize_corpus(documents(texts), Characters(), out, "zh")
        stream = np.fromfile(out / "tokens.bin", dtype="<u4").tolist()
        offsets, text_bytes = np.load(out / "offsets.npy"), np.load(out / "text_bytes.npy")
        assert Characters().decode(stream) == "".join(f"<s>{text}</s>" for text in texts)
        assert [stream[offset] for offset in offsets[:-1]] == [1] * len(texts)
        assert np.diff(text_bytes).tolist() == [len(text.encode()) for text in texts]
        assert (made.num_tokens, made.num_bytes) == (offsets[-1], text_bytes[-1]) == (len(stream), text_bytes[-1])
        assert made.model_dump() == json.loads((out / "counts.json").read_text())


@pytest.mark.parametrize(("num_pieces", "size"), [(65_536, 2), (65_537, 4)])
def test_ids_take_two_bytes_where_they_fit(tmp_path: Path, num_pieces: int, size: int):
    made = tokenize_corpus(documents(["abc"]), Characters(num_pieces), tmp_path, "en")
    assert (tmp_path / "tokens.bin").stat().st_size == size * made.num_tokens


def test_batches_leave_no_seam(tmp_path: Path):
    texts = [chr(ord("a") + number) * 400_000 for number in range(7)]
    seen: list[int] = []
    made = tokenize_corpus(
        documents(texts), Characters(300), tmp_path, "en", lambda done, total, unit: seen.append(done)
    )
    assert made.num_tokens == 7 * 400_002
    stream = np.fromfile(tmp_path / "tokens.bin", dtype="<u2")
    assert all(
        (stream[at : at + 2] == (1, ord("a") + 3 + n)).all()
        for n, at in enumerate(np.load(tmp_path / "offsets.npy")[:-1])
    )
    assert seen[-1] == made.num_bytes and len(seen) == 3


LENGTHS = st.lists(st.integers(1, 16), max_size=60)


@given(LENGTHS)
def test_best_fit_packs_every_item_once_and_overfills_no_row(lengths: list[int]):
    rows = best_fit(np.array(lengths, dtype=np.int64), 16)
    assert sorted(item for row in rows for item in row) == list(range(len(lengths)))
    assert all(sum(lengths[item] for item in row) <= 16 for row in rows)


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
