"""Records: strict, frozen, and the same line every time."""

import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from loanword.errors import UserError
from loanword.records import Document, DocumentLikelihood, Execution, read_lines, write_lines


@given(st.text(), st.text())
def test_a_record_survives_its_own_json(identifier: str, text: str) -> None:
    try:
        text.encode()
        identifier.encode()
    except UnicodeEncodeError:
        return  # lone surrogates are not text that a UTF-8 file can hold
    document = Document(id=identifier, text=text)
    assert Document.from_json(document.to_json(), where="here") == document


def test_true_is_not_a_number() -> None:
    with pytest.raises(UserError, match="workers"):
        Execution.from_json('{"workers": true}', where="here")


def test_a_whole_number_serves_as_a_float_and_is_written_as_one() -> None:
    line = '{"id":"a","language":"no","nats":2,"num_tokens":1,"num_bytes":3}'
    record = DocumentLikelihood.from_json(line, where="here")
    assert record.language == "no"
    assert '"nats":2.0' in record.to_json()


def test_all_problems_of_a_line_are_told_at_once() -> None:
    with pytest.raises(UserError) as caught:
        Document.from_json('{"id": 3, "txt": "a"}', where="file:17")
    assert str(caught.value).startswith("file:17 - ")
    assert all(word in caught.value.what for word in ("id:", "text: missing", "txt: unknown key"))


def test_records_do_not_change() -> None:
    with pytest.raises(ValidationError):
        Document(id="a", text="b").text = "c"  # type: ignore[misc]


def test_infinity_does_not_reach_a_file() -> None:
    with pytest.raises(ValidationError):
        DocumentLikelihood(id="a", language="en", nats=float("inf"), num_tokens=1, num_bytes=1)


def test_a_file_of_records_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    def interrupted() -> object:
        yield Document(id="a", text="b")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_lines(interrupted(), tmp_path / "out.jsonl")  # type: ignore[arg-type]
    assert not (tmp_path / "out.jsonl").exists()
    assert write_lines([Document(id="a", text="b\u2028c")], tmp_path / "out.jsonl") == 1
    assert [document.text for document in read_lines(Document, tmp_path / "out.jsonl")] == ["b\u2028c"]


def test_an_error_crosses_processes_with_all_its_parts() -> None:
    error = UserError("file:3", "broken", expected="whole", do="mend it")
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.where, copy.what, copy.expected, copy.do) == ("file:3", "broken", "whole", "mend it")
    assert str(copy) == "file:3 - broken\n  expected: whole\n  to do:    mend it"
