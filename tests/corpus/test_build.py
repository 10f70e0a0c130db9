"""A corpus artifact from real files."""

import gzip
import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from loanword.corpus.build import build_corpus, counts, documents, held_out
from loanword.corpus.read import QuarantinedLine
from loanword.errors import UserError
from loanword.recipe import CorpusConfig
from loanword.records import CorpusCounts, Document, read_lines


def config(**settings) -> CorpusConfig:
    return CorpusConfig.model_validate({"language": "zh", "files": ("unused",), "held_out_documents": 3, **settings})


def source(folder: Path, values: Sequence[Mapping[str, object]], name: str = "source.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(value) + "\n" for value in values), encoding="utf-8")
    return path


def built(folder: Path, files: list[Path], shard_bytes: int = 64_000_000, **settings) -> tuple[Path, CorpusCounts]:
    folder.mkdir()
    return folder, build_corpus(config(**settings), files, folder, shard_bytes=shard_bytes)


def payload(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


VALUES = [{"id": f"d{number}", "text": f"document {number} " * (number % 7 + 1)} for number in range(200)]


def test_the_payload_does_not_depend_on_file_order_or_on_memory(tmp_path: Path):
    one, other = source(tmp_path, VALUES[:90]), source(tmp_path, VALUES[90:], "other.jsonl")
    first, made = built(tmp_path / "first", [one, other], shard_bytes=1500)
    second, _ = built(tmp_path / "second", [other, one], shard_bytes=1500)
    whole, _ = built(tmp_path / "whole", [one, other])
    assert payload(first) == payload(second)
    assert list(documents(first)) == list(documents(whole))
    assert made == counts(first)
    assert len(list(first.glob("documents-*.jsonl"))) > 5
    assert not list(first.rglob("*.part"))


def test_held_out_documents_are_never_trained_on(tmp_path: Path):
    doubled = [*VALUES, *({"id": f"again-{value['id']}", "text": value["text"]} for value in VALUES)]
    folder, made = built(tmp_path / "out", [source(tmp_path, doubled)], held_out_documents=20)
    trained, held = list(documents(folder)), list(held_out(folder))
    assert {document.text for document in trained}.isdisjoint(document.text for document in held)
    assert (len(trained), len(held), made.num_removed["duplicate"]) == (180, 20, 200)
    assert made.num_bytes == sum(len(document.text.encode()) for document in trained)
    assert made.num_held_out_bytes == sum(len(document.text.encode()) for document in held)


def test_a_limit_takes_the_start_and_leaves_the_held_out_split_alone(tmp_path: Path):
    files = [source(tmp_path, VALUES)]
    whole, _ = built(tmp_path / "whole", files)
    part, made = built(tmp_path / "part", files, limit_bytes=2000)
    taken = list(documents(part))
    assert 0 < made.num_bytes <= 2000
    assert taken == list(documents(whole))[: len(taken)]
    assert list(held_out(part)) == list(held_out(whole))
    assert made.num_removed["over_limit"] == 200 - 3 - len(taken)


def test_short_documents_are_counted(tmp_path: Path):
    values = [*VALUES, {"text": ""}, {"text": "  \n "}, {"text": " ab "}]
    _, made = built(tmp_path / "out", [source(tmp_path, values)], min_characters=3)
    assert made.num_removed["too_short"] == 3
    assert made.num_documents + made.num_held_out_documents == 200


def test_two_documents_of_one_id_are_told_apart(tmp_path: Path):
    one = source(tmp_path, [{"text": f"one {number}"} for number in range(5)])
    (tmp_path / "other").mkdir()
    other = source(tmp_path / "other", [{"text": f"other {number}"} for number in range(5)])
    folder, _ = built(tmp_path / "out", [one, other])
    ids = [document.id for document in itertools.chain(held_out(folder), documents(folder))]
    assert len(set(ids)) == 10
    assert sum("~" in name for name in ids) == 5


def test_quarantined_lines_are_written_and_counted(tmp_path: Path):
    path = source(tmp_path, VALUES)
    path.write_bytes(path.read_bytes() + b"{broken\n")
    folder, made = built(tmp_path / "out", [path], broken_lines="quarantine")
    (line,) = read_lines(QuarantinedLine, folder / "quarantine.jsonl")
    assert (line.file, line.line, made.num_quarantined_lines) == ("source.jsonl", 201, 1)
    with pytest.raises(UserError, match=":201"):
        built(tmp_path / "fatal", [path])


def test_what_a_killed_build_left_does_not_matter(tmp_path: Path):
    folder = tmp_path / "out"
    (folder / ".scratch" / "corpus").mkdir(parents=True)
    (folder / ".scratch" / "corpus" / "1.jsonl").write_text('[0, "left", "over"]\n')
    build_corpus(config(), [source(tmp_path, VALUES)], folder, shard_bytes=1000)
    assert "left" not in {document.id for document in documents(folder)}
    assert not (folder / ".scratch" / "corpus").exists()


def test_too_few_documents_to_hold_any_out(tmp_path: Path):
    with pytest.raises(UserError, match="no document is left to train on") as caught:
        built(tmp_path / "out", [source(tmp_path, VALUES[:3])])
    assert "held_out_documents = 3 distinct documents, not 3" in caught.value.expected


def test_a_limit_below_the_first_document(tmp_path: Path):
    with pytest.raises(UserError, match="197 over_limit") as caught:
        built(tmp_path / "out", [source(tmp_path, VALUES)], limit_bytes=5)
    assert caught.value.do == "raise limit_bytes"


def test_real_chinese_text(tmp_path: Path, shared_data: Path):
    with gzip.open(shared_data / "text" / "zh.jsonl.gz") as file:
        lines = list(itertools.islice(file, 2000))
    path = tmp_path / "zh.jsonl"
    path.write_bytes(b"".join(lines))
    folder, made = built(tmp_path / "out", [path], limit_bytes=1_000_000, held_out_documents=50)
    kept = list(documents(folder))
    assert made.num_documents == len(kept)
    assert 990_000 - max(len(document.text.encode()) for document in kept) < made.num_bytes <= 1_000_000
    total = made.num_documents + made.num_held_out_documents + sum(made.num_removed.values())
    assert total == len(lines)
    texts = {document.id: document.text for document in kept}
    for line in lines:
        value = json.loads(line)
        assert texts.get(value["id"], value["text"]) == value["text"]
    assert all(isinstance(document, Document) for document in kept)
