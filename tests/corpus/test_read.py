"""Source files become documents, and every fault in them is named."""

import gzip
import json
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
import zstandard

from loanword.corpus.read import QuarantinedLine, read_documents
from loanword.errors import UserError
from loanword.records import Document


def json_lines(*values: object) -> bytes:
    return b"".join(json.dumps(value, ensure_ascii=False).encode() + b"\n" for value in values)


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def fault(path: Path, **settings: str) -> UserError:
    with pytest.raises(UserError) as caught:
        list(read_documents([path], **settings))  # pyright: ignore[reportArgumentType]
    return caught.value


TWO = [{"id": "a", "text": "一二三"}, {"text": "vier"}]


def test_every_packing_gives_the_same_documents(tmp_path: Path):
    plain = json_lines(*TWO)
    files = [
        written(tmp_path / "t.jsonl", plain),
        written(tmp_path / "t.jsonl.gz", gzip.compress(plain)),
        written(tmp_path / "t.jsonl.zst", zstandard.compress(plain)),
        written(tmp_path / "t.JSONL.GZ", gzip.compress(plain)),
    ]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(TWO), tmp_path / "t.parquet")
    expected = [Document(id="a", text="一二三"), Document(id="t-2", text="vier")]
    for file in [*files, tmp_path / "t.parquet"]:
        assert list(read_documents([file])) == expected


def test_a_file_of_many_packed_frames_is_read_to_its_end(tmp_path: Path):
    lines = [json_lines({"text": f"{number} " * 5000}) for number in range(40)]
    for name, compress in (("t.jsonl.gz", gzip.compress), ("t.jsonl.zst", zstandard.compress)):
        path = written(tmp_path / name, b"".join(map(compress, lines)))
        assert len(list(read_documents([path]))) == 40


def test_a_text_file_is_one_document_named_by_its_stem(tmp_path: Path):
    plain = written(tmp_path / "tale.v2.txt", b"\xef\xbb\xbfOnce\n\nupon a time\n")
    packed = written(tmp_path / "other.txt.zst", zstandard.compress(b"Twice"))
    assert list(read_documents([plain, packed], text_field="content")) == [
        Document(id="tale.v2", text="Once\n\nupon a time\n"),
        Document(id="other", text="Twice"),
    ]


def test_ids_may_be_numbers_and_blank_lines_count_as_lines(tmp_path: Path):
    path = written(
        tmp_path / "t.jsonl",
        b'\xef\xbb\xbf{"id": 7, "text": "a"}\n\n  \n{"id": null, "text": "b"}\n{"id": "", "text": "c"}',
    )
    assert [document.id for document in read_documents([path])] == ["7", "t-4", "t-5"]


def test_a_missing_file_is_named_before_any_is_read(tmp_path: Path):
    there = written(tmp_path / "t.jsonl", b"not json")
    with pytest.raises(UserError, match=r"gone\.jsonl - no such file"):
        read_documents([there, tmp_path / "gone.jsonl"])


def test_a_folder_stands_for_the_files_in_it(tmp_path: Path):
    folder = tmp_path / "t"
    folder.mkdir()
    written(folder / "b.txt", b"second")
    written(folder / "a.jsonl", json_lines({"text": "first"}))
    assert [document.text for document in read_documents([folder])] == ["first", "second"]


@pytest.mark.parametrize("name", ["t.csv", "t", "t.gz", "t.csv.gz"])
def test_an_unknown_suffix_says_which_are_known(tmp_path: Path, name: str):
    error = fault(written(tmp_path / name, b""))
    assert "do not know how to read" in error.what
    assert ".jsonl" in error.expected and ".parquet" in error.expected


def test_a_broken_line_17_is_named_and_shown(tmp_path: Path):
    lines = [json_lines({"text": "good"})] * 16 + [b'{"text": "it ends here\n'] + [json_lines({"text": "good"})]
    error = fault(written(tmp_path / "t.jsonl", b"".join(lines)))
    assert error.where == f"{tmp_path / 't.jsonl'}:17"
    assert "at column" in error.what and "it ends here" in error.what
    assert "quarantine" in error.do


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (b"[1, 2]", "not an object"),
        (b'{"content": "a", "url": "b"}', "no field 'text'; the fields are content, url"),
        (b'{"text": 3}', "field 'text' holds '3', a int"),
        (b'{"text": null}', "a NoneType"),
        (b'{"text": "a", "id": [1]}', "field 'id'"),
        (b'{"text": "a", "id": true}', "field 'id'"),
        (b'{"text": "\\ud800"}', "surrogate"),
        (b"[" * 100_000, "not JSON Lines"),
        (b'{"text": ' + b"9" * 5000 + b"}", "not JSON Lines"),
    ],
)
def test_a_line_without_a_text_says_what_it_holds(tmp_path: Path, line: bytes, what: str):
    error = fault(written(tmp_path / "t.jsonl", json_lines({"text": "a"}) + line + b"\n"))
    assert error.where.endswith("t.jsonl:2")
    assert what in error.what


def test_another_text_field_may_be_named(tmp_path: Path):
    path = written(tmp_path / "t.jsonl", json_lines({"content": "a", "text": 3}))
    assert [document.text for document in read_documents([path], text_field="content")] == ["a"]


def test_a_text_field_may_lie_inside_others(tmp_path: Path):
    rows = [{"meta": {"body": {"text": "a"}}, "id": 1}, {"meta": {"body": {"text": "b"}}, "id": 2}]
    path = written(tmp_path / "t.jsonl", json_lines(*rows))
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "t.parquet")
    for file in (path, tmp_path / "t.parquet"):
        documents = read_documents([file], text_field="meta.body.text")
        assert list(documents) == [Document(id="1", text="a"), Document(id="2", text="b")]
    assert "no field 'meta.text'; the fields are meta, id" in fault(path, text_field="meta.text").what
    assert "field 'meta.body' holds" in fault(path, text_field="meta.body").what
    dotted = written(tmp_path / "d.jsonl", json_lines({"a.b": "itself", "a": {"b": "inside"}}))
    assert [document.text for document in read_documents([dotted], text_field="a.b")] == ["itself"]


def test_a_line_that_is_not_utf8_is_named_with_its_byte_offset(tmp_path: Path):
    good = json_lines({"text": "好"})
    error = fault(written(tmp_path / "t.jsonl", good + '{"text": "汉字"}\n'.encode("gb18030")))
    assert error.where.endswith("t.jsonl:2")
    assert f"byte 0xba at byte offset {len(good) + 10} of the file" in error.what
    assert "iconv -f GB18030 -t UTF-8" in error.do


def test_a_text_file_that_is_not_utf8_is_named_with_its_line(tmp_path: Path):
    error = fault(written(tmp_path / "t.txt", "ok\nsó\n".encode("latin-1")))
    assert error.where.endswith("t.txt:2")
    assert "byte offset 4" in error.what


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress])
def test_a_packed_file_that_was_cut_off_is_never_taken_for_whole(tmp_path: Path, compress):
    packed = compress(b"".join(json_lines({"text": f"{number * 7919}"}) for number in range(20_000)))
    suffix = "gz" if compress is gzip.compress else "zst"
    error = fault(written(tmp_path / f"t.jsonl.{suffix}", packed[: len(packed) // 2]))
    assert "cannot be read any further" in error.what
    assert int(error.where.rsplit(":", 1)[1]) >= 1


@pytest.mark.parametrize("name", ["t.jsonl.gz", "t.txt.gz", "t.jsonl.zst", "t.parquet"])
def test_a_file_that_is_not_what_its_name_says_is_damaged(tmp_path: Path, name: str):
    assert "cannot be read any further" in fault(written(tmp_path / name, json_lines(*TWO))).what


def test_quarantine_takes_every_broken_line_and_reading_goes_on(tmp_path: Path):
    lines = json_lines({"text": "a"}) + b"{\n" + b"\xff\n" + json_lines({"text": 1}) + json_lines({"text": "b"})
    aside: list[QuarantinedLine] = []
    read = read_documents([written(tmp_path / "t.jsonl", lines)], quarantine=aside.append)
    assert [document.text for document in read] == ["a", "b"]
    assert [(line.file, line.line) for line in aside] == [("t.jsonl", 2), ("t.jsonl", 3), ("t.jsonl", 4)]
    assert ["not JSON" in aside[0].reason, "not UTF-8" in aside[1].reason, "a int" in aside[2].reason] == [True] * 3


def test_an_empty_corpus_is_an_error(tmp_path: Path):
    empty = written(tmp_path / "t.jsonl", b"\n\n")
    assert "the corpus is empty: no documents" in fault(empty).what
    broken = written(tmp_path / "b.jsonl", b"{\n{\n")
    with pytest.raises(UserError, match="2 broken lines"):
        list(read_documents([broken], quarantine=lambda line: None))


def test_progress_ends_at_the_size_of_the_files(tmp_path: Path):
    files = [written(tmp_path / f"{name}.jsonl", json_lines({"text": "a"}) * 2000) for name in "ab"]
    seen: list[tuple[int, int]] = []
    list(read_documents(files, progress=lambda done, total, unit: seen.append((done, total))))
    size = sum(file.stat().st_size for file in files)
    assert seen == sorted(seen)
    assert seen[-1] == (size, size)


def test_half_of_a_surrogate_pair_in_a_key_is_set_aside_as_it_is_written(tmp_path: Path):
    path = written(tmp_path / "t.jsonl", b'{"\\ud800": "x"}\n{"text": "a"}\n')
    aside: list[QuarantinedLine] = []
    assert [document.text for document in read_documents([path], quarantine=aside.append)] == ["a"]
    assert aside == [QuarantinedLine(file="t.jsonl", line=1, reason=r"no field 'text'; the fields are \ud800")]
