from collections.abc import Sequence
from pathlib import Path

import pytest

from loanword.errors import UserError
from loanword.evaluation.likelihood import document_likelihoods, read_held_out
from loanword.protocols import Progress, TextLikelihood, silent
from loanword.recipe import LikelihoodsConfig
from loanword.records import Document, write_lines


class OneNatAByte:
    """A model at the boundary whose tokens are characters."""

    def likelihoods(
        self, texts: Sequence[str], *, window_tokens: int, stride_tokens: int, progress: Progress = silent
    ) -> list[TextLikelihood]:
        return [TextLikelihood(float(len(text.encode())), len(text), len(text.encode())) for text in texts]


def test_lines_of_a_text_file_are_documents_with_their_numbers(tmp_path: Path):
    path = tmp_path / "zh.txt"
    path.write_bytes("第一句。\r\n第二句。 \n".encode())
    assert read_held_out(path) == [Document(id="1", text="第一句。"), Document(id="2", text="第二句。 ")]


@pytest.mark.parametrize("name", ["eng_Latn.dev", "swh_Latn.devtest"])
def test_files_of_flores_200_are_read_as_they_are_called(tmp_path: Path, name: str):
    (tmp_path / name).write_bytes(b"The first.\nThe second.\n")
    assert read_held_out(tmp_path / name) == [Document(id="1", text="The first."), Document(id="2", text="The second.")]


@pytest.mark.parametrize("name", ["held_out.jsonl"])
def test_records_keep_their_ids(tmp_path: Path, name: str):
    documents = [Document(id="b", text="two\nlines"), Document(id="a", text="x")]
    write_lines(documents, tmp_path / name)
    assert read_held_out(tmp_path / name) == documents


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"", r"a\.txt - no documents"),
        ("a.txt", b"one\n\ntwo\n", r"a\.txt:2 - empty document"),
        ("a.txt", b"one\n\xff\xfe\n", r"a\.txt:2 - not UTF-8 at byte 0"),
        ("a.jsonl", b'{"id":"1","text":"x"}\n{"id":', r"a\.jsonl:2 - "),
        ("a.jsonl", b'{"id":"1","text":""}\n', r"a\.jsonl:1 - empty document"),
        ("eng_Latn.devtest", b"one\n\ntwo\n", r"eng_Latn\.devtest:2 - empty document"),
        ("a.csv", b"x", r"(?s)a\.csv - unknown kind of file '\.csv'.*\.txt, \.dev, \.devtest, \.jsonl or \.jsonl\.gz"),
    ],
)
def test_what_cannot_be_read_names_file_and_line(tmp_path: Path, name: str, content: bytes, message: str):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_held_out(tmp_path / name)


def test_a_missing_file_is_a_user_error(tmp_path: Path):
    with pytest.raises(UserError, match="file not found"):
        read_held_out(tmp_path / "zh.txt")


def test_documents_keep_order_ids_and_language():
    documents = [Document(id="7", text="语言"), Document(id="3", text="ab")]
    measured = document_likelihoods(OneNatAByte(), documents, "zh", LikelihoodsConfig())  # pyright: ignore[reportArgumentType]
    assert [(one.id, one.language, one.nats, one.num_tokens, one.num_bytes) for one in measured] == [
        ("7", "zh", 6.0, 2, 6),
        ("3", "zh", 2.0, 2, 2),
    ]
