"""A corpus whose building was killed goes on to the same bytes, wherever that was and with however many workers."""

import multiprocessing
import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loanword.corpus.build import build_corpus, counts
from loanword.corpus.parts import Part, parts_in, whole
from loanword.protocols import Progress, silent
from loanword.recipe import CorpusConfig
from tests.corpus.test_build import config, files_of, payload, source, told

# Batches of the sources have a megabyte: these are seven, and as many parts.
SETTINGS: dict[str, Any] = {"near_duplicates": 0.9, "broken_lines": "quarantine", "min_characters": 9}
HOW: dict[str, Any] = {"shard_bytes": 700_000, "part_bytes": 100_000}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two files with a bit of everything."""
    folder = tmp_path_factory.mktemp("sources")
    values = [{"id": f"d{number}", "text": told(number, number % 900 + 20)} for number in range(3000)]
    values += [{"id": f"d{number}", "text": f"{told(number, number % 900 + 20)} more"} for number in range(0, 500, 5)]
    values += [{"id": f"short{number}", "text": "few"} for number in range(30)]
    values += [{"id": f"broken{number}", "text": None} for number in range(30)]
    random.Random(0).shuffle(values)
    return [source(folder, values[:1000], "one.jsonl"), source(folder, values[1000:], "two.jsonl")]


@pytest.fixture(scope="module")
def undisturbed(sources: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The corpus of one build in one go."""
    out = tmp_path_factory.mktemp("undisturbed")
    build(sources, out)
    return out


def settings() -> CorpusConfig:
    return config(**SETTINGS)


def build(sources: list[Path], out: Path, progress: Progress = silent, num_workers: int = 1) -> None:
    build_corpus(settings(), files_of(sources), out, progress, num_workers=num_workers, **HOW)


def in_a_process(act: Callable[[], None]) -> multiprocessing.Process:
    process: Any = multiprocessing.get_context("fork").Process(target=act)
    process.start()
    return process


class KillsItself:
    """A Progress that ends its process at the n-th report."""

    def __init__(self, left: int):
        self.left = left

    def __call__(self, done: int, total: int, unit: str) -> None:
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.kill
@pytest.mark.parametrize("num_workers", [1, 2])
def test_killed_at_any_report_it_goes_on_to_the_same_bytes(sources, undisturbed, tmp_path, num_workers):
    reports: list[int] = []
    build(sources, tmp_path, lambda done, total, unit: reports.append(done))
    shutil.rmtree(tmp_path)
    tmp_path.mkdir()
    seed, num_kills = random.randrange(2**32), 0
    draw = random.Random(seed)
    while num_kills < 6:
        # A resumed build reports less, so that the same number leads further each time.
        left = draw.randint(1, max(2, len(reports) // 2))
        process = in_a_process(lambda left=left: build(sources, tmp_path, KillsItself(left), num_workers))
        process.join()
        if process.exitcode == 0:
            break
        num_kills += 1
    else:
        build(sources, tmp_path, num_workers=num_workers)
    assert num_kills, f"seed {seed}"
    assert payload(tmp_path) == payload(undisturbed), f"seed {seed}"


@pytest.mark.kill
def test_killed_at_random_moments_it_goes_on_to_the_same_bytes(sources, undisturbed, tmp_path):
    began = time.monotonic()
    build(sources, tmp_path, num_workers=2)
    seconds = time.monotonic() - began
    shutil.rmtree(tmp_path)
    tmp_path.mkdir()
    seed = random.randrange(2**32)
    draw, kills = random.Random(seed), 0
    while kills < 5:
        # Of a process that is killed the workers finish what they have, while the next one goes on.
        process = in_a_process(lambda number=kills % 3 + 1: build(sources, tmp_path, num_workers=number))
        process.join(draw.uniform(0.1, 0.6) * seconds)
        if process.exitcode is None:
            process.kill()
            process.join()
            kills += 1
            continue
        # It was done before its time came: what it made is right, and the next one is killed sooner.
        assert (process.exitcode, payload(tmp_path)) == (0, payload(undisturbed)), f"seed {seed}"
        shutil.rmtree(tmp_path)
        tmp_path.mkdir()
        seconds /= 2
    build(sources, tmp_path, num_workers=2)
    assert payload(tmp_path) == payload(undisturbed), f"seed {seed}"


def test_what_is_there_is_not_made_again(sources, undisturbed, tmp_path):
    killed = in_a_process(lambda: build(sources, tmp_path, KillsAtDocuments(tmp_path)))
    killed.join()
    (first, *_), parts = sorted(tmp_path.glob("documents-*")), parts_of(tmp_path)
    assert killed.exitcode == -signal.SIGKILL
    assert parts[-1].following == (2, 0)
    before = first.stat().st_mtime_ns
    # Nothing of the sources is left to read, so they need not be there.
    read = files_of(sources)
    moved = [path.rename(path.with_suffix(".moved")) for path in sources]
    try:
        build_corpus(settings(), read, tmp_path, **HOW)
    finally:
        for path, here in zip(sources, moved, strict=True):
            here.rename(path)
    assert first.stat().st_mtime_ns == before
    assert payload(tmp_path) == payload(undisturbed)


class KillsAtDocuments(KillsItself):
    """Ends its process at the first report that finds a shard written."""

    def __init__(self, out: Path):
        super().__init__(1)
        self.out = out

    def __call__(self, done: int, total: int, unit: str) -> None:
        if list(self.out.glob("documents-*")):
            super().__call__(done, total, unit)


def test_a_source_whose_parts_are_there_is_not_opened_again(sources, undisturbed, tmp_path):
    read = files_of(sources)
    first_bytes = read[0].num_bytes
    kills = KillsItself(2)

    def report(done: int, total: int, unit: str) -> None:
        if done > first_bytes + 1_500_000:
            kills(done, total, unit)

    killed = in_a_process(lambda: build(sources, tmp_path, report))
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    following = parts_of(tmp_path)[-1].following
    assert following.file == 1
    moved = sources[0].rename(sources[0].with_suffix(".moved"))
    try:
        build_corpus(settings(), read, tmp_path, **HOW)
    finally:
        moved.rename(sources[0])
    assert payload(tmp_path) == payload(undisturbed)


def test_a_part_that_was_half_written_is_none(tmp_path):
    def half() -> None:
        with whole(tmp_path / "part-000000", tmp_path) as file:
            file.write(b"half")
            file.flush()
            os.kill(os.getpid(), signal.SIGKILL)

    in_a_process(half).join()
    assert list(tmp_path.iterdir())
    assert parts_in(tmp_path) == []


def parts_of(out: Path) -> list[Part]:
    return parts_in(out / ".scratch" / "corpus")


def test_what_a_build_of_something_else_left_does_not_matter(sources, undisturbed, tmp_path):
    killed = in_a_process(
        lambda: build_corpus(config(), files_of(sources), tmp_path, KillsAtDocuments(tmp_path), **HOW) and None
    )
    killed.join()
    (tmp_path / "documents-99999.jsonl").write_text('{"id":"left","text":"over"}\n')
    (tmp_path / "quarantine.jsonl").write_text("left over\n")
    build(sources, tmp_path)
    assert payload(tmp_path) == payload(undisturbed)


def test_the_corpus_that_is_resumed_has_a_bit_of_everything(undisturbed):
    made = counts(undisturbed)
    assert made.num_quarantined_lines == made.num_removed["too_short"] == 30
    assert made.num_removed["near_duplicate"] > 50
    assert len(list(undisturbed.glob("documents-*"))) > 5
    assert not (undisturbed / ".scratch" / "corpus").exists()


@pytest.mark.parametrize("other_first", [False, True])
def test_of_a_folder_that_was_half_removed_nobody_goes_on(sources, undisturbed, tmp_path, monkeypatch, other_first):
    def killed_on_the_way(folder: Path, **_: object) -> None:
        if (folder / "part-000000").exists():
            (folder / "part-000000").unlink()
            os.kill(os.getpid(), signal.SIGKILL)

    def half_removing() -> None:
        monkeypatch.setattr(shutil, "rmtree", killed_on_the_way)
        read, settings_ = files_of(sources), config() if other_first else settings()
        build_corpus(settings_, read, tmp_path, **HOW)

    if other_first:
        in_a_process(lambda: build(sources, tmp_path, KillsAtDocuments(tmp_path))).join()
    killed = in_a_process(half_removing)
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    build(sources, tmp_path)
    assert payload(tmp_path) == payload(undisturbed)
