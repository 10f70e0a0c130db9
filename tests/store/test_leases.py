"""Leases: at most one holder, whatever dies or stalls."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from loanword.store import leases


def make_stale(path: Path) -> None:
    old = time.time() - 2 * leases.STALE_SECONDS
    os.utime(path, (old, old))


def test_a_held_lease_is_not_given_twice(tmp_path: Path) -> None:
    held = leases.acquire(tmp_path, "trunk-1")
    assert held is not None
    assert leases.acquire(tmp_path, "trunk-1") is None
    assert leases.acquire(tmp_path, "trunk-10") is not None
    held.release()
    assert leases.acquire(tmp_path, "trunk-1") is not None


def test_a_stale_lease_is_taken_over_and_its_holder_learns_of_it(tmp_path: Path) -> None:
    first = leases.acquire(tmp_path, "trunk-1")
    assert first is not None and first.beat()
    make_stale(first.path)
    second = leases.acquire(tmp_path, "trunk-1")
    assert second is not None
    assert not first.beat()
    assert second.beat()


def test_only_one_of_many_takes_a_stale_lease_over(tmp_path: Path) -> None:
    first = leases.acquire(tmp_path, "trunk-1")
    assert first is not None
    make_stale(first.path)
    barrier, won = threading.Barrier(8), []

    def take() -> None:
        barrier.wait()
        won.append(leases.acquire(tmp_path, "trunk-1"))

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(lease is not None for lease in won) == 1


def test_a_holder_that_died_on_this_machine_is_stale_at_once(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from loanword.store import leases; "
        "leases.acquire(Path(sys.argv[1]), 'trunk-1')"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, env={**os.environ, "PYTHONPATH": _src()})
    assert leases.acquire(tmp_path, "trunk-1") is not None


def test_progress_is_there_for_others_to_read(tmp_path: Path) -> None:
    held = leases.acquire(tmp_path, "trunk-1")
    assert held is not None
    held.beat((3, 10, "rows"))
    newest = leases.newest_lease(tmp_path, "trunk-1")
    assert newest is not None
    seen = leases.holder(newest)
    assert seen is not None and seen.progress == (3, 10, "rows") and not seen.stale


def test_how_long_it_took_and_takes_is_there_too(tmp_path: Path) -> None:
    held = leases.acquire(tmp_path, "trunk-1")
    assert held is not None
    held.started -= 100
    held.beat((3, 10, "rows"), 7.5)
    seen = leases.holder(held.path)
    assert seen is not None and seen.left_seconds == 7.5
    assert seen.elapsed_seconds is not None and 100 <= seen.elapsed_seconds < 200


@pytest.mark.parametrize(
    "written", ["", '{"host": "here", "pid": 0}', '{"host": "here", "new": [1]}', '{"pid": "?"}', "{"]
)
def test_a_lease_of_another_version_is_a_lease(tmp_path: Path, written: str) -> None:
    (tmp_path / "trunk-1.lease-0").write_text(written)
    seen = leases.holder(tmp_path / "trunk-1.lease-0")
    assert seen is not None and not seen.stale and seen.progress is None and seen.elapsed_seconds is None
    assert leases.acquire(tmp_path, "trunk-1") is None


def test_one_listing_finds_the_newest_lease_of_everything(tmp_path: Path) -> None:
    for name in ("a-1.lease-0", "a-1.lease-9", "a-1.lease-10", "a-1.lease-10.part", "a-10.lease-2", "other"):
        (tmp_path / name).touch()
    (tmp_path / "a-1").mkdir()
    found = leases.newest_leases(tmp_path)
    assert {key: path.name for key, path in found.items()} == {"a-1": "a-1.lease-10", "a-10": "a-10.lease-2"}
    assert {key: leases.newest_lease(tmp_path, key) for key in found} == found
    assert leases.newest_leases(tmp_path / "none") == {}


def _src() -> str:
    return str(Path(__file__).parents[2] / "src")
