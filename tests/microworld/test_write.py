"""The world on disk: the same bytes each time, in formats that the ordinary readers take."""

import hashlib
from pathlib import Path

import pytest

from loanword.corpus.instructions import read_instructions
from loanword.corpus.read import read_documents
from loanword.errors import UserError
from loanword.microworld.__main__ import main
from loanword.microworld.phrasebook import phrasebooks
from loanword.microworld.telling import documents, parallel_sentences
from loanword.microworld.world import make_world
from loanword.microworld.write import Size, write_world

BOOKS = phrasebooks()
WORLD = make_world(5)
SMALL = Size(1, 200, 100)


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_one_world_gives_the_same_bytes_each_time(tmp_path: Path):
    for name in ("first", "second"):
        write_world(WORLD, BOOKS, SMALL, tmp_path / name)
    write_world(WORLD, BOOKS, SMALL, tmp_path / "second")
    assert digests(tmp_path / "first") == digests(tmp_path / "second")
    assert set(digests(tmp_path / "first")) == {
        f"{folder}/{code}{suffix}"
        for code in BOOKS
        for folder, suffix in (("text", ".jsonl.gz"), ("parallel", ".txt"), ("instructions", ".jsonl.gz"))
    }


def test_the_ordinary_readers_take_what_was_written(tmp_path: Path):
    write_world(WORLD, BOOKS, SMALL, tmp_path)
    english = list(read_documents([tmp_path / "text/en.jsonl.gz"]))
    assert english == list(documents(WORLD, BOOKS["en"], SMALL.num_source_documents))
    assert len(list(read_documents([tmp_path / "text/zh.jsonl.gz"]))) == SMALL.num_target_documents
    lines = (tmp_path / "parallel/zh.txt").read_text(encoding="utf-8").splitlines()
    assert lines == parallel_sentences(WORLD, BOOKS["zh"])
    read = read_instructions([tmp_path / "instructions/zh.jsonl.gz"], seed=1)
    assert len(read.conversations) == read.num_read
    assert not any(read.num_removed.values())


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(UserError, match=r"file - cannot be written"):
        write_world(WORLD, BOOKS, SMALL, blocked)


def test_the_command_says_what_it_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main([str(tmp_path / "world"), "--seed", "7"]) == 0
    said = capsys.readouterr().out
    assert "200 entities" in said
    assert "text/zh.jsonl.gz" in said


def test_the_command_ends_with_2_where_it_cannot_write(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert main([str(blocked)]) == 2
    assert "error: " in capsys.readouterr().err
