"""Jobs of SLURM as a scheduler sees them; tests/cluster has a real one."""

import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from loanword.errors import UserError
from loanword.execution.scheduler import Scheduler, StageCrashed
from loanword.execution.settings import Slurm
from loanword.execution.slurm import SlurmLauncher
from loanword.records import Execution
from loanword.store import Job, Store
from loanword.store.events import events
from loanword.store.submissions import submissions
from loanword.study.plan import missing, smaller_cuts
from tests.execution.counting_stages import STAGES, CountConfig
from tests.execution.test_local import MODULE, ROOT, Seen, chain, naming

COMMANDS = ("sbatch", "srun", "squeue", "scancel", "scontrol")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    commands = tmp_path / "commands"
    commands.mkdir()
    pretended = Path(__file__).parent / "pretended_slurm.py"
    for name in COMMANDS:
        script = f'#!/bin/sh\nexec {sys.executable} {pretended} {name} "$@"\n'
        (commands / name).write_text(script)
        (commands / name).chmod(0o755)
    (tmp_path / "queue").mkdir()
    monkeypatch.setenv("PRETENDED_SLURM", str(tmp_path / "queue"))
    monkeypatch.setenv("PATH", f"{commands}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", f"{ROOT / 'src'}{os.pathsep}{ROOT}")
    made = Store(tmp_path / "store")
    made.create()
    return made


def build(
    store: Store,
    jobs: Sequence[Job],
    *,
    again: int = 3,
    together: float = 0.0,
    keep_going: bool = False,
    seen: Seen | None = None,
) -> Seen:
    show = seen or Seen()
    settings = Slurm(poll_seconds=0.2, again=again, together_seconds=together)
    scheduler = Scheduler(
        store,
        Execution(),
        STAGES,
        MODULE,
        SlurmLauncher(store, settings, STAGES, "counting", show.sentences.append),
        show,
        cost=lambda job: 1.0,
        smaller_cuts=smaller_cuts(jobs, STAGES),
        keep_going=keep_going,
    )
    show.whole = scheduler.build(missing(jobs, store.finished_keys()))
    return show


def running_group(folder: Path) -> int:
    """The process group of a job, once one runs."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        for path in (folder / "queue").iterdir():
            found = path.read_text().split()
            if found[:1] == ["RUNNING"]:
                return int(found[1])
        time.sleep(0.05)
    raise TimeoutError


def test_jobs_queue_behind_what_they_are_made_of(store: Store, tmp_path: Path) -> None:
    jobs = chain(tmp_path)
    seen = build(store, jobs)
    assert seen.whole and all(store.finished(job) for job in jobs)
    assert [key for event, key in seen.events if event == "finished"] == [job.key for job in jobs]
    assert len(list((tmp_path / "queue").iterdir())) == 3
    assert not list(store.building.iterdir())


def test_small_artifacts_share_a_job(store: Store, tmp_path: Path) -> None:
    jobs = chain(tmp_path, length=5)
    assert build(store, jobs, together=3.0).whole
    assert len(list((tmp_path / "queue").iterdir())) == 2


@pytest.mark.parametrize(("mishap", "kind"), [("user", UserError), ("bug", StageCrashed)])
def test_a_stage_that_fails_is_told_as_on_one_machine(
    store: Store, tmp_path: Path, mishap: str, kind: type[Exception]
) -> None:
    jobs = chain(tmp_path, mishap=mishap)
    with pytest.raises(kind, match="run out" if mishap == "user" else "ZeroDivisionError: a bug"):
        build(store, jobs)
    assert [store.finished(job) for job in jobs] == [True, False, False]
    assert set(store.failures()) == {jobs[1].key}


def test_with_keep_going_what_is_made_of_a_failure_is_left_out_though_it_was_in_the_queue(
    store: Store, tmp_path: Path
) -> None:
    jobs = chain(tmp_path, length=4, mishap="user")
    other = naming(tmp_path).job("count", CountConfig(amount=7))
    seen = build(store, [*jobs, other], keep_going=True)
    assert seen.whole
    assert {job.key for job in [*jobs, other] if store.finished(job)} == {jobs[0].key, other.key}


def test_a_job_that_is_lost_is_submitted_again_and_goes_on_where_it_was(store: Store, tmp_path: Path) -> None:
    (job,) = chain(tmp_path, length=1, rest_seconds=0.3)
    killed: list[int] = []

    class Killer(Seen):
        def progress(self, job: Job, done: int, total: int, unit: str) -> None:
            if not killed:
                killed.append(running_group(tmp_path))
                os.killpg(killed[0], signal.SIGKILL)
                (tmp_path / "queue" / "1").write_text("FAILED")

    assert build(store, [job], seen=Killer()).whole
    assert killed and store.finished(job)
    assert [event.kind for event in events(store.root)] == ["lost", "submitted again", "taken over"]


def test_a_job_that_is_lost_again_and_again_fails_with_what_it_wrote(store: Store, tmp_path: Path) -> None:
    (job,) = chain(tmp_path, length=1)
    job = naming(tmp_path).job("count", CountConfig(amount=5, mishap="killed"))
    with pytest.raises(UserError, match="gone, as 1 before it") as error:
        build(store, [job], again=1)
    assert error.value.where == job.key
    assert [event.kind for event in events(store.root) if event.kind != "taken over"] == [
        "lost", "submitted again", "lost", "given up",
    ]  # fmt: skip


def test_jobs_go_on_without_the_scheduler_and_are_taken_up_by_the_next(store: Store, tmp_path: Path) -> None:
    jobs = chain(tmp_path, rest_seconds=0.1)

    class Leaver(Seen):
        def started(self, job: Job, seconds: float) -> None:
            os.kill(os.getpid(), signal.SIGINT)

    left = build(store, jobs, seen=Leaver())
    assert not left.whole
    assert [key for event, key in left.events if event == "left running"] == [job.key for job in jobs]
    assert len(list(submissions(store.root))) == 3
    assert build(store, jobs).whole
    assert len(list((tmp_path / "queue").iterdir())) == 3
    assert {event.kind for event in events(store.root)} == {"taken up"}


def test_without_the_commands_of_slurm_that_is_said(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UserError, match="sbatch, srun, squeue, scancel, scontrol: no such command"):
        SlurmLauncher(store, Slurm(), STAGES, "counting", lambda said: None)
