"""Scheduling: inputs first, one builder an artifact, and nothing lost to a kill."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from loanword.errors import UserError
from loanword.execution.local import Scheduler, StageCrashed
from loanword.records import Execution
from loanword.store import Job, Naming, Sources, Store
from loanword.study.plan import missing, smaller_cuts
from tests.execution.counting_stages import STAGES, CountConfig

MODULE = "tests.execution.counting_stages"
ROOT = Path(__file__).parents[2]


class Seen:
    """Remembers what a scheduler told."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []
        self.start_seconds: list[float] = []

    def started(self, job: Job, seconds: float) -> None:
        self.events.append(("started", job.key))
        self.start_seconds.append(seconds)

    def progress(self, job: Job, done: int, total: int, unit: str) -> None:
        self.events.append(("progress", job.key))

    def finished(self, job: Job, seconds: float) -> None:
        self.events.append(("finished", job.key))

    def elsewhere(self, job: Job) -> None:
        self.events.append(("elsewhere", job.key))


def naming(folder: Path) -> Naming:
    return Naming(Sources(folder), dict.fromkeys(STAGES, 1))


def chain(folder: Path, *, length: int = 3, rest_seconds: float = 0.0, mishap: str = "") -> list[Job]:
    made = naming(folder)
    jobs: list[Job] = []
    for number in range(1, length + 1):
        config = CountConfig(amount=10 * number, rest_seconds=rest_seconds, mishap=mishap if number == 2 else "")
        jobs.append(made.job("count", config, before=jobs[-1] if jobs else None))
    return jobs


def build(store: Store, jobs: Sequence[Job], *, workers: int = 2, seen: Seen | None = None) -> Seen:
    show = seen or Seen()
    scheduler = Scheduler(
        store,
        Execution(workers=workers),
        STAGES,
        MODULE,
        show,
        cost=lambda job: 1.0,
        smaller_cuts=smaller_cuts(jobs, STAGES),
    )
    scheduler.build(missing(jobs, store.finished_keys()))
    return show


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "store")
    made.create()
    return made


def contents(store: Store, jobs: Sequence[Job]) -> list[str]:
    return [store.open(job).manifest.content for job in jobs]


def test_inputs_are_built_before_what_reads_them(store: Store, tmp_path: Path) -> None:
    jobs = chain(tmp_path)
    seen = build(store, jobs)
    assert [key for event, key in seen.events if event == "finished"] == [job.key for job in jobs]
    assert store.open(jobs[-1]).manifest.provenance["seconds"] >= 0
    assert not list(store.building.iterdir())


def test_a_second_build_does_nothing(store: Store, tmp_path: Path) -> None:
    jobs = chain(tmp_path)
    build(store, jobs)
    assert build(store, jobs).events == []


def test_a_cut_waits_for_the_next_smaller_one_and_continues_from_it(store: Store, tmp_path: Path) -> None:
    made = naming(tmp_path)
    jobs = [made.job("cut", CountConfig(amount=amount)) for amount in (30, 10, 20)]
    seen = build(store, jobs)
    assert [key for event, key in seen.events if event == "finished"] == [jobs[1].key, jobs[2].key, jobs[0].key]
    assert store.open(jobs[0]).manifest.provenance["continued_from"] == jobs[2].name


def test_a_stage_that_takes_the_whole_machine_runs_alone(store: Store, tmp_path: Path) -> None:
    made = naming(tmp_path)
    jobs = [made.job(stage, CountConfig(amount=5, rest_seconds=0.02)) for stage in ("count", "alone")]
    seen = build(store, jobs, workers=2)
    running: set[str] = set()
    for event, key in seen.events:
        running = running | {key} if event == "started" else running - {key} if event == "finished" else running
        assert len(running) == 1 or not any(key.startswith("alone") for key in running)
    threads = store.open(jobs[1]).manifest.provenance["execution"]["threads"]
    assert threads == 2


@pytest.mark.parametrize(
    ("mishap", "kind", "said"),
    [
        ("user", UserError, "run out"),
        ("bug", StageCrashed, "ZeroDivisionError: a bug"),
        ("killed", UserError, "exit code -9"),
        ("full", UserError, "no space left on the device"),
    ],
)
def test_a_mishap_stops_the_build_and_keeps_what_was_finished(
    store: Store, tmp_path: Path, mishap: str, kind: type[Exception], said: str
) -> None:
    jobs = chain(tmp_path, mishap=mishap)
    with pytest.raises(kind, match=said):
        build(store, jobs)
    assert store.finished(jobs[0])
    assert not any(store.finished(job) for job in jobs[1:])


def test_two_builds_at_once_share_the_work(store: Store, tmp_path: Path) -> None:
    jobs = chain(tmp_path, length=4, rest_seconds=0.01)
    both = [Seen(), Seen()]
    threads = [threading.Thread(target=build, args=(store, jobs), kwargs={"seen": seen}) for seen in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(store.finished(job) for job in jobs)
    assert not list(store.building.iterdir())
    undisturbed = Store(tmp_path / "other")
    undisturbed.create()
    build(undisturbed, jobs)
    assert contents(store, jobs) == contents(undisturbed, jobs)


def start_elsewhere(store: Store, folder: Path) -> subprocess.Popen[bytes]:
    code = (
        f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / 'src')!r}]\n"
        "from pathlib import Path; from loanword.store import Store\n"
        "from tests.execution.test_local import build, chain\n"
        f"if __name__ == '__main__':\n"
        f"    build(Store(Path({str(store.root)!r})), chain(Path({str(folder)!r}), rest_seconds=0.05))\n"
    )
    script = folder / "elsewhere.py"
    script.write_text(code)
    return subprocess.Popen([sys.executable, str(script)], start_new_session=True)


def wait_for(condition: object, seconds: float = 30.0) -> None:
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.02)


def test_a_killed_build_continues_to_the_same_content(store: Store, tmp_path: Path) -> None:
    jobs = chain(tmp_path, rest_seconds=0.05)
    process = start_elsewhere(store, tmp_path)
    wait_for(lambda: any(store.building.glob("*/.scratch/numbers")))
    time.sleep(0.2)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not all(store.finished(job) for job in jobs)
    build(store, jobs)
    undisturbed = Store(tmp_path / "other")
    undisturbed.create()
    build(undisturbed, jobs)
    assert contents(store, jobs) == contents(undisturbed, jobs)


def test_workers_end_when_their_scheduler_is_gone(store: Store, tmp_path: Path) -> None:
    process = start_elsewhere(store, tmp_path)
    wait_for(lambda: any(store.building.glob("*/.scratch/numbers")))
    children = psutil.Process(process.pid).children(recursive=True)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    wait_for(lambda: not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children), 10)


def test_a_stage_starts_without_importing_everything_again(store: Store, tmp_path: Path) -> None:
    # How fast it starts is measured in bench/; here only that what is heavy is there before the stage is.
    job = naming(tmp_path).job("imports", CountConfig(amount=0))
    build(store, [job])
    assert (store.folder(job) / "torch").read_text() == "there"
