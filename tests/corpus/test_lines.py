"""Batches hold every line once, cut in the same places every time; parsing them gives what Python's json gives."""

import gzip
import json
import pickle
import zlib
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from loanword.corpus import lines, unpack
from loanword.corpus.lines import LineBatch, SourceLine, batches, parsed, source_lines
from loanword.corpus.sources import local_files
from loanword.errors import UserError
from loanword.recipe import SourceConfig
from loanword.tokenizer.workers import ordered_map

USUAL = SourceConfig(files=("t",))


def read(path: Path, content: bytes, config: SourceConfig = USUAL) -> list[LineBatch]:
    path.write_bytes(content)
    (file,) = local_files(path)
    return list(batches(file, config))


def expected_batches(content: bytes, batch_bytes: int) -> list[bytes]:
    """The rule of `lines`, one line at a time."""
    found, held = [], b""
    for line in content.splitlines(keepends=True) if b"\r" not in content else content.split(b"\n"):
        held += line
        if len(held) >= batch_bytes and held.endswith(b"\n"):
            found.append(held)
            held = b""
    return [*found, held] if held else found


@given(
    texts=st.lists(st.binary(max_size=40).map(lambda text: text.replace(b"\n", b"").replace(b"\r", b"")), max_size=30),
    batch_bytes=st.integers(1, 60),
    block_bytes=st.integers(1, 50),
    ends=st.booleans(),
    marked=st.booleans(),
    packing=st.sampled_from(["", ".gz", ".zst"]),
)
def test_batches_are_cut_by_what_a_file_holds_however_it_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    texts: list[bytes],
    batch_bytes: int,
    block_bytes: int,
    ends: bool,
    marked: bool,
    packing: str,
):
    content = b"\xef\xbb\xbf" * marked + b"\n".join(texts) + (b"\n" if ends and texts else b"")
    packed = {"": bytes, ".gz": gzip.compress, ".zst": zstandard.compress}[packing](content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "BATCH_BYTES", batch_bytes)
        patch.setattr(unpack, "_BLOCK_BYTES", block_bytes)
        found = read(tmp_path_factory.getbasetemp() / f"t.jsonl{packing}", packed)
    # Marks of byte order are no part of a file's first line.
    mark = b"\xef\xbb\xbf" if content.startswith(b"\xef\xbb\xbf") else b""
    raw = [(mark if number == 0 else b"") + batch.content for number, batch in enumerate(found)]
    assert raw == expected_batches(content, batch_bytes)
    starts = [sum(map(len, raw[:number])) for number in range(len(raw))]
    assert [batch.offset for batch in found] == [len(mark), *starts[1:]][: len(raw)]
    assert [batch.number for batch in found] == [1 + content.count(b"\n", 0, start) for start in starts]


@given(
    sizes=st.lists(st.integers(0, 60), max_size=20),
    limit=st.integers(1, 50),
    batch_bytes=st.integers(1, 60),
    block_bytes=st.integers(1, 80),
    ends=st.booleans(),
)
def test_lines_that_are_too_long_are_named_with_their_size_and_all_others_are_there(
    tmp_path_factory: pytest.TempPathFactory,
    sizes: list[int],
    limit: int,
    batch_bytes: int,
    block_bytes: int,
    ends: bool,
):
    texts = [json.dumps({"a": "x" * size}).encode() if size else b"" for size in sizes]
    content = b"\n".join(texts) + (b"\n" if ends else b"")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "BATCH_BYTES", batch_bytes)
        patch.setattr(unpack, "_BLOCK_BYTES", block_bytes)
        config = SourceConfig(files=("t",), max_line_bytes=limit)
        found = read(tmp_path_factory.getbasetemp() / "long.jsonl", content, config)
    assert all(len(batch.content) <= batch_bytes + limit + block_bytes for batch in found)
    assert all(content[batch.offset : batch.offset + len(batch.content)] == batch.content for batch in found)
    stops = [batch.offset + len(batch.content) + batch.too_long_bytes for batch in found]
    starts = [batch.offset for batch in found[1:]] + [len(content)]
    assert all(content[end:start] in (b"", b"\n") for end, start in zip(stops, starts, strict=False))
    got = [line for batch in found for line in parsed(batch)]
    want = [(number, len(text)) for number, text in enumerate(texts, 1) if text]
    assert [line.number for line in got] == [number for number, _ in want]
    for line, (_, size) in zip(got, want, strict=True):
        if size > limit:
            assert line.fault is not None
            assert line.fault.what == f"{size:,} bytes, which is more than max_line_bytes = {limit:,}"
        else:
            assert line.fields == json.loads(texts[line.number - 1])


def one_line(line: bytes) -> SourceLine:
    (found,) = parsed(LineBatch("t.jsonl", "t.jsonl", "lines", 1, 0, line, (), 0, 10_000))
    return found


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(st.text(), inside, max_size=4),
    max_leaves=12,
)


@given(
    fields=st.dictionaries(st.text(), JSON, max_size=5), ascii=st.booleans(), indent=st.sampled_from(["", " ", "\t"])
)
def test_a_line_gives_what_pythons_json_gives(fields: dict[str, object], ascii: bool, indent: str):
    # st.text() has no surrogates; those are below.
    line = indent + json.dumps(fields, ensure_ascii=ascii) + indent
    assert one_line(line.encode()).fields == json.loads(line)


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        (rb'{"a": "\ud83d\ude00\u0000\/"}', {"a": "😀\0/"}),
        (rb'{"a": "\ud800", "b": 1}', {"a": "\ud800", "b": 1}),
        (b'{"a": 1, "a": 2}', {"a": 2}),
        (b'{"a": 123456789012345678901234567890}', {"a": 123456789012345678901234567890}),
        (b'{"a": 1e999, "b": -Infinity, "c": -0.0}', {"a": float("inf"), "b": float("-inf"), "c": -0.0}),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        (b'{"a": 1}\r', {"a": 1}),
        (b'{"a": "\x7f\xc2\x85\xe2\x80\xa8"}', {"a": "\x7f\x85\u2028"}),
        (b'{"a": ' + b"[" * 199 + b"]" * 199 + b"}", None),
    ],
)
def test_what_is_unusual_in_json_but_in_order_is_read(tmp_path: Path, line: bytes, fields: dict[str, object] | None):
    (found,) = [line for batch in read(tmp_path / "t.jsonl", line) for line in parsed(batch)]
    assert found.fault is None
    assert found.fields == (json.loads(line.decode()) if fields is None else fields)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (b'{"a": "\x00"}', "Invalid control character"),
        (b"\x00" * 50, "Expecting value"),
        (b'{"a": "\xed\xa0\x80"}', "not UTF-8: byte 0xed at byte offset 7"),
        (b'{"a": 1} {"a": 2}', "Extra data"),
        (b'{"a": ' + b"9" * 5000 + b"}", "Exceeds the limit (4300 digits)"),
        (b'{"a": ' + b"9" * 5000, "Exceeds the limit"),
        (b'{"a": ' + b"[" * 201 + b"]" * 201 + b"}", "nested deeper than 200"),
        (b'{"b": "\\ud800", "a": ' + b'{"c":' * 201 + b"1" + b"}" * 202, "nested deeper than 200"),
        (b'{"a": ' + b"[" * 4000 + b"]" * 4000 + b"}", "nested deeper than 200"),
        (b"[", "the line holds '[' alone"),
        (b"17", "not an object"),
        (b'"text"', "not an object"),
        (b"\xff\xfe{\x00}\x00", "not UTF-8"),
    ],
)
def test_a_fault_says_what_is_wrong_with_its_line(line: bytes, what: str):
    found = one_line(line)
    assert found.fields == {}
    assert found.fault is not None
    assert found.fault.where == "t.jsonl:1"
    assert what in found.fault.what


def test_how_deep_a_line_may_be_nested_does_not_depend_on_who_asks():
    line = b'{"a": ' + b"[" * 150 + rb'"\ud800"' + b"]" * 150 + b"}"

    def asked(depth: int) -> bool:
        return asked(depth - 1) if depth else one_line(line).fault is None

    assert asked(0) and asked(400)


def test_faults_in_a_batch_keep_their_line_and_byte_offset(tmp_path: Path):
    content = b'\xef\xbb\xbf{"a": 1}\n\n\r\n{"a": "\xff"}\n{"a": 2}\n{"a": "\xfe"}'
    found = [line for batch in read(tmp_path / "t.jsonl", content) for line in parsed(batch)]
    assert [line.number for line in found] == [1, 4, 5, 6]
    for number, byte in ((1, b"\xff"), (3, b"\xfe")):
        fault = found[number].fault
        assert fault is not None and f"at byte offset {content.index(byte)} " in fault.what


@pytest.mark.parametrize("row_group_size", [1, 7, 1000])
def test_rows_of_parquet_come_in_the_same_batches_whatever_its_row_groups_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, row_group_size: int
):
    monkeypatch.setattr(lines, "BATCH_BYTES", 2000)
    rows = [{"id": n, "text": f"{n} " * (3000 if n == 50 else 30), "more": {"a": [n, None]}} for n in range(100)]
    pyarrow.parquet.write_table(
        pyarrow.Table.from_pylist(rows), tmp_path / "t.parquet", row_group_size=row_group_size, use_dictionary=False
    )
    (file,) = local_files(tmp_path / "t.parquet")
    found = list(batches(file, USUAL))
    assert [row for batch in found for row in batch.rows] == rows
    assert [batch.number for batch in found] == [1 + sum(len(b.rows) for b in found[:i]) for i in range(len(found))]
    assert max(len(batch.rows) for batch in found) < 50
    # The long text ends its batch.
    assert 52 in [batch.number for batch in found]


def test_of_a_parquet_file_only_the_fields_that_are_asked_for_are_read(tmp_path: Path):
    rows = [{"text": "a", "meta": {"id": "x", "n": 1}, "vector": [0.5] * 8}]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "t.parquet")
    path = tmp_path / "t.parquet"
    assert [line.fields for line in source_lines([path], fields=("text", "id"))] == [{"text": "a"}]
    assert [line.fields for line in source_lines([path], fields=("meta.n",))] == [{"meta": rows[0]["meta"]}]
    # What is asked for first is not there: all that is, so that an error can name it.
    assert [line.fields for line in source_lines([path], fields=("content", "text"))] == rows


def test_a_text_is_one_batch_and_names_where_it_is_not_utf8(tmp_path: Path):
    (batch,) = read(tmp_path / "t.txt", b"a\r\n" * 5 + b"\xff")
    (line,) = parsed(batch)
    assert line.fault is not None and line.where.endswith("t.txt:6")
    assert "byte offset 15" in line.fault.what


def test_batches_are_parsed_in_other_processes_as_in_this_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lines, "BATCH_BYTES", 5000)
    rows = [{"text": f"文 {number} " * 20} for number in range(300)]
    (tmp_path / "a.jsonl").write_bytes(b"".join(json.dumps(row).encode() + b"\n" for row in rows) + b"{\n")
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "b.parquet", row_group_size=50)
    files = local_files(tmp_path)
    found = [
        [
            str(line)
            for each in ordered_map(parsed, (b for file in files for b in batches(file, USUAL)), n)
            for line in each
        ]
        for n in (1, 2)
    ]
    assert found[0] == found[1]
    assert len(found[0]) == 601


def test_what_precedes_damage_is_read_before_the_damage_is_named(tmp_path: Path):
    content = b"".join(json.dumps({"text": str(number)}).encode() + b"\n" for number in range(20_000))
    packed = gzip.compress(content)[:40_000]
    numbers: list[int] = []
    (tmp_path / "t.jsonl.gz").write_bytes(packed)
    with pytest.raises(UserError) as caught:
        numbers.extend(line.number for line in source_lines([tmp_path / "t.jsonl.gz"]))
    whole = zlib.decompressobj(31).decompress(packed).count(b"\n")
    assert caught.value.where == f"{tmp_path / 't.jsonl.gz'}:{whole + 1}"


def test_batches_travel(tmp_path: Path):
    (batch,) = read(tmp_path / "t.jsonl", b'{"text": "a"}\n')
    assert pickle.loads(pickle.dumps(batch)) == batch


def test_real_text_is_read_as_python_reads_it(shared_data: Path):
    path = shared_data / "text" / "sw.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as file:
        expected = [json.loads(line) for line in file]
    assert [line.fields for line in source_lines([path])] == expected
