"""A training stage in several processes, of this machine or of all nodes of a job: torchrun starts them.

`run_in_processes` is called by the worker that holds the artifact's lease; `python -m loanword.execution.ranks FILE` is
what torchrun starts, and reads from the environment what torchrun sets. All processes fill the same folder, which all
nodes see; what the first one says goes to a file there, as lines of JSON, which the worker reads while it is written.

In: FILE, a JSON object: stage, stages module, config, inputs, out, seed, execution.
Out: `.scratch/told/RANK.jsonl`.
"""

import contextlib
import errno
import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

from safetensors import SafetensorError

from loanword.errors import UserError
from loanword.interruption import REQUEUE
from loanword.protocols import Stage, Work
from loanword.records import Execution, PositiveCount, Record, read_json, write_json
from loanword.store.disk import is_full
from loanword.store.spoken import append_line, whole_lines

OUT_OF_MEMORY, ORPHANED = 72, 76
TOLD = "told"
LISTEN_SECONDS, PROGRESS_SECONDS = 0.1, 0.1
MOST_LOST = 3
LATE_SECONDS = 10.0
"""How long the last words of another node may take to be seen here."""


class _Unexplained(RuntimeError):
    """Processes ended, and none said why."""


class Meeting(Record):
    """Where processes of several nodes find each other, and what they are to do: the file of a task."""

    address: str
    port: PositiveCount
    id: str
    task: str


Meet = Callable[[Path], Meeting]
"""Calls the other nodes to a task."""


def run_in_processes(stage: str, config: Record, work: Work, stages_module: str, meet: Meet | None = None) -> None:
    """Runs a stage in `processes` processes on each of `nodes` machines, and returns when those of this one have ended.

    A process that runs out of memory ends them all; they start anew with half the micro-batch, from the last
    checkpoint. SIGTERM is passed on, and ends this process as the stage would have ended it.

    Raises:
        UserError: as the stage raises it in the first process; several nodes, and nobody to call them.
        OSError: the disk was full in one of them.
    """
    execution = work.execution
    if execution.nodes > 1 and meet is None:
        raise UserError(
            f"{execution.nodes} nodes",
            "nothing here starts processes on other nodes",
            expected="a launcher that does: slurm",
            do="run with --execution FILE that names it (docs/cluster.md)",
        )

    def resize(micro_batch_tokens: int) -> None:
        nonlocal execution
        execution = execution.model_copy(update={"micro_batch_tokens": micro_batch_tokens})
        work.resize(micro_batch_tokens)

    heard, num_lost = replace(work, resize=resize), 0
    while True:
        task = work.scratch / "task.json"
        write_json(_task(stage, config, work, stages_module, execution), task)
        try:
            code = _launch(execution, task, heard, meet)
        except _Unexplained:
            num_lost += 1
            if execution.nodes == 1 or num_lost > MOST_LOST:
                raise
            # Where a node is gone, SLURM ends this job before all have met again.
            work.say("processes ended without a word, perhaps with their node; going on from the last checkpoint")
            continue
        if code != OUT_OF_MEMORY or execution.micro_batch_tokens is None:
            break
        resize(execution.micro_batch_tokens // 2)
        work.say(f"out of memory: going on with a micro-batch of {execution.micro_batch_tokens:,} tokens")
    if code:
        raise SystemExit(code)


def join(file: Path) -> None:
    """Runs this node's processes of a meeting, until they have ended; the first node hears how."""
    meeting = read_json(Meeting, file)
    task = Path(meeting.task)
    execution = Execution.model_validate(json.loads(task.read_text(encoding="utf-8"))["execution"], strict=False)
    command = torchrun_command(execution, task, meeting)
    log = task.with_name(f"ranks-{os.environ.get('SLURM_NODEID', 'other')}.log")
    with log.open("w", encoding="utf-8") as errors:
        with _no_warnings():
            running = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=errors, stderr=errors)
        running.wait()


def _task(stage: str, config: Record, work: Work, stages_module: str, execution: Execution) -> dict[str, Any]:
    return {
        "stage": stage,
        "stages": stages_module,
        "kind": [type(config).__module__, type(config).__name__],
        "config": config.model_dump(mode="json"),
        "inputs": {role: str(folder) for role, folder in work.inputs.items()},
        "out": str(work.out),
        "seed": work.seed,
        "logs": None if work.logs is None else str(work.logs),
        "execution": execution.model_dump(mode="json"),
    }


def torchrun_command(execution: Execution, task: Path, meeting: Meeting | None = None) -> list[str]:
    """What starts this machine's processes, which find each other by a port of torchrun's choice, or at a meeting."""
    run = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={execution.processes}"]
    if meeting is None:
        run.append("--standalone")
    else:
        run += [f"--nnodes={execution.nodes}", "--max-restarts=0", "--rdzv-backend=c10d", f"--rdzv-id={meeting.id}"]
        run.append(f"--rdzv-endpoint={meeting.address}:{meeting.port}")
        if meeting.address.startswith("127."):
            run.append(f"--local-addr={meeting.address}")
    return [*run, "--no-python", sys.executable, "-m", "loanword.execution.ranks", str(task)]


def _launch(execution: Execution, task: Path, work: Work, meet: Meet | None) -> int:
    """The exit code of the first process, or of torchrun where that one said nothing."""
    log, told = work.scratch / "ranks.log", work.scratch / TOLD
    shutil.rmtree(told, ignore_errors=True)
    told.mkdir()
    meeting = meet(task) if meet is not None and execution.nodes > 1 else None
    listener = _Listener(told, work)
    with log.open("w", encoding="utf-8") as errors:
        # Nothing is ever written to their standard input: its end tells them that this process is gone.
        with _no_warnings():
            running = subprocess.Popen(
                torchrun_command(execution, task, meeting), stdin=subprocess.PIPE, stdout=errors, stderr=errors
            )
        asked: list[int] = []

        def stop(number: int, frame: FrameType | None) -> None:
            asked.append(number)
            running.terminate()

        before = signal.signal(signal.SIGTERM, stop)
        try:
            code = None
            while code is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    code = running.wait(LISTEN_SECONDS)
                listener.hear()
            late = time.monotonic() + (LATE_SECONDS if meeting is not None else 0.0)
            while listener.ended is None and time.monotonic() < late:
                time.sleep(LISTEN_SECONDS)
                listener.hear()
        finally:
            signal.signal(signal.SIGTERM, before)
            running.kill()
            running.wait()
            sys.stderr.write(log.read_text(encoding="utf-8", errors="replace"))  # to the log of the artifact
    if listener.ended is not None:
        return listener.ended
    if asked:
        return REQUEUE  # before they listened: they had nothing to save
    if code:
        raise _Unexplained(f"torchrun ended with {code}:\n{log.read_text(encoding='utf-8', errors='replace')[-4000:]}")
    return 0


@contextlib.contextmanager
def _no_warnings() -> Generator[None]:
    """Processes that are started inside the block ignore SIGUSR2, by which SLURM warns all processes of a job.

    It would end them; the worker answers it, and asks them to stop.
    """
    before = signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGUSR2, before)


class _Listener:
    """Passes on what processes say; `ended` is the exit code of one that said that it ends."""

    def __init__(self, folder: Path, work: Work) -> None:
        self._folder, self._work = folder, work
        self._read: dict[Path, int] = {}
        self.ended: int | None = None

    def hear(self) -> None:
        """Takes what was said since the last call.

        Raises:
            UserError: a process refused its work.
            OSError: the disk is full.
        """
        for path in sorted(self._folder.glob("*.jsonl")):
            lines, self._read[path] = whole_lines(path, self._read.get(path, 0))
            for line in lines:
                self._heard(*json.loads(line))

    def _heard(self, kind: str, *said: Any) -> None:
        if kind == "progress":
            self._work.progress(*said)
        elif kind == "say":
            self._work.say(*said)
        elif kind == "resize":
            self._work.resize(*said)
        elif kind == "refused":
            raise UserError(said[0], said[1], expected=said[2], do=said[3])
        elif kind == "full":
            raise OSError(errno.ENOSPC, *said)
        elif kind == "ended":
            self.ended = said[0]


def main() -> None:
    """One of the processes: joins the others, calls the stage, and says how it ended."""
    import torch
    import torch.distributed as dist

    task = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    execution = Execution.model_validate_json(json.dumps(task["execution"]))
    local, rank = int(os.environ["LOCAL_RANK"]), int(os.environ["RANK"])
    teller = _Teller(Path(sys.argv[1]).parent / TOLD / f"{rank}.jsonl")
    threading.Thread(target=_end_with_worker, daemon=True).start()
    torch.set_num_threads(execution.threads)
    if execution.device.startswith("cuda"):
        torch.cuda.set_device(local)
        execution = execution.model_copy(update={"device": f"cuda:{local}"})
    # Numbers on the host go over gloo, also beside a GPU: counts, flags, and the metadata of checkpoints.
    dist.init_process_group("cpu:gloo,cuda:nccl" if execution.device.startswith("cuda") else "gloo")
    first = rank == 0
    try:
        _run(task, execution, teller if first else None)
        if first:
            teller.tell("ended", 0)
    except UserError as error:
        if first:
            teller.tell("refused", str(error.where), error.what, error.expected, error.do)
        raise SystemExit(2) from None
    except (OSError, SafetensorError) as error:
        if is_full(error):
            teller.tell("full", str(error))
        raise
    except torch.OutOfMemoryError:
        teller.tell("ended", OUT_OF_MEMORY)
        raise SystemExit(OUT_OF_MEMORY) from None
    except SystemExit as stopped:
        if first:
            teller.tell("ended", stopped.code)
        raise
    dist.destroy_process_group()


def _end_with_worker() -> None:
    os.read(0, 1)
    os._exit(ORPHANED)


def _run(task: Mapping[str, Any], execution: Execution, teller: "_Teller | None") -> None:
    stage: Stage = importlib.import_module(task["stages"]).STAGES[task["stage"]]
    module, name = task["kind"]
    config: Record = getattr(importlib.import_module(module), name).model_validate_json(json.dumps(task["config"]))
    work = Work(
        {role: Path(folder) for role, folder in task["inputs"].items()}, Path(task["out"]), task["seed"], execution
    )
    if teller is not None:
        work = replace(
            work,
            progress=teller.progress,
            say=teller.say,
            resize=teller.resize,
            logs=Path(task["logs"]) if task["logs"] else None,
        )
    stage.run(config, work)


class _Teller:
    """Where one process says what the worker is to know."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._sent = 0.0

    def tell(self, *said: Any) -> None:
        """Says it."""
        append_line(self._path, json.dumps(said))

    def say(self, sentence: str) -> None:
        """Says a sentence."""
        self.tell("say", sentence)

    def resize(self, micro_batch_tokens: int) -> None:
        """Says which micro-batch fits."""
        self.tell("resize", micro_batch_tokens)

    def progress(self, done: int, total: int, unit: str) -> None:
        """Says how far it is, every now and then."""
        if time.monotonic() - self._sent >= PROGRESS_SECONDS:
            self._sent = time.monotonic()
            self.tell("progress", done, total, unit)


if __name__ == "__main__":
    main()
