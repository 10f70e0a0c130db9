"""Settings name files, folders and data sets: what they stand for is known before anything is read."""

import gzip
import os
import pickle
from pathlib import Path

import pytest

from loanword.corpus.lines import source_lines
from loanword.corpus.read import QuarantinedLine, read_documents
from loanword.corpus.sources import SourceFile, source_files
from loanword.errors import UserError
from loanword.recipe import SourceConfig


def folder(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(gzip.compress(b'{"text": "a"}\n') if name.endswith(".gz") else b'{"text": "a"}\n')
    return root


def found(root: Path, *files: str) -> list[SourceFile]:
    return source_files(SourceConfig(files=files), root, {})


def refusal(root: Path, *files: str) -> UserError:
    with pytest.raises(UserError) as caught:
        found(root, *files)
    return caught.value


def test_a_folder_stands_for_all_files_in_it_in_the_order_of_their_names(tmp_path: Path):
    root = folder(tmp_path, "t/b.jsonl", "t/a/z.JSONL.GZ", "t/a.txt", "t/c.json", "t/a/deep/er/y.txt", "other.jsonl")
    files = found(root, "other.jsonl", "t")
    assert [file.label for file in files] == [
        "other.jsonl", "a/deep/er/y.txt", "a/z.JSONL.GZ", "a.txt", "b.jsonl", "c.json",
    ]  # fmt: skip
    assert [file.name for file in files[:2]] == [str(root / "other.jsonl"), str(root / "t" / "a/deep/er/y.txt")]
    assert [file.num_bytes for file in files] == [Path(file.name).stat().st_size for file in files]
    assert pickle.loads(pickle.dumps(files)) == files


def test_what_lies_beside_data_without_being_any_is_left_out(tmp_path: Path):
    beside = ["README.md", "readme.txt", "LICENSE", ".gitattributes", ".hidden.jsonl", "_SUCCESS",
              "dataset_infos.json", ".git/config", ".cache/x/a.jsonl", "_temporary/part-0.jsonl"]  # fmt: skip
    files = found(folder(tmp_path, "t/data.jsonl", "t/notice.jsonl", *(f"t/{name}" for name in beside)), "t")
    assert [file.label for file in files] == ["data.jsonl", "notice.jsonl"]


def test_a_file_that_is_named_itself_is_read_whatever_it_is_called(tmp_path: Path):
    files = found(folder(tmp_path, "README.txt", "_part.jsonl"), "README.txt", "_part.jsonl")
    assert [file.label for file in files] == ["README.txt", "_part.jsonl"]


@pytest.mark.parametrize("name", ["table.csv", "sub/model.bin", "a.jsonl.bz2", "a.parquet.gz", "data", "LICENSE-DATA"])
def test_a_file_in_a_folder_that_cannot_be_read_is_named(tmp_path: Path, name: str):
    error = refusal(folder(tmp_path, "t/a.jsonl", f"t/{name}"), "t")
    assert error.where == str(tmp_path / "t" / name)
    assert "do not know how to read" in error.what
    assert ".jsonl" in error.expected


@pytest.mark.parametrize("names", [[], ["t/README.md"], ["t/sub/.keep"]])
def test_a_folder_without_a_file_to_read_is_an_error(tmp_path: Path, names: list[str]):
    (tmp_path / "t").mkdir()
    assert "no file to read in this folder" in refusal(folder(tmp_path, *names), "t").what


def test_a_file_that_is_not_there_is_named(tmp_path: Path):
    error = refusal(folder(tmp_path, "a.jsonl"), "a.jsonl", "gone.jsonl")
    assert (error.where, error.what) == (str(tmp_path / "gone.jsonl"), "no such file")


def test_what_is_neither_a_file_nor_a_folder_is_not_waited_for(tmp_path: Path):
    os.mkfifo(tmp_path / "a.jsonl")
    assert refusal(tmp_path, "a.jsonl").what == "is not a file"


@pytest.mark.parametrize("files", [("t/a.jsonl", "t"), ("t", "t"), ("t/a.jsonl", "t/b.jsonl", "t/a.jsonl"),
                                   ("t", "t/../t"), (".", "t")])  # fmt: skip
def test_a_file_that_is_named_twice_is_not_read_twice(tmp_path: Path, files: tuple[str, ...]):
    error = refusal(folder(tmp_path, "t/a.jsonl", "t/b.jsonl"), *files)
    assert error.what == "is named twice"
    assert Path(error.where).resolve() == tmp_path / "t" / "a.jsonl"


def test_links_to_files_are_followed_and_links_to_folders_or_nothing_are_errors(tmp_path: Path):
    root = folder(tmp_path, "far/away.jsonl", "far/off/b.jsonl", "t/a.jsonl")
    (root / "t" / "b.jsonl").symlink_to(root / "far" / "away.jsonl")
    assert [file.label for file in found(root, "t")] == ["a.jsonl", "b.jsonl"]
    (root / "linked").symlink_to(root / "t")  # that the folder itself is a link is as its owner wishes
    assert [file.label for file in found(root, "linked")] == ["a.jsonl", "b.jsonl"]
    (root / "t" / "off").symlink_to(root / "far" / "off")
    assert refusal(root, "t").what == "is a link to a folder"
    (root / "t" / "off").unlink()
    (root / "t" / "c.jsonl").symlink_to(root / "gone.jsonl")
    assert refusal(root, "t").what == "is a link to nothing"


def test_ids_and_set_aside_lines_are_named_by_where_a_file_lies_in_its_folder(tmp_path: Path):
    root = folder(tmp_path, "t/2020/part.jsonl", "t/2021/part.jsonl.gz", "t/2021/tale.txt", "t/top.jsonl")
    (root / "t/top.jsonl").write_bytes(b"{\n")
    aside: list[QuarantinedLine] = []
    ids = [document.id for document in read_documents([root / "t"], quarantine=aside.append)]
    assert ids == ["2020/part-1", "2021/part-1", "2021/tale"]
    assert [(line.file, line.line) for line in aside] == [("top.jsonl", 1)]


def test_folders_and_files_may_be_mixed_where_paths_are_given(tmp_path: Path):
    root = folder(tmp_path, "t/b.jsonl", "t/a.jsonl", "c.jsonl")
    files = found(root, "c.jsonl")
    lines = [line.where for line in source_lines([root / "t", *files])]
    assert lines == [f"{root / name}:1" for name in ("t/a.jsonl", "t/b.jsonl", "c.jsonl")]
