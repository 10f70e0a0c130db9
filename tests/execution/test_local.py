"""Scheduling: inputs first, one builder an artifact, and nothing lost to a kill."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil
import pytest

from loanword.errors import UserError
from loanword.execution.local import LocalLauncher
from loanword.execution.scheduler import Scheduler, StageCrashed
from loanword.interruption import REQUEUE
from loanword.records import Execution
from loanword.store import Job, Naming, Sources, Store
from loanword.study.plan import missing, smaller_cuts
from tests.execution.counting_stages import LATER, STAGES, CountConfig

MODULE = "tests.execution.counting_stages"
ROOT = Path(__file__).parents[2]


class Seen:
    """Remembers what a scheduler told."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []
        self.start_seconds: list[float] = []
        self.sentences: list[str] = []
        self.whole = False

    def started(self, job: Job, seconds: float) -> None:
        self.events.append(("started", job.key))
        self.start_seconds.append(seconds)

    def progress(self, job: Job, done: int, total: int, unit: str) -> None:
        self.events.append(("progress", job.key))

    def finished(self, job: Job, seconds: float) -> None:
        self.events.append(("finished", job.key))

    def failed(self, job: Job, reason: str, num_left_out: int) -> None:
        self.sentences.append(f"{job.stage}: cannot be built: {reason}; {num_left_out} left out")

    def elsewhere(self, job: Job) -> None:
        self.events.append(("elsewhere", job.key))

    def said(self, job: Job, sentence: str) -> None:
        self.sentences.append(f"{job.stage}: {sentence}")

    def stopping(self, jobs: Sequence[Job], seconds: float) -> None:
        self.events.extend(("stopping", job.key) for job in jobs)

    def left_running(self, jobs: Sequence[Job]) -> None:
        self.events.extend(("left running", job.key) for job in jobs)


def naming(folder: Path) -> Naming:
    return Naming(Sources(folder), dict.fromkeys(STAGES, 1))


def chain(folder: Path, *, length: int = 3, rest_seconds: float = 0.0, mishap: str = "") -> list[Job]:
    made = naming(folder)
    jobs: list[Job] = []
    for number in range(1, length + 1):
        config = CountConfig(amount=10 * number, rest_seconds=rest_seconds, mishap=mishap if number == 2 else "")
        jobs.append(made.job("count", config, before=jobs[-1] if jobs else None))
    return jobs


def build(
    store: Store, jobs: Sequence[Job], *, workers: int = 2, seen: Seen | None = None, keep_going: bool = False
) -> Seen:
    show, execution = seen or Seen(), Execution(workers=workers)
    scheduler = Scheduler(
        store,
        execution,
        STAGES,
        MODULE,
        LocalLauncher(execution, STAGES, MODULE),
        show,
        cost=lambda job: 1.0,
        smaller_cuts=smaller_cuts(jobs, STAGES),
        keep_going=keep_going,
    )
    show.whole = scheduler.build(missing(jobs, store.finished_keys()))
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
    assert seen.whole
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
        ("full for tensors", UserError, "no space left on the device"),
        ("damaged tensors", StageCrashed, "incomplete metadata"),
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


@pytest.mark.parametrize("mishap", ["user", "bug", "killed"])
def test_with_keep_going_only_what_is_made_of_a_failure_is_left_out(store: Store, tmp_path: Path, mishap: str) -> None:
    jobs = chain(tmp_path, mishap=mishap)
    made = naming(tmp_path)
    # Workers build what shares a model in one process: the failing one must not take the others with it.
    asked = [made.job("ask", CountConfig(amount=n, mishap=mishap if n == 2 else ""), model=jobs[0]) for n in (1, 2, 3)]
    seen = build(store, [*jobs, *asked], keep_going=True)
    assert seen.whole
    assert {job.key for job in [*jobs, *asked] if store.finished(job)} == {jobs[0].key, asked[0].key, asked[2].key}
    assert set(store.failures()) == {jobs[1].key, asked[1].key}
    assert sorted(line.rpartition("; ")[2] for line in seen.sentences) == ["0 left out", "1 left out"]


def test_a_failure_is_forgotten_once_its_artifact_is_there(store: Store, tmp_path: Path) -> None:
    (job,) = chain(tmp_path, length=1)
    store.failed(job, "crashed", "Traceback\nZeroDivisionError: a bug")
    build(store, [job])
    assert store.failures() == {}


def test_a_crash_stands_in_the_log_of_its_artifact(store: Store, tmp_path: Path) -> None:
    jobs = chain(tmp_path, mishap="bug")
    with pytest.raises(StageCrashed):
        build(store, jobs)
    assert "ZeroDivisionError: a bug" in store.log(jobs[1]).read_text()
    assert not store.log(jobs[0]).exists()  # which wrote nothing


def test_the_stage_that_refuses_is_named_before_what_it_refuses(store: Store, tmp_path: Path) -> None:
    seen = Seen()
    with pytest.raises(UserError, match="run out"):
        build(store, chain(tmp_path, mishap="user"), seen=seen)
    assert seen.sentences == ["count: cannot be built: ; 0 left out"]


@pytest.mark.parametrize(("mishap", "kind"), [("user", UserError), ("bug", StageCrashed), ("killed", UserError)])
def test_a_mishap_lets_other_stages_that_listen_save_first(
    store: Store, tmp_path: Path, mishap: str, kind: type[Exception]
) -> None:
    made = naming(tmp_path)
    other = made.job("listen", CountConfig(amount=10_000, rest_seconds=0.01))
    bad = made.job("count", CountConfig(amount=1, mishap=mishap + LATER))
    seen = Seen()
    with pytest.raises(kind):
        build(store, [other, bad], seen=seen)
    assert (store.building_folder(other) / ".scratch" / "stopped").is_file()
    assert [key for event, key in seen.events if event == "stopping"] == [other.key]


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


def start_elsewhere(
    store: Store, folder: Path, jobs: str = "chain(folder, rest_seconds=0.05)"
) -> subprocess.Popen[bytes]:
    """A build in a process group of its own; it ends with 75 where it was stopped."""
    code = (
        f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / 'src')!r}]\n"
        "from pathlib import Path; from loanword.store import Store\n"
        "from tests.execution.test_local import build, chain, listeners\n"
        f"if __name__ == '__main__':\n"
        f"    folder = Path({str(folder)!r})\n"
        f"    sys.exit(0 if build(Store(Path({str(store.root)!r})), {jobs}).whole else 75)\n"
    )
    script = folder / "elsewhere.py"
    script.write_text(code)
    return subprocess.Popen([sys.executable, str(script)], start_new_session=True)


def listeners(folder: Path, *, amount: int = 10_000, mishap: str = "") -> list[Job]:
    """One stage that listens when it is asked to stop, and one that does not."""
    config = CountConfig(amount=amount, rest_seconds=0.01, mishap=mishap)
    return [naming(folder).job("listen", config), naming(folder).job("count", config)]


def both_at_work(store: Store) -> bool:
    """Whether both are so far that somebody who looks from outside would see it."""
    holders = [store.holder(job) for job in listeners(store.root.parent)]
    return all(holder is not None and holder.progress is not None for holder in holders)


def wait_for(condition: object, seconds: float = 30.0) -> None:
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.02)


@pytest.mark.kill
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


@pytest.mark.kill
@pytest.mark.parametrize(
    "ask",
    [
        lambda pid: os.kill(pid, signal.SIGTERM),  # `kill`, or a scheduler of a cluster that asks the batch script
        lambda pid: os.killpg(pid, signal.SIGTERM),  # ... that asks every process
        lambda pid: os.killpg(pid, signal.SIGINT),  # Ctrl-C
    ],
    ids=["SIGTERM", "SIGTERM for all", "Ctrl-C"],
)
def test_a_build_that_is_asked_to_stop_lets_stages_that_listen_save_and_asks_to_be_run_again(
    store: Store, tmp_path: Path, ask: Callable[[int], None]
) -> None:
    process = start_elsewhere(store, tmp_path, "listeners(folder)")
    wait_for(lambda: both_at_work(store), 60)
    children = psutil.Process(process.pid).children(recursive=True)
    ask(process.pid)
    assert process.wait(20) == REQUEUE
    wait_for(lambda: not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children), 10)
    listened, deaf = listeners(tmp_path)
    assert (store.building_folder(listened) / ".scratch" / "stopped").is_file()
    assert store.holder(listened) is None
    assert (holder := store.holder(deaf)) is not None and holder.stale
    for job in (listened, deaf):
        lease = store.lease(job)
        assert lease is not None
        lease.release()


@pytest.mark.kill
def test_a_second_ctrl_c_waits_for_nobody(store: Store, tmp_path: Path) -> None:
    process = start_elsewhere(store, tmp_path, "listeners(folder, mishap='deaf')")
    jobs = listeners(tmp_path, mishap="deaf")
    wait_for(lambda: all((holder := store.holder(job)) and holder.progress for job in jobs), 60)
    children = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGINT)
    time.sleep(1.5)
    assert process.poll() is None
    os.killpg(process.pid, signal.SIGINT)
    process.wait(10)
    wait_for(lambda: not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children), 10)


def test_a_worker_that_somebody_else_asks_to_stop_is_no_error(store: Store, tmp_path: Path) -> None:
    jobs = listeners(tmp_path)
    seen = Seen()
    thread = threading.Thread(target=build, args=(store, jobs), kwargs={"seen": seen})
    thread.start()
    wait_for(lambda: both_at_work(store), 60)
    holder = store.holder(jobs[0])
    assert holder is not None
    os.kill(holder.pid, signal.SIGTERM)
    thread.join(20)
    assert not thread.is_alive() and not seen.whole
    assert ("stopping", jobs[1].key) in seen.events


def test_what_a_stage_says_is_shown_and_kept_with_what_its_artifact_was_made_with(store: Store, tmp_path: Path) -> None:
    job = naming(tmp_path).job("listen", CountConfig(amount=1))
    scratch = store.building_folder(job) / ".scratch"
    scratch.mkdir()
    (scratch / "said.json").write_text('{"said": ["before it was killed"]}')
    seen = build(store, [job])
    assert seen.sentences == ["listen: counting"]
    provenance = store.open(job).manifest.provenance
    assert provenance["said"] == ["before it was killed", "counting"]
    assert provenance["execution"]["micro_batch_tokens"] == 7


def test_a_change_of_the_number_of_processes_is_said(store: Store, tmp_path: Path) -> None:
    job = naming(tmp_path).job("listen", CountConfig(amount=1))
    scratch = store.building_folder(job) / ".scratch"
    scratch.mkdir()
    begun = {"device": "cpu", "threads": 3, "micro_batch_tokens": 5, "processes": 2}
    (scratch / "execution.json").write_text(json.dumps(begun))
    seen = build(store, [job])
    assert len(seen.sentences) == 2 and "begun in 2 processes, goes on in 1" in seen.sentences[0]
    execution = store.open(job).manifest.provenance["execution"]
    assert (execution["threads"], execution["processes"]) == (3, 1)
