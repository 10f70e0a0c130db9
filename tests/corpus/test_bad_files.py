"""Files from the wild: cut off, damaged, far too large, or not what they say. Nothing is lost in silence."""

import gzip
import io
import json
import random
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
import zstandard

from loanword.corpus import unpack
from loanword.corpus.lines import SourceLine, batches, source_lines
from loanword.corpus.read import QuarantinedLine, read_documents
from loanword.corpus.sources import local_files
from loanword.errors import UserError
from loanword.recipe import SourceConfig

ROWS = [{"id": f"d{number}", "text": f"文 {number * 7919} ", "more": [number]} for number in range(120)]
PLAIN = b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in ROWS)


def parquet(rows: list[dict[str, object]], **settings: object) -> bytes:
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), buffer, **settings)  # pyright: ignore[reportArgumentType]
    return buffer.getvalue()


WHOLE = {
    "t.jsonl": PLAIN,
    "t.jsonl.gz": gzip.compress(PLAIN),
    "t.jsonl.zst": zstandard.compress(PLAIN),
    "t.parquet": parquet(ROWS, row_group_size=50),
    "t.txt": PLAIN,
    "t.txt.gz": gzip.compress(PLAIN),
    "t.txt.zst": zstandard.compress(PLAIN),
}


def limits(**chosen: int) -> SourceConfig:
    return SourceConfig.model_validate({"files": ("t",), **chosen})


def read(path: Path, content: bytes, **chosen: int) -> list[SourceLine]:
    path.write_bytes(content)
    return list(source_lines([path], config=limits(**chosen)))


def refusal(path: Path, content: bytes, **chosen: int) -> UserError:
    with pytest.raises(UserError) as caught:
        read(path, content, **chosen)
    return caught.value


def places(content: bytes, number: int = 150) -> list[int]:
    """Where a file is cut: both of its ends, and a seeded choice between."""
    drawn = random.Random(7).sample(range(len(content)), min(number, len(content)))
    return sorted({*range(12), *range(len(content) - 12, len(content)), *drawn})


@contextmanager
def at_most(num_bytes: int) -> Iterator[None]:
    """What Python holds at any time inside."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < num_bytes, f"{peak:,} bytes at most"


@pytest.mark.parametrize("name", [name for name in WHOLE if not name.endswith((".jsonl", ".txt"))])
def test_a_packed_file_that_was_cut_off_anywhere_is_fatal_and_named(tmp_path: Path, name: str):
    for end in places(WHOLE[name]):
        error = refusal(tmp_path / name, WHOLE[name][:end])
        assert "cannot be read any further" in error.what, end
        assert error.where.partition(":")[0] == str(tmp_path / name)


def test_plain_lines_that_were_cut_off_anywhere_lose_the_line_that_was_cut_and_no_other(tmp_path: Path):
    for end in places(PLAIN):
        cut = PLAIN[:end]
        found = read(tmp_path / "t.jsonl", cut)
        whole = cut.count(b"\n")
        # A line that lost nothing but its end is whole too.
        whole += cut[cut.rfind(b"\n") + 1 :].endswith(b"]}")
        assert [line.fields for line in found if not line.fault] == ROWS[:whole], end
        assert [line.number for line in found if line.fault] == ([whole + 1] if len(found) > whole else [])
        assert len(found) == cut.count(b"\n") + (not cut.endswith(b"\n") and bool(cut))


def test_a_plain_text_that_was_cut_inside_a_character_is_a_fault(tmp_path: Path):
    for end in places(PLAIN):
        (line,) = read(tmp_path / "t.txt", PLAIN[:end])
        try:
            expected = PLAIN[:end].decode()
        except UnicodeDecodeError:
            assert line.fault is not None and "not UTF-8" in line.fault.what
        else:
            assert line.fields == {"id": "t", "text": expected}


@pytest.mark.parametrize("name", ["t.jsonl.gz", "t.txt.gz", "t.parquet"])
def test_a_file_with_checksums_and_a_damaged_bit_is_never_read_as_something_else(tmp_path: Path, name: str):
    # zstd's checksums are optional; Parquet's are too, and its footer has none.
    content = WHOLE[name] if name != "t.parquet" else parquet(ROWS, row_group_size=50, write_page_checksum=True)
    footer = 8 + int.from_bytes(content[-8:-4], "little") if name == "t.parquet" else 0
    expected = read(tmp_path / name, content)
    draw = random.Random(11)
    num_fatal = 0
    for _ in range(150):
        damaged = bytearray(content)
        damaged[draw.randrange(len(content) - footer)] ^= 1 << draw.randrange(8)
        try:
            assert read(tmp_path / name, bytes(damaged)) == expected  # the bit did not matter
        except UserError:
            num_fatal += 1
    assert num_fatal > 75


def test_a_parquet_file_with_a_damaged_footer_ends_in_a_message_and_not_in_the_end_of_the_process(tmp_path: Path):
    content, draw = WHOLE["t.parquet"], random.Random(11)
    footer = 8 + int.from_bytes(content[-8:-4], "little")
    num_fatal = 0
    places = [draw.randrange(footer) for _ in range(400)]
    for place in places:  # number 370 ends a process that asks pyarrow what the file says of a column
        damaged = bytearray(content)
        damaged[place - footer] ^= 1 << draw.randrange(8)
        try:
            read(tmp_path / "t.parquet", bytes(damaged))
        except UserError:
            num_fatal += 1
    assert 0 < num_fatal < 400


@pytest.mark.parametrize("name", ["t.jsonl.gz", "t.jsonl.zst", "t.txt.gz", "t.txt.zst", "t.parquet"])
def test_an_empty_file_is_not_a_packed_one(tmp_path: Path, name: str):
    assert "cannot be read any further" in refusal(tmp_path / name, b"").what


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.jsonl", b""),
        ("t.jsonl", b"\n \n\r\n"),
        ("t.jsonl.gz", gzip.compress(b"")),
        ("t.jsonl.zst", zstandard.compress(b"")),
        ("t.parquet", parquet([{"text": "a"}])),
    ],
)
def test_a_file_that_holds_nothing_gives_nothing(tmp_path: Path, name: str, content: bytes):
    if name == "t.parquet":
        buffer = io.BytesIO()
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist([{"text": "a"}]).slice(0, 0), buffer)
        content = buffer.getvalue()
    assert read(tmp_path / name, content) == []


def test_an_empty_text_is_an_empty_document(tmp_path: Path):
    assert [line.fields["text"] for line in read(tmp_path / "t.txt", b"")] == [""]


def test_parts_of_packed_files_may_be_empty_or_followed_by_zeros(tmp_path: Path):
    one, two = b'{"text": "a"}\n', b'{"text": "b"}\n'
    skipped = b"\x50\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"notes"
    packed = gzip.compress(b"") + gzip.compress(one) + gzip.compress(two) + bytes(700)
    assert len(read(tmp_path / "t.jsonl.gz", packed)) == 2
    packed = skipped + zstandard.compress(one) + skipped + zstandard.compress(b"") + zstandard.compress(two) + skipped
    assert len(read(tmp_path / "t.jsonl.zst", packed)) == 2
    assert "cannot be read any further" in refusal(tmp_path / "t.jsonl.gz", gzip.compress(one) + b"rubbish").what
    assert "cannot be read any further" in refusal(tmp_path / "t.jsonl.zst", zstandard.compress(one) + b"rubbish").what


ZEROS = bytes(1 << 20)


def gzip_of(block: bytes, times: int) -> bytes:
    packer = zlib.compressobj(1, wbits=31)
    return b"".join(packer.compress(block) for _ in range(times)) + packer.flush()


def zstd_of(block: bytes, times: int) -> bytes:
    packer = zstandard.ZstdCompressor(1).compressobj()
    return b"".join(packer.compress(block) for _ in range(times)) + packer.flush()


@pytest.mark.parametrize("pack", [gzip_of, zstd_of])
@pytest.mark.parametrize("block", [ZEROS, b'{"text": ""}\n' * 80_000], ids=["one line", "many lines"])
@pytest.mark.parametrize("kind", ["jsonl", "txt"])
def test_a_file_that_unpacks_to_far_more_than_it_may_is_refused_early_in_flat_memory(
    tmp_path: Path, pack: Callable[[bytes, int], bytes], block: bytes, kind: str
):
    packed = pack(block, 100)
    path = tmp_path / f"t.{kind}.{'gz' if pack is gzip_of else 'zst'}"
    path.write_bytes(packed)
    config = limits(max_expansion=50, max_line_bytes=1_000_000)
    with at_most(100_000_000), pytest.raises(UserError) as caught:
        for _ in batches(local_files(path)[0], config):
            pass
    assert "bytes of it unpack to" in caught.value.what
    assert "max_expansion = 50" in caught.value.expected
    unpacked = int(caught.value.what.split()[-4].replace(",", ""))
    assert unpacked < unpack.FREE_BYTES + 50 * len(packed) + (64 << 20)


def test_small_files_may_repeat_themselves(tmp_path: Path):
    packed = zstd_of(b'{"text": ""}\n' * 1000, 10)
    assert len(read(tmp_path / "t.jsonl.zst", packed, max_expansion=1)) == 10_000


def test_a_bomb_of_which_every_byte_stands_for_thousands_gives_blocks_that_fit_in_memory(tmp_path: Path):
    # Four bytes a block: as dense as zstd gets. Source: RFC 8878, 3.1.1; a window of 2 MB, blocks of one byte repeated.
    block = (131_072 << 3 | 0b010).to_bytes(3, "little") + b"x"
    (tmp_path / "t.jsonl.zst").write_bytes(b"\x28\xb5\x2f\xfd\x00\x58" + block * 20_000)
    with at_most(150_000_000), pytest.raises(UserError, match="unpack to"):
        list(batches(local_files(tmp_path / "t.jsonl.zst")[0], limits()))


def test_a_parquet_file_that_claims_to_unpack_to_far_more_than_it_may_is_not_unpacked(tmp_path: Path):
    rows: list[dict[str, object]] = [{"text": "a" * 1_000_000}] * 100
    content = parquet(rows, compression="zstd", use_dictionary=False)
    assert len(content) < 200_000
    with at_most(5_000_000):
        error = refusal(tmp_path / "t.parquet", content, max_expansion=100)
    assert "bytes of it unpack to 100," in error.what


def test_a_parquet_file_that_repeats_one_long_text_is_refused_when_it_has_given_what_it_may(tmp_path: Path):
    text = "".join(map(chr, range(30_000, 50_000)))
    rows: list[dict[str, object]] = [{"text": text}] * 3000
    (tmp_path / "t.parquet").write_bytes(parquet(rows))
    (file,) = local_files(tmp_path / "t.parquet")
    assert file.num_bytes < 200_000
    num_rows = 0
    with at_most(40_000_000), pytest.raises(UserError, match="unpack to"):
        for batch in batches(file, limits(max_expansion=20)):
            num_rows += len(batch.rows)
    assert 1000 < num_rows < 1200


@pytest.mark.parametrize("name", ["t.jsonl", "t.jsonl.gz", "t.jsonl.zst"])
def test_a_line_of_200_megabytes_is_named_with_its_size_and_never_held(tmp_path: Path, name: str):
    path = tmp_path / name
    pack = {
        "t.jsonl": bytes,
        "t.jsonl.gz": lambda content: gzip.compress(content, 1),
        "t.jsonl.zst": zstandard.compress,
    }
    block = (b"x" * 997 + b"yz ") * 1000
    with path.open("wb") as file:
        for part in [PLAIN + b'{"text": "', *[block] * 200, b'"}\n' + PLAIN]:
            file.write(pack[name](part))
    aside: list[QuarantinedLine] = []
    config = limits(max_line_bytes=20_000_000, max_expansion=100_000)
    with at_most(60_000_000):
        num_documents = 0
        for line in source_lines([path], config=config):
            if line.fault:
                aside.append(QuarantinedLine(file=line.label, line=line.number, reason=line.fault.what))
            else:
                num_documents += 1
    assert num_documents == 240
    assert [(line.line, line.reason.partition(" ")[0]) for line in aside] == [(121, "200,000,012")]


def test_a_line_that_is_too_long_is_fatal_unless_it_is_set_aside(tmp_path: Path):
    path = tmp_path / "t.jsonl"
    path.write_bytes(PLAIN + b'{"text": "' + b"x" * 50_000_000 + b'"}\n' + PLAIN)
    with pytest.raises(UserError) as caught:
        list(read_documents([path]))
    assert caught.value.where == f"{path}:121"
    assert "50,000,012 bytes" in caught.value.what
    assert "quarantine" in caught.value.do
    aside: list[QuarantinedLine] = []
    assert len(list(read_documents([path], quarantine=aside.append))) == 240
    assert [(line.file, line.line) for line in aside] == [("t.jsonl", 121)]


@pytest.mark.parametrize("name", ["t.txt", "t.txt.gz"])
def test_a_text_that_is_too_long_is_a_fault_with_its_size(tmp_path: Path, name: str):
    content = b"x " * 10_000_000
    packed = content if name == "t.txt" else gzip.compress(content, 1)
    with at_most(40_000_000):
        (line,) = read(tmp_path / name, packed, max_line_bytes=5_000_000)
    assert line.fault is not None
    assert line.fault.what == "20,000,000 bytes, which is more than max_line_bytes = 5,000,000"


def test_a_row_that_is_too_long_or_not_utf8_is_a_fault_and_its_neighbours_are_there(tmp_path: Path):
    texts = [b"a", b"x" * 5000, b"\xff\xfe", b"d"]
    table = pyarrow.table({"text": pyarrow.array(texts, pyarrow.binary()).view(pyarrow.string())})
    pyarrow.parquet.write_table(table, tmp_path / "t.parquet")
    config = limits(max_line_bytes=1000)
    found = list(source_lines([tmp_path / "t.parquet"], config=config))
    assert [line.fields for line in found] == [{"text": "a"}, {}, {}, {"text": "d"}]
    faults = [line.fault for line in found[1:3] if line.fault]
    assert "more than max_line_bytes = 1,000" in faults[0].what
    assert "not UTF-8: byte 0xff" in faults[1].what
    assert faults[1].where == f"{tmp_path / 't.parquet'}:3"


def test_null_bytes_and_ends_of_lines_are_read_as_they_are_written(tmp_path: Path):
    rows: list[dict[str, object]] = [{"text": "a\0b"}]
    assert read(tmp_path / "t.parquet", parquet(rows))[0].fields == rows[0]
    assert read(tmp_path / "t.jsonl", rb'{"text": "a\u0000b"}')[0].fields == rows[0]
    assert read(tmp_path / "t.txt", b"a\0b\r\n")[0].fields["text"] == "a\0b\r\n"
    found = read(tmp_path / "t.jsonl", b'\xef\xbb\xbf{"text": "a"}\r\n{"text": "\x00"}\r\n\r\n{"text": "c"}')
    assert [(line.number, line.fault is None) for line in found] == [(1, True), (2, False), (4, True)]


def test_a_file_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "t.jsonl").write_bytes(PLAIN)

    def refused(path: object) -> io.FileIO:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(io, "FileIO", refused)
    with pytest.raises(UserError, match="Permission denied"):
        list(source_lines([tmp_path / "t.jsonl"]))


@pytest.mark.parametrize(("kind", "value"), [(pyarrow.date32(), 2**30), (pyarrow.timestamp("us"), 2**62)])
def test_a_value_that_python_has_no_object_for_is_a_fault_and_its_neighbours_are_there(tmp_path: Path, kind, value):
    whole = pyarrow.int32() if kind.bit_width == 32 else pyarrow.int64()
    when = pyarrow.array([0, value, 0], whole).view(kind)
    pyarrow.parquet.write_table(pyarrow.table({"text": ["a", "b", "c"], "when": when}), tmp_path / "t.parquet")
    found = list(source_lines([tmp_path / "t.parquet"]))
    assert [line.fields.get("text") for line in found] == ["a", None, "c"]
    assert found[1].fault and "a value that cannot be read" in found[1].fault.what
