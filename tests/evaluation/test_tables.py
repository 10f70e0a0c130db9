import json
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loanword.errors import UserError
from loanword.evaluation.tables import Row, table_rows

# Arabic, Urdu in its own letters, Bengali with a decomposed vowel, marks of direction, and what looks like nothing.
TEXTS = [
    "أين تقع بحيرة أورين؟",
    "جھیل اورین کہاں ہے؟",
    "ওর\u09c7\u09beন হ্রদ কোথায়?",
    "\u200fمرحبا\u200e 12 a\u0301",
    "None",
    "NA",
    " 1.50 ",
]


def written(folder: Path, suffix: str, texts: list[str]) -> Path:
    """A table with one column of texts."""
    path = folder / f"table{suffix}"
    rows = [{"text": text} for text in texts]
    if suffix == ".parquet":
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    elif suffix in (".csv", ".tsv"):
        quoted = ['"' + text.replace('"', '""') + '"' for text in texts]
        path.write_text("\n".join(["text", *quoted]) + "\n", encoding="utf-8", newline="")
    elif suffix == ".json":
        path.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    else:
        lines = [json.dumps(row, ensure_ascii=False) for row in rows]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="")
    return path


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".json", ".jsonl", ".parquet"])
def test_text_stays_as_it_is_written(tmp_path: Path, suffix: str):
    texts = [*TEXTS, 'a "quoted", one', "two\nlines", "line\u2028separator", "tab\tinside"]
    assert [row.text("text") for row in table_rows(written(tmp_path, suffix, texts))] == texts


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1, max_size=5))
def test_any_text_survives_json_lines_and_csv(tmp_path_factory: pytest.TempPathFactory, texts: list[str]):
    folder = tmp_path_factory.mktemp("tables")
    for suffix in (".jsonl", ".tsv"):
        assert [row.text("text") for row in table_rows(written(folder, suffix, texts))] == texts


def test_numbers_are_the_text_that_they_are_written_as(tmp_path: Path):
    path = tmp_path / "table.jsonl"
    path.write_text('{"a": 1.50, "b": 3, "c": [2.0, "x"], "d": true}\n', encoding="utf-8")
    (row,) = table_rows(path)
    assert (row.text("a"), row.text("b"), row.texts("c"), row.text("d")) == ("1.50", "3", ("2.0", "x"), "true")


def test_whole_numbers_in_parquet_have_no_decimals(tmp_path: Path):
    path = tmp_path / "table.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"index": [3], "choices": [["a", "b"]]}), path)
    (row,) = table_rows(path)
    assert (row.text("index"), row.texts("choices")) == ("3", ("a", "b"))


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ('["a", "b, c"]', ("a", "b, c")),
        ("['a', \"it's\"]", ("a", "it's")),
        (r"['\\frac{1}{2}', 'x']", (r"\frac{1}{2}", "x")),
        (r"['\d', 'x']", (r"\d", "x")),
        ("['أ', 'ক']", ("أ", "ক")),
        ("[1.50, 2]", ("1.50", "2")),
        ("[]", ()),
    ],
)
def test_a_list_inside_of_a_text_is_read(text: str, items: tuple[str, ...]):
    assert Row("here", {"choices": text}).texts("choices") == items


@pytest.mark.parametrize(
    "text",
    [
        "a, b",
        "('a', 'b')",
        "['a', 1.5, b]",
        "['a', 1,]",
        "[open('x'), 'b']",
        "['a' 'b'",
        "__import__('os')",
        "{'a': 'b'}",
        "[" * 5000,
        "7",
        "",
    ],
)
def test_anything_else_is_no_list_and_nothing_is_run(text: str):
    with pytest.raises(UserError, match="here - column 'choices' holds no list"):
        Row("here", {"choices": text}).texts("choices")


def test_all_missing_columns_are_named_with_those_that_there_are(tmp_path: Path):
    path = tmp_path / "table.csv"
    path.write_text("frage,a\nx,y\n", encoding="utf-8")
    (row,) = table_rows(path)
    with pytest.raises(UserError, match=r"(?s)table\.csv:2 - no column 'question', 'b'.*among 'frage', 'a'"):
        row.require("question", "a", "b")
    with pytest.raises(UserError, match="no column 'question'"):
        row.text("question")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t.csv", b"", r"t\.csv - no rows"),
        ("t.csv", b"a,b\n", r"t\.csv - no rows"),
        ("t.jsonl", b"\n \n", r"t\.jsonl - no rows"),
        ("t.json", b"[]", r"t\.json - no rows"),
        ("t.csv", b"a,b\n1,2\n1\n", r"t\.csv:3 - 1 columns"),
        ("t.tsv", b"a\tb\n1\t2\t3\n", r"t\.tsv:2 - 3 columns"),
        ("t.csv", b'a,b\n1,"2\n', r"t\.csv:2 - not CSV"),
        ("t.csv", b"a,b,a\n1,2,3\n", r"t\.csv:1 - two columns are named 'a'"),
        ("t.csv", b"a,b\n1,\xe9\n", r"t\.csv:2 - not UTF-8 at byte 6"),
        ("t.jsonl", b'{"a": "\xff"}\n', r"t\.jsonl:1 - not UTF-8 at byte 7"),
        ("t.jsonl", b'{"a": 1}\n{"a": \n', r"t\.jsonl:2 - not JSON Lines"),
        ("t.jsonl", b'{"a": 1}\n["a"]\n', r"t\.jsonl:2 - holds .*, not an object"),
        ("t.jsonl", b'{"a": "\\ud800"}\n', r"t\.jsonl:1 - not JSON Lines"),
        ("t.jsonl", b'{"a": ' + b"[" * 100_000, r"t\.jsonl:1 - not JSON Lines: nested too deeply"),
        ("t.json", b'[{"a": 1}, 2]', r"t\.json, item 2 - holds '2', not an object"),
        ("t.json", b'{"a": 1}\nno\n', r"t\.json:2 - not JSON Lines"),
        ("t.parquet", b"PAR1 and nothing else", r"t\.parquet:1 - not Parquet"),
        ("t.xlsx", b"", "do not know how to read .xlsx"),
        ("t", b"", "a file without a suffix"),
    ],
)
def test_a_file_that_is_no_table_says_where(tmp_path: Path, name: str, content: bytes, said: str):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=said):
        list(table_rows(tmp_path / name))


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(UserError, match=r"nothing\.csv - no such file"):
        list(table_rows(tmp_path / "nothing.csv"))


def test_json_may_hold_lines_or_one_object_with_the_rows_inside(tmp_path: Path):
    path = tmp_path / "t.json"
    path.write_text('{"a": 1}\n\n{"a": 2}\n', encoding="utf-8")
    assert [(row.where, row.text("a")) for row in table_rows(path)] == [(f"{path}:1", "1"), (f"{path}:3", "2")]
    path.write_text('{"Data": [{"a": 1}], "Version": 1}', encoding="utf-8")
    assert [row.text("a") for row in table_rows(path, inside="Data")] == ["1"]
    assert [set(row.fields) for row in table_rows(path)] == [{"Data", "Version"}]


def test_a_byte_order_mark_and_carriage_returns_are_no_text(tmp_path: Path):
    (tmp_path / "t.csv").write_bytes("\ufeffa,b\r\n1,2\r\n".encode())
    (tmp_path / "t.jsonl").write_bytes('\ufeff{"a": "1", "b": "2"}\r\n'.encode())
    for name in ("t.csv", "t.jsonl"):
        (row,) = table_rows(tmp_path / name)
        assert dict(row.fields) == {"a": "1", "b": "2"}
