"""A corpus becomes one stream of ids: the same bytes for any number of processes and after any kill."""

import json
import os
import signal
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loanword.errors import UserError
from loanword.records import file_sha256, read_lines
from loanword.tokens.shards import ShardWriter, TokenShard, TokenStream
from loanword.tokens.stream import tokenize_corpus
from tests.tokens.fakes import Characters
from tests.tokens.written import written

TEXTS = [chr(ord("a") + number % 26) * (number * 37 % 400) + "語é\n" for number in range(200)]
SMALL: dict[str, Any] = {"shard_tokens": 4_000, "unit_bytes": 1_500}


class Slow(Characters):
    """Leaves time to be killed in."""

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        time.sleep(0.004)
        return super().encode_batch(texts)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def finished_shards(out: Path) -> list[bytes]:
    journal = out / ".scratch" / "tokens.jsonl"
    return journal.read_bytes().split(b"\n")[1:-1] if journal.exists() else []


def made_in(folder: Path) -> Path:
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole")
    tokenize_corpus(corpus(out.parent / "corpus"), Characters(), out, "zh", **SMALL)
    return out


def corpus(folder: Path) -> list[Path]:
    return written(TEXTS, folder, num_files=3)


@given(st.lists(st.text(max_size=20), max_size=8), st.integers(1, 3), st.integers(1, 60), st.integers(1, 80))
def test_the_stream_holds_every_document_between_bos_and_eos(
    texts: list[str], num_files: int, shard_tokens: int, unit_bytes: int
):
    with tempfile.TemporaryDirectory() as folder:
        out, files = Path(folder), written(texts, Path(folder) / "corpus", num_files)
        limits: dict[str, Any] = {"shard_tokens": shard_tokens, "unit_bytes": unit_bytes}
        made = tokenize_corpus(files, Characters(), out, "zh", **limits)
        stream = TokenStream(out)
        assert Characters().decode(stream.ids(0, made.num_tokens).tolist()) == "".join(
            f"<s>{text}</s>" for text in texts
        )
        assert [stream.ids(at, at + 1)[0] for at in stream.offsets[:-1]] == [1] * len(texts)
        assert np.diff(stream.text_bytes).tolist() == [len(text.encode()) for text in texts]
        assert (made.num_documents, made.num_bytes) == (len(texts), sum(len(text.encode()) for text in texts))
        assert stream.offsets[-1] == stream.num_tokens == made.num_tokens
        assert json.loads((out / "counts.json").read_text()) == made.model_dump()


def test_the_index_says_what_each_file_holds(whole: Path):
    shards = list(read_lines(TokenShard, whole / "shards.jsonl"))
    files = sorted(whole.glob("tokens-*.bin"))
    assert len(files) == len(shards) > 3
    assert [file_sha256(path) for path in files] == [shard.sha256 for shard in shards]
    assert [path.stat().st_size for path in files] == [4 * shard.num_tokens for shard in shards]
    offsets = np.fromfile(whole / "offsets.bin", "<i8")
    ends = np.cumsum([shard.num_documents for shard in shards])
    assert offsets[ends].tolist() == np.cumsum([shard.num_tokens for shard in shards]).tolist()


@pytest.mark.parametrize(("num_pieces", "size"), [(65_536, 2), (65_537, 4)])
def test_ids_take_two_bytes_where_they_fit(tmp_path: Path, num_pieces: int, size: int):
    made = tokenize_corpus(written(["abc"], tmp_path / "corpus"), Characters(num_pieces), tmp_path, "en")
    assert (tmp_path / "tokens-00000.bin").stat().st_size == size * made.num_tokens
    assert TokenStream(tmp_path).ids(0, 5).tolist() == [1, 100, 101, 102, 2]


def test_behind_the_last_token_comes_the_first(whole: Path):
    stream = TokenStream(whole)
    end = stream.num_tokens
    around = stream.ids(end - 3, 2 * end + 5)
    assert around.tolist() == [*stream.ids(end - 3, end), *stream.ids(0, end), *stream.ids(0, 5)]


@pytest.mark.parametrize("num_workers", [2, 3])
def test_any_number_of_processes_writes_the_same_bytes(tmp_path: Path, whole: Path, num_workers: int):
    files, out = corpus(tmp_path / "corpus"), made_in(tmp_path / "out")
    seen: list[int] = []
    made = tokenize_corpus(
        files, Characters(), out, "zh", lambda done, total, unit: seen.append(done), num_workers=num_workers, **SMALL
    )
    assert contents(out) == contents(whole)
    assert seen == sorted(set(seen)) and seen[-1] == made.num_bytes


def test_a_killed_stage_goes_on_to_the_same_bytes_and_does_not_begin_again(tmp_path: Path, whole: Path):
    files, out = corpus(tmp_path / "corpus"), made_in(tmp_path / "out")
    for finished in (1, 3, 6):
        run = get_context("fork").Process(
            target=partial(tokenize_corpus, files, Slow(), out, "zh", num_workers=2, **SMALL)
        )
        run.start()
        while len(finished_shards(out)) < finished and run.is_alive():
            time.sleep(0.001)
        assert run.pid is not None
        os.kill(run.pid, signal.SIGKILL)
        run.join()
        assert not (out / "counts.json").exists()
        assert len(finished_shards(out)) >= finished
    asked: list[int] = []

    class Asked(Characters):
        def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
            asked.append(len(texts))
            return super().encode_batch(texts)

    tokenize_corpus(files, Asked(), out, "zh", **SMALL)
    assert contents(out) == contents(whole)
    assert sum(asked) < len(TEXTS) / 2


@pytest.mark.parametrize("damage", ["shard lost", "shard changed", "journal torn", "offsets lost"])
def test_what_a_dead_machine_left_half_written_is_written_again(tmp_path: Path, whole: Path, damage: str):
    files, out = corpus(tmp_path / "corpus"), made_in(tmp_path / "out")
    journal = out / ".scratch" / "tokens.jsonl"

    def stop(done: int, total: int, unit: str) -> None:
        if len(finished_shards(out)) == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tokenize_corpus(files, Characters(), out, "zh", stop, **SMALL)
    if damage == "shard lost":
        (out / "tokens-00002.bin").unlink()
    elif damage == "shard changed":
        (out / "tokens-00001.bin").write_bytes(b"\x00" * (out / "tokens-00001.bin").stat().st_size)
    elif damage == "journal torn":
        journal.write_bytes(journal.read_bytes()[:-9])
    else:
        (out / "offsets.bin").write_bytes((out / "offsets.bin").read_bytes()[:21])
    tokenize_corpus(files, Characters(), out, "zh", **SMALL)
    assert contents(out) == contents(whole)


@pytest.mark.parametrize("num_workers", [1, 2])
@pytest.mark.parametrize("line", ["{", '{"id":"1"}', '{"id":"1","text":7}', '["text"]', '{"id":"1","text":"\\ud83d"}'])
def test_a_line_that_is_no_document_is_named(tmp_path: Path, line: str, num_workers: int):
    file = written(TEXTS[:30], tmp_path / "corpus")[0]
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    file.write_text("".join([*lines[:20], line + "\n", *lines[20:]]), encoding="utf-8")
    with pytest.raises(UserError) as caught:
        tokenize_corpus([file], Characters(), tmp_path, "en", num_workers=num_workers, unit_bytes=1_000)
    assert str(caught.value).startswith(f"{file}:21 - is no document")


def test_an_artifact_that_lacks_documents_is_refused(tmp_path: Path, whole: Path):
    for name in ("shards.jsonl", "text_bytes.bin"):
        (tmp_path / name).write_bytes((whole / name).read_bytes())
    (tmp_path / "offsets.bin").write_bytes(bytes(80))
    with pytest.raises(UserError, match=r"9 documents, where shards\.jsonl says 200"):
        TokenStream(tmp_path)


@pytest.mark.parametrize("share", [0.9, 0.999, 0.75])
def test_a_file_that_is_cut_is_refused(tmp_path: Path, whole: Path, share: float):
    for name in ("shards.jsonl", "offsets.bin", "text_bytes.bin", "tokens-00000.bin"):
        (tmp_path / name).write_bytes((whole / name).read_bytes())
    path = tmp_path / "tokens-00000.bin"
    os.truncate(path, int(path.stat().st_size * share))
    with pytest.raises(UserError) as caught:
        TokenStream(tmp_path).ids(0, 5)
    assert str(caught.value).startswith(f"{path} - is not as long as shards.jsonl says")


def test_a_stage_that_was_killed_before_its_counts_only_ends_the_stream(tmp_path: Path, whole: Path):
    for name, data in contents(whole).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    (tmp_path / "counts.json").unlink()

    class Refusing(Characters):
        def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
            raise AssertionError("a document was encoded again")

    tokenize_corpus(corpus(tmp_path.with_name(f"{tmp_path.name}-corpus")), Refusing(), tmp_path, "zh", **SMALL)
    assert contents(tmp_path) == contents(whole)


def test_a_stream_that_is_begun_again_holds_nothing_of_what_was_there(tmp_path: Path):
    tokenize_corpus(written(["abc", "de"], tmp_path / "corpus"), Characters(), tmp_path, "en", shard_tokens=1)
    writer = ShardWriter(tmp_path)
    writer.begin("another")
    assert not list(tmp_path.glob("tokens-*.bin"))
    assert (tmp_path / "offsets.bin").stat().st_size == 8
